/*
 * php - the array that a PHP file returns, read and not run.
 *
 *	<?php return ['a' => 1, 'b' => ['c' => 'x', 5]];      a = 1, b.c = x, b.0 = 5
 *
 * Texts, numbers, products of whole numbers, true, false and null are values; anything else (a
 *constant, a call, a text with $ in it, a sum) is kept as it stands, and marked as no literal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

struct php_value {
	char *path; /* "b.c" */
	char *text;
	bool literal;
	bool taken; /* the caller's */
};

struct php_file {
	struct php_value *values;
	size_t n;
};

/* text: zero-terminated. Returns 0, or err says where it is none; p needs php_fini in any case.
 */
int php_read(struct php_file *p, const char *text, struct err *err);
void php_fini(struct php_file *p);
