#include "roles/sqlproxy/sp_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend_login.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_handover.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_text_prepare.h"
#include "roles/sqlproxy/sp_worker.h"

enum {
	HELD_MAX = 256 * 1024,
	CAPTURED_MAX = 64 * 1024,
	SENT_MAX = 64 * 1024,
};

static void on_event(struct stream *s, enum stream_event event);

/* ---- life ---------------------------------------------------------------- */

static void backend_free(struct sp_backend *b)
{
	struct sp_worker *w = b->pool->worker;

	list_remove(&b->link);
	sp_vars_clear(&b->vars);
	sp_vars_clear(&b->login);
	sp_vars_clear(&b->texts);
	sp_table_clear(&b->prepared);
	for (; b->expects_count > 0; b->expects_count--)
		sp_text_drop(b->expects[(b->expects_at + b->expects_count - 1) % SP_EXPECTS].text);
	buf_fini(&b->in);
	buf_fini(&b->held);
	buf_fini(&b->captured);
	buf_fini(&b->sent);
	free(b->db);
	w->connections_count--;
	sp_pool_removed(b);
	if (b->secret_own)
		sp_secret_fini(b->secret_own);
	free(b->secret_own);
	free(b);
	sp_worker_settle(w);
}

static void on_closed(struct stream *s)
{
	backend_free(s->owner);
}

void sp_backend_close(struct sp_backend *b, const char *why)
{
	enum sp_backend_state was = b->state;
	struct sp_client *c = b->client;

	if (was == SP_BACKEND_CLOSED)
		return;
	log_debug("connection closes: %s server=%s thread=%u", why, b->pool->server->name,
		  b->thread_id);
	b->state = SP_BACKEND_CLOSED;
	b->client = NULL;
	sp_handover_dropped(b);
	b->pool->idle_count -= was == SP_BACKEND_IDLE;
	b->pool->busy_count -= was == SP_BACKEND_BUSY;
	list_remove(&b->link);
	list_append(&b->pool->worker->closing, &b->link);
	if (was < SP_BACKEND_IDLE)
		sp_pool_failed(b, why);
	if (was == SP_BACKEND_DIALING)
		dial_cancel(&b->dial);
	else
		stream_close(&b->stream, on_closed);
	if (c)
		sp_client_lost(c, why);
}

void sp_backend_refuse(struct sp_backend *b, const char *what, const char *detail)
{
	char text[300];

	snprintf(text, sizeof(text), "%s: %s", what, detail);
	sp_backend_close(b, text);
}

static void on_dialed(struct dial *d, int status, int fd)
{
	struct sp_backend *b = d->data;

	if (b->state == SP_BACKEND_CLOSED) { /* closed meanwhile */
		if (fd >= 0)
			close(fd);
		backend_free(b);
		return;
	}
	if (!status)
		status = stream_open(&b->stream, &b->pool->worker->loop, fd, on_event, b);
	if (status) {
		if (fd >= 0)
			close(fd);
		b->state = SP_BACKEND_CLOSED;
		sp_pool_failed(b, uv_strerror(status));
		backend_free(b);
		return;
	}
	b->state = SP_BACKEND_GREETING;
	sp_handover_proxy_header(b);
}

struct sp_backend *sp_backend_open(struct sp_pool *pool, uint64_t client_caps, uint16_t charset)
{
	static _Thread_local uint32_t number;
	struct sp_worker *w = pool->worker;
	const struct sp_server *server = pool->server;
	struct sp_backend *b = mem_new(sizeof(*b));

	b->pool = pool;
	b->number = ++number;
	b->client_caps = client_caps & SP_CAPS_CLASS;
	b->charset = charset;
	b->born = b->used = w->now;
	b->epoch = __atomic_load_n(&server->health->epoch, __ATOMIC_RELAXED);
	b->deadline = w->now + (uint64_t)server->conf->connect_timeout;
	b->dial.data = b;
	b->secret = &pool->group->secret;
	buf_init(&b->in, SP_MARK_MAX + SP_HEADER);
	buf_init(&b->held, HELD_MAX);
	buf_init(&b->captured, CAPTURED_MAX);
	buf_init(&b->sent, SENT_MAX);
	list_append(&pool->opening, &b->link);
	w->connections_count++;
	dial_start(&b->dial, &w->loop, &server->addr, (uint64_t)server->conf->connect_timeout,
		   on_dialed);
	return b;
}

