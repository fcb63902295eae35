/*
 * sp_auth - the arithmetic of MySQL's authentication plugins, both sides. No I/O, no state.
 *
 * mysql_native_password   reply = SHA1(pw) ^ SHA1(scramble + SHA1(SHA1(pw))); the server keeps
 *                         SHA1(SHA1(pw)) ("stage 2"). Whoever verifies a reply learns SHA1(pw),
 *                         which is enough to log in elsewhere.
 * caching_sha2_password   fast: reply = SHA256(pw) ^ SHA256(SHA256(SHA256(pw)) + scramble);
 *                         full: the password itself, by TLS or RSA (OAEP, xor-ed with the
 * scramble). The server keeps $A$rounds$ + 20 bytes of salt + 43 of digest. client_ed25519
 * MariaDB's: the SHA-512 of the password is the expanded private key.
 *
 * Sources: MySQL's "Client/Server Protocol, Authentication Phase"; MariaDB's "Authentication
 * Plugin - ed25519" and "caching_sha2_password".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SP_SCRAMBLE = 20,      /* bytes of a scramble, without its final 0 */
	SP_ED25519_NONCE = 32, /* bytes that the ed25519 plugin sends in place of a scramble */
	SP_SHA1 = 20,
	SP_SHA256 = 32,
	SP_SHA2_HASH_MAX = 70, /* $A$005$ + 20 + 43 */
};

/* Somebody's bytes. */
struct sp_auth_bytes {
	const void *at;
	size_t len;
};

static inline struct sp_auth_bytes sp_auth_bytes(const void *at, size_t len)
{
	return (struct sp_auth_bytes){ at, len };
}

/* Random bytes without 0 and '$', all below 128, so that every client takes them for text. */
void sp_auth_scramble(uint8_t out[SP_SCRAMBLE]);

/* ---- mysql_native_password. An empty password has an empty reply; that is the caller's case. */
void sp_auth_native_stage1(const char *password, size_t len, uint8_t stage1[SP_SHA1]);
void sp_auth_native_stage2(const uint8_t stage1[SP_SHA1], uint8_t stage2[SP_SHA1]);
void sp_auth_native_reply(const uint8_t stage1[SP_SHA1], const uint8_t scramble[SP_SCRAMBLE],
			  uint8_t reply[SP_SHA1]);
/* True when the reply proves the password; stage1 then holds its SHA1. Constant time. */
bool sp_auth_native_verify(const uint8_t stage2[SP_SHA1], const uint8_t scramble[SP_SCRAMBLE],
			   const uint8_t reply[SP_SHA1], uint8_t stage1[SP_SHA1]);
/* "*2470C0..." (41 characters) to stage 2. False when it is not of that form. */
bool sp_auth_native_parse(const char *hash, size_t len, uint8_t stage2[SP_SHA1]);

/* ---- caching_sha2_password */
/* twice: SHA256(SHA256(pw)), what a server caches after a full login. */
void sp_auth_sha2_twice(const char *password, size_t len, uint8_t twice[SP_SHA256]);
void sp_auth_sha2_reply(const char *password, size_t len, const uint8_t scramble[SP_SCRAMBLE],
			uint8_t reply[SP_SHA256]);
bool sp_auth_sha2_verify(const uint8_t twice[SP_SHA256], const uint8_t scramble[SP_SCRAMBLE],
			 const uint8_t reply[SP_SHA256]);
/*
 * Does the password belong to a stored hash, MySQL 8's authentication_string ("$A$005$..." raw
 * bytes: 3 hex digits of thousands of rounds, 20 bytes of salt, 43 of digest)? False too when the
 * hash is not of that form, for rounds over 1,000,000 and for passwords over 256 bytes (the
 * server's own limit; the work grows with the square of the length).
 *
 * The usual 5,000 rounds take a millisecond or more: keep them off the loop, remember `twice`.
 */
bool sp_auth_sha2_check(const char *hash, size_t hash_len, const char *password, size_t len);
/* Is it of that form at all? */
bool sp_auth_sha2_is_hash(const char *hash, size_t hash_len);

/*
 * A key pair for full logins without TLS. NULL when OpenSSL fails. Free with sp_auth_rsa_free.
 * May be used by many threads at once.
 */
struct sp_auth_rsa;
struct sp_auth_rsa *sp_auth_rsa_new(int bits);
void sp_auth_rsa_free(struct sp_auth_rsa *rsa);
/* The public key as PEM; the pointer is rsa's. */
const char *sp_auth_rsa_pem(const struct sp_auth_rsa *rsa, size_t *len);
/*
 * Decrypts a client's password and takes the scramble off. Returns its length without the final 0,
 * or -1, also when it does not fit. out: `size` bytes, 0-terminated on success.
 */
int sp_auth_rsa_open(const struct sp_auth_rsa *rsa, struct sp_auth_bytes sealed,
		     const uint8_t scramble[SP_SCRAMBLE], char *out, size_t size);
/*
 * The client's half: encrypts with a server's PEM. Returns the length (the key's size), or -1: no
 * key, a password too long for it (over 213 bytes for 2048 bits), or out too small.
 */
int sp_auth_rsa_seal(struct sp_auth_bytes pem, struct sp_auth_bytes password,
		     const uint8_t scramble[SP_SCRAMBLE], uint8_t *out, size_t size);

/* ---- client_ed25519: the signature a client answers with. */
void sp_auth_ed25519_sign(const char *password, size_t len, const uint8_t nonce[SP_ED25519_NONCE],
			  uint8_t signature[64]);
