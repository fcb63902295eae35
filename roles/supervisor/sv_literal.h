/*
 * sv_literal - the plain values of a PHP or JavaScript file, read without running anything.
 *
 *	<?php define('ROOT', '/srv'); return [ 'name' => ROOT . '/x', 'n' => 3 ];
 *	module.exports = { apps: [ { name: 'x', cwd: __dirname } ] }
 *
 * Statements before are looked at for constants and variables of plain values. What is not plain -
 * a call, a condition, a variable from elsewhere - becomes null, and is noted with its line.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

struct err;

enum sv_language { SV_PHP, SV_JS };

/*
 * The value that the file returns (PHP) or exports (JS). file: what __DIR__ and __dirname are
 * taken from. notes: gets a line for each value that is not plain; may be NULL.
 * The caller's to json_decref; NULL and err, with the line.
 */
json_t *sv_literal_read(const char *text, enum sv_language language, const char *file, FILE *notes,
			struct err *err);
