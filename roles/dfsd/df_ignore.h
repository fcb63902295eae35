/*
 * df_ignore - what a share leaves out, in gitignore's syntax.
 *
 *	*.tmp       any name of that kind, at any depth
 *	/build/     the folder build of the root, and what is in it
 *	a/b         as it stands, from the root;  x/\*\*\/y and \*\* cross folders
 *	!keep.tmp   not left out, after all: the last rule that fits counts
 *
 * (gitignore(5). A file in a folder that is left out can't be brought back.)
 */
#pragma once

#include <stdbool.h>

struct err;
struct df_ignore;

struct df_ignore *df_ignore_new(void);
void df_ignore_free(struct df_ignore *g);

/* A rule, or nothing: an empty line, a comment. */
void df_ignore_add(struct df_ignore *g, const char *line);

/* Lines of a file; one that is not there has none. */
int df_ignore_read(struct df_ignore *g, int dir, const char *path, struct err *err);

/* Of the path itself; what is above it is asked before. */
bool df_ignore_has(const struct df_ignore *g, const char *path, bool folder);
