#include "core/net/http_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/net/dial.h"
#include "core/net/stream.h"
#include "core/net/tls.h"

enum { READ = 16 * 1024, HEAD = 16 * 1024, WHY = 200 };

struct http_client {
	uv_loop_t *loop;
	struct http_client_conf conf;
	struct list idle, busy; /* connections; idle: the last that was used is the last */
	struct list ending;     /* exchanges that wait for their done */
	uv_timer_t timer;       /* for those, and for connections that are idle too long */
	int open, n_idle;
	bool closing;
	void (*closed)(void *data);
	void *data;
};

/* Whom it reaches, and how. */
struct origin {
	bool tls;
	struct addr addr;
};

/* A connection. It is busy, or idle, or has no exchange and goes. */
struct conn {
	struct list link;
	struct http_client *client;
	struct http_exchange *x;
	struct origin origin;
	struct stream stream;
	struct dial dial;
	struct http_reader *reader;
	struct tls_ctx *trust; /* the stream's; not held */
	uint64_t since;        /* idle */
	bool dialing, open, used, closing;
};

struct http_exchange {
	struct list link; /* of the client's ending */
	struct http_client *client;
	struct conn *conn;
	struct origin origin;
	char *request;
	size_t size, keep;
	uint64_t connect_timeout;
	uv_timer_t deadline;
	void (*on_sent)(void *data);
	void (*done)(void *data, const struct http_outcome *o);
	void *data;
	int rc;
	char why[WHY];
	bool sent, timed;
};

static void on_event(struct stream *s, enum stream_event event);

/* ---- the end of things ---------------------------------------------------------------- */

