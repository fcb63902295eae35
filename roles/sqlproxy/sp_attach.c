/*
 * A session's state onto a connection: what differs, as commands that go ahead of the client's.
 *
 *	[questions to the last owner] [RESET, trackers] [PREPARE] [database] [SET ...] [command]
 *
 * All in one write, unless the command may change data and the database must change first (were
 * it refused, the statement would run in the wrong one), or a PREPARE must tell its id first: then
 * the state goes alone and the command follows its answers.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_handover.h"
#include "roles/sqlproxy/sp_own.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_text_prepare.h"
#include "roles/sqlproxy/sp_worker.h"

enum {
	PREPARES_MOST = 8, /* of those that are not to be run now, in one prefix */
	FEW_MOST = 200,
};

static const char track[] = "SET SESSION session_track_system_variables='*',"
			    "session_track_state_change=1,"
			    "session_track_transaction_info='CHARACTERISTICS'";

/* MariaDB forgets warnings only for a statement with a table. */
static const char clear[] = "SELECT 1 FROM (SELECT 1) t";

static void expect_ok(struct sp_backend *b, struct buf *prefix, uint8_t command, const char *arg,
		      size_t len)
{
	enum sp_expect_kind kind = command == SP_COM_INIT_DB ? SP_EXPECT_DB : SP_EXPECT_STATE;
	struct sp_expect e = { .kind = kind, .answer = SP_ANSWER_QUERY };

	sp_backend_expect(b, e);
	sp_write_command(prefix, command, arg, len);
}

static bool login_values_of_user_lost(const struct sp_backend *b, const struct sp_uvars *user)
{
	for (int i = 0; user->states && i < user->states->count; i++)
		if (sp_session_login_lost(b, &user->states->list[i]))
			return true;
	return false;
}

static bool must_reset(const struct sp_client *c, struct sp_backend *b)
{
	int rule = c->group->database->conf->reset;
	const struct sp_stmt *stmt = c->cmd.stmt;

	if (b->owner == c->owner || !b->owner || rule == SP_RESET_NEVER || !b->has_reset)
		return false;
	if (rule == SP_RESET_ALWAYS || b->dirty || sp_session_login_lost(b, &c->session.vars) ||
	    login_values_of_user_lost(b, &c->session.user))
		return true;
	return stmt && !sp_table_find(&b->prepared, sp_stmt_text(stmt)) &&
	       sp_session_login_lost(b, &stmt->text->vars);
}

static void reset(struct sp_backend *b, struct buf *prefix)
{
	uint32_t id = b->leftovers_of;

	expect_ok(b, prefix, SP_COM_RESET_CONNECTION, NULL, 0);
	sp_backend_forget(b);
	b->leftovers_of = id; /* still being asked for */
	if (b->has_track)
		expect_ok(b, prefix, SP_COM_QUERY, track, sizeof(track) - 1);
	b->pool->worker->figures.resets++;
}

void sp_attach_clean(struct sp_backend *b)
{
	struct buf prefix;

	buf_init(&prefix, 64 * 1024);
	sp_handover_ask(b, &prefix, NULL);
	reset(b, &prefix);
	b->owner = 0;
	sp_backend_start(b);
	stream_put(&b->stream, buf_data(&prefix), buf_len(&prefix));
	buf_fini(&prefix);
}

void sp_attach_fetch(struct sp_backend *b)
{
	struct buf prefix;

	buf_init(&prefix, 4096);
	sp_handover_ask(b, &prefix, NULL);
	sp_backend_start(b);
	stream_put(&b->stream, buf_data(&prefix), buf_len(&prefix));
	buf_fini(&prefix);
}

/* Returns whether the command has to wait for the answer. */
static bool change_db(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const char *db = c->session.db;

	if (!db || (b->db && strcmp(b->db, db) == 0))
		return false;
	if (c->cmd.code == SP_COM_INIT_DB) /* it is about to be changed anyway */
		return false;
	expect_ok(b, prefix, SP_COM_INIT_DB, db, strlen(db));
	sp_backend_set_db(b, db, strlen(db));
	return !(c->cmd.lex.flags & SP_LEX_READ) || c->cmd.code != SP_COM_QUERY;
}

