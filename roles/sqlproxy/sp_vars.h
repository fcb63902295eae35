/*
 * sp_vars - names with values: system variables, user variables, names of temporary tables.
 *
 * A set has a hash, so that two are compared without a look at them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_lex.h"

struct sp_var {
	char *name; /* lower case; both live in one block */
	char *value;
	uint64_t hash; /* of both */
};

struct sp_vars {
	struct sp_var *list; /* in the order of their setting */
	uint32_t count;
	uint64_t hash; /* equal sets have equal hashes, whatever their order */
};

enum { SP_VARS_MAX = 256, SP_VAR_LEN_MAX = 64 * 1024 };

/* False when there are too many, or it is too long. */
bool sp_vars_set(struct sp_vars *v, struct sp_span name, struct sp_span value);
const struct sp_var *sp_vars_find(const struct sp_vars *v, struct sp_span name);
void sp_vars_remove(struct sp_vars *v, struct sp_span name);
void sp_vars_clear(struct sp_vars *v);
void sp_vars_copy(struct sp_vars *to, const struct sp_vars *from);
