/* utf8 - RFC 3629: what is text, and what is to be made of bytes that are none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at p, of which there are room >= 1; 0: it is none. */
size_t utf8_length(const unsigned char *p, size_t room);

bool utf8_is(const void *text, size_t n);

/* Each byte that is part of no character becomes '?'. */
void utf8_mend(void *text, size_t n);
