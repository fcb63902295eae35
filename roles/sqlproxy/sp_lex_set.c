/* SET: which variables, of what kind, and whether their values could be sent again. */
#include <string.h>

#include "roles/sqlproxy/sp_lexer.h"

struct items {
	bool any_uvar;
	bool all_literal; /* every item is @name = literal */
	bool global;      /* a scope word GLOBAL came before; it may hold for the rest */
};

/* Tries to read a literal as it may be replayed; returns it, or nothing. */
static struct sp_span take_literal(struct sp_lexer *l)
{
	struct sp_span none = { 0 }, all = l->now.all;
	enum sp_tok kind = l->now.kind;

	if (kind == SP_TOK_MARK && (*all.at == '-' || *all.at == '+')) {
		sp_lexer_next(l);
		kind = l->now.kind == SP_TOK_NUMBER ? SP_TOK_NUMBER : SP_TOK_MARK;
	}
	bool word = sp_lexer_is(l, "NULL") || sp_lexer_is(l, "TRUE") || sp_lexer_is(l, "FALSE");
	if (kind != SP_TOK_NUMBER && kind != SP_TOK_STRING && !word)
		return none;
	if (kind == SP_TOK_STRING && (*all.at | 0x20) == 'n')
		return none;
	do {
		all.len = (size_t)(l->now.all.at + l->now.all.len - all.at);
		sp_lexer_next(l);
	} while (kind == SP_TOK_STRING && l->now.kind == SP_TOK_STRING);
	return all;
}

static bool at_item_end(const struct sp_lexer *l)
{
	return sp_lexer_ended(l) || (l->now.kind == SP_TOK_COMMA && l->depth == 0);
}

static void skip_value(struct sp_lexer *l)
{
	for (; !at_item_end(l); sp_lexer_next(l))
		sp_lexer_look(l);
}

static bool accept_equal(struct sp_lexer *l)
{
	bool equal = l->now.kind == SP_TOK_ASSIGN ||
		     (l->now.kind == SP_TOK_MARK && *l->now.all.at == '=');

	if (equal)
		sp_lexer_next(l);
	return equal;
}

static void set_uvar(struct sp_lexer *l, struct items *items)
{
	items->any_uvar = true;
	sp_lexer_next(l);
	bool literal = accept_equal(l) && take_literal(l).at && at_item_end(l);
	items->all_literal &= literal;
	skip_value(l);
}

static void note_sysvar(struct sp_lexer *l, struct sp_span name, uint32_t flags)
{
	static const char track[] = "SESSION_TRACK_";

	if (name.len >= sizeof track - 1 && sp_word_is(name.at, sizeof track - 1, track))
		flags |= SP_LEX_SESSION_TRACK;
	if (sp_word_is(name.at, name.len, "LAST_INSERT_ID") ||
	    sp_word_is(name.at, name.len, "IDENTITY"))
		flags |= SP_LEX_SET_LAST_ID;
	l->out->flags |= flags;
}

/* The scope's flag, or 0 when the word is none. */
static uint32_t scope_of(struct sp_span word)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} scopes[] = {
		{ "SESSION", SP_LEX_SET_SYSVAR },      { "LOCAL", SP_LEX_SET_SYSVAR },
		{ "GLOBAL", SP_LEX_SET_GLOBAL },       { "PERSIST", SP_LEX_SET_GLOBAL },
		{ "PERSIST_ONLY", SP_LEX_SET_GLOBAL },
	};

	for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
		if (sp_word_is(word.at, word.len, scopes[i].word))
			return scopes[i].flag;
	return 0;
}

