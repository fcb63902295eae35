/*
 * One write: what is held for the connection, then the command, as it is or rewritten where the
 * connection knows it by another name (statement ids, schemas) or would tell something of itself.
 */
#include "roles/sqlproxy/sp_forward.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_own.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_rewrite.h"
#include "roles/sqlproxy/sp_route.h"
#include "roles/sqlproxy/sp_worker.h"

static enum sp_answer answer_of(const struct sp_cmd *cmd)
{
	switch (cmd->code) {
	case SP_COM_QUERY:
	case SP_COM_PROCESS_INFO:
		return SP_ANSWER_QUERY;
	case SP_COM_STMT_EXECUTE:
	case SP_COM_STMT_BULK_EXECUTE:
		return SP_ANSWER_EXECUTE;
	case SP_COM_STMT_FETCH:
		return SP_ANSWER_FETCH;
	case SP_COM_STMT_PREPARE:
		return SP_ANSWER_PREPARE;
	case SP_COM_FIELD_LIST:
		return SP_ANSWER_FIELDS;
	case SP_COM_BINLOG_DUMP:
	case SP_COM_BINLOG_DUMP_GTID:
	case SP_COM_TABLE_DUMP:
		return SP_ANSWER_STREAM;
	default:
		return SP_ANSWER_PACKET;
	}
}

/* The database that a USE or COM_INIT_DB names. */
struct sp_span sp_forward_database(const struct sp_client *c, const struct sp_view *v)
{
	if (c->cmd.code == SP_COM_INIT_DB)
		return (struct sp_span){ (const char *)sp_view_body(v) + 1, sp_view_len(v) - 1 };
	if (c->cmd.code == SP_COM_QUERY && c->cmd.lex.verb == SP_VERB_USE)
		return c->cmd.lex.object;
	return (struct sp_span){ NULL, 0 };
}

static void set_deadline(struct sp_client *c)
{
	int64_t ms = c->cmd.rule && c->cmd.rule->conf->timeout
			     ? c->cmd.rule->conf->timeout
			     : c->group->database->conf->query_timeout;

	c->deadline = ms > 0 ? c->worker->now + (uint64_t)ms : 0;
}

/* Command and all that goes ahead of it, in one write. */
static int send_on(struct sp_backend *b, const void *data, size_t len)
{
	uv_buf_t bufs[2] = { uv_buf_init((char *)buf_data(&b->held), (unsigned)buf_len(&b->held)),
			     uv_buf_init((char *)data, (unsigned)len) };
	bool held = buf_len(&b->held) > 0;
	int rc = stream_write(&b->stream, held ? bufs : bufs + 1, held ? 2 : 1);

	if (held)
		buf_fini(&b->held);
	return rc;
}

/* The parameters' types, which a connection must hear once. Returns where they begin, 0: none. */
static size_t types_at(const struct sp_client *c, const struct sp_view *v)
{
	const struct sp_stmt *stmt = c->cmd.stmt;
	size_t at = 10 + (stmt->params + 7u) / 8;

	if (stmt->params == 0 || c->cmd.code != SP_COM_STMT_EXECUTE ||
	    c->caps & SP_CAP_QUERY_ATTRIBUTES || sp_view_len(v) <= at)
		return 0;
	return at;
}

/* Remembers the types, or writes an EXECUTE that has those remembered. True: `out` has it. */
static bool add_types(struct sp_client *c, const struct sp_view *v, struct sp_prepared *p,
		      struct buf *out)
{
	struct sp_stmt *stmt = c->cmd.stmt;
	size_t at = types_at(c, v), n = 2u * stmt->params;

	if (at == 0)
		return false;
	if (sp_view_body(v)[at] == 1) {
		if (sp_view_len(v) < at + 1 + n)
			return false;
		sp_stmt_set_types(stmt, sp_view_body(v) + at + 1, n);
		p->types_of = stmt->serial;
		return false;
	}
	if (!stmt->types || p->types_of == stmt->serial || !c->cmd.whole ||
	    v->payload + n >= SP_PAYLOAD_MAX)
		return false;
	uint8_t header[SP_HEADER];
	sp_write_header(header, v->payload + n, v->packet[3]);
	buf_put(out, header, SP_HEADER);
	buf_put(out, sp_view_body(v), at);
	buf_put(out, "\x01", 1);
	buf_put(out, stmt->types, n);
	buf_put(out, sp_view_body(v) + at + 1, sp_view_len(v) - at - 1);
	p->types_of = stmt->serial;
	return true;
}

static bool rewrite_execute(struct sp_client *c, struct sp_view *v, struct buf *out)
{
	struct sp_prepared *p = sp_table_find(&c->backend->prepared, sp_stmt_text(c->cmd.stmt));

	if (!p)
		return false;
	sp_put_u32(v->packet + SP_HEADER + 1, p->id);
	return (c->cmd.code == SP_COM_STMT_EXECUTE || c->cmd.code == SP_COM_STMT_BULK_EXECUTE) &&
	       add_types(c, v, p, out);
}

/* USE and COM_INIT_DB by the real schema's name. */
static bool rewrite_use(struct sp_client *c, const struct sp_view *v, struct buf *out)
{
	bool text = c->cmd.code == SP_COM_QUERY;
	struct sp_span name = sp_forward_database(c, v);
	const struct sp_database *d = sp_setup_database(c->group->setup, name.at, name.len);

	if (!name.at || (text && c->cmd.lex.flags & SP_LEX_MULTI))
		return false;
	if (!d || !d->conf->name || !*d->conf->name)
		return false;
	name = (struct sp_span){ d->conf->name, strlen(d->conf->name) };
	sp_write_command(out, SP_COM_INIT_DB, name.at, name.len);
	return true;
}

