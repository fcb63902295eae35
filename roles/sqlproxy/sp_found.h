/*
 * sp_found - what a statement does to FOUND_ROWS().
 *
 * A guess from its words that errs towards SP_FOUND_MAYBE: then the connection is asked before
 * another client gets it. As measured on MariaDB 10.11 and MySQL 5.6.
 */
#pragma once

#include "roles/sqlproxy/sp_lex.h"

enum sp_found {
	SP_FOUND_SAME,  /* leaves it as it was */
	SP_FOUND_ROWS,  /* the number of rows that it returns */
	SP_FOUND_OTHER, /* another number */
	SP_FOUND_MAYBE, /* one of these */
};

/*
 * Does the statement ask for FOUND_ROWS() after queries of its own (derived tables, a UNION's
 * first part) may have changed it?
 */
bool sp_found_within(struct sp_span sql);

enum sp_found sp_found_after(const struct sp_lex *lex, struct sp_span sql);
