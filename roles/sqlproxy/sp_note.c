/*
 * What a statement did to the session: from its text, from what the server told, and from what
 * neither says.
 *
 * Some of it goes into the session and is carried to the next connection; the rest pins the
 * session to this one, or makes it dirty, so that a reset comes before another client. What only
 * the connection knows (LAST_INSERT_ID() ...) is fetched when somebody needs it: sp_handover.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_own.h"
#include "roles/sqlproxy/sp_rewrite.h"
#include "roles/sqlproxy/sp_text_prepare.h"
#include "roles/sqlproxy/sp_worker.h"

static void pin(struct sp_client *c, enum sp_pin which, bool on)
{
	sp_pin_set(&c->session, which, on, c->worker->now);
}

static void each_user_var(void *owner, struct sp_span name, struct sp_span literal)
{
	struct sp_client *c = owner;

	if (!sp_uvars_set(&c->session.user, name, literal, &c->session.vars))
		pin(c, SP_PIN_USER_VAR, true);
}

static struct sp_span sql_of(const struct sp_client *c)
{
	return c->cmd.sql;
}

static void note_user_vars(struct sp_client *c, uint32_t flags)
{
	struct sp_backend *b = c->backend;
	uint64_t before = sp_uvars_hash(&c->session.user);

	if (flags & SP_LEX_UVAR_EXPR || (flags & SP_LEX_UVAR_LITERAL && !sql_of(c).at)) {
		pin(c, SP_PIN_USER_VAR, true);
		b->dirty = true;
	} else if (flags & SP_LEX_UVAR_LITERAL && !c->cmd.error) {
		sp_lex_uvars(sql_of(c).at, sql_of(c).len, sp_session_lex_mode(&c->session),
			     each_user_var, c);
		if (b->user_hash == before)
			b->user_hash = sp_uvars_hash(&c->session.user);
		b->dirty = true;
	}
}

/* The schema of the table whose name begins at `name` in the text: its own, or the session's. */
static struct sp_span schema_of(const struct sp_client *c, const char *name)
{
	const char *begin = sql_of(c).at, *end = name;
	const char *db = c->cmd.stmt ? c->cmd.stmt->text->db : c->session.db;

	db = db ? db : "";
	end -= end > begin && (end[-1] == '`' || end[-1] == '"');
	if (end == begin || end[-1] != '.')
		return (struct sp_span){ db, strlen(db) };
	end--;
	end -= end > begin && (end[-1] == '`' || end[-1] == '"');
	const char *at = end;
	while (at > begin && !strchr(" \t\r\n,`\"", at[-1]))
		at--;
	return (struct sp_span){ at, (size_t)(end - at) };
}

/* Does the DROP name that temporary table, as the server understands it here? */
static bool drops(const struct sp_client *c, const struct sp_var *temp)
{
	struct sp_span sql = sql_of(c);
	size_t n = strlen(temp->name);

	for (size_t at = 0; at + n <= sql.len; at++)
		if (strncasecmp(sql.at + at, temp->name, n) == 0 &&
		    sp_span_is(schema_of(c, sql.at + at), temp->value))
			return true;
	return false;
}

/* False: one that no DROP may be seen to end, or that has the name of another schema's. */
static bool remember_temp(struct sp_client *c)
{
	struct sp_vars *temp = &c->session.temp;
	struct sp_span name = c->cmd.lex.object;

	if (!name.at || !sql_of(c).at || c->cmd.lex.verb == SP_VERB_EXECUTE)
		return false;
	struct sp_span schema = schema_of(c, name.at);
	const struct sp_var *same = sp_vars_find(temp, name);
	return same ? sp_span_is(schema, same->value) : sp_vars_set(temp, name, schema);
}

/* A DROP IF EXISTS that warns has not found them all. */
static void note_temp_tables(struct sp_client *c, uint32_t flags)
{
	struct sp_session *s = &c->session;
	struct sp_span sql = sql_of(c);

	if (flags & SP_LEX_TEMP_CREATE && !c->cmd.error) {
		if (!remember_temp(c))
			pin(c, SP_PIN_STATE, true);
		pin(c, SP_PIN_TEMP, true);
		c->backend->dirty = true;
	}
	if (!(flags & SP_LEX_DROP_TABLE) || c->cmd.error || c->cmd.warnings || !sql.at ||
	    flags & SP_LEX_MULTI)
		return;
	for (uint32_t i = s->temp.count; i-- > 0;) {
		const char *temp = s->temp.list[i].name;
		if (drops(c, &s->temp.list[i]))
			sp_vars_remove(&s->temp, (struct sp_span){ temp, strlen(temp) });
	}
	if (s->temp.count == 0)
		pin(c, SP_PIN_TEMP, false);
}

