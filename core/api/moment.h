/* api_moment - moments as people write them: RFC 3339, 2030-01-31T12:00:00.250+01:00. */
#pragma once

#include <stdint.h>

/* ms since 1970; -1: it is none. Digits alone are ms since 1970. */
int64_t api_moment_read(const char *text);