void sp_backend_set_db(struct sp_backend *b, const char *db, size_t len)
{
	if (b->db && db && strlen(b->db) == len && memcmp(b->db, db, len) == 0)
		return;
	free(b->db);
	b->db = NULL;
	if (len == 0)
		return;
	b->db = mem_new(len + 1);
	memcpy(b->db, db, len);
}

void sp_backend_forget(struct sp_backend *b)
{
	sp_vars_clear(&b->vars);
	sp_vars_clear(&b->texts);
	sp_table_clear(&b->prepared);
	b->dirty = b->untold = false;
	b->user_hash = 0;
	b->leftovers_of = b->warnings_of = 0;
	b->last_id = 0;
	b->last_id_unknown = false;
	buf_fini(&b->held); /* closes of statements that are gone anyway */
}

/* ---- answers ------------------------------------------------------------- */

static void scan_front(struct sp_backend *b)
{
	sp_scan_start(&b->scan, b->expects[b->expects_at].answer, b->caps);
}

bool sp_backend_expect(struct sp_backend *b, struct sp_expect e)
{
	if (b->expects_count == SP_EXPECTS)
		return false;
	if (e.text)
		e.text->held++;
	if (e.kind != SP_EXPECT_CLIENT && e.answer != SP_ANSWER_PREPARE)
		b->dirty |= b->untold; /* its OK tells us, who do not listen */
	b->expects[(b->expects_at + b->expects_count) % SP_EXPECTS] = e;
	if (++b->expects_count == 1)
		scan_front(b);
	return true;
}

void sp_backend_start(struct sp_backend *b)
{
	b->state = SP_BACKEND_BUSY;
	b->answered = false;
}

static void pop_expect(struct sp_backend *b)
{
	sp_text_drop(b->expects[b->expects_at].text);
	b->expects_at = (uint8_t)((b->expects_at + 1) % SP_EXPECTS);
	if (--b->expects_count > 0)
		scan_front(b);
}

/* What a refusal of ours means for the client, and for what is known of the connection. */
static void own_refused(struct sp_backend *b, struct sp_expect e, const uint8_t *error, size_t len)
{
	bool its_own = e.kind == SP_EXPECT_PREPARE || e.kind == SP_EXPECT_DB;

	if (e.text)
		sp_text_prepare_failed(b, e.text);
	if (e.kind >= SP_EXPECT_LAST_ID || b->failed)
		return;
	if (!its_own || !b->client || !sp_client_put_off(b->client, error, len)) {
		b->failed = true;
		if (b->client)
			sp_client_applied(b->client, error, len);
	} else if (e.kind == SP_EXPECT_DB) { /* which one it has is not clear any more */
		sp_backend_set_db(b, NULL, 0);
		b->doomed = true;
	}
}

/* One answer of ours is complete. error: the packet, when it was one. */
static void own_answer_done(struct sp_backend *b, const uint8_t *error, size_t len)
{
	struct sp_expect e = b->expects[b->expects_at];

	if (error)
		own_refused(b, e, error, len);
	if (b->state == SP_BACKEND_CLOSED)
		return;
	if (e.kind >= SP_EXPECT_LAST_ID)
		sp_handover_collected(b, e.kind, e.id);
	pop_expect(b);
	if (b->expects_count > 0)
		return;
	if (b->client && !b->failed)
		sp_client_applied(b->client, NULL, 0);
	else if (!b->client && !b->failed)
		sp_pool_give(b); /* it was cleaned after its client */
	else if (!b->client)
		sp_backend_close(b, "it could not be reset");
}

