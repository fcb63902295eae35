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

struct buf;

/*
 * Writes the text with every call NAME() replaced; false: there is none. An alias keeps the
 * column's name where the call is all of a column.
 */
bool sp_rewrite_call(const char *sql, size_t len, const char *name, const char *literal,
		     struct buf *out);
