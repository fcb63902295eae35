/*
 * sp_stmt - prepared statements that belong to no connection.
 *
 *	client's id -> sp_stmt -> sp_text <- backend's table (text -> the server's id)
 *
 * A text is kept once per worker, with the state that its meaning depends on. A connection that
 * executes a text it has not prepared prepares it first. What a client closes stays prepared
 * until the connection has too many; then the one used longest ago goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_found.h"
#include "roles/sqlproxy/sp_lex.h"
#include "roles/sqlproxy/sp_vars.h"

struct buf;

/* One text, counted by the statements and tables that refer to it. */
struct sp_text {
	uint64_t key;
	uint32_t held;
	uint32_t len;
	uint32_t digest;   /* slot in the worker's table, 0: not looked up */
	struct sp_lex lex; /* its spans point into `sql` */
	enum sp_found found;
	struct sp_vars vars; /* of the session that prepared it */
	char *db;            /* NULL: none */
	bool own;            /* shared with no other of the same words */
	char sql[];
};

/* As it is understood in a session with that schema (NULL: none), variables and quoting. */
struct sp_text *sp_text_new(const char *sql, size_t len, const char *db, const struct sp_vars *vars,
			    unsigned lex_mode);
static inline struct sp_span sp_text_span(const struct sp_text *t)
{
	return (struct sp_span){ t->sql, t->len };
}
/* The same meaning in words that nobody shares. */
struct sp_text *sp_text_copy(const struct sp_text *t, struct sp_span sql);
void sp_text_drop(struct sp_text *t);

/* ---- a client's statements */
struct sp_stmt {
	uint32_t id; /* the client's */
	struct sp_text *text;
	struct sp_text *own; /* runs in its place on the connection that it has now, or NULL */
	uint16_t params, columns;
	bool cursor; /* open on the connection that the session is pinned to */
	bool long_data;
	uint8_t *types;  /* 2 bytes for each parameter, as sent last; NULL: never */
	uint64_t serial; /* names it and its types among all of the process */
};

/* Under which a connection has prepared it. */
static inline struct sp_text *sp_stmt_text(const struct sp_stmt *stmt)
{
	return stmt->own ? stmt->own : stmt->text;
}

struct sp_stmts {
	struct sp_stmt **list; /* by id - 1, may have holes */
	uint32_t count, size, last;
};

enum { SP_STMTS_MAX = 65536 }; /* of one client */

/* NULL: too many. */
struct sp_stmt *sp_stmts_add(struct sp_stmts *s, struct sp_text *text);
struct sp_stmt *sp_stmts_find(const struct sp_stmts *s, uint32_t id);
/* Others than the last, which connections may have heard, are told to each of them anew. */
void sp_stmt_set_types(struct sp_stmt *stmt, const uint8_t *types, size_t len);
/* Another one with the same words that has a cursor open, or a piece of a parameter. */
const struct sp_stmt *sp_stmts_rival(const struct sp_stmts *s, const struct sp_stmt *stmt);
void sp_stmts_remove(struct sp_stmts *s, struct sp_stmt *stmt);
void sp_stmts_clear(struct sp_stmts *s);

/* ---- what one connection has prepared */
struct sp_prepared {
	struct sp_text *text;
	uint32_t id; /* the server's */
	uint32_t used;
	uint64_t types_of; /* serial of the statement whose parameter types it heard last */
};

struct sp_table {
	struct sp_prepared *list;
	uint32_t count, size, clock;
};

struct sp_prepared *sp_table_find(struct sp_table *t, const struct sp_text *text);
/*
 * Adds; a statement that has to go, because there are more than `most` or the same text was
 * prepared before, is closed by a COM_STMT_CLOSE appended to `closes`.
 */
void sp_table_add(struct sp_table *t, struct sp_text *text, uint32_t id, uint32_t most,
		  struct buf *closes);
void sp_table_clear(struct sp_table *t);
/* Closes a text's statement, an open cursor with it; the next EXECUTE prepares it again. */
void sp_table_close(struct sp_table *t, const struct sp_text *text, struct buf *closes);
