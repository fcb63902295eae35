#include "roles/sqlproxy/sp_lex.h"

#include "roles/sqlproxy/sp_lexer.h"

/* With one of these a statement is not a read that any server may answer. */
#define NOT_A_READ                                                                                 \
	(SP_LEX_MULTI | SP_LEX_UVAR_EXPR | SP_LEX_READ_LAST_ID | SP_LEX_SET_LAST_ID |              \
	 SP_LEX_READ_FOUND_ROWS | SP_LEX_CALC_FOUND_ROWS | SP_LEX_READ_ROW_COUNT |                 \
	 SP_LEX_READ_WARNINGS | SP_LEX_GET_LOCK | SP_LEX_RELEASE_LOCK | SP_LEX_RELEASE_ALL_LOCKS | \
	 SP_LEX_SET_STATEMENT | SP_LEX_UNKNOWN_FUNC | SP_LEX_CONNECTION_ID | SP_LEX_FOR_UPDATE)

static void flag(struct sp_lexer *l, uint32_t flags)
{
	l->out->flags |= flags;
}

/* ---- statements, by their first word */

static void sub_statement(struct sp_lexer *l);

static void read_query(struct sp_lexer *l)
{
	l->read = true;
	sp_lexer_next(l);
	sp_lexer_rest(l);
}

static void read_plain(struct sp_lexer *l)
{
	sp_lexer_next(l);
	sp_lexer_rest(l);
}

static void read_names(struct sp_lexer *l)
{
	l->calls_from = SP_WORD_NEVER;
	read_plain(l);
}

static bool is_main_verb(const struct sp_lexer *l)
{
	if (l->depth > 0)
		return false;
	switch (l->word) {
	case SP_WORD_SELECT:
	case SP_WORD_TABLE:
	case SP_WORD_VALUES:
	case SP_WORD_UPDATE:
	case SP_WORD_DELETE:
		return true;
	case SP_WORD_INSERT:
	case SP_WORD_REPLACE:
		return !l->now.call;
	default:
		return false;
	}
}

static void read_with(struct sp_lexer *l)
{
	sp_lexer_next(l);
	for (l->ctes = true; !sp_lexer_ended(l) && !is_main_verb(l); sp_lexer_next(l))
		sp_lexer_look(l);
	l->ctes = false;
	if (sp_lexer_ended(l)) { /* WITH ... (SELECT ...) */
		l->verb = SP_VERB_SELECT;
		l->read = true;
	} else {
		sub_statement(l);
	}
}

static bool is_any(const struct sp_lexer *l, const char *const *words)
{
	for (; *words; words++)
		if (sp_lexer_is(l, *words))
			return true;
	return false;
}

/* The forms of SHOW that a replica answers as the primary does. */
static bool is_read_show(struct sp_lexer *l)
{
	static const char *const alone[] = {
		"TABLES",    "COLUMNS",    "FIELDS",    "INDEX",   "INDEXES",      "KEYS",
		"DATABASES", "SCHEMAS",    "CHARACTER", "CHARSET", "COLLATION",    "ENGINES",
		"TRIGGERS",  "PRIVILEGES", "STORAGE",   "AUTHORS", "CONTRIBUTORS", NULL,
	};
	static const char *const with_status[] = { "TABLE", "PROCEDURE", "FUNCTION", "PACKAGE",
						   NULL };
	static const char *const own[] = { "USER", "EVENT", "SERVER", NULL };

	if (is_any(l, alone))
		return true;
	if (is_any(l, with_status)) {
		sp_lexer_next(l);
		sp_lexer_accept(l, "BODY");
		return sp_lexer_is(l, "STATUS");
	}
	return sp_lexer_accept(l, "CREATE") && !is_any(l, own);
}

static void read_show(struct sp_lexer *l)
{
	static const char *const conditions[] = { "WARNINGS", "ERRORS", "COUNT", NULL };

	sp_lexer_next(l);
	while (sp_lexer_accept(l, "FULL") || sp_lexer_accept(l, "EXTENDED"))
		;
	if (is_any(l, conditions))
		flag(l, SP_LEX_READ_WARNINGS);
	l->read = is_read_show(l);
	sp_lexer_rest(l);
}

