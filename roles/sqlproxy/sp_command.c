/*
 * A client's command: what it is, where it goes, and its way there.
 *
 *	take_command: classify -> answer it ourselves
 *	                       -> or a connection (route, pool, attach) -> sp_forward
 *
 * A command is taken out of the input only when it is on its way; until then - the pool's queue,
 * state that must be applied first - it stays where it is, and running again goes on where it
 * stopped. One longer than statement_max is forwarded as it comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_digest.h"
#include "roles/sqlproxy/sp_forward.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_handover.h"
#include "roles/sqlproxy/sp_kill.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_route.h"
#include "roles/sqlproxy/sp_worker.h"

/* ---- answers of our own -------------------------------------------------- */

void sp_client_ok(struct sp_client *c)
{
	const uint16_t lasting = SP_STATUS_IN_TRANS | SP_STATUS_AUTOCOMMIT |
				 SP_STATUS_NO_BACKSLASH | SP_STATUS_IN_TRANS_READONLY |
				 SP_STATUS_ANSI_QUOTES;
	struct sp_ok ok = { .status = c->session.status & lasting,
			    .warnings = c->session.warnings };
	struct buf out;

	c->session.row_count = 0; /* as ROW_COUNT() tells after any OK */
	c->session.rows_on = 0;
	buf_init(&out, 64);
	sp_ok_write(&out, &ok, 0, (uint8_t)(c->seq + 1), c->caps);
	sp_client_put(c, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

static void finish(struct sp_client *c)
{
	sp_text_drop(c->cmd.text);
	c->cmd = (struct sp_cmd){ 0 };
	c->deadline = 0;
	if (c->state != SP_CLIENT_CLOSING)
		c->state = SP_CLIENT_READY;
}

void sp_command_done(struct sp_client *c)
{
	finish(c);
	sp_command_work(c);
}

/* ---- what is it? --------------------------------------------------------- */

/* Rules see a text as written and as its shape, in which blanks and comments hide nothing. */
const struct sp_rule *sp_command_rule(const struct sp_client *c, struct sp_span sql)
{
	const struct sp_setup *s = c->group->setup;
	char text[4096], shape[4096];

	if (s->rules_count == 0)
		return NULL;
	snprintf(text, sizeof(text), "%.*s", (int)(sql.len < 4095 ? sql.len : 4095), sql.at);
	size_t n = sp_lex_digest(sql.at, sql.len, sp_session_lex_mode(&c->session), shape,
				 sizeof(shape) - 1);
	shape[n] = '\0';
	for (int i = 0; i < s->rules_count; i++) {
		const struct sp_rule *r = &s->rules[i];
		if (r->conf->user && strcmp(r->conf->user, c->user) != 0)
			continue;
		if (r->conf->database && strcmp(r->conf->database, c->database) != 0)
			continue;
		if (regexec(&r->match, text, 0, NULL, 0) == 0 ||
		    regexec(&r->match, shape, 0, NULL, 0) == 0)
			return r;
	}
	return NULL;
}

static void classify_text(struct sp_client *c, struct sp_span sql)
{
	struct sp_cmd *cmd = &c->cmd;

	sp_lex(sql.at, sql.len, sp_session_lex_mode(&c->session), &cmd->lex);
	const struct sp_text *text = NULL;
	if (cmd->lex.verb == SP_VERB_EXECUTE || (cmd->lex.flags & SP_LEX_MULTI))
		text = sp_text_prepare_look(&c->session.texts, &cmd->lex);
	if (!cmd->whole)
		cmd->lex.flags = (cmd->lex.flags & ~(uint32_t)SP_LEX_READ) | SP_LEX_UNKNOWN_FUNC;
	if (cmd->lex.flags & SP_LEX_READ_FOUND_ROWS)
		cmd->found_within = sp_found_within(text ? sp_text_span(text) : sql);
	cmd->found = text         ? text->found
		     : cmd->whole ? sp_found_after(&cmd->lex, sql)
				  : SP_FOUND_MAYBE;
	cmd->rule = sp_command_rule(c, sql);
	cmd->digest = sp_digest_find(c->worker, c, sql.at, sql.len);
}

/* What is executed was classified when it was prepared. */
static void classify_statement(struct sp_client *c)
{
	struct sp_text *t = c->cmd.stmt->text;
	bool executes =
		c->cmd.code == SP_COM_STMT_EXECUTE || c->cmd.code == SP_COM_STMT_BULK_EXECUTE;

	c->cmd.lex = t->lex;
	if (!executes)
		return;
	c->cmd.found = t->found;
	if (t->lex.flags & SP_LEX_READ_FOUND_ROWS)
		c->cmd.found_within = sp_found_within(sp_text_span(t));
	c->cmd.rule = sp_command_rule(c, sp_text_span(t));
	if (!t->digest)
		t->digest = sp_digest_find(c->worker, c, t->sql, t->len);
	c->cmd.digest = t->digest;
}

static bool names_a_statement(uint8_t code)
{
	return code == SP_COM_STMT_EXECUTE || code == SP_COM_STMT_BULK_EXECUTE ||
	       code == SP_COM_STMT_FETCH || code == SP_COM_STMT_SEND_LONG_DATA ||
	       code == SP_COM_STMT_RESET || code == SP_COM_STMT_CLOSE;
}

static void classify(struct sp_client *c, const struct sp_view *v)
{
	struct sp_cmd *cmd = &c->cmd;
	struct sp_span sql;

	cmd->code = v->packet[SP_HEADER];
	cmd->started = uv_hrtime() / 1000;
	cmd->whole = v->have == SP_HEADER + (size_t)v->payload && v->payload < SP_PAYLOAD_MAX;
	cmd->open_ended = v->payload == SP_PAYLOAD_MAX;
	cmd->read_known = true;
	cmd->packet = v->packet;
	if (cmd->code == SP_COM_QUERY) {
		sql = sp_query_text(sp_view_body(v), sp_view_len(v), c->caps);
		if (sql.at)
			classify_text(c, sql);
	} else if (cmd->code == SP_COM_STMT_PREPARE) {
		sql = (struct sp_span){ (const char *)sp_view_body(v) + 1, sp_view_len(v) - 1 };
		classify_text(c, sql);
		if (cmd->whole)
			cmd->text = sp_text_new(sql.at, sql.len, c->session.db, &c->session.vars,
						sp_session_lex_mode(&c->session));
	} else if (cmd->code == SP_COM_SET_OPTION && sp_view_len(v) >= 2) {
		cmd->option = sp_view_body(v)[1] ? SP_OPTION_OFF : SP_OPTION_ON;
	} else if (names_a_statement(cmd->code) && sp_view_len(v) >= 5) {
		cmd->stmt = sp_stmts_find(&c->stmts, sp_u32(sp_view_body(v) + 1));
		if (cmd->stmt)
			classify_statement(c);
	}
}

/* ---- those we answer ------------------------------------------------------ */

static void close_statement(struct sp_client *c, struct sp_stmt *stmt)
{
	if (!stmt)
		return;
	if (c->backend && (stmt->cursor || stmt->long_data)) {
		sp_table_close(&c->backend->prepared, sp_stmt_text(stmt), &c->backend->held);
		stmt->cursor = stmt->long_data = false;
		sp_session_pin_stmts(&c->session, &c->stmts, c->worker->now);
	}
	sp_stmts_remove(&c->stmts, stmt);
}

static bool unknown_statement(struct sp_client *c, const struct sp_view *v)
{
	static const char *const names[] = { "mysqld_stmt_execute", "mysqld_stmt_fetch",
					     "mysqld_stmt_reset" };
	uint8_t code = c->cmd.code;
	bool known = !names_a_statement(code) || c->cmd.stmt || code == SP_COM_STMT_CLOSE;

	if (known)
		return false;
	if (code == SP_COM_STMT_SEND_LONG_DATA) /* no answer; the EXECUTE will tell */
		return true;
	if (sp_view_len(v) < 5) {
		sp_client_error(c, 1210, "HY000", "Incorrect arguments to mysqld_stmt_execute");
		return true;
	}
	const char *name = code == SP_COM_STMT_FETCH   ? names[1]
			   : code == SP_COM_STMT_RESET ? names[2]
						       : names[0];
	sp_client_error(c, 1243, "HY000", "Unknown prepared statement handler (%u) given to %s",
			sp_u32(sp_view_body(v) + 1), name);
	return true;
}

static bool reset_statement(struct sp_client *c)
{
	struct sp_stmt *stmt = c->cmd.stmt;

	if (stmt->cursor || stmt->long_data)
		return false;
	if (c->backend && !c->backend->mariadb && sp_pinned(&c->session, SP_PIN_WARNINGS))
		return false; /* a ping's OK there would go on telling their number */
	c->session.warnings = 0;
	sp_client_ok(c);
	return true;
}

/* COM_CHANGE_USER begins another session. */
static void change_user(struct sp_client *c, const struct sp_view *v)
{
	uint8_t payload[4096];
	size_t len = sp_view_len(v) - 1;

	if (len > sizeof(payload)) {
		sp_client_fail(c, 1047, "08S01", "Malformed COM_CHANGE_USER");
		return;
	}
	memcpy(payload, sp_view_body(v) + 1, len);
	sp_client_give_back(c);
	finish(c);
	sp_login_change_user(c, payload, len);
}

/* SHOW WARNINGS of a connection that another client has now. */
static bool kept_warnings(struct sp_client *c, const struct sp_view *v)
{
	static const char text[] = "SHOW WARNINGS";
	struct sp_session *s = &c->session;
	struct sp_span sql = { (const char *)sp_view_body(v) + 1, sp_view_len(v) - 1 };

	while (sql.len > 0 && (sql.at[sql.len - 1] == ';' || sql.at[sql.len - 1] == ' '))
		sql.len--;
	if (!s->warning_rows || !sp_span_is(sql, text))
		return false;
	sp_client_put(c, s->warning_rows, s->warning_len);
	s->row_count = -1;
	s->rows_on = 0;
	return true;
}

static bool refuse(struct sp_client *c, const struct sp_view *v)
{
	const struct sp_cmd *cmd = &c->cmd;
	int mode = c->group->database->conf->mode;

	struct sp_span db = sp_forward_database(c, v);
	if (c->lost) {
		sp_client_error(c, 2013, "HY000", "troupe: %s", c->lost);
		free(c->lost);
		c->lost = NULL;
	} else if (cmd->rule && cmd->rule->conf->error) {
		sp_client_error(c, 1148, "42000", "troupe: rule %s: %s", cmd->rule->name,
				cmd->rule->conf->error);
	} else if (db.at && c->group->known && !sp_user_may_use(c->group->known, db.at, db.len)) {
		sp_client_error(c, 1044, "42000", "Access denied for user '%s' to database '%.*s'",
				c->user, (int)db.len, db.at);
	} else if (cmd->lex.flags & SP_LEX_LOAD_LOCAL && c->group->known &&
		   !c->group->known->conf->local_infile) {
		sp_client_error(c, 4166, "HY000",
				"The used command is not allowed because the MariaDB "
				"server or client has disabled the local infile "
				"capability");
	} else if (mode == SP_MODE_STATEMENT && cmd->lex.verb == SP_VERB_BEGIN) {
		sp_client_error(c, 1235, "42000",
				"troupe: database %s is in statement mode: no "
				"transactions",
				c->database);
	} else {
		return false;
	}
	return true;
}

/* True when the command needs no connection: it is done. */
static bool answer_here(struct sp_client *c, const struct sp_view *v)
{
	switch (c->cmd.code) {
	case SP_COM_QUIT:
		sp_client_close(c, "the client said goodbye");
		return true;
	case SP_COM_PING:
		if (c->backend)
			return false;
		sp_client_ok(c);
		return true;
	case SP_COM_RESET_CONNECTION:
		if (c->backend)
			return false;
		if (!sp_route_resets(c->group)) {
			sp_client_error(c, 1047, "08S01", "Unknown command");
			return true;
		}
		sp_client_forget(c);
		sp_client_ok(c);
		return true;
	case SP_COM_STMT_CLOSE:
		close_statement(c, c->cmd.stmt);
		return true;
	case SP_COM_STMT_RESET:
		return reset_statement(c);
	case SP_COM_QUERY:
		return c->cmd.lex.flags & SP_LEX_READ_WARNINGS && kept_warnings(c, v);
	default:
		return false;
	}
}

/* ---- a connection --------------------------------------------------------- */

/* Another database section may mean other servers, or other limits. */
static void change_group(struct sp_client *c, const char *name, size_t len)
{
	const struct sp_database *d = sp_setup_database(c->group->setup, name, len);
	struct sp_secret secret = { 0 };

	if (!d || d == c->group->database || c->backend)
		return;
	sp_secret_copy(&secret, &c->group->secret);
	struct sp_group *g = sp_group_take(c->worker, c->group->setup, c->user, d, &secret);
	sp_secret_fini(&secret);
	g->model_caps = c->caps;
	g->model_charset = c->charset;
	sp_group_give(c->group);
	c->group = g;
}

/* After a reload the client moves to the new configuration's group when it has no connection. */
static void follow_reload(struct sp_client *c)
{
	if (!c->group->retired || c->backend)
		return;
	const struct sp_database *d =
		sp_setup_database(c->worker->setup, c->database, strlen(c->database));
	const struct sp_user *u = sp_setup_user(c->worker->setup, c->user, strlen(c->user));
	struct sp_secret secret = { 0 };

	if (!d)
		return;
	sp_secret_copy(&secret, u && u->mapped ? &u->backend_secret : &c->group->secret);
	struct sp_group *g = sp_group_take(c->worker, c->worker->setup, c->user, d, &secret);
	sp_secret_fini(&secret);
	g->model_caps = c->caps;
	g->model_charset = c->charset;
	sp_group_give(c->group);
	c->group = g;
	sp_setup_drop(c->setup);
	c->setup = sp_setup_hold(c->worker->setup);
}

/* 1: attached and applied; 0: it has to wait, or it is over. */
static bool connected(struct sp_client *c)
{
	struct sp_backend *b = c->backend;
	struct buf prefix;

	if (c->cmd.applied)
		return true;
	if (!b)
		b = c->given;
	if (sp_handover_wait(c, b))
		return false;
	c->given = NULL;
	if (!b) {
		follow_reload(c);
		b = sp_pool_take(sp_route(c), c);
		if (!b)
			return false;
		c->given = b; /* should it have to wait */
		if (sp_handover_wait(c, b))
			return false;
		c->given = NULL;
	}
	buf_init(&prefix, 4 * 1024 * 1024);
	enum sp_attached how = sp_attach(c, b, &prefix);
	c->cmd.applied = true;
	if (buf_len(&prefix) > 0)
		buf_put(&b->held, buf_data(&prefix), buf_len(&prefix));
	buf_fini(&prefix);
	if (how != SP_ATTACH_STAGED)
		return true;
	c->state = SP_CLIENT_APPLYING;
	sp_backend_start(b);
	stream_put(&b->stream, buf_data(&b->held), buf_len(&b->held));
	buf_take(&b->held, buf_len(&b->held));
	return false;
}

void sp_command_again(struct sp_client *c, const struct sp_backend *b)
{
	const struct buf *sent = &b->sent;
	struct buf in;

	buf_init(&in, c->in.max + buf_len(sent));
	buf_put(&in, buf_data(sent), buf_len(sent));
	buf_put(&in, buf_data(&c->in), buf_len(&c->in));
	buf_fini(&c->in);
	c->in = in;
	sp_text_drop(c->cmd.text);
	c->cmd = (struct sp_cmd){ .retried = true };
	c->state = SP_CLIENT_READY;
	c->worker->figures.retries++;
	sp_command_work(c);
}

void sp_client_granted(struct sp_client *c, struct sp_backend *b)
{
	c->state = SP_CLIENT_READY;
	c->deadline = 0;
	c->given = b;
	sp_command_work(c);
}

void sp_client_refused(struct sp_client *c, uint16_t code, const char *state, const char *text)
{
	free(c->refusal);
	c->refusal = mem_new(sizeof(*c->refusal));
	c->refusal->code = code;
	snprintf(c->refusal->state, sizeof(c->refusal->state), "%s", state);
	snprintf(c->refusal->text, sizeof(c->refusal->text), "%s", text);
	c->state = SP_CLIENT_READY;
	sp_client_release(c);
	sp_command_work(c); /* unless that is where we come from */
}

static void answer_refusal(struct sp_client *c)
{
	struct sp_refusal r = *c->refusal;
	bool answered = c->cmd.whole && c->cmd.code != SP_COM_STMT_SEND_LONG_DATA;

	free(c->refusal);
	c->refusal = NULL;
	if (answered)
		sp_client_error(c, r.code, r.state, "%s", r.text);
	else
		sp_client_fail(c, r.code, r.state, "%s", r.text);
	finish(c);
}

/* ---- the input ------------------------------------------------------------ */

/* A piece of a parameter is not answered. */
static void long_data_sent(struct sp_client *c)
{
	if (c->cmd.code != SP_COM_STMT_SEND_LONG_DATA)
		return;
	c->cmd.stmt->long_data = true;
	sp_pin_set(&c->session, SP_PIN_LONG_DATA, true, c->worker->now);
	finish(c);
}

static void pass(struct sp_client *c, struct sp_view *v)
{
	sp_forward(c, v);
	if (c->state == SP_CLIENT_BUSY)
		long_data_sent(c);
}

/* How much of the command there is, 0: not enough to begin. */
static bool look(const struct sp_client *c, uint8_t *data, size_t len, struct sp_view *v)
{
	if (len < SP_HEADER)
		return false;
	v->packet = data;
	v->payload = sp_payload_len(data);
	size_t all = SP_HEADER + (size_t)v->payload;
	v->have = len < all ? len : all;
	return len >= all || len >= (size_t)c->setup->main->statement_max;
}

static bool before_connection(struct sp_client *c, const struct sp_view *v)
{
	struct sp_cmd *cmd = &c->cmd;

	if (cmd->code == SP_COM_CHANGE_USER) {
		change_user(c, v);
		return true;
	}
	if (unknown_statement(c, v) || answer_here(c, v) || refuse(c, v) ||
	    sp_kill(c, sp_view_body(v), sp_view_len(v))) {
		if (c->state == SP_CLIENT_READY)
			finish(c);
		return true;
	}
	struct sp_span name = sp_forward_database(c, v);
	if (name.at)
		change_group(c, name.at, name.len);
	return false;
}

/* The command was classified where it was read, and waited elsewhere: its spans go with it. */
static void follow_packet(struct sp_cmd *cmd, const uint8_t *packet)
{
	const char *from = (const char *)cmd->packet, *to = (const char *)packet;

	if (from != to && !cmd->stmt) {
		cmd->lex.object = sp_forward_moved(cmd->lex.object, from, to);
		cmd->lex.hint_server = sp_forward_moved(cmd->lex.hint_server, from, to);
	}
	cmd->packet = packet;
}

static size_t take_command(struct sp_client *c, uint8_t *data, size_t len)
{
	struct sp_view v;

	if (!look(c, data, len, &v))
		return 0;
	if (c->cmd.read_known)
		follow_packet(&c->cmd, data);
	if (!c->login) /* our own question during a login has no number of the client's */
		c->seq = data[3];
	if (!c->cmd.read_known) {
		if (data[3] != 0) {
			sp_client_fail(c, 1156, "08S01", "Got packets out of order");
			return len;
		}
		if (v.payload == 0) {
			sp_client_error(c, 1047, "08S01", "Unknown command");
			return SP_HEADER;
		}
		classify(c, &v);
		size_t whole = v.have;
		bool all = c->cmd.whole;
		if (before_connection(c, &v))
			return all || c->state == SP_CLIENT_CLOSING ? whole : len;
	}
	if (!c->refusal && c->state == SP_CLIENT_READY && c->cmd.code == SP_COM_QUERY &&
	    c->cmd.lex.flags & SP_LEX_READ_WARNINGS && kept_warnings(c, &v)) {
		sp_client_release(c); /* it had to wait for them */
		finish(c);
		return v.have;
	}
	if (!c->refusal && (c->state != SP_CLIENT_READY || !connected(c)) && !c->refusal)
		return 0;
	if (c->refusal)
		answer_refusal(c);
	else
		pass(c, &v);
	return v.have;
}

/* The rest of a command that was longer than what was read. */
static size_t pass_on(struct sp_client *c, const uint8_t *data, size_t len)
{
	struct sp_cmd *cmd = &c->cmd;
	struct sp_backend *b = c->backend;

	if (cmd->left == 0) { /* the header of its next chunk */
		if (len < SP_HEADER)
			return 0;
		cmd->left = SP_HEADER + (uint64_t)sp_payload_len(data);
		cmd->open_ended = sp_payload_len(data) == SP_PAYLOAD_MAX;
		c->seq = data[3];
	}
	size_t n = len < cmd->left ? len : (size_t)cmd->left;
	cmd->left -= n;
	stream_put(&b->stream, data, n);
	if (stream_backlog(&b->stream) > STREAM_HIGH)
		stream_pause(&c->stream);
	if (cmd->left > 0 || cmd->open_ended)
		return n;
	c->state = SP_CLIENT_BUSY;
	long_data_sent(c);
	return n;
}

void sp_command_file(struct sp_client *c)
{
	c->state = SP_CLIENT_FILE;
	c->cmd.left = 0;
	c->cmd.open_ended = false;
	sp_command_work(c);
}

/* The contents of a file, packets until an empty one. */
static size_t pass_file(struct sp_client *c, const uint8_t *data, size_t len)
{
	struct sp_cmd *cmd = &c->cmd;
	bool last = false;

	if (cmd->left == 0) {
		if (len < SP_HEADER)
			return 0;
		cmd->left = SP_HEADER + (uint64_t)sp_payload_len(data);
		last = cmd->left == SP_HEADER &&
		       !cmd->open_ended; /* behind a full chunk it is its end */
		cmd->open_ended = sp_payload_len(data) == SP_PAYLOAD_MAX;
		c->seq = data[3];
	}
	size_t n = len < cmd->left ? len : (size_t)cmd->left;
	cmd->left -= n;
	stream_put(&c->backend->stream, data, n);
	if (stream_backlog(&c->backend->stream) > STREAM_HIGH)
		stream_pause(&c->stream);
	if (last)
		c->state = SP_CLIENT_BUSY;
	return n;
}

size_t sp_command_take(struct sp_client *c, const uint8_t *data, size_t len)
{
	switch (c->state) {
	case SP_CLIENT_READY:
		return take_command(c, (uint8_t *)data, len);
	case SP_CLIENT_SENDING:
		return pass_on(c, data, len);
	case SP_CLIENT_FILE:
		return pass_file(c, data, len);
	default:
		return 0;
	}
}

void sp_command_work(struct sp_client *c)
{
	if (c->reading) /* whoever reads goes on by itself */
		return;
	c->reading = true;
	while (buf_len(&c->in) > 0 && c->state != SP_CLIENT_CLOSING) {
		size_t used = sp_command_take(c, buf_data(&c->in), buf_len(&c->in));
		if (used == 0)
			break;
		buf_take(&c->in, used < buf_len(&c->in) ? used : buf_len(&c->in));
	}
	c->reading = false;
	if (c->state != SP_CLIENT_CLOSING && c->stream.paused &&
	    (!c->backend || stream_backlog(&c->backend->stream) < STREAM_HIGH))
		stream_resume(&c->stream);
}
