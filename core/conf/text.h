/* text - a value as the file has it, made into the word that is meant. Private to core/conf. */
#pragma once

#include <stdbool.h>

struct err;

/* Cuts a comment off the end, and the quotes around all that is left. Returns into `value`. */
char *text_bare(char *value);

/* ${NAME} and ${NAME:-default} from the environment. NULL and err when one is not set. */
char *text_expand(const char *value, struct err *err);

/* The text of a file without the newlines at its end, of at most 64 KiB. NULL and err on failure.
 */
char *text_of_file(const char *path, struct err *err);