/* EXPLAIN's options, up to the statement or the table. Returns whether it is to be run as well. */
static bool skip_explain_options(struct sp_lexer *l)
{
	static const char *const options[] = { "EXTENDED", "PARTITIONS", "ANALYZE", NULL };
	bool runs = false;

	while (is_any(l, options) || sp_lexer_is(l, "FORMAT")) {
		bool format = sp_lexer_is(l, "FORMAT");
		runs |= l->word == SP_WORD_ANALYZE;
		sp_lexer_next(l);
		if (!format || l->now.kind != SP_TOK_MARK) /* = */
			continue;
		sp_lexer_next(l);
		if (!sp_lexer_ended(l))
			sp_lexer_next(l);
	}
	return runs;
}

static bool explains(const struct sp_lexer *l)
{
	return l->now.kind == SP_TOK_OPEN || l->word == SP_WORD_WITH || is_main_verb(l);
}

/* EXPLAIN|DESCRIBE [options] statement, or a table's name. */
static void read_explain(struct sp_lexer *l)
{
	sp_lexer_next(l);
	bool runs = skip_explain_options(l);
	if (explains(l)) {
		sub_statement(l);
		if (!runs)
			l->verb = SP_VERB_SHOW;
		return;
	}
	l->read = sp_lexer_is_name(l) && l->word == SP_WORD_NONE;
	sp_lexer_rest(l); /* also FOR CONNECTION, INTO @a FOR ... */
}

/* MariaDB's ANALYZE statement, or ANALYZE TABLE. */
static void read_analyze(struct sp_lexer *l)
{
	sp_lexer_next(l);
	skip_explain_options(l);
	if (explains(l) && l->word != SP_WORD_TABLE)
		sub_statement(l);
	else
		sp_lexer_rest(l);
}

static void read_help(struct sp_lexer *l)
{
	l->calls_from = SP_WORD_NEVER;
	read_query(l);
}

static void read_insert(struct sp_lexer *l)
{
	static const char *const modifiers[] = { "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY",
						 "IGNORE",       "INTO",    NULL };

	do
		sp_lexer_next(l);
	while (is_any(l, modifiers));
	sp_lexer_name(l);
	sp_lexer_rest(l);
}

static void read_set(struct sp_lexer *l)
{
	sp_lexer_next(l);
	sp_lexer_set(l);
	if (!sp_lexer_ended(l)) /* behind SET STATEMENT ... FOR */
		sub_statement(l);
}

static void read_use(struct sp_lexer *l)
{
	sp_lexer_next(l);
	l->out->object = sp_lexer_name(l);
	sp_lexer_rest(l);
}

/* A block that runs now: its statements are not told apart, so it may leave any state behind. */
static void read_block(struct sp_lexer *l)
{
	l->verb = SP_VERB_OTHER;
	l->out_vars = true;
	flag(l, SP_LEX_PIN);
	sp_lexer_block(l, false);
}

static void read_begin(struct sp_lexer *l)
{
	struct sp_lexer ahead = *l;

	sp_lexer_next(&ahead);
	sp_lexer_accept(&ahead, "WORK");
	if (sp_lexer_ended(&ahead))
		*l = ahead;
	else
		read_block(l);
}

static void read_start(struct sp_lexer *l)
{
	sp_lexer_next(l);
	if (!sp_lexer_accept(l, "TRANSACTION"))
		l->verb = SP_VERB_OTHER;
	for (bool read = false; !sp_lexer_ended(l); sp_lexer_next(l)) {
		if (read && sp_lexer_is(l, "ONLY") && l->verb == SP_VERB_BEGIN)
			flag(l, SP_LEX_READ_ONLY_TRX);
		read = sp_lexer_is(l, "READ");
	}
}

static void read_rollback(struct sp_lexer *l)
{
	sp_lexer_next(l);
	sp_lexer_accept(l, "WORK");
	if (sp_lexer_is(l, "TO"))
		l->verb = SP_VERB_OTHER;
	sp_lexer_rest(l);
}

static void read_call(struct sp_lexer *l)
{
	l->out_vars = true;
	sp_lexer_next(l);
	sp_lexer_name(l);
	sp_lexer_rest(l);
}

