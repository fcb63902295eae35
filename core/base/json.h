/* json - one value out of a text, where a whole library's tree would be too much to ask for. */
#pragma once

#include <stddef.h>

/*
 * What stands at a path ("user.name", "items.0.id") of a JSON text: a string's characters, a
 * number, true, false as they read; an object or an array as compact JSON. The caller's to free.
 * NULL: the text is no JSON, there is nothing at the path, or null.
 */
char *json_text_at(const void *text, size_t n, const char *path);
