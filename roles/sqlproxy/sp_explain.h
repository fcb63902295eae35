/* sp_explain - what would happen to a statement: how it reads, what it pins, where it goes. */
#pragma once

#include "roles/sqlproxy/sp_rows.h"

struct sp_proxy;

/* user, database: NULL for the first of the file, and for none. False: *error says why. */
struct sp_question {
	const char *sql, *user, *database;
};
bool sp_explain(struct sp_proxy *p, const struct sp_question *q, struct sp_rows *rows,
		const char **error);
