#include "roles/supervisor/sv_auth.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net/http_auth.h"
#include "core/net/http_server.h"
#include "roles/supervisor/sv_setup.h"

/* ---- who it is --------------------------------------------------------------------------- */

enum { GROUPS_MOST = 1024 };

static bool has_gid(const struct sv_main *m, gid_t gid)
{
	for (size_t i = 0; i < m->allow_gid_count; i++)
		if (m->allow_gid[i] == gid)
			return true;
	return false;
}

static bool has_group(const struct sv_main *m, int fd, gid_t first)
{
	gid_t groups[GROUPS_MOST];
	socklen_t size = sizeof(groups);

	if (has_gid(m, first))
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (has_gid(m, groups[i]))
			return true;
	return false;
}

bool sv_auth_may(const struct sv_main *m, const struct http_call *call)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (m->allow_uid_count == 0 && m->allow_gid_count == 0)
		return true;
	if (getsockopt(http_call_fd(call), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		return false;
	if (who.uid == 0 || who.uid == geteuid())
		return true;
	for (size_t i = 0; i < m->allow_uid_count; i++)
		if (m->allow_uid[i] == who.uid)
			return true;
	return has_group(m, http_call_fd(call), who.gid);
}

/* ---- what it knows ----------------------------------------------------------------------- */

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
