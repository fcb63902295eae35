/*
 * MariaDB's ed25519: RFC 8032's signature, but the hash that makes the key is of the password
 * itself and not of a 32-byte seed. No library signs with that, so it is put together here from
 * libsodium's arithmetic.
 */
#include <string.h>

#include <sodium.h>

#include "roles/sqlproxy/sp_auth.h"

enum { HALF = 32 };

/* SHA-512 of three parts as a number modulo the group's order. */
static void hash_scalar(uint8_t out[HALF], const uint8_t *const part[3], const size_t len[3])
{
	crypto_hash_sha512_state state;
	uint8_t wide[crypto_hash_sha512_BYTES];

	crypto_hash_sha512_init(&state);
	for (int i = 0; i < 3; i++)
		crypto_hash_sha512_update(&state, part[i], len[i]);
	crypto_hash_sha512_final(&state, wide);
	crypto_core_ed25519_scalar_reduce(out, wide);
	sodium_memzero(&state, sizeof state);
	sodium_memzero(wide, sizeof wide);
}

void sp_auth_ed25519_sign(const char *password, size_t len, const uint8_t nonce[SP_ED25519_NONCE],
			  uint8_t signature[64])
{
	uint8_t key[crypto_hash_sha512_BYTES], public[HALF], r[HALF], k[HALF];

	crypto_hash_sha512(key, (const uint8_t *)password, len);
	key[0] &= 248;
	key[31] &= 127;
	key[31] |= 64;
	(void)!crypto_scalarmult_ed25519_base_noclamp(public, key);

	/* the nonce is copied: the signature may be written over it */
	uint8_t message[SP_ED25519_NONCE];
	memcpy(message, nonce, sizeof message);
	hash_scalar(r, (const uint8_t *const[]){ key + HALF, message, message },
		    (const size_t[]){ HALF, sizeof message, 0 });
	(void)!crypto_scalarmult_ed25519_base_noclamp(signature, r);

	hash_scalar(k, (const uint8_t *const[]){ signature, public, message },
		    (const size_t[]){ HALF, HALF, sizeof message });
	crypto_core_ed25519_scalar_mul(k, k, key);
	crypto_core_ed25519_scalar_add(signature + HALF, k, r);
	sodium_memzero(key, sizeof key);
	sodium_memzero(r, sizeof r);
	sodium_memzero(k, sizeof k);
}