/* Replaces the calls that would tell something of the connection by what they are to tell. */
static bool rewrite_calls(struct sp_client *c, const struct sp_view *v, struct buf *out)
{
	const struct sp_cmd *cmd = &c->cmd;
	struct sp_calls calls;

	if (cmd->code != SP_COM_QUERY || c->caps & SP_CAP_QUERY_ATTRIBUTES)
		return false;
	sp_own_calls(c, &calls);
	struct sp_span sql = { (const char *)sp_view_body(v) + 1, sp_view_len(v) - 1 };
	size_t begin = sp_packet_begin(out);
	sp_write_int(out, SP_COM_QUERY, 1);
	bool any = sp_rewrite_calls(sql, &calls, out);
	sp_packet_end(out, begin, 0);
	return any;
}

/* So that the server reports what it sets. */
static bool rewrite_set(struct sp_client *c, const struct sp_view *v, struct buf *out)
{
	struct sp_cmd *cmd = &c->cmd;

	if (cmd->code != SP_COM_QUERY || cmd->lex.verb != SP_VERB_SET ||
	    cmd->lex.flags & SP_LEX_MULTI || c->caps & SP_CAP_QUERY_ATTRIBUTES)
		return false;
	struct sp_span sql = { (const char *)sp_view_body(v) + 1, sp_view_len(v) - 1 };
	size_t begin = sp_packet_begin(out);

	sp_write_int(out, SP_COM_QUERY, 1);
	cmd->scoped = sp_rewrite_set(sql, out);
	sp_packet_end(out, begin, 0);
	return cmd->scoped;
}

/* True: `out` holds what goes out in the packet's place. */
static bool rewrite(struct sp_client *c, struct sp_view *v, struct buf *out)
{
	const struct sp_cmd *cmd = &c->cmd;

	if (cmd->stmt)
		return rewrite_execute(c, v, out);
	if (!cmd->whole)
		return false;
	if (cmd->code == SP_COM_INIT_DB ||
	    (cmd->code == SP_COM_QUERY && cmd->lex.verb == SP_VERB_USE))
		return rewrite_use(c, v, out);
	if (cmd->lex.flags &
	    (SP_LEX_CONNECTION_ID | SP_LEX_READ_ROW_COUNT | SP_LEX_READ_FOUND_ROWS))
		return rewrite_calls(c, v, out);
	if (cmd->lex.unscoped)
		return rewrite_set(c, v, out);
	return false;
}

struct sp_span sp_forward_moved(struct sp_span s, const char *from, const char *to)
{
	return (struct sp_span){ s.at ? to + (s.at - from) : NULL, s.len };
}

/*
 * Keeps a copy of what the answer's reading will ask for: reads, which may have to run again, and
 * statements whose text tells what they did. It lives in the connection's own buffer, which grows
 * once.
 */
static void keep_copy(struct sp_client *c, const struct sp_view *v)
{
	const uint32_t asked = SP_LEX_READ | SP_LEX_UVAR_LITERAL | SP_LEX_TEMP_CREATE |
			       SP_LEX_DROP_TABLE | SP_LEX_XA | SP_LEX_HANDLER | SP_LEX_SET_SYSVAR;
	struct sp_cmd *cmd = &c->cmd;
	struct buf *sent = &c->backend->sent;
	bool verb = cmd->lex.verb == SP_VERB_PREPARE || cmd->lex.verb == SP_VERB_DEALLOCATE ||
		    cmd->lex.verb == SP_VERB_USE || cmd->lex.verb == SP_VERB_SHOW ||
		    cmd->code == SP_COM_INIT_DB;
	cmd->sql.at = NULL;
	buf_take(sent, buf_len(sent));
	const struct sp_session *s = &c->session;
	bool warned = sp_pinned(s, SP_PIN_WARNINGS) || s->warning_rows || s->warnings_away;

	if (!cmd->whole || !(cmd->lex.flags & asked || verb || warned) ||
	    buf_put(sent, v->packet, v->have)) {
		cmd->lex.object.at = cmd->lex.hint_server.at = NULL;
		return;
	}
	const char *from = (const char *)v->packet, *to = (const char *)buf_data(sent);
	cmd->sql = (struct sp_span){ to + SP_HEADER + 1, v->have - SP_HEADER - 1 };
	if (cmd->stmt) {
		cmd->sql = (struct sp_span){ cmd->stmt->text->sql, cmd->stmt->text->len };
		return;
	}
	cmd->lex.object = sp_forward_moved(cmd->lex.object, from, to);
	cmd->lex.hint_server.at = NULL;
}

void sp_forward(struct sp_client *c, struct sp_view *v)
{
	struct sp_backend *b = c->backend;
	struct sp_cmd *cmd = &c->cmd;
	bool silent = cmd->code == SP_COM_STMT_SEND_LONG_DATA;
	struct buf other;

	buf_init(&other, 32 * 1024 * 1024);
	keep_copy(c, v);
	bool rewritten = rewrite(c, v, &other);
	cmd->left = SP_HEADER + (uint64_t)v->payload - v->have;
	c->state = cmd->left || cmd->open_ended ? SP_CLIENT_SENDING : SP_CLIENT_BUSY;
	if (!silent) {
		sp_backend_expect(b,
				  (struct sp_expect){ SP_EXPECT_CLIENT, answer_of(cmd), 0, NULL });
		sp_backend_start(b);
	}
	set_deadline(c);
	c->worker->figures.queries++;
	cmd->replica = !sp_route_is_primary(b->pool->server);
	if (cmd->replica)
		c->worker->figures.to_replica++;
	else
		c->worker->figures.to_primary++;
	if (rewritten)
		send_on(b, buf_data(&other), buf_len(&other));
	else
		send_on(b, v->packet, v->have);
	buf_fini(&other);
}