static void note_locks(struct sp_client *c, uint32_t flags)
{
	struct sp_session *s = &c->session;
	bool got = c->cmd.captured_len && c->cmd.captured[0];

	if (flags & SP_LEX_GET_LOCK) {
		if (!c->cmd.captured_len && !c->cmd.error)
			s->locks += 1000; /* who knows how many: until all are released */
		s->locks += got;
		c->backend->dirty = true;
	}
	if (flags & SP_LEX_RELEASE_LOCK && got && s->locks > 0)
		s->locks--;
	if (flags & SP_LEX_RELEASE_ALL_LOCKS && !c->cmd.error)
		s->locks = 0;
	pin(c, SP_PIN_GET_LOCK, s->locks > 0);
}

static bool has_word(struct sp_span sql, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; sql.at && i + n <= sql.len; i++)
		if (strncasecmp(sql.at + i, word, n) == 0)
			return true;
	return false;
}

/* HANDLER t OPEN ... HANDLER t CLOSE */
static void note_handlers(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_span sql = sql_of(c);

	if (c->cmd.error)
		return;
	c->backend->dirty = true;
	for (size_t i = 0; sql.at && i + 4 < sql.len; i++) {
		s->handlers += strncasecmp(sql.at + i, " open", 5) == 0;
		s->handlers -= strncasecmp(sql.at + i, " clos", 5) == 0 && s->handlers > 0;
	}
	pin(c, SP_PIN_HANDLER, s->handlers > 0 || !sql.at);
}

static bool has_from(struct sp_span sql)
{
	for (size_t i = 0; sql.at && i + 4 <= sql.len; i++) {
		size_t at = i + 4;
		if (strncasecmp(sql.at + i, "from", 4) != 0)
			continue;
		while (at < sql.len && strchr(" \t\r\n", sql.at[at]))
			at++;
		if (at + 4 > sql.len || strncasecmp(sql.at + at, "dual", 4) != 0)
			return true;
	}
	return false;
}

/* Then MariaDB forgets warnings, MySQL 5.6 what SET TRANSACTION said. */
static bool uses_tables(const struct sp_client *c)
{
	struct sp_span sql = sql_of(c);
	enum sp_verb verb = c->cmd.lex.verb;

	if (verb != SP_VERB_SELECT)
		return verb != SP_VERB_SET && verb != SP_VERB_BEGIN && verb != SP_VERB_COMMIT &&
		       verb != SP_VERB_ROLLBACK && verb != SP_VERB_USE && verb != SP_VERB_DO &&
		       verb != SP_VERB_OTHER && verb != SP_VERB_PREPARE && verb != SP_VERB_NONE &&
		       verb != SP_VERB_DEALLOCATE && verb != SP_VERB_KILL;
	return !sql.at || has_from(sql);
}

static void note_xa(struct sp_client *c)
{
	struct sp_span sql = sql_of(c);

	pin(c, SP_PIN_XA, !has_word(sql, "commit") && !has_word(sql, "rollback"));
}

/* SET TRANSACTION on a server that does not tell. */
static void note_next_transaction(struct sp_client *c, uint32_t flags)
{
	if (c->backend->has_track)
		return;
	if (flags & SP_LEX_NEXT_TRX && !c->cmd.error) {
		pin(c, SP_PIN_NEXT_TRX, true);
		c->backend->dirty = true;
	} else if (!(c->session.status & SP_STATUS_IN_TRANS) &&
		   (uses_tables(c) || c->cmd.lex.verb == SP_VERB_COMMIT ||
		    c->cmd.lex.verb == SP_VERB_ROLLBACK)) {
		pin(c, SP_PIN_NEXT_TRX, false);
	}
}

