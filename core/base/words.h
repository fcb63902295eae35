/*
 * words - a text split the way supervisord splits it, which is Python's shlex.
 *
 * Lists are NULL-terminated, their words and they themselves the caller's: words_free.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

/*
 * A command: words by white space, with '...', "..." (where \ stands before " and \ only) and \
 * before any character outside quotes. An empty list for an empty text; NULL and err for a quote
 * without its end, or a \ at the end.
 */
char **words_split(const char *text, struct err *err);

/*
 * `A="1",B=x` as NAME=value lines. A value is a quoted text, in which nothing is escaped, or
 * letters, digits and _/.+-(): alone. Of two of a name the later counts.
 */
char **words_env(const char *text, struct err *err);

/* Sets NAME=value in a list, which may move; in place of one of that name. NULL is an empty list.
 */
char **words_put(char **list, const char *name_value);
char **words_put_all(char **list, char *const *more);

/* A word at the end. */
char **words_add(char **list, const char *word);

size_t words_count(char *const *list);
char **words_copy(char *const *list);
bool words_equal(char *const *a, char *const *b);
void words_free(char **list);