/* A marked packet of an answer of ours. */
static void own_mark(struct sp_backend *b, const uint8_t *packet, size_t len)
{
	const struct sp_expect *e = &b->expects[b->expects_at];
	bool error = b->scan.mark == SP_MARK_ERR;

	if (b->scan.mark == SP_MARK_PREPARED && e->text)
		sp_table_add(&b->prepared, e->text, sp_u32(packet + 5),
			     (uint32_t)b->pool->group->database->conf->prepared, &b->held);
	if (e->kind == SP_EXPECT_LAST_ID || e->kind == SP_EXPECT_WARNINGS)
		sp_handover_capture(b, packet, len);
	if (sp_scan_done(&b->scan))
		own_answer_done(b, error ? packet + SP_HEADER : NULL, error ? len - SP_HEADER : 0);
}

/* The client's answer is read in place; kept is where it has been moved together so far. */
struct window {
	uint8_t *at;   /* not looked at yet */
	uint8_t *from; /* begin of what is to be passed on */
	uint8_t *to;   /* its end */
	size_t left;
};

static void pass(struct window *w, size_t n)
{
	if (w->to != w->at)
		memmove(w->to, w->at, n);
	w->to += n;
	w->at += n;
	w->left -= n;
}

static void flush_window(struct sp_backend *b, struct window *w)
{
	size_t n = (size_t)(w->to - w->from);

	if (n == 0 || !b->client)
		return;
	b->answered = true;
	sp_answer_bytes(b->client, w->from, n);
	w->from = w->to = w->at;
}

/* Returns false when nothing more is to be done with these bytes. */
static bool client_part(struct sp_backend *b, struct window *w)
{
	size_t used = 0;
	enum sp_scan_stop stop = sp_scan_feed(&b->scan, w->at, w->left, &used);

	pass(w, used);
	if (stop == SP_SCAN_BAD) {
		flush_window(b, w);
		sp_backend_close(b, "the server's answer is not MySQL's");
		return false;
	}
	if (stop == SP_SCAN_MARK) {
		size_t whole = b->scan.mark_len;
		size_t kept = sp_answer_mark(b->client, w->at, whole);
		pass(w, kept);
		w->at += whole - kept;
		w->left -= whole - kept;
		if (b->state == SP_BACKEND_CLOSED)
			return false;
	}
	if (sp_scan_done(&b->scan)) {
		struct sp_client *c = b->client;
		flush_window(b, w);
		if (b->state == SP_BACKEND_CLOSED)
			return false;
		size_t more = w->left;
		pop_expect(b);
		if (more > 0) {
			sp_backend_close(b, "the server said more than it was asked");
			return false;
		}
		sp_answer_done(c);
		return false;
	}
	return stop == SP_SCAN_MARK;
}

static bool own_part(struct sp_backend *b, struct window *w)
{
	const struct sp_expect *e = &b->expects[b->expects_at];
	size_t used = 0;
	enum sp_scan_stop stop = sp_scan_feed(&b->scan, w->at, w->left, &used);

	if (e->kind == SP_EXPECT_LAST_ID || e->kind == SP_EXPECT_WARNINGS)
		sp_handover_capture(b, w->at, used);
	w->at += used;
	w->left -= used;
	w->from = w->to = w->at;
	if (stop == SP_SCAN_BAD) {
		sp_backend_close(b, "the server's answer is not MySQL's");
		return false;
	}
	if (stop == SP_SCAN_MARK) {
		const uint8_t *packet = w->at;
		size_t len = b->scan.mark_len;
		w->at += len;
		w->left -= len;
		w->from = w->to = w->at;
		own_mark(b, packet, len);
		return b->state == SP_BACKEND_BUSY;
	}
	if (sp_scan_done(&b->scan)) {
		own_answer_done(b, NULL, 0);
		return b->state == SP_BACKEND_BUSY;
	}
	return false;
}

static void answer_input(struct sp_backend *b, uint8_t *data, size_t len)
{
	struct window w = { data, data, data, len };
	bool more = true;

	while (more && b->expects_count > 0 && b->state == SP_BACKEND_BUSY) {
		bool own = b->expects[b->expects_at].kind != SP_EXPECT_CLIENT || b->failed ||
			   !b->client;
		more = own ? own_part(b, &w) : client_part(b, &w);
	}
	if (b->state != SP_BACKEND_BUSY || b->expects_count == 0)
		return;
	flush_window(b, &w);
	if (b->state == SP_BACKEND_BUSY && buf_put(&b->in, w.at, w.left))
		sp_backend_close(b, "a packet of the server's answer is too long");
}

