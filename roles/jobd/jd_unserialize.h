/*
 * jd_unserialize - what PHP's serialize() wrote, as JSON.
 *
 * Data only: an object becomes the map of its properties (whatever their visibility), an enum its
 * name, an array whose keys are 0, 1, 2 ... a list; nothing is ever made by a class. Format: PHP's
 * ext/standard/var.c; N b i d s a O E r R, not C (a class's own format).
 *
 *	a:2:{s:1:"n";i:1;s:4:"list";a:1:{i:0;b:1;}}  ->  {"n":1,"list":[true]}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json_out;

enum { JD_UNSERIALIZE_DEPTH = 64 };

/* Whether it may be such a text: by its first bytes. */
bool jd_is_serialized(const char *text, size_t n);

/*
 * Appends the JSON to out, at most `most` bytes (a reference is written as often as it is there).
 * 0; ERR_PROTO and a sentence with the place: it is none, has a string that is not UTF-8, is too
 * deep or too long; out then has a part of it.
 */
int jd_unserialize(const char *text, size_t n, size_t most, struct json_out *out, struct err *err);