static void read_load(struct sp_lexer *l)
{
	l->out_vars = true;
	l->calls_from = SP_WORD_SET;
	do {
		sp_lexer_next(l);
		if (sp_lexer_is(l, "LOCAL"))
			flag(l, SP_LEX_LOAD_LOCAL);
	} while (l->now.kind == SP_TOK_WORD && !sp_lexer_is(l, "INFILE"));
	sp_lexer_rest(l);
}

static bool is_digits(struct sp_span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
	return s.len > 0;
}

static void read_kill(struct sp_lexer *l)
{
	struct sp_lex *out = l->out;

	sp_lexer_next(l);
	if (!sp_lexer_accept(l, "HARD"))
		sp_lexer_accept(l, "SOFT");
	if (sp_lexer_accept(l, "QUERY")) {
		out->kill_query = true;
		out->kill_query_id = sp_lexer_accept(l, "ID");
	} else {
		sp_lexer_accept(l, "CONNECTION");
	}
	struct sp_span id = l->now.all;
	bool number = l->now.kind == SP_TOK_NUMBER && is_digits(id);
	if (number)
		sp_lexer_next(l);
	if (number && sp_lexer_ended(l))
		out->object = id;
	sp_lexer_rest(l);
}

static void read_execute(struct sp_lexer *l)
{
	sp_lexer_next(l);
	if (sp_lexer_accept(l, "IMMEDIATE")) {
		l->verb = SP_VERB_OTHER;
		flag(l, SP_LEX_PIN);
	} else {
		l->out->object = sp_lexer_name(l);
	}
	sp_lexer_rest(l);
}

static void read_deallocate(struct sp_lexer *l)
{
	sp_lexer_next(l);
	sp_lexer_accept(l, "PREPARE");
	l->out->object = sp_lexer_name(l);
	sp_lexer_rest(l);
}

static void accept_if_exists(struct sp_lexer *l)
{
	if (!sp_lexer_accept(l, "IF"))
		return;
	sp_lexer_accept(l, "NOT");
	sp_lexer_accept(l, "EXISTS");
}

/* What is stored now and runs some other day says nothing about this connection. */
static void read_stored(struct sp_lexer *l)
{
	struct sp_lex before = *l->out;
	bool package = sp_lexer_is(l, "PACKAGE"); /* ... END, without a BEGIN */

	sp_lexer_next(l);
	sp_lexer_accept(l, "BODY");
	accept_if_exists(l);
	sp_lexer_block(l, package);
	*l->out = before;
}

static void read_create_table(struct sp_lexer *l, bool temporary)
{
	l->calls_from = SP_WORD_SELECT;
	sp_lexer_next(l);
	accept_if_exists(l);
	struct sp_span name = sp_lexer_name(l);
	if (temporary) {
		flag(l, SP_LEX_TEMP_CREATE);
		l->out->object = name;
	}
	sp_lexer_rest(l);
}

/* Also ALTER EVENT. The words before the kind of object (OR REPLACE, DEFINER=...) say nothing. */
static void read_create(struct sp_lexer *l)
{
	static const char *const tables[] = { "TABLE", "SEQUENCE", NULL };
	static const char *const stored[] = { "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT",
					      "PACKAGE",   "VIEW",     NULL };
	bool temporary = false;

	for (sp_lexer_next(l); !sp_lexer_ended(l); sp_lexer_next(l)) {
		if (is_any(l, tables)) {
			read_create_table(l, temporary);
			return;
		}
		if (is_any(l, stored)) {
			read_stored(l);
			return;
		}
		temporary |= sp_lexer_is(l, "TEMPORARY");
	}
}

static void read_alter(struct sp_lexer *l)
{
	struct sp_lexer ahead = *l;

	sp_lexer_next(&ahead);
	if (sp_lexer_is(&ahead, "EVENT") || sp_lexer_is(&ahead, "DEFINER"))
		read_create(l);
	else
		read_names(l);
}

static void read_drop(struct sp_lexer *l)
{
	static const char *const tables[] = { "TABLE", "TABLES", "SEQUENCE", NULL };

	sp_lexer_next(l);
	sp_lexer_accept(l, "TEMPORARY");
	l->calls_from = SP_WORD_NEVER;
	if (sp_lexer_accept(l, "PREPARE")) {
		l->verb = SP_VERB_DEALLOCATE;
		l->out->object = sp_lexer_name(l);
	} else if (is_any(l, tables)) {
		flag(l, SP_LEX_DROP_TABLE);
	}
	sp_lexer_rest(l);
}

