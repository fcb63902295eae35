#include "roles/sqlproxy/sp_auth.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

/*
 * Known answers: stage 2 is what a MariaDB server stores for the password; the ed25519 signature
 * logged in to one; the hash of "foobar" was made by a MySQL 8 server; the rest was computed by a
 * second implementation that agrees with them and with crypt(3).
 */
static const char password[] = "correct horse";
enum { LEN = sizeof password - 1 };
static const uint8_t scramble[SP_SCRAMBLE] = "ABCDEFGHIJKLMNOPQRST";

static void from_hex(const char *hex, uint8_t *out)
{
	char pair[3] = { 0 };

	for (; *hex; hex += 2) {
		memcpy(pair, hex, 2);
		*out++ = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static void check_hex(const uint8_t *got, const char *want, int line)
{
	uint8_t bytes[128];

	from_hex(want, bytes);
	cr_expect(memcmp(got, bytes, strlen(want) / 2) == 0, "line %d: not %s", line, want);
}

Test(sp_auth, native_password)
{
	uint8_t stage1[SP_SHA1], stage2[SP_SHA1], reply[SP_SHA1], parsed[SP_SHA1], found[SP_SHA1];
	static const char stored[] = "*0E8F21E4240F5AD5A07D088F9C93890D13D78A4E";

	sp_auth_native_stage1(password, LEN, stage1);
	sp_auth_native_stage2(stage1, stage2);
	check_hex(stage2, stored + 1, __LINE__);
	sp_auth_native_reply(stage1, scramble, reply);
	check_hex(reply, "1e7405d3940e1beba5a23813caf1a18be613ce00", __LINE__);

	cr_expect(sp_auth_native_parse(stored, 41, parsed));
	cr_expect(memcmp(parsed, stage2, SP_SHA1) == 0);
	cr_expect(not(sp_auth_native_parse(stored, 40, parsed)));
	cr_expect(
		not(sp_auth_native_parse("x0E8F21E4240F5AD5A07D088F9C93890D13D78A4E", 41, parsed)));
	cr_expect(
		not(sp_auth_native_parse("*0E8F21E4240F5AD5A07D088F9C93890D13D78A4G", 41, parsed)));

	cr_expect(sp_auth_native_verify(parsed, scramble, reply, found));
	cr_expect(memcmp(found, stage1, SP_SHA1) == 0);
	reply[7] ^= 1;
	cr_expect(not(sp_auth_native_verify(parsed, scramble, reply, found)));
}

Test(sp_auth, sha2_with_a_cached_digest)
{
	uint8_t twice[SP_SHA256], reply[SP_SHA256];

	sp_auth_sha2_twice(password, LEN, twice);
	check_hex(twice, "bf7ffba958c798f80e3cf8ebea1cbc781495cadb8880a7f2bbc73d530712b52d",
		  __LINE__);
	sp_auth_sha2_reply(password, LEN, scramble, reply);
	check_hex(reply, "a49f45ac650a07f902ea76cf25f71c7aeffd01c6fe48a6eeed6753dc69161770",
		  __LINE__);
	cr_expect(sp_auth_sha2_verify(twice, scramble, reply));
	reply[31] ^= 0x80;
	cr_expect(not(sp_auth_sha2_verify(twice, scramble, reply)));
}

Test(sp_auth, sha2_against_a_stored_hash)
{
	static const char hundred[] =
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxx";
	static const struct {
		const char *hash, *password;
		bool right;
	} rows[] = {
		{ "$A$005$\x03\x1ai%\x1c\x34)\\K5\x16|\x7f\x1eZ{"
		  "c\t\x13IP9tbM4PKZBFy5HV3hhhoRHZsnJs3hxn"
		  "BuuQlsDdiIe7",
		  "foobar", true },
		{ "$A$005$abcdefghijklmnopqrstXujo6m0KcHbv69qcc6aW.ndIR3FImMSOxROWWBJHLp5",
		  "correct horse", true },
		{ "$A$005$abcdefghijklmnopqrstXujo6m0KcHbv69qcc6aW.ndIR3FImMSOxROWWBJHLp5",
		  "correct horsf", false },
		{ "$A$005$abcdefghijklmnopqrstPQTT56Xr1YM3Km3Rg7maUNB.zsCyjw9bkESVZT2wvH8", "",
		  true },
		{ "$A$005$abcdefghijklmnopqrstJp7nReEaq5PPkNTTD8N7fqxuf2GbMzzQVkt.iljxIQ5", hundred,
		  true },
		{ "$A$00A$abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY7",
		  "correct horse", true },
	};
	static const char *const none[] = {
		"$A$000$abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY7",
		"$A$FFF$abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY7",
		"$A$0x5$abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY7",
		"$B$005$abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY7",
		"$A$005!abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY7",
		"$A$005$abcdefghijklmnopqrstjDtCTqT0az1cY5Kav6Y9W.1rQYMht.yVm4hi0QweZY",
		"$A$",
		"",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *hash = rows[i].hash, *text = rows[i].password;
		cr_expect(sp_auth_sha2_is_hash(hash, strlen(hash)), "row %zu", i);
		bool right = sp_auth_sha2_check(hash, strlen(hash), text, strlen(text));
		cr_expect(right == rows[i].right, "row %zu", i);
	}
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		cr_expect(not(sp_auth_sha2_is_hash(none[i], strlen(none[i]))), "%s", none[i]);
		cr_expect(not(sp_auth_sha2_check(none[i], strlen(none[i]), "x", 1)), "%s", none[i]);
	}
	char long_one[300] = { 0 };
	cr_expect(not(sp_auth_sha2_check(rows[0].hash, 70, long_one, 257)));
}

Test(sp_auth, rsa_both_ways)
{
	struct sp_auth_rsa *rsa = sp_auth_rsa_new(2048);
	char out[300], longest[214] = { 0 };
	uint8_t sealed[256];
	size_t pem_len;

	cr_assert(ne(ptr, rsa, NULL));
	const char *pem = sp_auth_rsa_pem(rsa, &pem_len);
	int n = sp_auth_rsa_seal(sp_auth_bytes(pem, pem_len), sp_auth_bytes(password, LEN),
				 scramble, sealed, sizeof sealed);
	check_int(n, 256);
	check_int(sp_auth_rsa_open(rsa, sp_auth_bytes(sealed, 256), scramble, out, sizeof out),
		  LEN);
	check_str(out, password);
	check_int(sp_auth_rsa_open(rsa, sp_auth_bytes(sealed, 256), scramble, out, LEN), -1);
	check_int(sp_auth_rsa_open(rsa, sp_auth_bytes(sealed, 255), scramble, out, sizeof out), -1);
	sealed[100] ^= 1;
	check_int(sp_auth_rsa_open(rsa, sp_auth_bytes(sealed, 256), scramble, out, sizeof out), -1);

	check_int(sp_auth_rsa_seal(sp_auth_bytes(pem, pem_len), sp_auth_bytes(longest, 213),
				   scramble, sealed, 256),
		  256);
	check_int(sp_auth_rsa_open(rsa, sp_auth_bytes(sealed, 256), scramble, out, sizeof out),
		  213);
	check_int(sp_auth_rsa_seal(sp_auth_bytes(pem, pem_len), sp_auth_bytes("", 0), scramble,
				   sealed, 256),
		  256);
	check_int(sp_auth_rsa_open(rsa, sp_auth_bytes(sealed, 256), scramble, out, sizeof out), 0);
	check_int(sp_auth_rsa_seal(sp_auth_bytes(pem, pem_len), sp_auth_bytes(longest, 214),
				   scramble, sealed, 256),
		  -1);
	check_int(sp_auth_rsa_seal(sp_auth_bytes(pem, pem_len), sp_auth_bytes("x", 1), scramble,
				   sealed, 255),
		  -1);
	check_int(sp_auth_rsa_seal(sp_auth_bytes(pem, pem_len / 2), sp_auth_bytes("x", 1), scramble,
				   sealed, 256),
		  -1);
	check_int(sp_auth_rsa_seal(sp_auth_bytes("", 0), sp_auth_bytes("x", 1), scramble, sealed,
				   256),
		  -1);
	sp_auth_rsa_free(rsa);
	sp_auth_rsa_free(NULL);
}

Test(sp_auth, ed25519)
{
	uint8_t nonce[SP_ED25519_NONCE], signature[64];

	from_hex("949c782c1c3cd9c50032fb227758ffe0cb8798a81135ad6a643767b76e5b0b38", nonce);
	sp_auth_ed25519_sign(password, LEN, nonce, signature);
	check_hex(signature,
		  "f0648150478fd184eec5af85110d7dfe55d43ad80cd09bf490748a104cb389f1"
		  "2895644af2e3c4a5eb260db78dc05aba9f8e2fda2d0eb290e69001878f5c8007",
		  __LINE__);
}

Test(sp_auth, scrambles_have_no_zero_and_no_dollar)
{
	for (int i = 0; i < 2000; i++) {
		uint8_t out[SP_SCRAMBLE];
		sp_auth_scramble(out);
		for (int k = 0; k < SP_SCRAMBLE; k++)
			cr_assert(out[k] > 0 && out[k] < 128 && out[k] != '$');
	}
}
