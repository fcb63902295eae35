/*
 * A session's state onto a connection: what differs, as commands that go ahead of the client's.
 *
 *	[questions for the last owner] [RESET, trackers] [database] [SET ...] [PREPARE] [the command]
 *
 * All in one write, unless the command may change data and the database must change first (were
 * it refused, the statement would run in the wrong one), or a PREPARE must tell its id first: then
 * the state goes alone and the command follows its answers.
 */
#include <string.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_handover.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_worker.h"

static const char track[] = "SET SESSION session_track_system_variables='*',"
			    "session_track_state_change=1,"
			    "session_track_transaction_info='CHARACTERISTICS'";

static void expect_ok(struct sp_backend *b, struct buf *prefix, uint8_t command, const char *arg,
		      size_t len)
{
	enum sp_expect_kind kind = command == SP_COM_INIT_DB ? SP_EXPECT_DB : SP_EXPECT_STATE;
	struct sp_expect e = { .kind = kind, .answer = SP_ANSWER_QUERY };

	sp_backend_expect(b, e);
	sp_write_command(prefix, command, arg, len);
}

/* Set back to its DEFAULT, such a variable would not be what a login made it. */
static bool set_by_login(const char *name)
{
	return strncmp(name, "character_set", 13) == 0 || strncmp(name, "collation", 9) == 0 ||
	       strcmp(name, "wait_timeout") == 0 || strcmp(name, "sql_auto_is_null") == 0;
}

static bool must_reset(const struct sp_client *c, const struct sp_backend *b)
{
	int rule = c->group->database->conf->reset;

	if (b->owner == c->owner || !b->owner || rule == SP_RESET_NEVER || !b->has_reset)
		return false;
	if (rule == SP_RESET_ALWAYS || b->dirty)
		return true;
	if (b->vars.hash == c->session.vars.hash)
		return false;
	for (uint32_t i = 0; i < b->vars.count; i++) {
		const char *name = b->vars.list[i].name;
		if (set_by_login(name) &&
		    !sp_vars_find(&c->session.vars, (struct sp_span){ name, strlen(name) }))
			return true;
	}
	return false;
}

static void reset(struct sp_backend *b, struct buf *prefix)
{
	uint32_t id = b->last_id_of;

	expect_ok(b, prefix, SP_COM_RESET_CONNECTION, NULL, 0);
	sp_backend_forget(b);
	b->last_id_of = id; /* still being asked for */
	if (b->has_track)
		expect_ok(b, prefix, SP_COM_QUERY, track, sizeof(track) - 1);
	b->pool->worker->figures.resets++;
}

void sp_attach_clean(struct sp_backend *b)
{
	struct buf prefix;

	buf_init(&prefix, 64 * 1024);
	sp_handover_ask(b, &prefix);
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
	sp_handover_ask(b, &prefix);
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

static void set_vars(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	uint32_t flags = c->cmd.lex.flags;
	bool other = b->owner != c->owner;
	bool sees = !(flags & SP_LEX_READ) || flags & SP_LEX_UVAR; /* triggers and procedures too */
	bool newer = sp_pinned(&c->session, SP_PIN_USER_VAR) || sp_pinned(&c->session, SP_PIN_STATE);
	bool user = sees && !newer && c->session.user.hash != b->user_hash;
	bool id_read = flags & (SP_LEX_READ_LAST_ID | SP_LEX_UNKNOWN_FUNC) ||
		       c->cmd.lex.verb == SP_VERB_CALL;
	struct buf set;

	buf_init(&set, 1024 * 1024);
	bool id_stale = other || c->session.last_id_on != b->number;
	if (sp_session_write_set(&c->session, b, user,
				 id_stale && id_read ? &c->session.last_id : NULL, &set))
		expect_ok(b, prefix, SP_COM_QUERY, (const char *)buf_data(&set), buf_len(&set));
	buf_fini(&set);
	if (id_read)
		c->session.last_id_on = b->number;
	if (other && flags & SP_LEX_READ_WARNINGS) /* not those of somebody else */
		expect_ok(b, prefix, SP_COM_QUERY, "DO 0", 4);
}

static bool prepare(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	struct sp_stmt *stmt = c->cmd.stmt;
	struct sp_expect e = { .kind = SP_EXPECT_PREPARE, .answer = SP_ANSWER_PREPARE };

	if (!stmt || sp_table_find(&b->prepared, stmt->text))
		return false;
	e.text = stmt->text;
	sp_backend_expect(b, e);
	sp_write_command(prefix, SP_COM_STMT_PREPARE, stmt->text->sql, stmt->text->len);
	b->pool->worker->figures.prepares++;
	return true;
}

/*
 * A prepared statement reads ROW_COUNT() or FOUND_ROWS() and can't be rewritten: something goes
 * ahead that leaves these values, as far as a statement without tables can.
 */
static void leave_rows(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	enum { ROWS_MOST = 100 };
	uint64_t rows = c->session.found_rows < ROWS_MOST ? c->session.found_rows : ROWS_MOST;
	struct buf sql;

	if (!c->cmd.stmt || c->cmd.code != SP_COM_STMT_EXECUTE || !b->others_last ||
	    !(c->cmd.lex.flags & (SP_LEX_READ_ROW_COUNT | SP_LEX_READ_FOUND_ROWS)))
		return;
	buf_init(&sql, 4096);
	buf_put(&sql, "SELECT 1", 8);
	for (uint64_t i = 1; i < rows; i++)
		buf_put(&sql, " UNION ALL SELECT 1", 19);
	if (rows == 0)
		buf_put(&sql, " LIMIT 0", 8);
	expect_ok(b, prefix, SP_COM_QUERY, (const char *)buf_data(&sql), buf_len(&sql));
	if (c->session.row_count >= 0)
		expect_ok(b, prefix, SP_COM_QUERY, "DO 0", 4);
	buf_fini(&sql);
}

enum sp_attached sp_attach(struct sp_client *c, struct sp_backend *b, struct buf *prefix)
{
	bool wait = false;

	if (b->owner != c->owner && b->owner)
		sp_handover_ask(b, prefix);
	if (must_reset(c, b))
		reset(b, prefix);
	wait |= change_db(c, b, prefix);
	set_option(c, b, prefix);
	set_vars(c, b, prefix);
	wait |= prepare(c, b, prefix);
	b->others_last = b->owner != c->owner || c->last_backend != b->number || buf_len(prefix) > 0;
	leave_rows(c, b, prefix);
	b->owner = c->owner;
	b->client = c;
	c->backend = b;
	c->last_backend = b->number;
	if (buf_len(prefix) > 0)
		c->worker->figures.prefixes++;
	return wait ? SP_ATTACH_STAGED : SP_ATTACHED;
}
