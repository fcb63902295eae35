/* text - a value as the file has it, made into the word that is meant. Private to core/conf. */
#pragma once

#include <stdbool.h>

struct err;

/* Cuts a comment off the end of a line: what stands after one of `marks` and white space. */
void text_cut(char *line, const char *marks);

/* Cuts white space off both ends. Returns into `text`. */
char *text_strip(char *text);

/* The same, and the quotes around all of it. */
char *text_bare(char *value);

/* ${NAME} and ${NAME:-default} from the environment. NULL and err when one is not set. */
char *text_expand(const char *value, struct err *err);

/* The text of a file without the newlines at its end, of at most 64 KiB. NULL and err on failure.
 */
char *text_of_file(const char *path, struct err *err);