/* Pins whose cause is the statement's text. */
static void note_text(struct sp_client *c)
{
	uint32_t flags = c->cmd.lex.flags;

	if (c->cmd.code == SP_COM_STMT_PREPARE)
		return;
	if (flags & (SP_LEX_UVAR_EXPR | SP_LEX_UVAR_LITERAL))
		note_user_vars(c, flags);
	if (flags & (SP_LEX_TEMP_CREATE | SP_LEX_DROP_TABLE))
		note_temp_tables(c, flags);
	if (flags & (SP_LEX_GET_LOCK | SP_LEX_RELEASE_LOCK | SP_LEX_RELEASE_ALL_LOCKS))
		note_locks(c, flags);
	if (flags & (SP_LEX_LOCK_TABLES | SP_LEX_UNLOCK_TABLES) && !c->cmd.error)
		pin(c, SP_PIN_LOCK, flags & SP_LEX_LOCK_TABLES);
	if (flags & SP_LEX_HANDLER)
		note_handlers(c);
	if (flags & SP_LEX_XA)
		note_xa(c);
	if (flags & SP_LEX_PIN)
		pin(c, SP_PIN_HINT, true);
	if (flags & SP_LEX_SESSION_TRACK && !c->cmd.error)
		pin(c, SP_PIN_TRACK, true);
	sp_text_prepare_note(c);
	note_next_transaction(c, flags);
}

/* A prepared statement runs in the schema of its PREPARE, and for MariaDB that is a change. */
static bool goes_there_and_back(const struct sp_client *c)
{
	const char *db = c->cmd.stmt ? c->cmd.stmt->text->db : NULL;
	const char *here = c->session.db;

	return db && here && strcmp(db, here) != 0 && c->cmd.code == SP_COM_STMT_EXECUTE &&
	       !(c->cmd.lex.flags & SP_LEX_UNKNOWN_FUNC) && c->cmd.lex.verb != SP_VERB_CALL;
}

/* The STATE tracker says that something changed: is it known what? */
static bool state_is_known(const struct sp_client *c)
{
	const uint32_t known = SP_LEX_UVAR_LITERAL | SP_LEX_UVAR_EXPR | SP_LEX_TEMP_CREATE |
			       SP_LEX_DROP_TABLE | SP_LEX_SET_SYSVAR | SP_LEX_SET_STATEMENT |
			       SP_LEX_SET_GLOBAL | SP_LEX_NEXT_TRX | SP_LEX_SESSION_TRACK;
	enum sp_verb verb = c->cmd.lex.verb;

	return c->cmd.lex.flags & known || c->cmd.code == SP_COM_INIT_DB ||
	       goes_there_and_back(c) || verb == SP_VERB_PREPARE || verb == SP_VERB_DEALLOCATE ||
	       verb == SP_VERB_USE || verb == SP_VERB_BEGIN;
}

/* A variable that can't be replayed, or whose new value nobody told. */
static bool sysvar_pins(const struct sp_client *c)
{
	const struct sp_cmd *cmd = &c->cmd;
	bool sets = cmd->lex.flags & (SP_LEX_SET_SYSVAR | SP_LEX_MULTI) ||
		    cmd->lex.verb == SP_VERB_CALL || cmd->lex.verb == SP_VERB_EXECUTE;

	if (cmd->code == SP_COM_STMT_PREPARE)
		return false;
	return cmd->told_unsafe || (cmd->lex.unscoped && !cmd->scoped) ||
	       (!c->backend->has_track && !cmd->error && sets);
}

/* What no client should find: a procedure may lock, a temporary value is put back later. */
static bool leaves_traces(const struct sp_client *c)
{
	const struct sp_cmd *cmd = &c->cmd;
	const uint32_t flags = SP_LEX_UNKNOWN_FUNC | SP_LEX_SET_STATEMENT | SP_LEX_PIN;

	if (cmd->lex.flags & flags || cmd->lex.verb == SP_VERB_CALL ||
	    (cmd->eof_changed && !c->backend->untold))
		return true;
	return cmd->told_state && !goes_there_and_back(c) &&
	       (!(cmd->lex.flags & SP_LEX_SET_SYSVAR) || cmd->lex.flags & SP_LEX_UVAR);
}

/*
 * With autocommit = 0 a transaction may be open though no status says so: an ERR carries none, and
 * a SAVEPOINT comes before the first table. It is taken to be, until it is ended.
 */
static bool may_be_open(const struct sp_client *c)
{
	const struct sp_session *s = &c->session;
	enum sp_verb verb = c->cmd.lex.verb;
	bool ended = verb == SP_VERB_COMMIT || verb == SP_VERB_ROLLBACK || verb == SP_VERB_DDL;

	if (s->status & SP_STATUS_AUTOCOMMIT || (ended && !c->cmd.error))
		return false;
	return c->cmd.error || verb == SP_VERB_OTHER || sp_pinned(s, SP_PIN_TRX);
}

