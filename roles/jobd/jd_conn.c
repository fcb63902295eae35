#include "roles/jobd/jd_conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "roles/jobd/jd.h"

enum { COPY_MOST = 16 * 1024, LINGER = 2000, TEXT = 1024 };

/* ---- out ------------------------------------------------------------------------------ */

void jd_conns_flush(struct jd_conns *s)
{
	struct jd_conn *c = s->out_to;
	size_t n = buf_len(&s->out);

	s->out_to = NULL;
	if (!c)
		return;
	int rc = stream_put(&c->stream, buf_data(&s->out), n);
	buf_take(&s->out, n);
	if (rc != 0)
		jd_conn_close(c);
}

void jd_conn_put(struct jd_conn *c, const void *data, size_t n)
{
	struct jd_conns *s = c->all;

	if (s->out_to != c || buf_len(&s->out) + n > JD_CONN_PIECE)
		jd_conns_flush(s);
	if (c->closed)
		return;
	if (n <= COPY_MOST) {
		s->out_to = c;
		buf_put(&s->out, data, n);
		return;
	}
	jd_conns_flush(s);
	if (!c->closed && stream_put(&c->stream, data, n) != 0)
		jd_conn_close(c);
}

void jd_conn_printf(struct jd_conn *c, const char *fmt, ...)
{
	char text[TEXT];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	jd_conn_put(c, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

char *jd_conn_number(char *p, uint64_t n)
{
	char digits[20];
	int i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		*p++ = digits[--i];
	return p;
}

/* ---- the end -------------------------------------------------------------------------- */

static void conn_free(struct jd_conn *c)
{
	if (c->all->protocol->free)
		c->all->protocol->free(c);
	buf_fini(&c->in);
	free(c);
}

static void on_stream_closed(struct stream *stream)
{
	struct jd_conn *c = stream->owner;
	struct api *api = c->all->api;

	c->all->n--;
	list_remove(&c->link);
	jd_conn_not_due(c);
	if (!c->pending)
		conn_free(c);
	api->open--;
	api_settle(api);
}

bool jd_conn_answered(struct jd_conn *c)
{
	c->pending--;
	if (!c->closed)
		return true;
	if (!c->pending && !c->stream.open)
		conn_free(c);
	return false;
}

/* All but the socket is given up. */
static void let_go(struct jd_conn *c)
{
	struct jd_conns *s = c->all;

	c->closed = true;
	if (s->out_to == c) {
		s->out_to = NULL;
		buf_take(&s->out, buf_len(&s->out));
	}
	s->protocol->gone(c);
	jd_conn_not_due(c);
}

void jd_conn_close(struct jd_conn *c)
{
	if (!c->closed)
		let_go(c);
	stream_close(&c->stream, on_stream_closed);
}

void jd_conn_leave(struct jd_conn *c)
{
	if (c->all->out_to == c)
		jd_conns_flush(c->all);
	if (c->closed)
		return;
	if (!stream_backlog(&c->stream)) {
		jd_conn_close(c);
		return;
	}
	let_go(c);
	c->lingering = true;
	jd_conn_set_due(c, work_clock(c->all->api->work) + LINGER);
	stream_linger(&c->stream, on_stream_closed);
}

/* ---- in ------------------------------------------------------------------------------- */

static bool reads_too_little(const struct jd_conn *c)
{
	return stream_backlog(&c->stream) > (size_t)c->all->jd->keys->max_unread;
}

static bool is_reading(const struct jd_conn *c)
{
	return c->state == JD_CONN_READING && !c->closed;
}

static size_t process(struct jd_conn *c, const char *p, size_t n)
{
	const struct jd_protocol *protocol = c->all->protocol;
	size_t used = 0;

	c->going = true;
	c->all->depth++;
	while (used < n && is_reading(c) && !reads_too_little(c)) {
		size_t k = protocol->take(c, p + used, n - used);
		if (!k)
			break;
		used += k;
	}
	if (protocol->taken)
		protocol->taken(c);
	c->going = false;
	c->all->depth--;
	return used;
}

/* Reads on, or not; leaves when nothing can come any more. */
static void settle(struct jd_conn *c)
{
	if (c->closed)
		return;
	if (!buf_len(&c->in))
		buf_fini(&c->in);
	if (c->eof && is_reading(c) && !reads_too_little(c))
		jd_conn_leave(c);
	else if (reads_too_little(c) || buf_len(&c->in) >= c->in.max)
		stream_pause(&c->stream);
	else if (c->stream.paused && !c->eof)
		stream_resume(&c->stream);
}

void jd_conn_go_on(struct jd_conn *c)
{
	if (c->going || c->closed)
		return;
	while (buf_len(&c->in) && is_reading(c)) {
		size_t k = process(c, (const char *)buf_data(&c->in), buf_len(&c->in));
		if (!k)
			break;
		buf_take(&c->in, k);
	}
	settle(c);
}

void jd_conn_go_on_later(struct jd_conn *c)
{
	jd_conn_set_due(c, work_clock(c->all->api->work));
}

void jd_conn_answered_now(struct jd_conn *c)
{
	struct jd_conns *s = c->all;

	if (c->going || c->closed)
		return;
	if (s->depth && buf_len(&c->in)) { /* not on top of another one's commands */
		jd_conn_go_on_later(c);
		return;
	}
	if (!s->depth)
		jd_conn_go_on(c);
	if (!s->depth && !work_is_turning(s->api->work))
		jd_conns_flush(s);
}

static void on_end(struct jd_conn *c, ssize_t n)
{
	if (n != UV_EOF) {
		jd_conn_close(c);
		return;
	}
	c->eof = true;
	stream_pause(&c->stream);
	c->all->protocol->eof(c);
	jd_conn_go_on(c);
}

/* Behind what is there already. */
static void read_more(struct jd_conn *c)
{
	size_t room;
	uint8_t *to = buf_room(&c->in, JD_CONN_PIECE, &room);

	if (!to) {
		stream_pause(&c->stream);
		return;
	}
	ssize_t n = stream_read(&c->stream, to, room);
	if (n > 0)
		buf_commit(&c->in, (size_t)n);
	if (n < 0)
		on_end(c, n);
	else
		jd_conn_go_on(c);
}

/* In the listener's memory: nothing is copied of commands that came as a whole. */
static void read_fresh(struct jd_conn *c)
{
	struct jd_conns *s = c->all;
	ssize_t n = stream_read(&c->stream, s->scratch, JD_CONN_PIECE);

	if (n < 0) {
		on_end(c, n);
		return;
	}
	size_t used = process(c, s->scratch, (size_t)n);
	if (c->closed)
		return;
	if (used < (size_t)n)
		buf_put(&c->in, s->scratch + used, (size_t)n - used);
	settle(c);
}

static void on_event(struct stream *stream, enum stream_event event)
{
	struct jd_conn *c = stream->owner;
	struct jd_conns *s = c->all;

	if (c->closed)
		return;
	if (stream->error)
		jd_conn_close(c);
	else if (event == STREAM_DRAINED)
		jd_conn_go_on(c);
	else if (buf_len(&c->in) || !is_reading(c))
		read_more(c);
	else
		read_fresh(c);
	jd_conns_flush(s);
}

/* ---- times ------------------------------------------------------------------------------ */

static void come_due(struct jd_conn *c, int64_t now)
{
	if (c->closed)
		jd_conn_close(c); /* it has lingered long enough */
	else if (is_reading(c) && buf_len(&c->in))
		jd_conn_go_on(c);
	else
		c->all->protocol->due(c, now);
}

static void on_timer(uv_timer_t *t)
{
	struct jd_conns *s = t->data;
	int64_t now = work_clock(s->api->work);
	struct heap_node *n;

	s->timer_at = 0;
	while ((n = heap_first(&s->due)) && (int64_t)n->key <= now) {
		heap_remove(&s->due, n);
		come_due(container_of(n, struct jd_conn, due), now);
	}
	jd_conns_flush(s);
	if (s->protocol->tick)
		s->protocol->tick(s);
	if ((n = heap_first(&s->due)))
		jd_conns_wake(s, (int64_t)n->key);
	if (s->draining && !s->held && !s->drained) {
		s->drained = true;
		jd_drained(s->jd);
	}
}

/* The timer may go off before its time, and is then set anew: most who wait are served before. */
void jd_conns_wake(struct jd_conns *s, int64_t at)
{
	int64_t now = work_clock(s->api->work);

	if (s->closing || (s->timer_at && s->timer_at <= at))
		return;
	s->timer_at = at;
	uv_timer_start(&s->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
}

void jd_conns_settle(struct jd_conns *s)
{
	if (s->draining && !s->held)
		jd_conns_wake(s, work_clock(s->api->work));
}

void jd_conn_set_due(struct jd_conn *c, int64_t at)
{
	heap_set(&c->all->due, &c->due, (uint64_t)at);
	jd_conns_wake(c->all, at);
}

void jd_conn_not_due(struct jd_conn *c)
{
	heap_remove(&c->all->due, &c->due);
}

/* ---- the beginning ---------------------------------------------------------------------- */

static void welcome(void *data, int fd)
{
	struct jd_conns *s = data;
	int one = 1;

	if (s->n >= s->jd->keys->api.max_connections) {
		s->refused++;
		close(fd);
		return;
	}
	struct jd_conn *c = mem_new(s->protocol->size);
	if (stream_open(&c->stream, s->api->loop, fd, on_event, c) != 0) {
		close(fd);
		free(c);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	c->all = s;
	c->due.pos = HEAP_OUT;
	buf_init(&c->in, s->most + JD_CONN_PIECE);
	list_append(&s->list, &c->link);
	s->n++;
	s->accepted++;
	s->api->open++;
	s->protocol->open(c);
	jd_conns_flush(s);
}

void jd_conns_init(struct jd_conns *s, struct jd *jd, const struct jd_protocol *p, size_t most)
{
	s->protocol = p;
	s->jd = jd;
	s->api = jd->api;
	s->most = most;
	list_init(&s->list);
	buf_init(&s->out, 2 * JD_CONN_PIECE);
	s->scratch = mem_new(JD_CONN_PIECE);
	jd_door_init(&s->door, s->api, p->name);
	s->door.on_socket = welcome;
	s->door.data = s;
	uv_timer_init(s->api->loop, &s->timer);
	s->timer.data = s;
	s->api->open++;
}

int jd_conns_listen(struct jd_conns *s, char *const *addresses, struct err *err)
{
	return jd_door_open(&s->door, addresses, err);
}

void jd_conns_drain(struct jd_conns *s)
{
	s->draining = true;
	jd_conns_wake(s, work_clock(s->api->work));
}

static void on_timer_closed(uv_handle_t *h)
{
	struct jd_conns *s = h->data;

	s->api->open--;
	api_settle(s->api);
}

void jd_conns_close(struct jd_conns *s)
{
	struct list *it, *tmp;

	s->drained = true; /* nothing is to be said of it any more */
	jd_door_close(&s->door);
	list_each (it, tmp, &s->list)
		jd_conn_close(container_of(it, struct jd_conn, link));
	if (s->protocol->tick)
		s->protocol->tick(s);
	s->closing = true;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

void jd_conns_fini(struct jd_conns *s)
{
	heap_fini(&s->due);
	buf_fini(&s->out);
	free(s->scratch);
}
