#include "roles/sqlproxy/sp_handover.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxyhdr.h"
#include "roles/sqlproxy/sp_worker.h"

static void ask(struct sp_backend *b, struct buf *prefix, enum sp_expect_kind kind, const char *sql,
		uint32_t id)
{
	struct sp_expect e = { .kind = kind, .answer = SP_ANSWER_QUERY, .id = id };

	if (!sp_worker_client(b->pool->worker, id)) /* its client is gone */
		return;
	if (sp_backend_expect(b, e))
		sp_write_command(prefix, SP_COM_QUERY, sql, strlen(sql));
}

void sp_handover_ask(struct sp_backend *b, struct buf *prefix)
{
	if (b->warnings_of)
		ask(b, prefix, SP_EXPECT_WARNINGS, "SHOW WARNINGS", b->warnings_of);
	if (b->last_id_of)
		ask(b, prefix, SP_EXPECT_LAST_ID, "SELECT LAST_INSERT_ID()", b->last_id_of);
	b->warnings_of = 0; /* last_id_of stays until it is known: see sp_handover_dropped */
}

void sp_handover_capture(struct sp_backend *b, const uint8_t *data, size_t len)
{
	if (buf_put(&b->captured, data, len)) /* too much: it is not kept */
		buf_take(&b->captured, buf_len(&b->captured));
}

/* The text of the only column of the only row; 0 when there is none. */
static uint64_t only_value(const struct buf *answer, bool deprecate_eof)
{
	struct sp_reader r = sp_reader(buf_data(answer), buf_len(answer));
	char text[24] = "";

	for (int packets = deprecate_eof ? 2 : 3; packets > 0; packets--)
		sp_read_bytes(&r, sp_read_int(&r, 4) & SP_PAYLOAD_MAX);
	sp_read_int(&r, 4);
	struct sp_span value = sp_read_lenenc_bytes(&r);
	if (r.bad || value.len >= sizeof(text))
		return 0;
	memcpy(text, value.at, value.len);
	return strtoull(text, NULL, 10);
}

static void resume(struct sp_client *c)
{
	c->session.last_id_away = false;
	if (c->state == SP_CLIENT_WAITING && !c->pool) {
		c->state = SP_CLIENT_READY;
		c->deadline = 0;
		sp_command_work(c);
	}
}

void sp_handover_collected(struct sp_backend *b, enum sp_expect_kind kind, uint32_t id)
{
	struct sp_client *c = sp_worker_client(b->pool->worker, id);
	struct buf answer = b->captured;

	buf_init(&b->captured, answer.max);
	if (kind == SP_EXPECT_LAST_ID)
		b->last_id_of = 0;
	if (c && kind == SP_EXPECT_LAST_ID && c->session.last_id_away) {
		if (c->session.last_id_on == b->number) /* else a newer one came meanwhile */
			c->session.last_id = only_value(&answer, b->caps & SP_CAP_DEPRECATE_EOF);
		resume(c);
	} else if (c && kind == SP_EXPECT_WARNINGS && buf_len(&answer) > 0 &&
		   c->last_backend == b->number) {
		free(c->session.warning_rows);
		c->session.warning_len = (uint32_t)buf_len(&answer);
		c->session.warning_rows = mem_new(buf_len(&answer));
		memcpy(c->session.warning_rows, buf_data(&answer), buf_len(&answer));
	}
	buf_fini(&answer);
}

void sp_handover_dropped(struct sp_backend *b)
{
	struct sp_client *c = sp_worker_client(b->pool->worker, b->last_id_of);

	b->last_id_of = b->warnings_of = 0;
	if (c)
		resume(c);
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
	size_t n = sp_proxyhdr_write(version, (struct sockaddr *)&from, (struct sockaddr *)&to, header);
	stream_put(&b->stream, header, n);
}
