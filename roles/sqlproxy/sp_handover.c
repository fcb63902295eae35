#include "roles/sqlproxy/sp_handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxyhdr.h"
#include "roles/sqlproxy/sp_worker.h"

static bool ask(struct sp_backend *b, struct buf *prefix, enum sp_expect_kind kind, const char *sql,
		uint32_t id)
{
	struct sp_expect e = { .kind = kind, .answer = SP_ANSWER_QUERY, .id = id };

	if (!sp_worker_client(b->pool->worker, id)) /* its client is gone */
		return false;
	if (!sp_backend_expect(b, e))
		return false;
	sp_write_command(prefix, SP_COM_QUERY, sql, strlen(sql));
	struct sp_client *c = sp_worker_client(b->pool->worker, id);
	if (kind == SP_EXPECT_WARNINGS && c->last_backend == b->number) {
		b->warnings_asked = id;
		c->session.warnings_away = true;
	}
	return true;
}

bool sp_handover_ask(struct sp_backend *b, struct buf *prefix, const uint64_t *last_id)
{
	char sql[100] = "SELECT LAST_INSERT_ID(),FOUND_ROWS()";
	bool asked = false;

	if (b->warnings_of)
		ask(b, prefix, SP_EXPECT_WARNINGS, "SHOW WARNINGS", b->warnings_of);
	if (last_id) /* from left to right: the old one is told before */
		snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql),
			 ",LAST_INSERT_ID(%" PRIu64 ")", *last_id);
	if (b->leftovers_of)
		asked = ask(b, prefix, SP_EXPECT_LAST_ID, sql, b->leftovers_of);
	b->warnings_of = 0; /* leftovers_of stays until it is known: see sp_handover_dropped */
	return asked && last_id;
}

void sp_handover_capture(struct sp_backend *b, const uint8_t *data, size_t len)
{
	if (buf_put(&b->captured, data, len)) /* too much: it is not kept */
		buf_take(&b->captured, buf_len(&b->captured));
}

static uint64_t read_number(struct sp_reader *r)
{
	struct sp_span value = sp_read_lenenc_bytes(r);
	char text[24] = "";

	if (r->bad || value.len >= sizeof(text))
		return 0;
	memcpy(text, value.at, value.len);
	return strtoull(text, NULL, 10);
}

/* The only row: two numbers first. */
static void read_leftovers(const struct buf *answer, bool deprecate_eof, uint64_t *id,
			   uint64_t *found)
{
	struct sp_reader r = sp_reader(buf_data(answer), buf_len(answer));

	*id = *found = 0;
	uint32_t size = sp_read_int(&r, 4) & SP_PAYLOAD_MAX;
	uint64_t columns = sp_read_lenenc(&r);
	if (size != 1 || columns < 2)
		return;
	for (uint64_t packets = columns + (deprecate_eof ? 0 : 1); packets > 0 && !r.bad; packets--)
		sp_read_bytes(&r, sp_read_int(&r, 4) & SP_PAYLOAD_MAX);
	sp_read_int(&r, 4);
	*id = read_number(&r);
	*found = read_number(&r);
}

static bool is_away(const struct sp_session *s, const struct sp_backend *b)
{
	return (s->last_id_away && s->last_id_on == b->number) ||
	       (s->found_away && s->found_on == b->number);
}

static void go_on(struct sp_client *c)
{
	if (c->state != SP_CLIENT_WAITING || c->pool)
		return;
	c->state = SP_CLIENT_READY;
	c->deadline = 0;
	sp_command_work(c);
}

/* They are known now, or never will be. */
static void end_warnings(struct sp_backend *b)
{
	struct sp_client *c = sp_worker_client(b->pool->worker, b->warnings_asked);

	b->warnings_asked = 0;
	if (!c || !c->session.warnings_away)
		return;
	c->session.warnings_away = false;
	go_on(c);
}

/* The client that waits for it goes on. */
static void resume(struct sp_client *c, const struct sp_backend *b)
{
	struct sp_session *s = &c->session;

	if (s->last_id_on == b->number)
		s->last_id_away = false;
	if (s->found_on == b->number) { /* our own question has changed it there */
		s->found_away = false;
		s->found_on = 0;
	}
	s->rows_on = s->rows_on == b->number ? 0 : s->rows_on;
	go_on(c);
}

