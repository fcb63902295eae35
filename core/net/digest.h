/* digest - what signs bytes. */
#pragma once

#include <stddef.h>
#include <uv.h>

enum { DIGEST_HEX = 65 };

/* HMAC-SHA256 of the pieces, one behind the other, in small hexadecimal digits. */
void digest_hmac(const char *key, const uv_buf_t *pieces, unsigned n, char hex[DIGEST_HEX]);