static void read_lock(struct sp_lexer *l)
{
	flag(l, SP_LEX_LOCK_TABLES);
	read_names(l);
}

static void read_unlock(struct sp_lexer *l)
{
	flag(l, SP_LEX_UNLOCK_TABLES);
	read_names(l);
}

static void read_flush(struct sp_lexer *l)
{
	for (sp_lexer_next(l); !sp_lexer_ended(l); sp_lexer_next(l)) {
		bool locks = l->word_before == SP_WORD_WITH && sp_lexer_is(l, "READ");
		bool exports = l->word_before == SP_WORD_FOR && sp_lexer_is(l, "EXPORT");
		if (locks || exports)
			flag(l, SP_LEX_LOCK_TABLES);
	}
}

static void read_backup(struct sp_lexer *l)
{
	sp_lexer_next(l);
	bool ends = sp_lexer_is(l, "UNLOCK");
	if (sp_lexer_accept(l, "STAGE"))
		ends = sp_lexer_is(l, "END");
	flag(l, ends ? SP_LEX_UNLOCK_TABLES : SP_LEX_LOCK_TABLES);
	sp_lexer_rest(l);
}

static void read_handler(struct sp_lexer *l)
{
	flag(l, SP_LEX_HANDLER);
	sp_lexer_next(l);
	sp_lexer_name(l);
	sp_lexer_rest(l);
}

static void read_xa(struct sp_lexer *l)
{
	flag(l, SP_LEX_XA);
	read_plain(l);
}

static void read_get(struct sp_lexer *l)
{
	flag(l, SP_LEX_READ_WARNINGS);
	l->out_vars = true;
	read_plain(l);
}

static void read_other(struct sp_lexer *l)
{
	sp_lexer_next(l);
	if (l->now.kind == SP_TOK_MARK && *l->now.all.at == ':') { /* label: BEGIN ... */
		sp_lexer_next(l);
		read_block(l);
		return;
	}
	l->calls_from = SP_WORD_NEVER;
	sp_lexer_rest(l);
}

static const struct {
	enum sp_verb verb;
	void (*read)(struct sp_lexer *l); /* at the first word; goes to the end of the statement */
} starts[SP_WORDS] = {
	[SP_WORD_SELECT] = { SP_VERB_SELECT, read_query },
	[SP_WORD_TABLE] = { SP_VERB_SELECT, read_query },
	[SP_WORD_VALUES] = { SP_VERB_SELECT, read_query },
	[SP_WORD_WITH] = { SP_VERB_SELECT, read_with },
	[SP_WORD_SHOW] = { SP_VERB_SHOW, read_show },
	[SP_WORD_DESC] = { SP_VERB_SHOW, read_explain },
	[SP_WORD_DESCRIBE] = { SP_VERB_SHOW, read_explain },
	[SP_WORD_EXPLAIN] = { SP_VERB_SHOW, read_explain },
	[SP_WORD_ANALYZE] = { SP_VERB_OTHER, read_analyze },
	[SP_WORD_HELP] = { SP_VERB_SHOW, read_help },
	[SP_WORD_CHECKSUM] = { SP_VERB_SHOW, read_help },
	[SP_WORD_INSERT] = { SP_VERB_INSERT, read_insert },
	[SP_WORD_REPLACE] = { SP_VERB_INSERT, read_insert },
	[SP_WORD_UPDATE] = { SP_VERB_UPDATE, read_plain },
	[SP_WORD_DELETE] = { SP_VERB_DELETE, read_plain },
	[SP_WORD_SET] = { SP_VERB_SET, read_set },
	[SP_WORD_USE] = { SP_VERB_USE, read_use },
	[SP_WORD_BEGIN] = { SP_VERB_BEGIN, read_begin },
	[SP_WORD_START] = { SP_VERB_BEGIN, read_start },
	[SP_WORD_COMMIT] = { SP_VERB_COMMIT, read_plain },
	[SP_WORD_ROLLBACK] = { SP_VERB_ROLLBACK, read_rollback },
	[SP_WORD_CALL] = { SP_VERB_CALL, read_call },
	[SP_WORD_DO] = { SP_VERB_DO, read_plain },
	[SP_WORD_LOAD] = { SP_VERB_LOAD, read_load },
	[SP_WORD_KILL] = { SP_VERB_KILL, read_kill },
	[SP_WORD_PREPARE] = { SP_VERB_PREPARE, read_use },
	[SP_WORD_EXECUTE] = { SP_VERB_EXECUTE, read_execute },
	[SP_WORD_DEALLOCATE] = { SP_VERB_DEALLOCATE, read_deallocate },
	[SP_WORD_CREATE] = { SP_VERB_DDL, read_create },
	[SP_WORD_ALTER] = { SP_VERB_DDL, read_alter },
	[SP_WORD_DROP] = { SP_VERB_DDL, read_drop },
	[SP_WORD_RENAME] = { SP_VERB_DDL, read_names },
	[SP_WORD_TRUNCATE] = { SP_VERB_DDL, read_names },
	[SP_WORD_LOCK] = { SP_VERB_OTHER, read_lock },
	[SP_WORD_UNLOCK] = { SP_VERB_OTHER, read_unlock },
	[SP_WORD_FLUSH] = { SP_VERB_OTHER, read_flush },
	[SP_WORD_BACKUP] = { SP_VERB_OTHER, read_backup },
	[SP_WORD_HANDLER] = { SP_VERB_OTHER, read_handler },
	[SP_WORD_XA] = { SP_VERB_OTHER, read_xa },
	[SP_WORD_GET] = { SP_VERB_OTHER, read_get },
	[SP_WORD_IF] = { SP_VERB_OTHER, read_block },
	[SP_WORD_CASE] = { SP_VERB_OTHER, read_block },
	[SP_WORD_LOOP] = { SP_VERB_OTHER, read_block },
	[SP_WORD_WHILE] = { SP_VERB_OTHER, read_block },
	[SP_WORD_REPEAT] = { SP_VERB_OTHER, read_block },
	[SP_WORD_FOR] = { SP_VERB_OTHER, read_block },
};

