#include "core/net/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/dial.h"
#include "core/net/redis_find.h"
#include "core/net/stream.h"
#include "core/net/tls.h"

enum { ELEMENTS_MOST = 1 << 20, READ = 64 * 1024, FIRST_RETRY = 100, WHY = 200 };

enum state { DOWN, FINDING, DIALING, GREETING, UP };

struct ask {
	redis_done done;
	void *data;
	uint64_t since;
};

struct redis {
	uv_loop_t *loop;
	struct redis_conf conf;
	char *name, *sentinel_password;
	enum state state;
	struct redis_find find;
	struct dial dial;
	struct stream stream;
	redisReader *reader;
	redisReplyObjectFunctions *plain, careful; /* hiredis' own; ours, which look at sizes */
	struct buf out;                            /* commands that are not sent */
	struct ask *asks;                          /* a ring */
	size_t first, n_asks, room;
	uv_timer_t timer;      /* the next try; what is under way */
	uint64_t retry, since; /* since: it tries, or it is up */
	int64_t client_id;
	int open;      /* timer, and the stream, dial or find */
	bool overflow; /* of out */
	bool streaming, closing;
	char why[WHY];
	void (*closed)(void *data);
	void *closed_data;
};

static void on_timer(uv_timer_t *t);
static void go_down(struct redis *r, const char *why);

bool redis_is_up(const struct redis *r)
{
	return r->state == UP;
}

const struct addr *redis_addr(const struct redis *r)
{
	return &r->conf.url.addr;
}

int64_t redis_client_id(const struct redis *r)
{
	return r->client_id;
}

/* ---- commands -------------------------------------------------------------------------- */

static void put(struct redis *r, const void *p, size_t n)
{
	r->overflow |= buf_put(&r->out, p, n) != 0;
}

static void put_head(struct redis *r, char mark, size_t n)
{
	char head[32];
	int len = snprintf(head, sizeof(head), "%c%zu\r\n", mark, n);

	put(r, head, (size_t)len);
}

static void keep(struct redis *r, redis_done done, void *data)
{
	if (r->n_asks == r->room) {
		size_t room = r->room ? 2 * r->room : 16;
		struct ask *more = mem_new(room * sizeof(*more));
		for (size_t i = 0; i < r->n_asks; i++)
			more[i] = r->asks[(r->first + i) % r->room];
		free(r->asks);
		r->asks = more;
		r->room = room;
		r->first = 0;
	}
	r->asks[(r->first + r->n_asks++) % r->room] =
		(struct ask){ .done = done, .data = data, .since = uv_now(r->loop) };
}

void redis_begin(struct redis *r, int words, redis_done done, void *data)
{
	keep(r, done, data);
	put_head(r, '*', (size_t)words);
}

void redis_word(struct redis *r, const void *p, size_t n)
{
	put_head(r, '$', n);
	put(r, p, n);
	put(r, "\r\n", 2);
}

void redis_text(struct redis *r, const char *s)
{
	redis_word(r, s, strlen(s));
}

void redis_number(struct redis *r, int64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRId64, n);

	redis_word(r, text, (size_t)len);
}

static struct ask next_ask(struct redis *r)
{
	struct ask a = r->asks[r->first];

	r->first = (r->first + 1) % r->room;
	r->n_asks--;
	return a;
}

/* What is under way is answered by nobody any more. */
static void tell_all(struct redis *r)
{
	while (r->n_asks) {
		struct ask a = next_ask(r);
		if (a.done)
			a.done(a.data, NULL);
	}
}

static void watch(struct redis *r)
{
	uint64_t now = uv_now(r->loop), since = r->since;

	if (r->state == UP && !r->n_asks) {
		uv_timer_stop(&r->timer);
		return;
	}
	if (r->state == UP)
		since = r->asks[r->first].since;
	uint64_t age = now - since;
	uv_timer_start(&r->timer, on_timer, age < r->conf.timeout ? r->conf.timeout - age : 0, 0);
}

void redis_send(struct redis *r)
{
	if (r->closing || r->state < GREETING || r->overflow) {
		buf_take(&r->out, buf_len(&r->out));
		if (r->overflow && r->state == UP)
			go_down(r, "too much is unsent");
		else
			tell_all(r);
		r->overflow = false;
		return;
	}
	size_t n = buf_len(&r->out);
	int rc = n + stream_backlog(&r->stream) > r->conf.most
			 ? UV_ENOBUFS
			 : stream_put(&r->stream, buf_data(&r->out), n);
	buf_take(&r->out, n);
	if (rc != 0)
		go_down(r, err_name(rc));
	else if (!uv_is_active((uv_handle_t *)&r->timer))
		watch(r);
}

/* ---- its life ------------------------------------------------------------------------------ */

