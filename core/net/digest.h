/* digest - what signs bytes. */
#pragma once

#include <stddef.h>
#include <uv.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 2 * DIGEST_BYTES + 1 };

/* HMAC-SHA256 of the pieces, one behind the other, in small hexadecimal digits. */
void digest_hmac(const char *key, const uv_buf_t *pieces, unsigned n, char hex[DIGEST_HEX]);

/* SHA-256; `to` may be where p is. */
void digest_sha256(const void *p, size_t n, unsigned char to[DIGEST_BYTES]);

/* Small hexadecimal digits, two for each byte, and a 0. */
void digest_hex(const unsigned char *p, size_t n, char *hex);
