#include "roles/sqlproxy/sp_client.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_limits.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxyhdr.h"
#include "roles/sqlproxy/sp_worker.h"
#include "roles/sqlproxy/sp_zip.h"

enum { LINGER_MS = 1000, FIRST_ID = 1 << 30 };

static void on_event(struct stream *s, enum stream_event event);

/* ---- ids ----------------------------------------------------------------- */

struct sp_client *sp_worker_client(struct sp_worker *w, uint32_t id)
{
	struct sp_client *c = id ? w->ids[id % SP_IDS] : NULL;

	while (c && c->id != id)
		c = c->next_id;
	return c;
}

static void take_id(struct sp_client *c)
{
	static atomic_uint next = FIRST_ID;
	struct sp_worker *w = c->worker;

	c->id = atomic_fetch_add(&next, 1);
	if (c->id < FIRST_ID) /* once around: not into the servers' own numbers */
		c->id |= FIRST_ID;
	c->next_id = w->ids[c->id % SP_IDS];
	w->ids[c->id % SP_IDS] = c;
}

static void drop_id(struct sp_client *c)
{
	struct sp_client **at = &c->worker->ids[c->id % SP_IDS];

	while (*at && *at != c)
		at = &(*at)->next_id;
	if (*at)
		*at = c->next_id;
}

/* ---- life ---------------------------------------------------------------- */

void sp_client_accept(struct sp_worker *w, int fd, const struct sockaddr_storage *peer)
{
	struct sp_client *c = mem_new(sizeof(*c));

	c->worker = w;
	c->setup = sp_setup_hold(w->setup);
	c->peer = *peer;
	c->last_read = w->now;
	c->deadline = w->now + (uint64_t)c->setup->main->login_timeout;
	c->session.status = SP_STATUS_AUTOCOMMIT;
	c->session.row_count = -1;
	c->session.found_rows = 1;
	c->owner = ++w->owners;
	list_init(&c->wait);
	buf_init(&c->in, (size_t)c->setup->main->statement_max + SP_SCRATCH);
	take_id(c);
	w->clients_count++;
	w->figures.clients_accepted++;
	list_append(&w->logins, &c->link);
	stream_open(&c->stream, &w->loop, fd, on_event, c);
	c->state = SP_CLIENT_LOGIN;
	for (int i = 0; i < c->setup->proxy_from_count; i++)
		if (addr_net_has(&c->setup->proxy_from[i], (const struct sockaddr *)peer))
			c->state = SP_CLIENT_PROXY_HEADER;
	if (c->state == SP_CLIENT_LOGIN)
		sp_login_start(c);
}

static void client_free(struct sp_client *c)
{
	struct sp_worker *w = c->worker;

	list_remove(&c->link);
	w->clients_count--;
	sp_limits_left(c);
	sp_login_free(c);
	sp_session_fini(&c->session);
	sp_stmts_clear(&c->stmts);
	sp_text_drop(c->cmd.text);
	sp_zip_free(c->zip);
	buf_fini(&c->in);
	if (c->group)
		sp_group_give(c->group);
	sp_setup_drop(c->setup);
	free(c->lost);
	free(c->refusal);
	free(c);
	sp_worker_settle(w);
}

static void on_closed(struct stream *s)
{
	client_free(s->owner);
}

void sp_client_release(struct sp_client *c)
{
	struct sp_backend *b = c->given;

	c->given = NULL;
	if (b && b->state == SP_BACKEND_BUSY)
		sp_pool_give(b);
}

/* Its connection goes back when nothing of this client's can be on it, else it is closed. */
void sp_client_give_back(struct sp_client *c)
{
	struct sp_backend *b = c->backend;

	sp_client_release(c);
	if (!b)
		return;
	c->backend = NULL;
	b->client = NULL;
	bool reusable = b->state == SP_BACKEND_BUSY && b->expects_count == 0 && b->has_reset &&
			c->cmd.left == 0 && !sp_pinned(&c->session, SP_PIN_STREAM) && !b->failed;
	if (!reusable) {
		sp_backend_close(b, "its client is gone");
		return;
	}
	if (c->session.pins & ~(1u << SP_PIN_MODE))
		sp_attach_clean(b);
	else
		sp_pool_give(b);
}

static void let_go(struct sp_client *c, const char *why)
{
	log_debug("client closes: %s id=%u user=%s", why, c->id, c->user);
	c->state = SP_CLIENT_CLOSING;
	drop_id(c);
	sp_pool_leave(c);
	list_remove(&c->link);
	list_append(&c->worker->closing, &c->link);
	sp_client_give_back(c);
}

void sp_client_close(struct sp_client *c, const char *why)
{
	if (c->stream.closing)
		return;
	if (c->state != SP_CLIENT_CLOSING)
		let_go(c, why);
	stream_close(&c->stream, on_closed);
}

/* What was written last is read by the client before the end. */
static void close_gently(struct sp_client *c, const char *why)
{
	if (c->state == SP_CLIENT_CLOSING)
		return;
	let_go(c, why);
	c->deadline = c->worker->now + LINGER_MS;
	list_remove(&c->link);
	list_append(&c->worker->lingering, &c->link);
	stream_linger(&c->stream, on_closed);
}

void sp_client_forget(struct sp_client *c)
{
	sp_session_reset(&c->session);
	sp_stmts_clear(&c->stmts);
	c->owner = ++c->worker->owners; /* what it left on connections is not this session's */
	c->last_backend = 0;
}

