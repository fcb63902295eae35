/*
 * sp_uvars - a session's user variables that are literals: set again on each connection it gets.
 *
 * A literal means what it meant under the sql_mode and character sets of its SET, which may have
 * changed since: each variable knows the system variables it was read under.
 */
#pragma once

#include "roles/sqlproxy/sp_vars.h"

enum { SP_UVAR_STATES = 4 };

struct sp_uvar_states {
	struct sp_vars list[SP_UVAR_STATES];
	uint8_t count;
	uint8_t of[SP_VARS_MAX]; /* by place in sp_uvars.vars */
};

struct sp_uvars {
	struct sp_vars vars;
	struct sp_uvar_states *states; /* NULL: no variables */
};

/* Equal for equal variables read under equal states, which never are in another order. */
uint64_t sp_uvars_hash(const struct sp_uvars *u);

/* False when it can't be kept: too many, too long, or read under too many states. */
bool sp_uvars_set(struct sp_uvars *u, struct sp_span name, struct sp_span literal,
		  const struct sp_vars *state);
void sp_uvars_clear(struct sp_uvars *u);

/* Writes `SET @a=1, @b='x'` for those read under that state; false: there is none. */
struct buf;
bool sp_uvars_write(const struct sp_uvars *u, int state, struct buf *out);
