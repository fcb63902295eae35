#include "roles/sqlproxy/sp_lexer.h"

/* ---- tokens */

void sp_lexer_next(struct sp_lexer *l)
{
	l->before = l->now.kind;
	l->word_before = l->word;
	sp_lex_scan_next(&l->scan, &l->now);
	l->word = SP_WORD_NONE;
	l->paren = false;
	if (l->now.kind != SP_TOK_WORD || l->before == SP_TOK_DOT)
		return;
	const struct sp_word_row *row = sp_word_find(l->now.name.at, l->now.name.len);
	if (row) {
		l->word = (enum sp_word)row->word;
		l->paren = row->paren;
	}
}

bool sp_lexer_is(const struct sp_lexer *l, const char *word)
{
	return l->now.kind == SP_TOK_WORD && sp_word_is(l->now.name.at, l->now.name.len, word);
}

bool sp_lexer_accept(struct sp_lexer *l, const char *word)
{
	if (!sp_lexer_is(l, word))
		return false;
	sp_lexer_next(l);
	return true;
}

struct sp_span sp_lexer_name(struct sp_lexer *l)
{
	struct sp_span name = { 0 };

	while (sp_lexer_is_name(l)) {
		name = l->now.name;
		sp_lexer_next(l);
		if (l->now.kind != SP_TOK_DOT)
			break;
		sp_lexer_next(l);
	}
	return name;
}

/* ---- what a token means in an expression */

static void flag(struct sp_lexer *l, uint32_t flags)
{
	l->out->flags |= flags;
}

/* Looks ahead: the token after the parenthesis that follows `now`, and its key word. */
static struct sp_lexer inside(const struct sp_lexer *l)
{
	struct sp_lexer ahead = *l;

	ahead.scan.hints = NULL;
	sp_lexer_next(&ahead);
	sp_lexer_next(&ahead);
	return ahead;
}

static void look_row_count(struct sp_lexer *l)
{
	struct sp_lexer ahead = inside(l);

	flag(l, SP_LEX_READ_ROW_COUNT);
	if (l->out->row_count.at || ahead.now.kind != SP_TOK_CLOSE)
		return;
	l->out->row_count.at = l->now.all.at;
	l->out->row_count.len = (size_t)(ahead.now.all.at + 1 - l->now.all.at);
}

static void look_last_id(struct sp_lexer *l)
{
	bool empty = inside(l).now.kind == SP_TOK_CLOSE;

	flag(l, empty ? SP_LEX_READ_LAST_ID : SP_LEX_SET_LAST_ID);
}

/* LASTVAL() of this connection answers otherwise from now on, and nobody can set it back. */
static void look_nextval(struct sp_lexer *l)
{
	l->writer = true;
	flag(l, SP_LEX_PIN);
}

/* f(SELECT ...) is no call's argument: it is ANY, LATERAL or a word that we don't know. */
static void look_unknown(struct sp_lexer *l)
{
	enum sp_word word = inside(l).word;

	if (word != SP_WORD_SELECT && word != SP_WORD_WITH)
		flag(l, SP_LEX_UNKNOWN_FUNC);
}

static void look_func(struct sp_lexer *l)
{
	switch (sp_func_find(l->now.name.at, l->now.name.len)) {
	case SP_FUNC_UNKNOWN:
		look_unknown(l);
		break;
	case SP_FUNC_PLAIN:
		break;
	case SP_FUNC_PRIMARY:
		l->writer = true;
		break;
	case SP_FUNC_LAST_INSERT_ID:
		look_last_id(l);
		break;
	case SP_FUNC_FOUND_ROWS:
		flag(l, SP_LEX_READ_FOUND_ROWS);
		break;
	case SP_FUNC_ROW_COUNT:
		look_row_count(l);
		break;
	case SP_FUNC_CONNECTION_ID:
		flag(l, SP_LEX_CONNECTION_ID);
		break;
	case SP_FUNC_GET_LOCK:
		flag(l, SP_LEX_GET_LOCK);
		break;
	case SP_FUNC_RELEASE_LOCK:
		flag(l, SP_LEX_RELEASE_LOCK);
		break;
	case SP_FUNC_RELEASE_ALL_LOCKS:
		flag(l, SP_LEX_RELEASE_ALL_LOCKS);
		break;
	case SP_FUNC_NEXTVAL:
		look_nextval(l);
		break;
	}
}

/* Two operands never stand side by side: after one, a name before '(' has a list of columns. */
static bool names_columns(const struct sp_lexer *l)
{
	switch (l->before) {
	case SP_TOK_CLOSE:
	case SP_TOK_STRING:
	case SP_TOK_NUMBER:
	case SP_TOK_NAME:
	case SP_TOK_UVAR:
	case SP_TOK_SYSVAR:
		return true;
	default:
		return l->word_before == SP_WORD_AS || (l->ctes && l->depth == 0);
	}
}

static void look_call(struct sp_lexer *l)
{
	if (l->before == SP_TOK_DOT) {
		flag(l, SP_LEX_UNKNOWN_FUNC);
		return;
	}
	if (l->paren || names_columns(l))
		return;
	if (l->now.kind == SP_TOK_NAME)
		look_unknown(l);
	else
		look_func(l);
}

