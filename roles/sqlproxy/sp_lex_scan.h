/*
 * sp_lex_scan - cuts SQL text into tokens: the part of the lexer that knows quotes and comments.
 *
 * Comments vanish here; the executable ones vanish too, but only their marks: what is inside is
 * read as code. A hint found in a comment goes straight into `hints`.
 *
 * An unfinished string, name or comment reaches to the end of the text: the server will refuse
 * the statement, and nothing after the quote can mean anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "roles/sqlproxy/sp_lex.h"

enum sp_tok {
	SP_TOK_END,
	SP_TOK_SEMI,
	SP_TOK_WORD,
	SP_TOK_NAME,   /* a quoted name */
	SP_TOK_STRING, /* also x'..', b'..' and n'..' */
	SP_TOK_NUMBER, /* without sign */
	SP_TOK_UVAR,   /* @name */
	SP_TOK_SYSVAR, /* @@name, @@scope.name */
	SP_TOK_OPEN,
	SP_TOK_CLOSE,
	SP_TOK_COMMA,
	SP_TOK_DOT,
	SP_TOK_ASSIGN, /* := */
	SP_TOK_MARK    /* any other byte */
};

struct sp_lex_token {
	enum sp_tok kind;
	bool call;            /* WORD, NAME: '(' follows */
	bool glued;           /* no space between it and the token before */
	struct sp_span all;   /* as written */
	struct sp_span name;  /* WORD, NAME, UVAR, SYSVAR: without quotes and marks */
	struct sp_span scope; /* SYSVAR: session, global, ...; or empty */
};

struct sp_lex_scan {
	const char *begin, *at, *end;
	const char *last; /* where the last token ended */
	unsigned mode;
	bool in_code;  /* inside an executable comment */
	bool had_code; /* saw one */
	bool doubtful; /* a quote opened in one hides its end: the server may read another text */
	struct sp_lex *hints; /* or NULL */
};

void sp_lex_scan_init(struct sp_lex_scan *s, const char *sql, size_t len, unsigned mode);
void sp_lex_scan_next(struct sp_lex_scan *s, struct sp_lex_token *t);

/* Reads a comment's text for hints; first: it opens the statement. */
void sp_lex_hints(struct sp_lex *out, struct sp_span comment, bool first);