/* COM_SET_OPTION survives a reset: multi statements on or off. */
static void set_option(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const struct sp_session *s = &c->session;
	struct sp_expect e = { .kind = SP_EXPECT_STATE, .answer = SP_ANSWER_PACKET };
	bool off = s->option ? s->option == SP_OPTION_OFF : !(c->caps & SP_CAP_MULTI_STATEMENTS);
	uint8_t arg[2] = { off, 0 };

	if (s->option == b->option || c->cmd.code == SP_COM_SET_OPTION)
		return;
	sp_backend_expect(b, e);
	sp_write_command(prefix, SP_COM_SET_OPTION, arg, sizeof(arg));
	b->option = s->option;
}

bool sp_attach_needs_id(const struct sp_client *c)
{
	const struct sp_lex *lex = &c->cmd.lex;

	if (c->cmd.code != SP_COM_QUERY && c->cmd.code != SP_COM_STMT_EXECUTE &&
	    c->cmd.code != SP_COM_STMT_BULK_EXECUTE)
		return false;
	if (lex->verb == SP_VERB_BEGIN) /* within a transaction it would cost a wait and a reset */
		return true;
	if (lex->flags & (SP_LEX_READ_LAST_ID | SP_LEX_SET_LAST_ID | SP_LEX_UNKNOWN_FUNC |
			  SP_LEX_PIN | SP_LEX_MULTI))
		return true;
	switch (lex->verb) { /* a trigger may read it */
	case SP_VERB_INSERT:
	case SP_VERB_UPDATE:
	case SP_VERB_DELETE:
	case SP_VERB_CALL:
	case SP_VERB_EXECUTE:
	case SP_VERB_LOAD:
		return true;
	default:
		return false;
	}
}

/* Where it has to be set on the connection, else NULL. */
static const uint64_t *id_to_set(const struct sp_client *c, const struct sp_backend *b)
{
	const struct sp_session *s = &c->session;
	bool same = !b->last_id_unknown && b->last_id == s->last_id;

	if (!sp_attach_needs_id(c) || s->last_id_on == b->number || same)
		return NULL;
	return &s->last_id;
}

static void id_is_set(const struct sp_client *c, struct sp_backend *b)
{
	b->last_id_unknown = false;
	b->last_id = c->session.last_id;
}

/* What others left on it is asked for, and where that is a statement, it takes the id along. */
static void ask_last_owner(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const uint64_t *id = must_reset(c, b) ? NULL : id_to_set(c, b);

	if (sp_handover_ask(b, prefix, id))
		id_is_set(c, b);
}

/* A change of it would end the client's transaction: it stays as it is on the connection. */
static void leave_autocommit(struct sp_vars *vars, const struct sp_backend *b)
{
	const struct sp_span name = { "autocommit", 10 };
	const struct sp_var *now = sp_vars_find(&b->vars, name);

	sp_vars_remove(vars, name);
	if (now)
		sp_vars_set(vars, name, (struct sp_span){ now->value, strlen(now->value) });
}

void sp_attach_move(struct sp_backend *b, const char *db, const struct sp_vars *vars,
		    struct buf *prefix)
{
	struct buf set;

	if (db && (!b->db || strcmp(b->db, db) != 0)) {
		expect_ok(b, prefix, SP_COM_INIT_DB, db, strlen(db));
		sp_backend_set_db(b, db, strlen(db));
	}
	struct sp_vars there = { 0 };
	sp_vars_copy(&there, vars);
	leave_autocommit(&there, b);
	buf_init(&set, 1024 * 1024);
	if (!sp_session_login_lost(b, &there) && sp_session_write_set(&there, b, NULL, &set))
		expect_ok(b, prefix, SP_COM_QUERY, (const char *)buf_data(&set), buf_len(&set));
	buf_fini(&set);
	sp_vars_clear(&there);
}

/* A literal means what it meant when it was set first: quotes, character set. */
static void set_user_vars(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	const struct sp_session *s = &c->session;
	uint32_t flags = c->cmd.lex.flags;
	bool sees = !(flags & SP_LEX_READ) || flags & SP_LEX_UVAR; /* triggers and procedures too */
	bool newer = sp_pinned(s, SP_PIN_USER_VAR) || sp_pinned(s, SP_PIN_STATE);
	uint64_t hash = sp_uvars_hash(&s->user);

	if (!sees || newer || hash == b->user_hash || !s->user.states)
		return;
	for (int i = 0; i < s->user.states->count; i++) {
		struct buf set;
		buf_init(&set, 1024 * 1024);
		if (sp_uvars_write(&s->user, i, &set)) {
			sp_attach_move(b, NULL, &s->user.states->list[i], prefix);
			expect_ok(b, prefix, SP_COM_QUERY, (const char *)buf_data(&set),
				  buf_len(&set));
		}
		buf_fini(&set);
	}
	b->user_hash = hash;
	b->dirty = true;
}

