/* ansi - takes the escape sequences of terminals out of text (ECMA-48: CSI, strings, two-byte). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* In place; returns what is left. state: 0 before the first piece; a sequence may be cut anywhere.
 */
size_t ansi_strip(char *data, size_t n, uint8_t *state);
