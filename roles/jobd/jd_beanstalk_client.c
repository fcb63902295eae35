/* A connection: bytes in, commands done one after the other, answers gathered and written. */
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
#include "roles/jobd/jd_beanstalk_private.h"

enum { COPY_MOST = 16 * 1024, LINGER = 2000 };

/* ---- out ------------------------------------------------------------------------------ */

void jd_bs_flush(struct jd_bs *bs)
{
	struct jd_bs_client *c = bs->out_to;
	size_t n = buf_len(&bs->out);

	bs->out_to = NULL;
	if (!c)
		return;
	int rc = stream_put(&c->stream, buf_data(&bs->out), n);
	buf_take(&bs->out, n);
	if (rc != 0)
		jd_bs_close(c);
}

void jd_bs_put(struct jd_bs_client *c, const void *data, size_t n)
{
	struct jd_bs *bs = c->bs;

	if (bs->out_to != c || buf_len(&bs->out) + n > JD_BS_PIECE)
		jd_bs_flush(bs);
	if (c->closed)
		return;
	if (n <= COPY_MOST) {
		bs->out_to = c;
		buf_put(&bs->out, data, n);
		return;
	}
	jd_bs_flush(bs);
	if (!c->closed && stream_put(&c->stream, data, n) != 0)
		jd_bs_close(c);
}

void jd_bs_say(struct jd_bs_client *c, const char *line)
{
	jd_bs_put(c, line, strlen(line));
	jd_bs_put(c, "\r\n", 2);
}

void jd_bs_printf(struct jd_bs_client *c, const char *fmt, ...)
{
	char text[JD_BS_LINE + 64];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	jd_bs_put(c, text, (size_t)n);
}

/* A number at p; returns its end. */
static char *put_number(char *p, uint64_t n)
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

void jd_bs_put_id(struct jd_bs_client *c, const char *word, uint64_t id)
{
	char line[64], *p = put_number(stpcpy(line, word), id);

	*p++ = '\r';
	*p++ = '\n';
	jd_bs_put(c, line, (size_t)(p - line));
}

void jd_bs_put_job(struct jd_bs_client *c, const char *word, uint64_t id, struct jd_bs_body body)
{
	char line[64], *p = put_number(stpcpy(line, word), id);

	*p++ = ' ';
	p = put_number(p, body.n);
	*p++ = '\r';
	*p++ = '\n';
	jd_bs_put(c, line, (size_t)(p - line));
	jd_bs_put(c, body.data, body.n);
	jd_bs_put(c, "\r\n", 2);
}

/* ---- the end -------------------------------------------------------------------------- */

static void client_free(struct jd_bs_client *c)
{
	buf_fini(&c->in);
	free(c);
}

static void on_stream_closed(struct stream *s)
{
	struct jd_bs_client *c = s->owner;
	struct api *api = c->bs->api;

	c->bs->n_clients--;
	list_remove(&c->link);
	heap_remove(&c->bs->due, &c->due);
	if (!c->pending)
		client_free(c);
	api->open--;
	api_settle(api);
}

bool jd_bs_answered(struct jd_bs_client *c)
{
	c->pending--;
	if (!c->closed)
		return true;
	if (!c->pending && !c->stream.open)
		client_free(c);
	return false;
}

/* All but the socket is given up. */
static void let_go(struct jd_bs_client *c)
{
	struct jd_bs *bs = c->bs;

	c->closed = true;
	if (bs->out_to == c) {
		bs->out_to = NULL;
		buf_take(&bs->out, buf_len(&bs->out));
	}
	jd_bs_stop_waiting(c);
	heap_remove(&bs->due, &c->due);
	jd_bs_give_back_all(c);
	jd_bs_watch_leave(c->watch);
	c->used->using --;
	jd_bs_tube_settle(bs, c->used);
	c->state = JD_BS_GONE;
}

void jd_bs_close(struct jd_bs_client *c)
{
	if (!c->closed)
		let_go(c);
	stream_close(&c->stream, on_stream_closed);
}

void jd_bs_leave(struct jd_bs_client *c)
{
	if (c->bs->out_to == c)
		jd_bs_flush(c->bs);
	if (c->closed)
		return;
	if (!stream_backlog(&c->stream)) {
		jd_bs_close(c);
		return;
	}
	let_go(c);
	c->lingering = true;
	jd_bs_set_due(c, work_clock(c->bs->work) + LINGER);
	stream_linger(&c->stream, on_stream_closed);
}

/* ---- in ------------------------------------------------------------------------------- */

static bool reads_too_little(const struct jd_bs_client *c)
{
	return stream_backlog(&c->stream) > (size_t)c->bs->jd->keys->max_unread;
}