/* Without a scope these are the next transaction's. */
static bool is_transactions(struct sp_span name)
{
	static const char *const names[] = { "TX_ISOLATION", "TX_READ_ONLY",
					     "TRANSACTION_ISOLATION", "TRANSACTION_READ_ONLY" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (sp_word_is(name.at, name.len, names[i]))
			return true;
	return false;
}

/* @@name, @@scope.name */
static void set_marked(struct sp_lexer *l)
{
	uint32_t scope = scope_of(l->now.scope);

	l->out->unscoped |= !scope && !is_transactions(l->now.name);
	note_sysvar(l, l->now.name, scope ? scope : SP_LEX_SET_SYSVAR);
	sp_lexer_next(l);
	skip_value(l);
}

/* name, scope name; also NAMES x, CHARACTER SET x, scope TRANSACTION ... */
static void set_named(struct sp_lexer *l, struct items *items)
{
	uint32_t scope = l->now.kind == SP_TOK_WORD ? scope_of(l->now.name) : 0;

	if (scope) {
		items->global = scope == SP_LEX_SET_GLOBAL;
		sp_lexer_next(l);
	} else {
		scope = items->global ? SP_LEX_SET_GLOBAL | SP_LEX_SET_SYSVAR : SP_LEX_SET_SYSVAR;
	}
	struct sp_span name = sp_lexer_name(l);
	note_sysvar(l, name, scope);
	accept_equal(l);
	skip_value(l);
}

static void set_items(struct sp_lexer *l)
{
	struct items items = { .all_literal = true };

	for (;;) {
		if (l->now.kind == SP_TOK_UVAR) {
			set_uvar(l, &items);
		} else {
			items.all_literal = false;
			if (l->now.kind == SP_TOK_SYSVAR)
				set_marked(l);
			else
				set_named(l, &items);
		}
		if (sp_lexer_ended(l))
			break;
		sp_lexer_next(l);
	}
	if (items.any_uvar)
		l->out->flags |=
			SP_LEX_UVAR | (items.all_literal ? SP_LEX_UVAR_LITERAL : SP_LEX_UVAR_EXPR);
}

/* SET STATEMENT name = value, ... FOR */
static void set_statement(struct sp_lexer *l)
{
	l->out->flags |= SP_LEX_SET_STATEMENT;
	for (; !sp_lexer_ended(l) && !(l->word == SP_WORD_FOR && l->depth == 0); sp_lexer_next(l))
		sp_lexer_look(l);
	if (!sp_lexer_ended(l))
		sp_lexer_next(l);
}

/* SET PASSWORD, SET DEFAULT ROLE: about accounts, not about this session. */
static bool is_account(const struct sp_lexer *l)
{
	return sp_lexer_is(l, "PASSWORD") || sp_lexer_is(l, "DEFAULT");
}

void sp_lexer_set(struct sp_lexer *l)
{
	struct sp_lexer first = *l;

	if (sp_lexer_accept(l, "STATEMENT")) {
		set_statement(l);
	} else if (sp_lexer_accept(l, "TRANSACTION")) {
		l->out->flags |= SP_LEX_NEXT_TRX;
		sp_lexer_rest(l);
	} else if (is_account(&first)) {
		l->calls_from = SP_WORD_NEVER;
		sp_lexer_rest(l);
	} else if (sp_lexer_accept(l, "ROLE") || sp_lexer_accept(l, "RESOURCE")) {
		l->out->flags |= SP_LEX_PIN;
		sp_lexer_rest(l);
	} else {
		set_items(l);
	}
}

void sp_lex_uvars(const char *sql, size_t len, unsigned mode,
		  void (*each)(void *owner, struct sp_span name, struct sp_span literal),
		  void *owner)
{
	struct sp_lex unused = { .verb = SP_VERB_NONE };
	struct sp_lexer l = { .out = &unused };

	sp_lex_scan_init(&l.scan, sql, len, mode);
	sp_lexer_next(&l);
	if (!sp_lexer_accept(&l, "SET"))
		return;
	while (l.now.kind == SP_TOK_UVAR) {
		struct sp_span name = l.now.name;
		sp_lexer_next(&l);
		if (!accept_equal(&l))
			return;
		struct sp_span literal = take_literal(&l);
		if (!literal.at)
			return;
		each(owner, name, literal);
		if (l.now.kind == SP_TOK_COMMA)
			sp_lexer_next(&l);
	}
}