/* At a statement's first token, maybe inside another (EXPLAIN, WITH, SET STATEMENT). */
static void sub_statement(struct sp_lexer *l)
{
	for (; l->now.kind == SP_TOK_OPEN; sp_lexer_next(l))
		l->depth++;
	l->verb = starts[l->word].verb;
	if (l->verb == SP_VERB_NONE)
		l->verb = SP_VERB_OTHER;
	if (starts[l->word].read)
		starts[l->word].read(l);
	else
		read_other(l);
}

static void statement(struct sp_lexer *l)
{
	l->read = l->ctes = l->out_vars = l->schema = false;
	l->calls_from = SP_WORD_NONE;
	l->depth = 0;
	sub_statement(l);
	if (l->count++ == 0)
		l->out->verb = l->verb;
	else
		flag(l, SP_LEX_MULTI);
}

/* ---- the whole text */

/* In some character sets a quote or a backslash may be half a letter: who knows what we have read?
 */
static bool is_unsure(const struct sp_lex_scan *s)
{
	if (s->doubtful)
		return true;
	if (!(s->mode & SP_LEX_WIDE))
		return false;
	for (const char *p = s->begin; p < s->end; p++)
		if ((unsigned char)*p >= 0x80)
			return true;
	return false;
}

static void conclude(struct sp_lexer *l)
{
	struct sp_lex *out = l->out;
	bool unsure = is_unsure(&l->scan);

	if (unsure || l->scan.had_code || (out->flags & SP_LEX_MULTI))
		if (out->flags & SP_LEX_UVAR_LITERAL) {
			out->flags &= ~(uint32_t)SP_LEX_UVAR_LITERAL;
			out->flags |= SP_LEX_UVAR_EXPR;
		}
	if (l->read && !l->writer && !unsure && !(out->flags & NOT_A_READ))
		out->flags |= SP_LEX_READ;
}

void sp_lex(const char *sql, size_t len, unsigned mode, struct sp_lex *out)
{
	struct sp_lexer l = { .out = out };

	*out = (struct sp_lex){ .verb = SP_VERB_NONE };
	sp_lex_scan_init(&l.scan, sql, len, mode);
	l.scan.hints = out;
	sp_lexer_next(&l);
	for (;;) {
		while (l.now.kind == SP_TOK_SEMI)
			sp_lexer_next(&l);
		if (l.now.kind == SP_TOK_END)
			break;
		statement(&l);
	}
	conclude(&l);
}