static void release(struct redis *r)
{
	if (--r->open > 0)
		return;
	if (r->closed)
		r->closed(r->closed_data);
	tls_ctx_drop(r->conf.tls);
	buf_fini(&r->out);
	free(r->asks);
	free(r->name);
	free(r->sentinel_password);
	free(r);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

static void retry_later(struct redis *r)
{
	uv_timer_start(&r->timer, on_timer, r->retry, 0);
	r->retry = 2 * r->retry < r->conf.retry_most ? 2 * r->retry : r->conf.retry_most;
}

/* The stream is gone: it may be opened anew. */
static void on_stream_closed(struct stream *s)
{
	struct redis *r = s->owner;

	r->streaming = false;
	if (r->closing)
		release(r);
	else
		retry_later(r);
}

/* r lives on: its stream closes from the loop. */
static void go_down(struct redis *r, const char *why)
{
	if (r->state < GREETING)
		return;
	if (r->state == UP && uv_now(r->loop) - r->since >= r->conf.retry_most)
		r->retry = FIRST_RETRY;
	snprintf(r->why, sizeof(r->why), "%s", why);
	r->state = DOWN;
	uv_timer_stop(&r->timer);
	redisReaderFree(r->reader);
	r->reader = NULL;
	stream_close(&r->stream, on_stream_closed);
	buf_take(&r->out, buf_len(&r->out));
	tell_all(r);
	if (!r->closing && r->conf.on_down)
		r->conf.on_down(r->conf.data, r->why);
}

void redis_break(struct redis *r, const char *why)
{
	go_down(r, why);
}

static void no_luck(struct redis *r, const char *why)
{
	r->state = DOWN;
	retry_later(r);
	if (r->conf.on_down)
		r->conf.on_down(r->conf.data, why);
}

/* ---- greeting -------------------------------------------------------------------------------- */

static void on_greeted(void *data, const redisReply *reply)
{
	struct redis *r = data;
	char why[WHY];

	if (!reply || r->state != GREETING)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		snprintf(why, sizeof(why), "%s", reply->str);
		go_down(r, why);
	}
}

/* A Sentinel may not know yet that it is none any more. */
static void on_role(void *data, const redisReply *reply)
{
	struct redis *r = data;
	const redisReply *role = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements
					 ? reply->element[0]
					 : NULL;

	on_greeted(r, reply);
	if (reply && r->state == GREETING &&
	    (!role || role->type != REDIS_REPLY_STRING || strcmp(role->str, "master") != 0))
		go_down(r, "it is not the master");
}

static void on_client_id(void *data, const redisReply *reply)
{
	struct redis *r = data;

	on_greeted(r, reply);
	if (!reply || r->state != GREETING)
		return;
	r->client_id = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	r->state = UP;
	r->since = uv_now(r->loop);
	watch(r);
	if (r->conf.on_up)
		r->conf.on_up(r->conf.data);
}

static void greet(struct redis *r)
{
	const struct redis_url *u = &r->conf.url;

	r->state = GREETING;
	if (*u->password) {
		redis_begin(r, *u->user ? 3 : 2, on_greeted, r);
		redis_text(r, "AUTH");
		if (*u->user)
			redis_text(r, u->user);
		redis_text(r, u->password);
	}
	if (u->db) {
		redis_begin(r, 2, on_greeted, r);
		redis_text(r, "SELECT");
		redis_number(r, u->db);
	}
	if (r->name) {
		redis_begin(r, 3, NULL, NULL);
		redis_text(r, "CLIENT");
		redis_text(r, "SETNAME");
		redis_text(r, r->name);
	}
	if (u->n_sentinels) {
		redis_begin(r, 1, on_role, r);
		redis_text(r, "ROLE");
	}
	redis_begin(r, 2, on_client_id, r);
	redis_text(r, "CLIENT");
	redis_text(r, "ID");
	redis_send(r);
}

/* ---- answers ------------------------------------------------------------------------------------
 */

static bool is_message(const struct redis *r, const redisReply *reply)
{
	const redisReply *kind =
		reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? reply->element[0] : NULL;

	return r->conf.on_message && kind && kind->type == REDIS_REPLY_STRING &&
	       strcmp(kind->str, "message") == 0;
}

static void take(struct redis *r, redisReply *reply)
{
	if (is_message(r, reply)) {
		r->conf.on_message(r->conf.data, reply);
	} else if (!r->n_asks) {
		go_down(r, "it answers what nobody asked");
	} else {
		struct ask a = next_ask(r);
		if (a.done)
			a.done(a.data, reply);
	}
	freeReplyObject(reply);
}