static void set_vars(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	struct sp_session *s = &c->session;
	struct buf set;

	buf_init(&set, 1024 * 1024);
	const uint64_t *id = id_to_set(c, b);
	if (id)
		id_is_set(c, b);
	if (sp_attach_needs_id(c))
		s->last_id_on = b->number;
	if (sp_session_write_set(&s->vars, b, id, &set))
		expect_ok(b, prefix, SP_COM_QUERY, (const char *)buf_data(&set), buf_len(&set));
	buf_fini(&set);
	bool older = b->owner != c->owner || c->last_backend != b->number;
	if (older && c->cmd.lex.flags & SP_LEX_READ_WARNINGS) { /* of another statement there */
		expect_ok(b, prefix, SP_COM_QUERY, clear, sizeof(clear) - 1);
		s->found_on = 0;
	}
}

/* Prepares the statement where, and as, it was prepared first. */
static bool prepare(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	struct sp_stmt *stmt = c->cmd.stmt;
	struct sp_expect e = { .kind = SP_EXPECT_PREPARE, .answer = SP_ANSWER_PREPARE };

	if (!stmt || sp_table_find(&b->prepared, sp_stmt_text(stmt)))
		return false;
	e.text = sp_stmt_text(stmt);
	sp_attach_move(b, e.text->db, &e.text->vars, prefix);
	sp_backend_expect(b, e);
	sp_write_command(prefix, SP_COM_STMT_PREPARE, e.text->sql, e.text->len);
	b->pool->worker->figures.prepares++;
	return true;
}

bool sp_attach_unseen(const struct sp_client *c, const struct sp_backend *b)
{
	const struct sp_lex *lex = &c->cmd.lex;

	return !b->has_track && !sp_pinned(&c->session, SP_PIN_SYSVAR) &&
	       (lex->flags & (SP_LEX_SET_SYSVAR | SP_LEX_MULTI) || lex->verb == SP_VERB_CALL ||
		lex->verb == SP_VERB_EXECUTE);
}

/* After this command nobody knows what variables they were prepared under: all of them, now. */
static void prepare_all(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	struct sp_expect e = { .kind = SP_EXPECT_IGNORED, .answer = SP_ANSWER_PREPARE };
	int left = PREPARES_MOST;

	for (uint32_t i = 0; i < c->stmts.last && left > 0; i++) {
		const struct sp_stmt *stmt = c->stmts.list[i];
		if (!stmt || sp_table_find(&b->prepared, stmt->text))
			continue;
		e.text = stmt->text;
		sp_attach_move(b, e.text->db, &e.text->vars, prefix);
		if (!sp_backend_expect(b, e))
			return;
		sp_write_command(prefix, SP_COM_STMT_PREPARE, e.text->sql, e.text->len);
		left--;
	}
}

static void put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* Writes a SELECT after which FOUND_ROWS() is n: it counts the numbers below n. */
static void put_found(struct buf *sql, uint64_t n)
{
	static const char digits[] =
		"(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 "
		"UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL "
		"SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
	char text[64];
	int places = 0;

	put(sql, "SELECT SQL_CALC_FOUND_ROWS 1 FROM ");
	for (uint64_t rest = n; places == 0 || (rest > 0 && places < 7); rest /= 10, places++) {
		put(sql, places ? "," : "");
		put(sql, digits);
		snprintf(text, sizeof(text), " t%d", places);
		put(sql, text);
	}
	put(sql, " WHERE 0");
	for (int i = 0, ten = 1; i < places; i++, ten *= 10) {
		snprintf(text, sizeof(text), "+%d*t%d.n", ten, i);
		put(sql, text);
	}
	snprintf(text, sizeof(text), "<%llu LIMIT 1", (unsigned long long)n);
	put(sql, text);
}

/* A few rows without a table: such a statement leaves the warnings as they are. */
static void put_few(struct buf *sql, uint64_t n)
{
	if (n == 0) {
		put(sql, "SELECT 1 FROM DUAL WHERE 0");
		return;
	}
	put(sql, "SELECT 1");
	for (uint64_t i = 1; i < n; i++)
		put(sql, " UNION ALL SELECT 1");
	put(sql, " LIMIT 18446744073709551615");
}

