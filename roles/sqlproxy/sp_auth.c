#include "roles/sqlproxy/sp_auth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <uv.h>

#include "core/base/mem.h"

enum {
	SALT = 20,
	DIGEST64 = 43, /* 32 bytes, six bits a character */
	PASSWORD_MAX = 256,
	ROUNDS_MAX = 1000000,
};

/* A draw costs OpenSSL a system call, so many scrambles are drawn at once; none is used twice. */
static const uint8_t *draw(void)
{
	static _Thread_local uint8_t drawn[128 * SP_SCRAMBLE];
	static _Thread_local size_t used = sizeof(drawn);

	if (used == sizeof(drawn)) {
		int ok = RAND_bytes(drawn, sizeof(drawn));
		assert(ok == 1);
		used = 0;
	}
	used += SP_SCRAMBLE;
	return drawn + used - SP_SCRAMBLE;
}

void sp_auth_scramble(uint8_t out[SP_SCRAMBLE])
{
	memcpy(out, draw(), SP_SCRAMBLE);
	for (int i = 0; i < SP_SCRAMBLE; i++) {
		out[i] &= 0x7f;
		if (out[i] == '\0' || out[i] == '$')
			out[i]++;
	}
}

/* Fetched once and kept: OpenSSL would look the name up for every digest, under a lock. */
static EVP_MD *sha1, *sha256;

static void fetch(void)
{
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	assert(sha1 && sha256);
}

static void digest(EVP_MD *const *md, const void *data, size_t len, uint8_t *out)
{
	static uv_once_t fetched = UV_ONCE_INIT;

	uv_once(&fetched, fetch);

	int ok = EVP_Digest(data, len, out, NULL, *md, NULL);

	assert(ok == 1); /* fails for want of memory only */
}

static void mix(uint8_t *to, const uint8_t *with, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] ^= with[i];
}

/* ---- mysql_native_password */

void sp_auth_native_stage1(const char *password, size_t len, uint8_t stage1[SP_SHA1])
{
	digest(&sha1, password, len, stage1);
}

void sp_auth_native_stage2(const uint8_t stage1[SP_SHA1], uint8_t stage2[SP_SHA1])
{
	digest(&sha1, stage1, SP_SHA1, stage2);
}

/* SHA1(scramble + stage 2) */
static void native_mask(const uint8_t *scramble, const uint8_t *stage2, uint8_t mask[SP_SHA1])
{
	uint8_t both[SP_SCRAMBLE + SP_SHA1];

	memcpy(both, scramble, SP_SCRAMBLE);
	memcpy(both + SP_SCRAMBLE, stage2, SP_SHA1);
	digest(&sha1, both, sizeof both, mask);
}

void sp_auth_native_reply(const uint8_t stage1[SP_SHA1], const uint8_t scramble[SP_SCRAMBLE],
			  uint8_t reply[SP_SHA1])
{
	uint8_t stage2[SP_SHA1], mask[SP_SHA1];

	sp_auth_native_stage2(stage1, stage2);
	native_mask(scramble, stage2, mask);
	mix(mask, stage1, SP_SHA1);
	memcpy(reply, mask, SP_SHA1);
}

