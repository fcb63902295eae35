/*
 * env - the environment that a child gets, built once and used for many starts.
 *
 * A later word wins over an earlier one. Files of settings (".env") are read as most tools do:
 *
 *	# comment			export is allowed before a name
 *	KEY=value # comment		spaces around are cut
 *	KEY="two\nlines"		\n \t \r \" \\ \$ are understood
 *	KEY='as it $stands'
 *	KEY=				empty
 *
 * A value in quotes may go over several lines. ${OTHER} is not expanded.
 */
#pragma once

#include <stddef.h>

struct err;

struct env {
	char **vars; /* "KEY=value", NULL at the end; NULL when nothing was ever set */
	size_t n, cap;
};

/* Empty. Allocates nothing. */
void env_init(struct env *e);
void env_fini(struct env *e);

/* All of ours. */
void env_inherit(struct env *e);
void env_copy(struct env *e, const struct env *from);

/* Replaces. key: not empty, without '='. value NULL: takes it away. */
void env_set(struct env *e, const char *key, const char *value);

/* All of a list of "KEY=value" that ends with NULL; the list itself may be NULL. */
void env_add(struct env *e, char *const *vars);

/* The value, or NULL. It is the env's. */
const char *env_get(const struct env *e, const char *key);

/* Returns 0, or a code and "file:line: what"; then what stood before the fault is set. */
int env_load(struct env *e, const char *path, struct err *err);

/* The same from memory; name is what stands for the file in messages. */
int env_parse(struct env *e, const char *name, const char *text, struct err *err);

/* For spawn. Never NULL. It is the env's, until its next change. */
char **env_vars(struct env *e);