/* ---- the socket speaks --------------------------------------------------- */

static void lost(struct sp_backend *b, ssize_t code)
{
	if (b->stream.tls && code == ERR_PROTO)
		sp_backend_close(b, "TLS with the server failed");
	else if (code == UV_EOF)
		sp_backend_close(b, "the server closed the connection");
	else
		sp_backend_close(b, err_name((int)code));
}

/* What is kept of the last read goes before what comes now. */
static void read_busy(struct sp_backend *b)
{
	uint8_t *scratch = b->pool->worker->scratch2;
	size_t kept = buf_len(&b->in);

	if (kept >= SP_SCRATCH / 2) { /* a very long OK packet: grow it in place */
		size_t room;
		uint8_t *at = buf_room(&b->in, SP_SCRATCH, &room);
		ssize_t n = at ? stream_read(&b->stream, at, room) : UV_EMSGSIZE;
		if (n < 0) {
			lost(b, n);
			return;
		}
		buf_commit(&b->in, (size_t)n);
		struct buf whole = b->in;
		buf_init(&b->in, SP_MARK_MAX + SP_HEADER);
		answer_input(b, whole.mem + whole.head, buf_len(&whole));
		buf_fini(&whole);
		return;
	}
	if (kept > 0)
		memcpy(scratch, buf_data(&b->in), kept);
	ssize_t n = stream_read(&b->stream, scratch + kept, SP_SCRATCH - kept);
	if (n < 0) {
		lost(b, n);
		return;
	}
	if (n == 0)
		return;
	buf_fini(&b->in);
	answer_input(b, scratch, kept + (size_t)n);
}

static void read_login(struct sp_backend *b)
{
	size_t room;
	uint8_t *at = buf_room(&b->in, 16 * 1024, &room);
	ssize_t n = at ? stream_read(&b->stream, at, room) : UV_EMSGSIZE;

	if (n < 0) {
		lost(b, n);
		return;
	}
	buf_commit(&b->in, (size_t)n);
	sp_backend_login_input(b);
	if (b->state >= SP_BACKEND_IDLE && b->state != SP_BACKEND_CLOSED && buf_len(&b->in) == 0)
		buf_fini(&b->in);
}

/* An idle connection has nothing to say: an end, or a farewell that nobody may see. */
static void read_idle(struct sp_backend *b)
{
	uint8_t said[512];
	ssize_t n = stream_read(&b->stream, said, sizeof(said));
	struct sp_error e;

	if (n == 0)
		return;
	if (n > SP_HEADER + 3 && said[4] == 0xff &&
	    sp_error_read(&e, said + SP_HEADER, (size_t)n - SP_HEADER) == 0) {
		char text[200];
		snprintf(text, sizeof(text), "%u %.*s", e.code,
			 (int)(e.text.len < 180 ? e.text.len : 180), e.text.at);
		sp_backend_refuse(b, "the server closes the idle connection", text);
	} else if (n > 0) {
		sp_backend_close(b, "the server spoke on an idle connection");
	} else {
		lost(b, n);
	}
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct sp_backend *b = s->owner;

	b->pool->worker->now = uv_now(&b->pool->worker->loop);
	if (b->state == SP_BACKEND_CLOSED)
		return;
	if (event == STREAM_SECURE) {
		sp_backend_login(b);
		return;
	}
	if (event == STREAM_DRAINED) {
		if (b->client)
			stream_resume(&b->client->stream);
		return;
	}
	do {
		if (b->state < SP_BACKEND_IDLE)
			read_login(b);
		else if (b->state == SP_BACKEND_BUSY && b->expects_count > 0)
			read_busy(b);
		else
			read_idle(b);
	} while (s->tls && b->state != SP_BACKEND_CLOSED && !s->paused && stream_more(s));
}