/* The tables of information_schema that say the same on a replica. */
static bool is_same_everywhere(struct sp_span table)
{
	static const char *const tables[] = {
		"TABLES",
		"COLUMNS",
		"STATISTICS",
		"SCHEMATA",
		"VIEWS",
		"ROUTINES",
		"PARAMETERS",
		"KEY_COLUMN_USAGE",
		"TABLE_CONSTRAINTS",
		"REFERENTIAL_CONSTRAINTS",
		"TRIGGERS",
		"CHECK_CONSTRAINTS",
		"PARTITIONS",
		"CHARACTER_SETS",
		"COLLATIONS",
		"ENGINES",
		"COLLATION_CHARACTER_SET_APPLICABILITY",
	};

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		if (sp_word_is(table.at, table.len, tables[i]))
			return true;
	return false;
}

static void look_after_dot(struct sp_lexer *l)
{
	struct sp_span name = l->now.name;

	if (l->schema && !is_same_everywhere(name))
		l->writer = true;
	l->schema = false;
	/* a sequence's, in sql_mode=ORACLE; or a column of that name */
	if (sp_word_is(name.at, name.len, "NEXTVAL"))
		look_nextval(l);
	else if (sp_word_is(name.at, name.len, "CURRVAL"))
		l->writer = true;
}

/* Words whose meaning hangs on the word after them. */
static void look_pair(struct sp_lexer *l, enum sp_word first)
{
	if (first == SP_WORD_FOR && (l->word == SP_WORD_UPDATE || sp_lexer_is(l, "SHARE")))
		flag(l, SP_LEX_FOR_UPDATE);
	else if (first == SP_WORD_LOCK && sp_lexer_is(l, "IN"))
		flag(l, SP_LEX_FOR_UPDATE);
	else if (first == SP_WORD_INTO && l->now.kind == SP_TOK_UVAR)
		flag(l, SP_LEX_UVAR_EXPR);
	else if (first == SP_WORD_PREVIOUS && sp_lexer_is(l, "VALUE"))
		l->writer = true;
	else if (first == SP_WORD_NEXT && sp_lexer_is(l, "VALUE"))
		look_nextval(l);
}

static void look_word(struct sp_lexer *l)
{
	if (l->now.call && l->calls_from == SP_WORD_NONE)
		look_call(l);
	if (l->before == SP_TOK_DOT) {
		look_after_dot(l);
		return;
	}
	if (l->word != SP_WORD_NONE && l->word == l->calls_from)
		l->calls_from = SP_WORD_NONE;
	switch (l->word) {
	case SP_WORD_SQL_CALC_FOUND_ROWS:
		flag(l, SP_LEX_CALC_FOUND_ROWS);
		break;
	case SP_WORD_INTO:
	case SP_WORD_PERFORMANCE_SCHEMA:
		l->writer = true;
		break;
	case SP_WORD_INFORMATION_SCHEMA:
		l->schema = true;
		break;
	default:
		break;
	}
}

static void look_name(struct sp_lexer *l)
{
	static const char here[] = "PERFORMANCE_SCHEMA", schema[] = "INFORMATION_SCHEMA";

	if (l->now.call && l->calls_from == SP_WORD_NONE)
		look_call(l);
	if (l->before == SP_TOK_DOT)
		look_after_dot(l);
	else if (sp_word_is(l->now.name.at, l->now.name.len, here))
		l->writer = true;
	else
		l->schema = sp_word_is(l->now.name.at, l->now.name.len, schema);
}

/* 'joe'@'host' is an account, not a variable; so is joe@host in GRANT, but SELECT@a is none. */
static void look_uvar(struct sp_lexer *l)
{
	bool operand = l->before == SP_TOK_STRING || l->before == SP_TOK_NAME ||
		       (l->before == SP_TOK_WORD && l->calls_from == SP_WORD_NEVER);

	if (operand && l->now.glued)
		return;
	flag(l, l->out_vars ? SP_LEX_UVAR | SP_LEX_UVAR_EXPR : SP_LEX_UVAR);
}

static void look_sysvar(struct sp_lexer *l)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} known[] = {
		{ "IDENTITY", SP_LEX_READ_LAST_ID },
		{ "LAST_INSERT_ID", SP_LEX_READ_LAST_ID },
		{ "WARNING_COUNT", SP_LEX_READ_WARNINGS },
		{ "ERROR_COUNT", SP_LEX_READ_WARNINGS },
		{ "PSEUDO_THREAD_ID", SP_LEX_CONNECTION_ID },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (sp_word_is(l->now.name.at, l->now.name.len, known[i].name))
			flag(l, known[i].flag);
}

void sp_lexer_look(struct sp_lexer *l)
{
	if (l->word_before != SP_WORD_NONE && l->before == SP_TOK_WORD)
		look_pair(l, l->word_before);
	switch (l->now.kind) {
	case SP_TOK_WORD:
		look_word(l);
		break;
	case SP_TOK_NAME:
		look_name(l);
		break;
	case SP_TOK_UVAR:
		look_uvar(l);
		break;
	case SP_TOK_SYSVAR:
		look_sysvar(l);
		break;
	case SP_TOK_ASSIGN:
		flag(l, SP_LEX_UVAR_EXPR);
		break;
	case SP_TOK_OPEN:
		l->depth++;
		break;
	case SP_TOK_CLOSE:
		l->depth--;
		break;
	default:
		break;
	}
}

void sp_lexer_rest(struct sp_lexer *l)
{
	for (; !sp_lexer_ended(l); sp_lexer_next(l))
		sp_lexer_look(l);
}