static void take_all(struct redis *r)
{
	void *reply;

	while (r->state >= GREETING) {
		if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
			go_down(r, "it speaks no Redis protocol");
			return;
		}
		if (!reply)
			break;
		take(r, reply);
	}
	if (r->state >= GREETING && r->reader->len - r->reader->pos > r->conf.most)
		go_down(r, "an answer is too long");
	else if (r->state >= GREETING)
		watch(r);
}

static const char *why_unread(const struct stream *s, int rc)
{
	if (rc == UV_EOF)
		return "it closed the connection";
	if (rc == ERR_PROTO && s->tls)
		return tls_reason(s->tls);
	return err_name(rc);
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct redis *r = s->owner;
	char bytes[READ];

	if (event == STREAM_SECURE)
		greet(r);
	if (event != STREAM_READABLE)
		return;
	for (;;) {
		ssize_t n = stream_read(s, bytes, sizeof(bytes));
		if (n < 0)
			go_down(r, why_unread(s, (int)n));
		if (n <= 0)
			return;
		redisReaderFeed(r->reader, bytes, (size_t)n);
		take_all(r);
		if (r->state < GREETING || ((size_t)n < sizeof(bytes) && !stream_more(s)))
			return;
	}
}

/* hiredis makes room for as many elements as an answer says it has. */
static void *create_array(const redisReadTask *task, int elements)
{
	const struct redis *r = task->privdata;

	return elements > ELEMENTS_MOST ? NULL : r->plain->createArray(task, elements);
}

static void reader_open(struct redis *r)
{
	r->reader = redisReaderCreate();
	r->plain = r->reader->fn;
	r->careful = *r->plain;
	r->careful.createArray = create_array;
	r->reader->fn = &r->careful;
	r->reader->privdata = r;
}

static void on_dialed(struct dial *d, int status, int fd)
{
	struct redis *r = d->data;

	if (r->closing) {
		if (fd >= 0)
			close(fd);
		release(r);
		return;
	}
	if (status == 0)
		status = stream_open(&r->stream, r->loop, fd, on_event, r);
	if (status != 0) {
		if (fd >= 0)
			close(fd);
		no_luck(r, err_name(status));
		return;
	}
	r->streaming = true;
	reader_open(r);
	r->state = GREETING;
	watch(r);
	if (!r->conf.url.tls)
		greet(r);
	else if (stream_secure(&r->stream, r->conf.tls, r->conf.url.addr.host) != 0)
		go_down(r, "TLS does not start");
}

static void dial_it(struct redis *r)
{
	r->since = uv_now(r->loop);
	r->dial.data = r;
	int rc = dial_start(&r->dial, r->loop, &r->conf.url.addr, r->conf.timeout, on_dialed);
	if (rc != 0)
		no_luck(r, err_name(rc));
	else
		r->state = DIALING;
}

static void on_found(void *data, const struct addr *addr, const char *why)
{
	struct redis *r = data;

	if (r->closing) {
		release(r);
	} else if (!addr) {
		no_luck(r, why);
	} else {
		r->conf.url.addr = *addr;
		dial_it(r);
	}
}

static void connect_it(struct redis *r)
{
	if (!r->conf.url.n_sentinels) {
		dial_it(r);
		return;
	}
	r->state = FINDING;
	redis_find_start(&r->find);
}

static void on_timer(uv_timer_t *t)
{
	struct redis *r = t->data;

	if (r->state == DOWN)
		connect_it(r);
	else if (r->state == GREETING ||
		 (r->n_asks && uv_now(r->loop) - r->asks[r->first].since >= r->conf.timeout))
		go_down(r, "no answer in time");
	else
		watch(r);
}

struct redis *redis_new(uv_loop_t *loop, const struct redis_conf *conf)
{
	struct redis *r = mem_new(sizeof(*r));

	r->loop = loop;
	r->conf = *conf;
	r->conf.tls = conf->tls ? tls_ctx_hold(conf->tls) : NULL;
	r->name = mem_str(conf->name);
	r->conf.name = NULL;
	r->conf.sentinel_password = r->sentinel_password = mem_str(conf->sentinel_password);
	r->find =
		(struct redis_find){ .loop = loop, .conf = &r->conf, .done = on_found, .data = r };
	r->retry = FIRST_RETRY;
	buf_init(&r->out, conf->most);
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	r->open = 1;
	uv_timer_start(&r->timer, on_timer, 0, 0);
	return r;
}

void redis_close(struct redis *r, void (*closed)(void *data), void *data)
{
	r->closing = true;
	r->closed = closed;
	r->closed_data = data;
	if (r->streaming)
		r->open++;
	if (r->state == DIALING) {
		r->open++;
		dial_cancel(&r->dial);
	}
	if (r->state == FINDING) {
		r->open++;
		redis_find_cancel(&r->find);
	}
	go_down(r, "closed");
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}
