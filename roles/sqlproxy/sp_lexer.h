/*
 * sp_lexer - what the files of the lexer share: one statement's reading, token by token.
 *
 *	sp_lex_scan   bytes -> tokens; strings, comments, quoted names
 *	sp_lex_words  which words are key words or built-in functions
 *	sp_lexer      what a token means wherever an expression stands
 *	sp_lex        statements, by their first words
 *	sp_lex_set    SET, and its literals
 *	sp_lex_block  bodies of procedures: which ';' ends the statement
 */
#pragma once

#include "roles/sqlproxy/sp_lex_scan.h"
#include "roles/sqlproxy/sp_lex_words.h"

struct sp_lexer {
	struct sp_lex_scan scan;
	struct sp_lex_token now;
	enum sp_word word; /* of `now`, when it is a WORD; set by sp_lexer_next */
	bool paren;        /* the key word may stand before '(' and is no call then */
	enum sp_tok before;
	enum sp_word word_before;
	int depth; /* of parentheses */
	int count; /* statements begun */
	struct sp_lex *out;

	enum sp_verb verb;
	bool read;   /* the verb reads only */
	bool writer; /* but something in it is the writer's, and has no flag of its own */
	bool ctes;   /* between WITH and the main verb: name (columns) AS (...) */
	enum sp_word calls_from; /* names before '(' are no calls until this word; NONE: they are */
	bool out_vars;           /* every @a may be set: CALL, LOAD DATA, GET DIAGNOSTICS */
	bool schema;             /* the token before the dot was information_schema */
};

/* Goes to the next token. */
void sp_lexer_next(struct sp_lexer *l);

/* Takes note of what `now` means wherever an expression stands. */
void sp_lexer_look(struct sp_lexer *l);

/* Looks at everything up to the ';' or the end. */
void sp_lexer_rest(struct sp_lexer *l);

/* Is `now` that word, unquoted? */
bool sp_lexer_is(const struct sp_lexer *l, const char *word);

/* If `now` is that word, goes past it. */
bool sp_lexer_accept(struct sp_lexer *l, const char *word);

static inline bool sp_lexer_ended(const struct sp_lexer *l)
{
	return l->now.kind == SP_TOK_END || l->now.kind == SP_TOK_SEMI;
}

static inline bool sp_lexer_is_name(const struct sp_lexer *l)
{
	return l->now.kind == SP_TOK_WORD || l->now.kind == SP_TOK_NAME;
}

/* Reads name[.name]...; returns the last part. */
struct sp_span sp_lexer_name(struct sp_lexer *l);

/* At the word after SET. Leaves at the end of the statement, or behind SET STATEMENT's FOR. */
void sp_lexer_set(struct sp_lexer *l);

/*
 * A body with BEGIN ... END, CASE, IF, loops: goes to the ';' that ends the whole statement.
 * opened: one END more than there are BEGINs is to come.
 */
void sp_lexer_block(struct sp_lexer *l, bool opened);