static void take_leftovers(struct sp_backend *b, struct sp_client *c, const struct buf *answer)
{
	struct sp_session *s = &c->session;
	uint64_t id, found;

	read_leftovers(answer, b->caps & SP_CAP_DEPRECATE_EOF, &id, &found);
	if (s->last_id_away && s->last_id_on == b->number)
		s->last_id = id;
	if (s->found_away && s->found_on == b->number)
		s->found_rows = found;
	resume(c, b);
}

void sp_handover_collected(struct sp_backend *b, enum sp_expect_kind kind, uint32_t id)
{
	struct sp_client *c = sp_worker_client(b->pool->worker, id);
	struct buf answer = b->captured;

	buf_init(&b->captured, answer.max);
	if (kind == SP_EXPECT_LAST_ID)
		b->leftovers_of = 0;
	if (c && kind == SP_EXPECT_LAST_ID && is_away(&c->session, b)) {
		take_leftovers(b, c, &answer);
	} else if (c && kind == SP_EXPECT_WARNINGS && buf_len(&answer) > 0 &&
		   c->session.warnings_away) {
		free(c->session.warning_rows);
		c->session.warning_len = (uint32_t)buf_len(&answer);
		c->session.warning_rows = mem_new(buf_len(&answer));
		memcpy(c->session.warning_rows, buf_data(&answer), buf_len(&answer));
	}
	buf_fini(&answer);
	if (kind == SP_EXPECT_WARNINGS)
		end_warnings(b);
}

void sp_handover_dropped(struct sp_backend *b)
{
	struct sp_client *c = sp_worker_client(b->pool->worker, b->leftovers_of);

	b->leftovers_of = b->warnings_of = 0;
	end_warnings(b);
	if (c && is_away(&c->session, b))
		resume(c, b);
}

bool sp_handover_holds(const struct sp_backend *b)
{
	const struct sp_client *c = sp_worker_client(b->pool->worker, b->leftovers_of);
	const struct sp_client *warned = sp_worker_client(b->pool->worker, b->warnings_of);

	return (c && is_away(&c->session, b)) || (warned && warned->last_backend == b->number);
}

static struct sp_backend *idle_holder(const struct sp_client *c, uint32_t number)
{
	struct list *pool, *it, *tmp, *tmp2;

	list_each (pool, tmp, &c->worker->pools)
		list_each (it, tmp2, &container_of(pool, struct sp_pool, link)->idle)
			if (container_of(it, struct sp_backend, link)->number == number)
				return container_of(it, struct sp_backend, link);
	return NULL;
}

static void wait_for(struct sp_client *c)
{
	c->state = SP_CLIENT_WAITING;
	c->since = c->worker->now;
	c->deadline = c->since + (uint64_t)c->group->database->conf->queue_timeout;
}

bool sp_handover_wait(struct sp_client *c, const struct sp_backend *b)
{
	const struct sp_session *s = &c->session;
	bool id = s->last_id_away && sp_attach_needs_id(c) && !(b && s->last_id_on == b->number);
	bool found = s->found_away && sp_attach_needs_found(c) && !(b && s->found_on == b->number);

	if (s->warnings_away && c->cmd.lex.flags & SP_LEX_READ_WARNINGS) {
		wait_for(c);
		return true;
	}
	if (!id && !found)
		return false;
	struct sp_backend *holder = idle_holder(c, id ? s->last_id_on : s->found_on);
	if (!b && holder && holder->number == c->last_backend && holder->owner == c->owner &&
	    (!found || s->found_on == holder->number) && list_empty(&holder->pool->waiting))
		return false; /* the pool will give it that one */
	wait_for(c);
	if (holder)
		sp_attach_fetch(sp_pool_use(holder));
	return true;
}

void sp_handover_proxy_header(struct sp_backend *b)
{
	int version = b->pool->server->conf->proxy_protocol;
	struct list *first = b->pool->waiting.next;
	uint8_t header[SP_PROXYHDR_MAX];
	struct sockaddr_storage to = { 0 };
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(to);

	if (version == 0)
		return;
	if (first != &b->pool->waiting)
		from = container_of(first, struct sp_client, wait)->peer;
	getpeername(b->stream.item.fd, (struct sockaddr *)&to, &len);
	size_t n = sp_proxyhdr_write(version, (struct sockaddr *)&from, (struct sockaddr *)&to,
				     header);
	stream_put(&b->stream, header, n);
}