/* State that the server told of, or could not tell. */
static void note_told(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	const struct sp_cmd *cmd = &c->cmd;
	bool hidden = cmd->eof_changed && cmd->lex.flags & (SP_LEX_UNKNOWN_FUNC | SP_LEX_MULTI);

	b->dirty |= leaves_traces(c);
	if (sysvar_pins(c)) {
		pin(c, SP_PIN_SYSVAR, true);
		b->dirty = true;
	}
	if (cmd->told_track)
		pin(c, SP_PIN_TRACK, true);
	if (hidden && s->status & SP_STATUS_IN_TRANS) /* or it is that: the next OK tells */
		s->state_untold = true;
	else if (hidden || (cmd->told_state && (s->state_untold || !state_is_known(c))))
		pin(c, SP_PIN_STATE, true);
	if (cmd->told)
		s->state_untold = false;
	pin(c, SP_PIN_TRX,
	    s->status & SP_STATUS_IN_TRANS || (b->has_track && s->trx_state) || may_be_open(c));
	if (b->has_track)
		pin(c, SP_PIN_NEXT_TRX, s->trx_char && !sp_pinned(s, SP_PIN_TRX));
}

static void note_statement(struct sp_client *c)
{
	struct sp_stmt *stmt = c->cmd.stmt;
	uint16_t status = c->session.status;

	if (!stmt)
		return;
	bool was = stmt->cursor || stmt->long_data;
	if (c->cmd.code == SP_COM_STMT_EXECUTE || c->cmd.code == SP_COM_STMT_RESET)
		stmt->long_data = false;
	bool open = stmt->cursor;
	if (c->cmd.code == SP_COM_STMT_EXECUTE)
		open = status & SP_STATUS_CURSOR_EXISTS && !c->cmd.error;
	else if (c->cmd.code == SP_COM_STMT_FETCH)
		open = !(status & SP_STATUS_LAST_ROW_SENT) && !c->cmd.error;
	else if (c->cmd.code == SP_COM_STMT_RESET)
		open = false;
	stmt->cursor = open;
	if (stmt->own && !open && !stmt->long_data)
		sp_own_close(stmt, c->backend);
	if (was || open)
		sp_session_pin_stmts(&c->session, &c->stmts, c->worker->now);
}

static void note_command(struct sp_client *c)
{
	switch (c->cmd.code) {
	case SP_COM_INIT_DB:
		if (!c->cmd.error && !c->backend->has_track && c->cmd.sql.at) {
			sp_session_set_db(&c->session, c->cmd.sql.at, c->cmd.sql.len);
			sp_backend_set_db(c->backend, c->cmd.sql.at, c->cmd.sql.len);
		}
		break;
	case SP_COM_SET_OPTION:
		if (!c->cmd.error)
			c->session.option = c->backend->option = c->cmd.option;
		break;
	case SP_COM_STMT_RESET:
		c->session.warnings = c->cmd.error ? c->session.warnings : 0;
		break;
	case SP_COM_RESET_CONNECTION:
		if (c->cmd.error) /* MySQL 5.6 does not know it */
			break;
		sp_client_forget(c);
		sp_backend_forget(c->backend);
		c->backend->dirty = true; /* our trackers are off with it: the next owner resets */
		break;
	case SP_COM_REGISTER_SLAVE:
	case SP_COM_BINLOG_DUMP:
	case SP_COM_BINLOG_DUMP_GTID:
		pin(c, SP_PIN_STREAM, true);
		break;
	default:
		break;
	}
	if (c->cmd.lex.verb == SP_VERB_USE && !c->cmd.error && !c->backend->has_track &&
	    c->cmd.lex.object.at) {
		sp_session_set_db(&c->session, c->cmd.lex.object.at, c->cmd.lex.object.len);
		sp_backend_set_db(c->backend, c->cmd.lex.object.at, c->cmd.lex.object.len);
	}
}

/* Are those of the statement before still there? A CALL may have left them: the server knows. */
static bool leaves_warnings(const struct sp_client *c)
{
	const struct sp_session *s = &c->session;
	enum sp_verb verb = c->cmd.lex.verb;

	if (c->cmd.lex.flags & SP_LEX_READ_WARNINGS)
		return true;
	if (c->cmd.warnings || c->cmd.error)
		return false;
	if (sp_pinned(s, SP_PIN_WARNINGS) && (verb == SP_VERB_CALL || verb == SP_VERB_EXECUTE))
		return true;
	return (sp_pinned(s, SP_PIN_WARNINGS) || s->warning_rows || s->warnings_away) &&
	       !uses_tables(c);
}