bool sp_auth_native_verify(const uint8_t stage2[SP_SHA1], const uint8_t scramble[SP_SCRAMBLE],
			   const uint8_t reply[SP_SHA1], uint8_t stage1[SP_SHA1])
{
	uint8_t found[SP_SHA1], twice[SP_SHA1];

	native_mask(scramble, stage2, found);
	mix(found, reply, SP_SHA1);
	sp_auth_native_stage2(found, twice);
	bool same = CRYPTO_memcmp(twice, stage2, SP_SHA1) == 0;
	if (same)
		memcpy(stage1, found, SP_SHA1);
	OPENSSL_cleanse(found, sizeof found);
	return same;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sp_auth_native_parse(const char *hash, size_t len, uint8_t stage2[SP_SHA1])
{
	uint8_t found[SP_SHA1];

	if (len != 1 + 2 * SP_SHA1 || hash[0] != '*')
		return false;
	for (int i = 0; i < SP_SHA1; i++) {
		int high = hex(hash[1 + 2 * i]), low = hex(hash[2 + 2 * i]);
		if (high < 0 || low < 0)
			return false;
		found[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(stage2, found, SP_SHA1);
	return true;
}

/* ---- caching_sha2_password, the short way */

void sp_auth_sha2_twice(const char *password, size_t len, uint8_t twice[SP_SHA256])
{
	uint8_t once[SP_SHA256];

	digest(&sha256, password, len, once);
	digest(&sha256, once, sizeof once, twice);
	OPENSSL_cleanse(once, sizeof once);
}

/* SHA256(twice + scramble) */
static void sha2_mask(const uint8_t *twice, const uint8_t *scramble, uint8_t mask[SP_SHA256])
{
	uint8_t both[SP_SHA256 + SP_SCRAMBLE];

	memcpy(both, twice, SP_SHA256);
	memcpy(both + SP_SHA256, scramble, SP_SCRAMBLE);
	digest(&sha256, both, sizeof both, mask);
}

void sp_auth_sha2_reply(const char *password, size_t len, const uint8_t scramble[SP_SCRAMBLE],
			uint8_t reply[SP_SHA256])
{
	uint8_t once[SP_SHA256], twice[SP_SHA256];

	digest(&sha256, password, len, once);
	digest(&sha256, once, sizeof once, twice);
	sha2_mask(twice, scramble, reply);
	mix(reply, once, SP_SHA256);
	OPENSSL_cleanse(once, sizeof once);
}

bool sp_auth_sha2_verify(const uint8_t twice[SP_SHA256], const uint8_t scramble[SP_SCRAMBLE],
			 const uint8_t reply[SP_SHA256])
{
	uint8_t once[SP_SHA256], again[SP_SHA256];

	sha2_mask(twice, scramble, once);
	mix(once, reply, SP_SHA256);
	digest(&sha256, once, sizeof once, again);
	OPENSSL_cleanse(once, sizeof once);
	return CRYPTO_memcmp(again, twice, SP_SHA256) == 0;
}

/* ---- caching_sha2_password, the stored hash: U. Drepper's SHA-crypt with a salt of 20 bytes */

struct sha {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

static void sha_init(struct sha *s)
{
	s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->ctx = EVP_MD_CTX_new();
	assert(s->md && s->ctx);
}

static void sha_fini(struct sha *s)
{
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
}

static void begin(struct sha *s)
{
	int ok = EVP_DigestInit_ex2(s->ctx, s->md, NULL);

	assert(ok == 1);
}

static void add(struct sha *s, const void *data, size_t len)
{
	int ok = EVP_DigestUpdate(s->ctx, data, len);

	assert(ok == 1);
}

static void finish(struct sha *s, uint8_t out[SP_SHA256])
{
	int ok = EVP_DigestFinal_ex(s->ctx, out, NULL);

	assert(ok == 1);
}

/* len bytes of a digest, again and again */
static void add_stretched(struct sha *s, const uint8_t d[SP_SHA256], size_t len)
{
	for (; len > SP_SHA256; len -= SP_SHA256)
		add(s, d, SP_SHA256);
	add(s, d, len);
}

struct crypt {
	struct sha sha;
	const uint8_t *pw, *salt;
	size_t len;
	uint8_t p[PASSWORD_MAX]; /* the password's digest, stretched to its length */
	uint8_t s[SALT];         /* the salt's */
};

/* SHA256(pw + salt + B stretched + B or pw for each bit of the length), B = SHA256(pw salt pw) */
static void crypt_start(struct crypt *c, uint8_t a[SP_SHA256])
{
	uint8_t b[SP_SHA256];

	begin(&c->sha);
	add(&c->sha, c->pw, c->len);
	add(&c->sha, c->salt, SALT);
	add(&c->sha, c->pw, c->len);
	finish(&c->sha, b);

	begin(&c->sha);
	add(&c->sha, c->pw, c->len);
	add(&c->sha, c->salt, SALT);
	add_stretched(&c->sha, b, c->len);
	for (size_t bits = c->len; bits > 0; bits >>= 1) {
		if (bits & 1)
			add(&c->sha, b, sizeof b);
		else
			add(&c->sha, c->pw, c->len);
	}
	finish(&c->sha, a);
}

static void stretch(uint8_t *to, size_t len, const uint8_t d[SP_SHA256])
{
	for (size_t i = 0; i < len; i++)
		to[i] = d[i % SP_SHA256];
}

static void crypt_sequences(struct crypt *c, const uint8_t a[SP_SHA256])
{
	uint8_t d[SP_SHA256];

	begin(&c->sha);
	for (size_t i = 0; i < c->len; i++)
		add(&c->sha, c->pw, c->len);
	finish(&c->sha, d);
	stretch(c->p, c->len, d);

	begin(&c->sha);
	for (int i = 0; i < 16 + a[0]; i++)
		add(&c->sha, c->salt, SALT);
	finish(&c->sha, d);
	stretch(c->s, SALT, d);
}

static void crypt_round(struct crypt *c, long round, uint8_t a[SP_SHA256])
{
	bool odd = round & 1;

	begin(&c->sha);
	if (odd)
		add(&c->sha, c->p, c->len);
	else
		add(&c->sha, a, SP_SHA256);
	if (round % 3)
		add(&c->sha, c->s, SALT);
	if (round % 7)
		add(&c->sha, c->p, c->len);
	if (odd)
		add(&c->sha, a, SP_SHA256);
	else
		add(&c->sha, c->p, c->len);
	finish(&c->sha, a);
}

/* Three bytes in crypt's order make four characters, lowest bits first. */
static void crypt_encode(const uint8_t a[SP_SHA256], char out[DIGEST64])
{
	static const char digits[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	int hi = 0, mid = 10, lo = 20;

	for (int group = 0; group < 10; group++) {
		unsigned bits = (unsigned)a[hi] << 16 | (unsigned)a[mid] << 8 | a[lo];
		for (int i = 0; i < 4; i++, bits >>= 6)
			*out++ = digits[bits & 63];
		int next = lo + 1;
		lo = mid + 1;
		mid = hi + 1;
		hi = next;
	}
	unsigned bits = (unsigned)a[31] << 8 | a[30];
	for (int i = 0; i < 3; i++, bits >>= 6)
		*out++ = digits[bits & 63];
}

/* Rounds of a stored hash, or 0 when it is none. */
static long hash_rounds(const char *hash, size_t len)
{
	long thousands = 0;

	if (len != SP_SHA2_HASH_MAX || memcmp(hash, "$A$", 3) != 0 || hash[6] != '$')
		return 0;
	for (int i = 3; i < 6; i++) {
		if (hex(hash[i]) < 0)
			return 0;
		thousands = thousands << 4 | hex(hash[i]);
	}
	long rounds = thousands * 1000;
	return rounds <= ROUNDS_MAX ? rounds : 0;
}

bool sp_auth_sha2_is_hash(const char *hash, size_t hash_len)
{
	return hash_rounds(hash, hash_len) > 0;
}

bool sp_auth_sha2_check(const char *hash, size_t hash_len, const char *password, size_t len)
{
	long rounds = hash_rounds(hash, hash_len);
	uint8_t a[SP_SHA256];
	char text[DIGEST64];

	if (rounds == 0 || len > PASSWORD_MAX)
		return false;
	struct crypt c = { .pw = (const uint8_t *)password,
			   .salt = (const uint8_t *)hash + 7,
			   .len = len };
	sha_init(&c.sha);
	crypt_start(&c, a);
	crypt_sequences(&c, a);
	for (long i = 0; i < rounds; i++)
		crypt_round(&c, i, a);
	sha_fini(&c.sha);
	crypt_encode(a, text);
	OPENSSL_cleanse(&c, sizeof c);
	return CRYPTO_memcmp(text, hash + 7 + SALT, DIGEST64) == 0;
}

/* ---- caching_sha2_password, the long way without TLS */

struct sp_auth_rsa {
	EVP_PKEY *key;
	char *pem;
	size_t pem_len;
};

static char *pem_of(EVP_PKEY *key, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text, *pem = NULL;

	if (bio && PEM_write_bio_PUBKEY(bio, key) == 1) {
		*len = (size_t)BIO_get_mem_data(bio, &text);
		pem = mem_new(*len + 1);
		memcpy(pem, text, *len);
	}
	BIO_free(bio);
	return pem;
}

struct sp_auth_rsa *sp_auth_rsa_new(int bits)
{
	struct sp_auth_rsa *rsa = mem_new(sizeof *rsa);

	rsa->key = EVP_RSA_gen((unsigned)bits);
	if (rsa->key)
		rsa->pem = pem_of(rsa->key, &rsa->pem_len);
	if (rsa->pem)
		return rsa;
	sp_auth_rsa_free(rsa);
	return NULL;
}

void sp_auth_rsa_free(struct sp_auth_rsa *rsa)
{
	if (!rsa)
		return;
	EVP_PKEY_free(rsa->key);
	free(rsa->pem);
	free(rsa);
}

const char *sp_auth_rsa_pem(const struct sp_auth_rsa *rsa, size_t *len)
{
	*len = rsa->pem_len;
	return rsa->pem;
}

static void scramble_mix(uint8_t *text, size_t len, const uint8_t scramble[SP_SCRAMBLE])
{
	for (size_t i = 0; i < len; i++)
		text[i] ^= scramble[i % SP_SCRAMBLE];
}

static EVP_PKEY_CTX *oaep(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	if (ctx && init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

int sp_auth_rsa_open(const struct sp_auth_rsa *rsa, struct sp_auth_bytes sealed,
		     const uint8_t scramble[SP_SCRAMBLE], char *out, size_t size)
{
	size_t plain_len = (size_t)EVP_PKEY_get_size(rsa->key);
	uint8_t *plain = mem_new(plain_len);
	EVP_PKEY_CTX *ctx = oaep(rsa->key, EVP_PKEY_decrypt_init);
	int result = -1;

	if (ctx && EVP_PKEY_decrypt(ctx, plain, &plain_len, sealed.at, sealed.len) == 1) {
		scramble_mix(plain, plain_len, scramble);
		if (plain_len > 0 && plain_len <= size && plain[plain_len - 1] == '\0') {
			memcpy(out, plain, plain_len);
			result = (int)plain_len - 1;
		}
		OPENSSL_cleanse(plain, plain_len);
	}
	EVP_PKEY_CTX_free(ctx);
	free(plain);
	return result;
}

static EVP_PKEY *key_of(const char *pem, size_t len)
{
	BIO *bio = len <= INT32_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	if (key && EVP_PKEY_is_a(key, "RSA"))
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

int sp_auth_rsa_seal(struct sp_auth_bytes pem, struct sp_auth_bytes password,
		     const uint8_t scramble[SP_SCRAMBLE], uint8_t *out, size_t size)
{
	uint8_t plain[PASSWORD_MAX + 1] = { 0 };
	int result = -1;

	if (password.len > PASSWORD_MAX)
		return -1;
	memcpy(plain, password.at, password.len);
	scramble_mix(plain, password.len + 1, scramble);
	EVP_PKEY *key = key_of(pem.at, pem.len);
	EVP_PKEY_CTX *ctx = key ? oaep(key, EVP_PKEY_encrypt_init) : NULL;
	if (ctx && EVP_PKEY_encrypt(ctx, out, &size, plain, password.len + 1) == 1)
		result = (int)size;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	OPENSSL_cleanse(plain, sizeof plain);
	return result;
}