/* Bytes that are done with; 0: it can't go on with these. */
static size_t take_one(struct jd_bs_client *c, const char *p, size_t n)
{
	struct jd_bs_command cmd;

	if (c->skip) {
		size_t k = c->skip < n ? (size_t)c->skip : n;
		c->skip -= k;
		if (!c->skip)
			jd_bs_say(c, "JOB_TOO_BIG");
		return k;
	}
	if (c->skipping_line) {
		bool ended;
		size_t k = jd_bs_skip(p, n, &ended);
		c->skipping_line = !ended;
		return k;
	}
	size_t line = jd_bs_parse(&cmd, p, n);
	if (!line)
		return 0;
	if (cmd.verb == JD_BS_PUT) {
		bool over = cmd.n > (size_t)c->bs->jd->keys->max_job;
		struct jd_bs_body rest = { p + line, n - line };
		if (!jd_bs_do_put(c, &cmd, &rest))
			return 0;
		return over ? line : line + cmd.n + 2;
	}
	if (c->bs->n_specs)
		jd_bs_submit(c);
	if (c->state != JD_BS_READING)
		return 0;
	c->bs->counts[cmd.verb]++;
	jd_bs_do(c, &cmd);
	return line;
}

static size_t process(struct jd_bs_client *c, const char *p, size_t n)
{
	size_t used = 0;

	c->going = true;
	c->bs->depth++;
	while (used < n && c->state == JD_BS_READING && !reads_too_little(c)) {
		size_t k = take_one(c, p + used, n - used);
		if (!k)
			break;
		used += k;
	}
	if (c->closed)
		c->bs->n_specs = 0;
	if (c->bs->n_specs)
		jd_bs_submit(c);
	c->going = false;
	c->bs->depth--;
	return used;
}

/* Reads on, or not; leaves when nothing can come any more. */
static void settle(struct jd_bs_client *c)
{
	if (c->closed)
		return;
	if (!buf_len(&c->in))
		buf_fini(&c->in);
	if (c->eof && c->state == JD_BS_READING && !reads_too_little(c))
		jd_bs_leave(c);
	else if (reads_too_little(c) || buf_len(&c->in) >= c->in.max)
		stream_pause(&c->stream);
	else if (c->stream.paused && !c->eof)
		stream_resume(&c->stream);
}

void jd_bs_go_on(struct jd_bs_client *c)
{
	if (c->going || c->closed)
		return;
	while (buf_len(&c->in) && c->state == JD_BS_READING) {
		size_t k = process(c, (const char *)buf_data(&c->in), buf_len(&c->in));
		if (!k)
			break;
		buf_take(&c->in, k);
	}
	settle(c);
}

void jd_bs_go_on_later(struct jd_bs_client *c)
{
	jd_bs_set_due(c, work_clock(c->bs->work));
}

static void on_end(struct jd_bs_client *c, ssize_t n)
{
	if (n != UV_EOF) {
		jd_bs_close(c);
		return;
	}
	c->eof = true;
	stream_pause(&c->stream);
	if (c->state == JD_BS_WAITING) {
		jd_bs_stop_waiting(c);
		jd_bs_say(c, "TIMED_OUT");
	}
	jd_bs_go_on(c);
}

/* Behind what is there already. */
static void read_more(struct jd_bs_client *c)
{
	size_t room;
	uint8_t *to = buf_room(&c->in, JD_BS_PIECE, &room);

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
		jd_bs_go_on(c);
}

/* In the server's memory: nothing is copied of commands that came as a whole. */
static void read_fresh(struct jd_bs_client *c)
{
	struct jd_bs *bs = c->bs;
	ssize_t n = stream_read(&c->stream, bs->scratch, JD_BS_PIECE);

	if (n < 0) {
		on_end(c, n);
		return;
	}
	size_t used = process(c, bs->scratch, (size_t)n);
	if (c->closed)
		return;
	if (used < (size_t)n)
		buf_put(&c->in, bs->scratch + used, (size_t)n - used);
	settle(c);
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct jd_bs_client *c = s->owner;
	struct jd_bs *bs = c->bs;

	if (c->closed)
		return;
	if (s->error)
		jd_bs_close(c);
	else if (event == STREAM_DRAINED)
		jd_bs_go_on(c);
	else if (buf_len(&c->in) || c->state != JD_BS_READING)
		read_more(c);
	else
		read_fresh(c);
	jd_bs_flush(bs);
}

/* ---- the beginning ---------------------------------------------------------------------- */

void jd_bs_welcome(void *data, int fd)
{
	struct jd_bs *bs = data;
	static char name[] = "default";
	char *names[] = { name };
	int one = 1;

	if (bs->n_clients >= bs->jd->keys->api.max_connections) {
		bs->refused++;
		close(fd);
		return;
	}
	struct jd_bs_client *c = mem_new(sizeof(*c));
	if (stream_open(&c->stream, bs->api->loop, fd, on_event, c) != 0) {
		close(fd);
		free(c);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	c->bs = bs;
	c->due.pos = HEAP_OUT;
	list_init(&c->turn);
	list_init(&c->jobs);
	buf_init(&c->in, (size_t)bs->jd->keys->max_job + JD_BS_PIECE);
	list_append(&bs->clients, &c->link);
	c->used = jd_bs_tube_get(bs, name);
	c->used->using ++;
	c->watch = jd_bs_watch_of(bs, names, 1);
	bs->n_clients++;
	bs->connections++;
	bs->api->open++;
}