static void note_warnings(struct sp_client *c)
{
	struct sp_backend *b = c->backend;
	bool now = c->cmd.warnings || c->cmd.error;

	if (leaves_warnings(c))
		return;
	free(c->session.warning_rows);
	c->session.warning_rows = NULL;
	c->session.warnings_away = false;
	c->session.warnings =
		b->mariadb ? 0 : c->cmd.warnings; /* MySQL repeats it in a ping's OK */
	b->warnings_of = now ? c->id : 0;
	pin(c, SP_PIN_WARNINGS, now);
}

static void note_id(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	const struct sp_lex *lex = &c->cmd.lex;
	bool failed = c->cmd.error && (lex->verb == SP_VERB_INSERT || lex->verb == SP_VERB_LOAD);
	bool unsure = lex->flags & (SP_LEX_SET_LAST_ID | SP_LEX_MULTI | SP_LEX_PIN |
				    SP_LEX_UNKNOWN_FUNC) ||
		      lex->verb == SP_VERB_CALL || lex->verb == SP_VERB_EXECUTE;

	if (c->cmd.code == SP_COM_STMT_PREPARE)
		return;
	if (!c->cmd.insert_id && !c->cmd.told_last_id && !failed && !unsure)
		return;
	b->leftovers_of = c->id;
	b->last_id_unknown = true;
	s->last_id_away = true;
	s->last_id = c->cmd.insert_id ? c->cmd.insert_id : s->last_id; /* most likely */
	s->last_id_on = b->number;
}

static void note_found(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	enum sp_found found = c->cmd.found;

	if (c->cmd.code == SP_COM_STMT_PREPARE || found == SP_FOUND_SAME)
		return;
	if (found == SP_FOUND_ROWS && c->cmd.error && b->scan.rows == 0) /* it did not begin */
		return;
	bool cursor = c->cmd.stmt && c->cmd.stmt->cursor; /* it counts all, and sends none */
	s->found_on = b->number;
	s->found_away = found != SP_FOUND_ROWS || c->cmd.error || s->row_count != -1 || cursor;
	s->found_rows = b->scan.rows;
	if (s->found_away)
		b->leftovers_of = c->id;
}

/* What stays on the connection for SHOW WARNINGS, LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(). */
static void note_leftovers(struct sp_client *c)
{
	struct sp_session *s = &c->session;
	bool prepare = c->cmd.code == SP_COM_STMT_PREPARE;
	bool says = c->cmd.lex.verb == SP_VERB_OTHER && c->cmd.lex.flags & SP_LEX_READ_WARNINGS;

	if (c->cmd.code != SP_COM_STATISTICS && !(prepare && !c->cmd.error) && !says)
		s->rows_on = c->backend->number;
	if (c->cmd.code != SP_COM_QUERY && c->cmd.code != SP_COM_STMT_EXECUTE &&
	    c->cmd.code != SP_COM_STMT_BULK_EXECUTE && !prepare) {
		if (c->cmd.error)
			note_warnings(c);
		return;
	}
	note_id(c);
	note_found(c);
	note_warnings(c);
}

/* Not all changes of these two are reported: the status bit and the statement tell. */
static void note_untold(struct sp_client *c, bool charset)
{
	static const struct sp_span autocommit = { "autocommit", 10 };
	static const struct sp_span collation = { "collation_connection", 20 };
	struct sp_session *s = &c->session;
	struct sp_backend *b = c->backend;
	bool on = s->status & SP_STATUS_AUTOCOMMIT;
	const struct sp_var *var = s->vars.count ? sp_vars_find(&s->vars, autocommit) : NULL;
	struct sp_span value = { on ? "ON" : "OFF", on ? 2 : 3 };

	if (var && (strcmp(var->value, "ON") == 0) != on) {
		sp_vars_set(&s->vars, autocommit, value);
		sp_vars_set(&b->vars, autocommit, value);
	}
	if (!charset)
		return;
	if (!c->cmd.told_results) { /* no SET NAMES: what that says of the results stays */
		sp_vars_remove(&s->vars, collation);
		sp_vars_remove(&b->vars, collation);
		return;
	}
	value = sp_rewrite_collate(sql_of(c));
	sp_session_set_names(&s->vars, value);
	sp_session_set_names(&b->vars, value);
}

void sp_note(struct sp_client *c)
{
	note_untold(c, c->cmd.told_charset && !c->cmd.told_collation);
	note_text(c);
	note_told(c);
	note_statement(c);
	note_command(c);
	note_leftovers(c);
}

void sp_note_refused(struct sp_client *c)
{
	struct sp_session *s = &c->session;

	if (may_be_open(c))
		pin(c, SP_PIN_TRX, true);
	note_warnings(c);
	s->rows_on = 0;
	s->found_on = s->found_away ? s->found_on : 0;
}
