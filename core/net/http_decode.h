/* http_decode - what stands for other bytes in an address or a form (RFC 3986, section 2.1). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Decodes %XX (and + when `plus`) of n bytes into `to`, which has room for n + 1. -1: it is wrong,
 * or has a 0 in it. Else how many bytes. */
int http_decode(const char *from, size_t n, char *to, bool plus);
