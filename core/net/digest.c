#include "core/net/digest.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

void digest_hmac(const char *key, const uv_buf_t *pieces, unsigned n, char hex[DIGEST_HEX])
{
	OSSL_PARAM with[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
							       (char *)"SHA256", 0),
			      OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	unsigned char out[32];
	size_t size = 0;
	int ok = ctx && EVP_MAC_init(ctx, (const unsigned char *)key, strlen(key), with);

	for (unsigned i = 0; i < n; i++)
		ok = ok &&
		     EVP_MAC_update(ctx, (const unsigned char *)pieces[i].base, pieces[i].len);
	ok = ok && EVP_MAC_final(ctx, out, &size, sizeof(out));
	assert(ok && size == sizeof(out));
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	digest_hex(out, size, hex);
}

void digest_sha256(const void *p, size_t n, unsigned char to[DIGEST_BYTES])
{
	int ok = EVP_Digest(p, n, to, NULL, EVP_sha256(), NULL);

	assert(ok == 1);
}

void digest_hex(const unsigned char *p, size_t n, char *hex)
{
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
}
