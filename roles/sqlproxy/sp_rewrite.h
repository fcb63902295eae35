/*
 * sp_rewrite - statements whose text has to change: functions that tell about the connection the
 * client believes to have, when the statement runs on another.
 *
 *	SELECT CONNECTION_ID()      ->  SELECT 1073741825 AS `CONNECTION_ID()`
 *	SELECT ROW_COUNT() + 1      ->  SELECT (3) + 1 AS `ROW_COUNT() + 1`
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "roles/sqlproxy/sp_lex.h"

struct buf;

/* What the calls become, as text; "": they stay. */
struct sp_calls {
	char connection_id[48];
	char row_count[64],
		found_rows[64]; /* in the first statement only: others tell of that one */
};

/*
 * Writes the text with the calls replaced; false: there is none. An alias keeps the name of a
 * column that has none of its own. CONNECTION_ID() inside an expression stays: there, it is
 * compared with ids that the server gives out.
 */
bool sp_rewrite_calls(struct sp_span text, const struct sp_calls *calls, struct buf *out);

/* A single SET: @@name as @@session.name, which means the same and is reported. False: none. */
bool sp_rewrite_set(struct sp_span text, struct buf *out);

/* The name behind COLLATE in a SET NAMES; NULL: none. */
struct sp_span sp_rewrite_collate(struct sp_span sql);
