#include "roles/supervisor/sv_auth.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/net/http_auth.h"
#include "core/net/http_server.h"
#include "roles/supervisor/sv_setup.h"

/* password = {SHA}HEX */
static void sha1_hex(const char *text, char hex[41])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);
	for (unsigned i = 0; i < n && i < 20; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
}

bool sv_auth_allowed(const struct sv_http *h, struct http_call *call)
{
	char user[HTTP_AUTH_MOST], hex[41] = "", *password;

	if (!h->username || !h->password)
		return true;
	if (!http_auth_basic(http_call_message(call), user, &password))
		return false;
	if (h->password_is_sha)
		sha1_hex(password, hex);
	bool user_is_right = http_auth_same(h->username, user);
	return http_auth_same(h->password, h->password_is_sha ? hex : password) && user_is_right;
}
