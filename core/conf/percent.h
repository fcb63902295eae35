/*
 * percent - %(name)s, as Python's % on a string and a table of names does it.
 *
 * %(name)s, %(name)d and %(name)x with flags, width and precision as printf has them (%(n)02d);
 * %% is a per cent sign, and so is a % at the end or before white space or a comma. ENV_X is X
 * of the environments. The result is at most 1 MiB long.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

enum { PERCENT_ENVS = 3 };

struct percent_name {
	const char *name, *value;
};

struct percent {
	const struct percent_name *names;
	size_t count;
	char *const
		*envs[PERCENT_ENVS]; /* NAME=value, ends with NULL; the first that has it counts */
};

/* The caller's to free. NULL and err: a name that there is not, or not a format. */
char *percent_expand(const char *text, const struct percent *with, struct err *err);

/* Whether there is anything to do. */
bool percent_has(const char *text);

/* The name of this machine, as %(host_node_name)s has it. */
const char *percent_node(void);
