/*
 * What peers and configuration files say about passwords: hashes to parse, replies to verify,
 * sealed passwords to open, a server's key to seal with. Nothing random can prove anything.
 */
#include <assert.h>
#include <string.h>

#include "roles/sqlproxy/sp_auth.h"

static const uint8_t scramble[SP_SCRAMBLE] = "ABCDEFGHIJKLMNOPQRST";

static void check_hashes(const char *text, size_t len)
{
	uint8_t stage2[SP_SHA1];

	sp_auth_native_parse(text, len, stage2);
	/* many rounds only cost time */
	if (sp_auth_sha2_is_hash(text, len) && memcmp(text + 3, "001", 3) == 0)
		sp_auth_sha2_check(text, len, text, len);
}

static void check_replies(const uint8_t *data, size_t len)
{
	uint8_t reply[SP_SHA256] = { 0 }, stage1[SP_SHA1], stage2[SP_SHA1], twice[SP_SHA256];

	memcpy(reply, data, len < sizeof reply ? len : sizeof reply);
	sp_auth_native_stage1("password", 8, stage1);
	sp_auth_native_stage2(stage1, stage2);
	assert(!sp_auth_native_verify(stage2, scramble, reply, stage1));
	sp_auth_sha2_twice("password", 8, twice);
	assert(!sp_auth_sha2_verify(twice, scramble, reply));
}

static void check_rsa(const uint8_t *data, size_t len)
{
	static struct sp_auth_rsa *rsa;
	uint8_t sealed[1024];
	char out[64];

	if (!rsa)
		rsa = sp_auth_rsa_new(1024); /* a small one is quick */
	int n = sp_auth_rsa_open(rsa, sp_auth_bytes(data, len), scramble, out, sizeof out);
	assert(n < (int)sizeof out);
	n = sp_auth_rsa_seal(sp_auth_bytes((const char *)data, len), sp_auth_bytes("pw", 2),
			     scramble, sealed, sizeof sealed);
	assert(n <= (int)sizeof sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_hashes((const char *)data, size);
	check_replies(data, size);
	check_rsa(data, size);
	return 0;
}
