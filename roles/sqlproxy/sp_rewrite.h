/*
 * sp_rewrite - statements whose text has to change: functions that tell about the connection the
 * client believes to have, when the statement runs on another.
 *
 *	SELECT CONNECTION_ID()      ->  SELECT 1073741825 AS `CONNECTION_ID()`
 *	SELECT ROW_COUNT() + 1      ->  SELECT (3) + 1
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "roles/sqlproxy/sp_lex.h"

struct buf;

/*
 * Writes the text with every call NAME() replaced; false: there is none. An alias keeps the
 * column's name where the call is all of a column. columns_only: calls inside expressions stay;
 * there, CONNECTION_ID() is compared with ids that the server gives out.
 */
bool sp_rewrite_call(struct sp_span text, const char *name, bool columns_only, const char *literal,
		     struct buf *out);

/* The name behind COLLATE in a SET NAMES; NULL: none. */
struct sp_span sp_rewrite_collate(struct sp_span sql);