/* ---- out ----------------------------------------------------------------- */

int sp_client_put(struct sp_client *c, const void *data, size_t n)
{
	c->worker->figures.bytes_out += n;
	if (!c->zip)
		return stream_put(&c->stream, data, n);

	struct buf packed;
	buf_init(&packed, 2 * n + 1024 * 1024);
	int rc = sp_zip_out(c->zip, data, n, &packed);
	if (!rc)
		rc = stream_put(&c->stream, buf_data(&packed), buf_len(&packed));
	buf_fini(&packed);
	return rc;
}

static void put_error(struct sp_client *c, uint16_t code, const char *state, const char *text)
{
	struct buf out;

	buf_init(&out, 1024);
	sp_error_write(&out, (uint8_t)(c->seq + 1), code, state, "%s", text);
	sp_client_put(c, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	c->worker->figures.errors++;
}

void sp_client_error(struct sp_client *c, uint16_t code, const char *state, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->login) {
		sp_login_tried(c, text, code);
		return;
	}
	put_error(c, code, state, text);
}

void sp_client_fail(struct sp_client *c, uint16_t code, const char *state, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->state == SP_CLIENT_CLOSING)
		return;
	put_error(c, code, state, text);
	close_gently(c, text);
}

/* ---- in ------------------------------------------------------------------ */

static void proxy_header(struct sp_client *c)
{
	struct sockaddr_storage from;
	int n = sp_proxyhdr_read(buf_data(&c->in), buf_len(&c->in), &from);

	if (n == 0)
		return;
	if (n < 0) {
		sp_client_close(c, "no PROXY header where one must be");
		return;
	}
	buf_take(&c->in, (size_t)n);
	if (from.ss_family != AF_UNSPEC)
		c->peer = from;
	c->state = SP_CLIENT_LOGIN;
	sp_login_start(c);
	if (buf_len(&c->in) > 0 && c->state == SP_CLIENT_LOGIN)
		sp_login_input(c);
}

static void input(struct sp_client *c)
{
	if (c->state == SP_CLIENT_PROXY_HEADER)
		proxy_header(c);
	else if (c->login)
		sp_login_input(c);
	else
		sp_command_work(c);
}

static void gone(struct sp_client *c, ssize_t code)
{
	if (code != UV_EOF || c->login) {
		sp_client_close(c, err_name((int)code));
		return;
	}
	c->eof = true;
	sp_client_close(c, "the client closed the connection");
}

/* No more than it may send ahead: the rest stays in the socket. */
static bool full(const struct sp_client *c)
{
	size_t most = c->state == SP_CLIENT_READY || c->login
			      ? c->in.max
			      : (size_t)c->setup->main->statement_max;
	return buf_len(&c->in) >= most;
}

static ssize_t read_packed(struct sp_client *c)
{
	uint8_t *scratch = c->worker->scratch;
	ssize_t n = stream_read(&c->stream, scratch, 64 * 1024);

	if (n <= 0)
		return n;
	int rc = sp_zip_in(c->zip, scratch, (size_t)n, &c->in);
	return rc ? rc : n;
}

static ssize_t read_more(struct sp_client *c)
{
	size_t room;
	uint8_t *at = buf_room(&c->in, 64 * 1024, &room);
	ssize_t n = at ? stream_read(&c->stream, at, room) : UV_EMSGSIZE;

	if (n > 0)
		buf_commit(&c->in, (size_t)n);
	return n;
}

/* The usual case: nothing is kept, what comes is used where it was read. */
static ssize_t read_straight(struct sp_client *c)
{
	uint8_t *data = c->worker->scratch;
	ssize_t n = stream_read(&c->stream, data, SP_SCRATCH);

	if (n <= 0)
		return n;
	size_t left = (size_t)n;
	c->reading = true;
	for (size_t used; left > 0 && (used = sp_command_take(c, data, left)) > 0;) {
		data += used;
		left -= used;
	}
	c->reading = false;
	if (c->state != SP_CLIENT_CLOSING && left > 0)
		buf_put(&c->in, data, left);
	return n;
}

static void on_readable(struct sp_client *c)
{
	bool straight =
		!c->login && !c->zip && buf_len(&c->in) == 0 && c->state != SP_CLIENT_PROXY_HEADER;
	ssize_t n = straight ? read_straight(c) : c->zip ? read_packed(c) : read_more(c);

	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (n < 0) {
		gone(c, n);
		return;
	}
	if (n == 0)
		return;
	c->last_read = c->worker->now;
	c->worker->figures.bytes_in += (uint64_t)n;
	if (buf_len(&c->in) > 0)
		input(c);
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (buf_len(&c->in) == 0)
		buf_fini(&c->in);
	else if (full(c))
		stream_pause(&c->stream);
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct sp_client *c = s->owner;

	c->worker->now = uv_now(&c->worker->loop);
	if (c->state == SP_CLIENT_CLOSING)
		return;
	if (event == STREAM_SECURE) {
		sp_login_secured(c);
		return;
	}
	if (event == STREAM_DRAINED) {
		if (c->backend)
			stream_resume(&c->backend->stream);
		return;
	}
	do
		on_readable(c);
	while (stream_more(s) && c->state != SP_CLIENT_CLOSING && !s->paused);
}