static void release(struct http_client *c)
{
	if (--c->open > 0)
		return;
	tls_ctx_drop(c->conf.tls);
	if (c->closed)
		c->closed(c->data);
	free(c);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

static void exchange_free(struct http_exchange *x)
{
	struct http_client *c = x->client;

	free(x->request);
	free(x);
	release(c);
}

static void on_deadline_closed(uv_handle_t *h)
{
	exchange_free(h->data);
}

static void conn_free(struct conn *k)
{
	struct http_client *c = k->client;

	http_reader_free(k->reader);
	free(k);
	release(c);
}

static void on_stream_closed(struct stream *s)
{
	conn_free(s->owner);
}

/* Its exchange, if it has one, goes on without it. */
static void conn_close(struct conn *k)
{
	if (k->closing)
		return;
	k->closing = true;
	k->client->n_idle -= k->open && !k->x;
	if (k->x)
		k->x->conn = NULL;
	k->x = NULL;
	list_remove(&k->link);
	if (k->dialing)
		dial_cancel(&k->dial); /* on_dialed frees it */
	else if (k->open)
		stream_close(&k->stream, on_stream_closed);
	else
		conn_free(k);
}

/* From the loop. */
static void tell(struct http_exchange *x, const struct http_response *r)
{
	struct http_outcome o = { .rc = x->rc, .why = x->why, .sent = x->sent, .response = r };

	list_remove(&x->link);
	if (x->timed)
		uv_timer_stop(&x->deadline);
	x->done(x->data, &o);
	if (x->timed)
		uv_close((uv_handle_t *)&x->deadline, on_deadline_closed);
	else
		exchange_free(x);
}

static void on_timer(uv_timer_t *t);

static void tell_later(struct http_exchange *x, int rc, const char *why)
{
	if (x->rc)
		return;
	x->rc = rc;
	snprintf(x->why, sizeof(x->why), "%s", why);
	if (x->conn)
		conn_close(x->conn);
	list_append(&x->client->ending, &x->link);
	uv_timer_start(&x->client->timer, on_timer, 0, 0);
}

static void on_deadline(uv_timer_t *t)
{
	tell_later(t->data, UV_ETIMEDOUT, "no answer in time");
}

void http_exchange_cancel(struct http_exchange *x)
{
	tell_later(x, UV_ECANCELED, "cancelled");
}

/* ---- the clock --------------------------------------------------------------------------- */

/* The first of them is idle longest. */
static void close_old(struct http_client *c)
{
	while (!list_empty(&c->idle)) {
		struct conn *k = container_of(c->idle.next, struct conn, link);
		uint64_t age = uv_now(c->loop) - k->since;
		if (age < c->conf.idle_timeout) {
			uv_timer_start(&c->timer, on_timer, c->conf.idle_timeout - age, 0);
			return;
		}
		conn_close(k);
	}
}

static void on_timer(uv_timer_t *t)
{
	struct http_client *c = t->data;

	while (!list_empty(&c->ending))
		tell(container_of(c->ending.next, struct http_exchange, link), NULL);
	if (c->closing)
		uv_close((uv_handle_t *)t, on_timer_closed);
	else
		close_old(c);
}

/* ---- a connection's turn ------------------------------------------------------------------- */

static void begin(struct http_exchange *x, bool fresh);

/* It has ended, or speaks no HTTP. One that had been idle may have been closed long ago: another
 * try costs nobody anything. */
static void broken(struct conn *k, int rc, const char *why)
{
	struct http_exchange *x = k->x;
	bool again = x && k->used && !http_reader_begun(k->reader) && rc != ERR_PROTO;

	if (x && !again)
		tell_later(x, rc == UV_EOF ? UV_ECONNRESET : rc, why);
	else
		conn_close(k);
	if (again)
		begin(x, true);
}

/* The connection is no one's while the owner hears of it, who may ask the next thing. */
static void answered(struct conn *k)
{
	struct http_exchange *x = k->x;
	struct http_client *c = k->client;
	const struct http_response *r = http_reader_response(k->reader);
	bool keep = r->keep_alive && stream_backlog(&k->stream) == 0 &&
		    (!k->origin.tls || k->trust == c->conf.tls);

	x->conn = NULL;
	list_remove(&k->link);
	k->x = NULL;
	c->n_idle++;
	tell(x, r);
	if (!keep || c->closing || c->n_idle > c->conf.idle) {
		conn_close(k);
		return;
	}
	k->used = true;
	k->since = uv_now(c->loop);
	list_append(&c->idle, &k->link);
	if (!uv_is_active((uv_handle_t *)&c->timer))
		uv_timer_start(&c->timer, on_timer, c->conf.idle_timeout, 0);
}

/* false: it has done its part, one way or another. */
static bool take(struct conn *k, const char *data, size_t n)
{
	switch (http_reader_feed(k->reader, data, n)) {
	case HTTP_READER_MORE:
		return true;
	case HTTP_READER_WHOLE:
		answered(k);
		return false;
	default:
		broken(k, n ? ERR_PROTO : UV_EOF, http_reader_reason(k->reader));
		return false;
	}
}

static const char *reason(const struct conn *k, int rc)
{
	if (rc == ERR_PROTO && k->stream.tls)
		return tls_reason(k->stream.tls);
	return uv_strerror(rc);
}

/* Who has answered before he had read all, and closed: his answer may lie there yet. */
static void lost(struct conn *k, int rc)
{
	char room[READ];
	ssize_t n;

	while (k->x && (n = stream_rest(&k->stream, room, sizeof(room))) > 0)
		if (!take(k, room, (size_t)n))
			return;
	broken(k, rc, reason(k, rc));
}

static void send_it(struct conn *k)
{
	struct http_exchange *x = k->x;

	http_reader_reset(k->reader, x->keep);
	x->sent = true;
	if (x->on_sent)
		x->on_sent(x->data);
	int rc = stream_put(&k->stream, x->request, x->size);
	if (rc && k->used)
		broken(k, rc, reason(k, rc));
	else if (rc)
		lost(k, rc);
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct conn *k = s->owner;
	char room[READ];

	if (event == STREAM_SECURE)
		send_it(k);
	if (event != STREAM_READABLE)
		return;
	do {
		ssize_t n = stream_read(s, room, sizeof(room));
		if (n == 0)
			return;
		if (!k->x) /* idle: it has nothing to say but its end */
			conn_close(k);
		else if (n == UV_EOF && s->tls && !s->secure)
			broken(k, ERR_PROTO, "closed in the middle of the TLS handshake");
		else if (n < 0 && n != UV_EOF)
			lost(k, (int)n);
		else if (take(k, room, n > 0 ? (size_t)n : 0))
			continue;
		return;
	} while (stream_more(s));
}

/* ---- a connection's beginning ---------------------------------------------------------------- */

static struct tls_ctx *tls_of(struct http_client *c, struct err *err)
{
	if (!c->conf.tls)
		c->conf.tls = tls_ctx_new(&(struct tls_conf){ .verify = true }, false, err);
	return c->conf.tls;
}

static int open_stream(struct conn *k, int fd, struct err *err)
{
	struct http_client *c = k->client;
	int rc = stream_open(&k->stream, c->loop, fd, on_event, k);

	if (rc) {
		close(fd);
		return err_set(err, rc, "%s", uv_strerror(rc));
	}
	k->open = true;
	if (!k->origin.tls) {
		send_it(k);
		return 0;
	}
	struct tls_ctx *ctx = tls_of(c, err);
	if (!ctx)
		return err->code;
	k->trust = ctx;
	rc = stream_secure(&k->stream, ctx, k->origin.addr.host);
	return rc ? err_set(err, rc, "%s", reason(k, rc)) : 0;
}

static void on_dialed(struct dial *d, int status, int fd)
{
	struct conn *k = d->data;
	struct err err = { .text = "" };

	k->dialing = false;
	if (k->closing) { /* nobody waits any more */
		if (fd >= 0)
			close(fd);
		conn_free(k);
		return;
	}
	if (status)
		err_set(&err, status, "%s",
			status == UV_ETIMEDOUT ? "no connection in time" : uv_strerror(status));
	else
		status = open_stream(k, fd, &err);
	if (status)
		tell_later(k->x, status, err.text);
}

static bool same(const struct origin *a, const struct origin *b)
{
	return a->tls == b->tls && a->addr.port == b->addr.port &&
	       a->addr.is_unix == b->addr.is_unix &&
	       (a->addr.is_unix ? strcmp : strcasecmp)(a->addr.host, b->addr.host) == 0;
}

static struct conn *idle_one(struct http_client *c, const struct origin *o)
{
	for (struct list *it = c->idle.prev; it != &c->idle; it = it->prev) {
		struct conn *k = container_of(it, struct conn, link);
		if (same(&k->origin, o))
			return k;
	}
	return NULL;
}

static void take_over(struct conn *k, struct http_exchange *x)
{
	list_remove(&k->link);
	list_append(&k->client->busy, &k->link);
	k->x = x;
	x->conn = k;
}

/* fresh: not over one that was idle. */
static void begin(struct http_exchange *x, bool fresh)
{
	struct http_client *c = x->client;
	struct conn *k = fresh ? NULL : idle_one(c, &x->origin);

	if (k) {
		c->n_idle--;
		take_over(k, x);
		send_it(k);
		return;
	}
	k = mem_new(sizeof(*k));
	k->client = c;
	k->origin = x->origin;
	k->reader = http_reader_new(HEAD);
	k->dial.data = k;
	list_init(&k->link);
	c->open++;
	take_over(k, x);
	int rc = dial_start(&k->dial, c->loop, &k->origin.addr, x->connect_timeout, on_dialed);
	k->dialing = rc == 0;
	if (rc)
		tell_later(x, rc, uv_strerror(rc));
}

/* ---- the client ------------------------------------------------------------------------------ */

struct http_client *http_client_new(uv_loop_t *loop, const struct http_client_conf *conf)
{
	struct http_client *c = mem_new(sizeof(*c));

	c->loop = loop;
	c->conf = *conf;
	tls_ctx_hold(conf->tls);
	list_init(&c->idle);
	list_init(&c->busy);
	list_init(&c->ending);
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->open = 1;
	return c;
}

/* "Content-Length: 0" is said of a body that is empty, not of one that is none. */
static void write_request(struct http_exchange *x, const struct http_ask *a)
{
	char length[48] = "";
	const char *type = a->type ? a->type : "", *fields = a->fields ? a->fields : "";

	if (a->body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", a->size);
	int n = asprintf(&x->request,
			 "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: troupe/" TROUPE_VERSION
			 "\r\n%s%s%s%s%s%s\r\n",
			 a->method, a->url->target, a->url->host,
			 x->client->conf.idle ? "" : "Connection: close\r\n",
			 a->type ? "Content-Type: " : "", type, a->type ? "\r\n" : "", length,
			 fields);
	assert(n > 0);
	x->size = (size_t)n;
	if (!a->body || !a->size)
		return;
	x->request = mem_resize(x->request, x->size + a->size);
	memcpy(x->request + x->size, a->body, a->size);
	x->size += a->size;
}

struct http_exchange *http_client_ask(struct http_client *c, const struct http_ask *a)
{
	struct http_exchange *x = mem_new(sizeof(*x));

	assert(!c->closing);
	x->client = c;
	x->origin = (struct origin){ .tls = a->url->tls, .addr = a->url->addr };
	x->keep = a->keep;
	x->connect_timeout = a->connect_timeout ? a->connect_timeout : a->timeout;
	x->on_sent = a->sent;
	x->done = a->done;
	x->data = a->data;
	list_init(&x->link);
	c->open++;
	write_request(x, a);
	if (a->timeout) {
		x->timed = true;
		uv_timer_init(c->loop, &x->deadline);
		x->deadline.data = x;
		uv_timer_start(&x->deadline, on_deadline, a->timeout, 0);
	}
	begin(x, false);
	return x;
}

static void close_idle(struct http_client *c)
{
	while (!list_empty(&c->idle))
		conn_close(container_of(c->idle.next, struct conn, link));
}

void http_client_secure(struct http_client *c, struct tls_ctx *tls)
{
	tls_ctx_hold(tls);
	tls_ctx_drop(c->conf.tls);
	c->conf.tls = tls;
	close_idle(c);
}

void http_client_close(struct http_client *c, void (*closed)(void *data), void *data)
{
	c->closing = true;
	c->closed = closed;
	c->data = data;
	while (!list_empty(&c->busy))
		tell_later(container_of(c->busy.next, struct conn, link)->x, UV_ECANCELED,
			   "cancelled");
	close_idle(c);
	uv_timer_start(&c->timer, on_timer, 0, 0);
}