bool sp_attach_needs_found(const struct sp_client *c)
{
	bool runs = c->cmd.code == SP_COM_QUERY || c->cmd.code == SP_COM_STMT_EXECUTE;

	return runs &&
	       (c->cmd.lex.flags & SP_LEX_READ_FOUND_ROWS || c->cmd.found == SP_FOUND_MAYBE);
}

/*
 * ROW_COUNT() and FOUND_ROWS() onto the connection, as far as a statement without tables can: for
 * a statement that has got long data, or several in one text, which can't be rewritten, and ahead
 * of what may leave FOUND_ROWS() as it was.
 */
static void leave_rows(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	struct sp_session *s = &c->session;
	struct sp_cmd *cmd = &c->cmd;
	bool fixed = (cmd->stmt && cmd->stmt->long_data) || cmd->lex.flags & SP_LEX_MULTI;
	bool found = sp_attach_needs_found(c) &&
		     (fixed || cmd->found_within || cmd->found == SP_FOUND_MAYBE);
	bool count = fixed && cmd->lex.flags & SP_LEX_READ_ROW_COUNT && s->rows_on != b->number;
	struct sp_expect e = { .kind = SP_EXPECT_IGNORED, .answer = SP_ANSWER_QUERY };
	struct buf sql;

	bool warned = sp_pinned(s, SP_PIN_WARNINGS), few = warned && s->found_rows <= FEW_MOST;
	if (warned && !few && cmd->lex.flags & SP_LEX_READ_WARNINGS)
		return; /* that would clear them */
	if (found && s->found_on != b->number) {
		buf_init(&sql, 64 * 1024);
		(few ? put_few : put_found)(&sql, s->found_rows);
		sp_backend_expect(b, e);
		sp_write_command(prefix, SP_COM_QUERY, buf_data(&sql), buf_len(&sql));
		buf_fini(&sql);
		s->found_on = b->number;
		s->rows_on = 0;
		count = fixed && cmd->lex.flags & SP_LEX_READ_ROW_COUNT;
	}
	if (count && s->row_count >= 0) {
		expect_ok(b, prefix, SP_COM_QUERY, "DO 0", 4);
	} else if (count) {
		sp_backend_expect(b, e);
		sp_write_command(prefix, SP_COM_QUERY, "SHOW ERRORS LIMIT 0", 19);
	}
}

/* What the connection had of this session is another's now, or gone. */
static void forget_places(struct sp_session *s, const struct sp_backend *b)
{
	s->last_id_on = s->last_id_on == b->number ? 0 : s->last_id_on;
	s->found_on = s->found_on == b->number ? 0 : s->found_on;
	s->rows_on = s->rows_on == b->number ? 0 : s->rows_on;
}

enum sp_attached sp_attach(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	struct sp_session *s = &c->session;
	bool wait = false;

	if (b->owner != c->owner)
		forget_places(s, b);
	if (b->owner != c->owner && b->owner)
		ask_last_owner(c, b, prefix);
	if (must_reset(c, b))
		reset(b, prefix);
	sp_own_share(c, b);
	wait |= prepare(c, b, prefix);
	if (c->stmts.count > 0 && sp_attach_unseen(c, b))
		prepare_all(c, b, prefix);
	wait |= sp_text_prepare_replay(c, b, prefix);
	wait |= change_db(c, b, prefix);
	set_option(c, b, prefix);
	set_user_vars(c, b, prefix);
	set_vars(c, b, prefix);
	if (buf_len(prefix) > 0)
		s->rows_on = 0;
	leave_rows(c, b, prefix);
	c->cmd.stale_rows = s->rows_on != b->number;
	c->cmd.stale_found = s->found_on != b->number;
	if (c->cmd.stale_found && c->cmd.lex.flags & SP_LEX_READ_FOUND_ROWS)
		c->cmd.stale_rows = true; /* by the PREPARE of a statement of its own */
	bool own = sp_own_tell(c);
	if (own)
		wait |= prepare(c, b, prefix);
	bool told = !own && sp_text_prepare_tell(c, b, prefix);
	wait |= told;
	if (own || told) {
		change_db(c, b, prefix);
		set_vars(c, b, prefix);
	}
	b->owner = c->owner;
	b->client = c;
	c->backend = b;
	c->last_backend = b->number;
	if (buf_len(prefix) > 0)
		c->worker->figures.prefixes++;
	if (buf_len(prefix) > 0 && s->pins & ~(SP_PINS_SOFT | 1u << SP_PIN_MODE))
		wait = true; /* an error in it must not cost them */
	return wait ? SP_ATTACH_STAGED : SP_ATTACHED;
}
