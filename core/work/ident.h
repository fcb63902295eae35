/*
 * ident - the names of tasks: 13 letters, in the order in which they were made.
 *
 *	milliseconds since 2020 (43 bits)   number (20 bits)
 *
 * As text: Crockford's base 32 (0-9 A-Z without I L O U), so that texts sort as the numbers do, can
 * be read out, and stand in an address as they are. Small letters are read as large ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { IDENT_LEN = 13 };

/* The next one after `last`. wall: ms since 1970; a clock that went back makes no id twice. */
uint64_t ident_next(uint64_t last, int64_t wall);

/* When it was made, ms since 1970. */
int64_t ident_time(uint64_t id);

void ident_write(uint64_t id, char text[IDENT_LEN + 1]);
bool ident_read(const char *text, uint64_t *id);
