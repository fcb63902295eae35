#include "core/net/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/net/addr.h"
#include "core/net/stream.h"
#include "core/net/tls.h"

enum { READ_SIZE = 16 * 1024, LINGER = 2000, ACCEPTS = 64, HEAD_ROOM = 256, ON_STACK = 2048 };

static const uint64_t never = UINT64_MAX;

const struct http_server_conf http_server_defaults = {
	.limits = { .head = 16 * 1024, .fields = 100, .body = 1024 * 1024 },
	.connections = 1000,
	.head_timeout = 10000,
	.body_timeout = 30000,
	.idle_timeout = 60000,
};

struct http_server {
	uv_loop_t *loop;
	struct http_server_conf conf;
	struct tls_ctx *tls; /* NULL: plain */
	http_handler handler;
	void *data;
	struct list listeners;
	struct list calls; /* the connections */
	int connections;
	uint64_t accepted;
	int open; /* handles that libuv holds */
	bool unref;
	bool draining;
	bool closing;
};

struct listener {
	struct list link;
	struct http_server *server;
	uv_poll_t poll;
	uv_timer_t again; /* after an accept that failed for want of descriptors */
	int fd;
	int open;
};

/* A connection, and the one call that it may have. */
struct http_call {
	struct list link;
	struct http_server *server;
	struct stream stream;
	uv_timer_t deadline;
	uint64_t due;   /* by the loop's clock; the timer may go off before */
	uint64_t alarm; /* when the timer goes off; NEVER: it does not run */
	struct http_parser *parser;
	struct buf in; /* bytes that the parser hasn't taken: the next message's */
	void *data;
	void (*gone)(void *data);
	void (*room)(void *data); /* of a stream */
	char peer[ADDR_TEXT];
	int open; /* stream and timer */
	bool calling;
	bool closing;
	bool lingering;
	bool advancing;
	bool readable;  /* the socket may have more */
	bool continued; /* 100 was sent */
	bool streaming; /* the answer comes in pieces */
	bool chunked;
};

static void advance(struct http_call *call);

static void server_free(struct http_server *s)
{
	tls_ctx_drop(s->tls);
	free(s);
}

static void forget_handle(struct http_server *s)
{
	if (--s->open == 0 && s->closing)
		server_free(s);
}

static void settle_ref(const struct http_server *s, void *handle)
{
	if (s->unref)
		uv_unref(handle);
}

/* ---- the end of a connection ----------------------------------------------------- */

static void release(struct http_call *call)
{
	struct http_server *s = call->server;

	if (--call->open == 0) {
		list_remove(&call->link);
		s->connections--;
		http_parser_free(call->parser);
		buf_fini(&call->in);
		free(call);
	}
	forget_handle(s);
}

static void on_deadline_closed(uv_handle_t *h)
{
	release(h->data);
}

static void close_deadline(struct http_call *call)
{
	if (!uv_is_closing((uv_handle_t *)&call->deadline))
		uv_close((uv_handle_t *)&call->deadline, on_deadline_closed);
}

/* Also the end of a linger. */
static void on_stream_closed(struct stream *stream)
{
	struct http_call *call = stream->owner;

	call->closing = true;
	close_deadline(call);
	release(call);
}

static void call_close(struct http_call *call)
{
	if (call->closing)
		return;
	call->closing = true;
	if (call->calling && call->gone)
		call->gone(call->data);
	call->calling = false;
	close_deadline(call);
	stream_close(&call->stream, on_stream_closed);
}

/* ---- time ------------------------------------------------------------------------- */

static void refuse(struct http_call *call, int status);

static void on_deadline(uv_timer_t *t);

static void set_alarm(struct http_call *call, uint64_t at)
{
	uint64_t now = uv_now(call->server->loop);

	call->alarm = at;
	uv_timer_start(&call->deadline, on_deadline, at > now ? at - now : 0, 0);
}

/* Every message has some, and few are reached: the timer that runs is moved only when it would be
 * too late. */
static void set_deadline(struct http_call *call, uint64_t ms)
{
	call->due = uv_now(call->server->loop) + ms;
	if (call->due < call->alarm)
		set_alarm(call, call->due);
}

static void no_deadline(struct http_call *call)
{
	call->due = never;
}

static void on_deadline(uv_timer_t *t)
{
	struct http_call *call = t->data;

	call->alarm = never;
	if (call->due > uv_now(call->server->loop)) {
		if (call->due != never)
			set_alarm(call, call->due);
		return;
	}
	if (!call->lingering && !call->calling && stream_backlog(&call->stream) == 0 &&
	    http_parser_begun(call->parser))
		refuse(call, 408);
	else
		call_close(call);
}

static void linger(struct http_call *call)
{
	call->lingering = true;
	set_deadline(call, LINGER);
	stream_linger(&call->stream, on_stream_closed);
}

/* ---- answers ---------------------------------------------------------------------- */

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} all[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].status == status)
			return all[i].text;
	return "Unknown";
}

/* RFC 9110 5.6.7; made once a second. */
static size_t put_date(char *at)
{
	static _Thread_local time_t made;
	static _Thread_local char text[64];
	static _Thread_local size_t n;
	time_t now = time(NULL);
	struct tm tm;

	if (now != made) {
		gmtime_r(&now, &tm);
		n = strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		made = now;
	}
	memcpy(at, text, n);
	return n;
}

struct how {
	bool head_only;
	bool keep_alive;
	bool chunked; /* the body comes later, in pieces */
	bool open;    /* the same, until the connection ends */
};

static size_t put_word(char *at, const char *word)
{
	size_t n = strlen(word);

	memcpy(at, word, n);
	return n;
}

static size_t put_number(char *at, size_t number)
{
	char digits[20];
	size_t n = 0;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	memcpy(at, digits + sizeof(digits) - n, n);
	return n;
}

/* Room for HEAD_ROOM bytes, the type and the fields. */
static size_t put_head(char *at, const struct http_answer *a, struct how how)
{
	size_t n = put_word(at, "HTTP/1.1 ");

	n += put_number(at + n, (size_t)a->status);
	n += put_word(at + n, " ");
	n += put_word(at + n, http_status_text(a->status));
	n += put_word(at + n, "\r\n");
	n += put_date(at + n);
	if (a->type) {
		n += put_word(at + n, "Content-Type: ");
		n += put_word(at + n, a->type);
		n += put_word(at + n, "\r\n");
	}
	if (how.chunked)
		n += put_word(at + n, "Transfer-Encoding: chunked\r\n");
	else if (a->status != 204 && a->status != 304 && !how.open) {
		n += put_word(at + n, "Content-Length: ");
		n += put_number(at + n, a->size);
		n += put_word(at + n, "\r\n");
	}
	n += put_word(at + n,
		      how.keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
	if (a->fields)
		n += put_word(at + n, a->fields);
	return n + put_word(at + n, "\r\n");
}

/* A short one goes out as one piece of memory. */
static void send_answer(struct stream *stream, const struct http_answer *a, struct how how)
{
	char here[ON_STACK], *head = here;
	size_t body = how.head_only || how.open ? 0 : a->size;
	size_t most =
		HEAD_ROOM + (a->type ? strlen(a->type) : 0) + (a->fields ? strlen(a->fields) : 0);

	if (most > sizeof(here))
		head = mem_resize(NULL, most);
	size_t n = put_head(head, a, how);
	if (body && head == here && n + body <= sizeof(here)) {
		memcpy(here + n, a->body, body);
		n += body;
		body = 0;
	}
	uv_buf_t bufs[] = { uv_buf_init(head, (unsigned)n),
			    uv_buf_init((char *)a->body, (unsigned)body) };
	stream_write(stream, bufs, body ? 2 : 1);
	if (head != here)
		free(head);
}

static size_t plain_refusal(int status, const char *reason, char *text, size_t size)
{
	int n = snprintf(text, size, "%d %s%s%s\n", status, http_status_text(status),
			 *reason ? ": " : "", reason);

	return n < (int)size ? (size_t)n : size - 1;
}

/* A refusal says why, and ends the connection. */
static void refuse(struct http_call *call, int status)
{
	const struct http_server_conf *conf = &call->server->conf;
	char text[512];
	size_t n = (conf->refusal ? conf->refusal : plain_refusal)(
		status, http_parser_reason(call->parser), text, sizeof(text));
	struct http_answer a = {
		.status = status,
		.type = conf->refusal ? conf->refusal_type : "text/plain",
		.fields = status == 405 ? "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"
					: NULL,
		.body = text,
		.size = n
	};

	send_answer(&call->stream, &a, (struct how){ 0 });
	linger(call);
}

/* The call is over. */
static void next_call(struct http_call *call, bool keep_alive)
{
	call->calling = call->streaming = false;
	call->gone = call->room = NULL;
	if (!keep_alive) {
		linger(call);
		return;
	}
	http_parser_reset(call->parser);
	call->continued = false;
	set_deadline(call, call->server->conf.idle_timeout);
	advance(call);
}

static bool keeps_alive(const struct http_call *call)
{
	return http_parser_message(call->parser)->keep_alive && !call->server->draining;
}

void http_reply(struct http_call *call, const struct http_answer *answer)
{
	const struct http_message *m = http_parser_message(call->parser);
	struct how how = { .head_only = strcmp(m->method, "HEAD") == 0,
			   .keep_alive = keeps_alive(call) };

	send_answer(&call->stream, answer, how);
	next_call(call, how.keep_alive);
}

void http_stream(struct http_call *call, const struct http_answer *head, void (*room)(void *data))
{
	call->chunked = http_parser_message(call->parser)->minor > 0;
	call->streaming = true;
	call->room = room;
	send_answer(&call->stream, head,
		    (struct how){ .keep_alive = call->chunked && keeps_alive(call),
				  .chunked = call->chunked,
				  .open = true });
	advance(call); /* from now on its end is seen */
}

size_t http_stream_put(struct http_call *call, const void *data, size_t n)
{
	char size[24];
	int len = snprintf(size, sizeof(size), "%zx\r\n", n);
	uv_buf_t bufs[] = { uv_buf_init(size, (unsigned)len),
			    uv_buf_init((char *)data, (unsigned)n),
			    uv_buf_init((char *)"\r\n", 2) };

	if (n == 0)
		return stream_backlog(&call->stream);
	if (call->chunked)
		stream_write(&call->stream, bufs, 3);
	else
		stream_write(&call->stream, bufs + 1, 1);
	return stream_backlog(&call->stream);
}

void http_stream_end(struct http_call *call)
{
	bool keep_alive = call->chunked && keeps_alive(call);

	if (call->chunked)
		stream_put(&call->stream, "0\r\n\r\n", 5);
	next_call(call, keep_alive);
}

void http_stream_abort(struct http_call *call)
{
	call->gone = NULL;
	call_close(call);
}

void http_reply_status(struct http_call *call, int status)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%d %s\n", status, http_status_text(status));

	http_reply(call, &(struct http_answer){ status, "text/plain", NULL, text, (size_t)n });
}

/* ---- questions --------------------------------------------------------------------- */

const struct http_message *http_call_message(const struct http_call *call)
{
	return http_parser_message(call->parser);
}

const char *http_call_peer(struct http_call *call)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);

	getpeername(call->stream.item.fd, (struct sockaddr *)&sa, &n);
	return addr_text((const struct sockaddr *)&sa, call->peer);
}

int http_call_fd(const struct http_call *call)
{
	return call->stream.item.fd;
}

void http_call_wait(struct http_call *call, void *data, void (*gone)(void *data))
{
	call->data = data;
	call->gone = gone;
}

static void send_continue(struct http_call *call)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	call->continued = true;
	stream_put(&call->stream, go_on, sizeof(go_on) - 1);
}

/* Gives the parser what is there. */
static void feed(struct http_call *call)
{
	const struct http_server_conf *conf = &call->server->conf;
	bool begun = http_parser_begun(call->parser);
	enum http_state before = http_parser_state(call->parser);
	size_t used = http_parser_feed(call->parser, (const char *)buf_data(&call->in),
				       buf_len(&call->in));

	buf_take(&call->in, used);
	enum http_state now = http_parser_state(call->parser);
	if (now == HTTP_BAD) {
		refuse(call, http_parser_status(call->parser));
	} else if (now == HTTP_WHOLE) {
		call->calling = true;
		no_deadline(call);
		call->server->handler(call, call->server->data);
	} else if (now == HTTP_IN_BODY && before != now) {
		set_deadline(call, conf->body_timeout);
		if (http_parser_message(call->parser)->expects_continue && buf_len(&call->in) == 0)
			send_continue(call);
	} else if (!begun && http_parser_begun(call->parser)) {
		set_deadline(call, conf->head_timeout);
	}
}

/* false: nothing more to read now, or ever. */
static bool read_some(struct http_call *call)
{
	size_t room;
	if (!call->in.mem)
		poller_lend(&call->stream.item, &call->in);
	uint8_t *at = buf_room(&call->in, READ_SIZE, &room);
	ssize_t n = stream_read(&call->stream, at, room);

	call->readable = call->stream.tls ? n == (ssize_t)room : !stream_dry(&call->stream);
	if (n > 0) {
		buf_commit(&call->in, (size_t)n);
		return true;
	}
	if (n == UV_EOF && stream_backlog(&call->stream) > 0 && !call->streaming)
		linger(call);
	else if (n < 0)
		call_close(call);
	return false;
}

static bool may_go_on(const struct http_call *call)
{
	return !call->calling && !call->closing && !call->lingering &&
	       stream_backlog(&call->stream) < STREAM_HIGH;
}

/* Messages one after the other, until one waits for its answer or the bytes are used up. A handler
 * that answers at once comes back here, and finds us at it. */
static void advance(struct http_call *call)
{
	if (call->advancing)
		return;
	call->advancing = true;
	while (may_go_on(call))
		if (buf_len(&call->in) > 0 || (call->readable && read_some(call)))
			feed(call);
		else
			break;
	call->advancing = false;
	if (buf_len(&call->in) == 0) /* an idle connection owns no buffer */
		poller_give_back(&call->stream.item, &call->in);
	if (call->closing || call->lingering)
		return;
	if (may_go_on(call) || call->streaming)
		stream_resume(&call->stream);
	else
		stream_pause(&call->stream);
}

/* Who takes a stream may end; what he asks meanwhile waits. */
static void listen_to(struct http_call *call)
{
	do {
		if (buf_len(&call->in) == READ_SIZE) {
			stream_pause(&call->stream);
			return;
		}
	} while (read_some(call) && call->readable);
}

static void on_event(struct stream *stream, enum stream_event event)
{
	struct http_call *call = stream->owner;

	if (stream->error || (stream->broken && call->calling))
		call_close(call);
	else if (call->streaming && event == STREAM_DRAINED && call->room)
		call->room(call->data);
	else if (call->streaming)
		listen_to(call);
	else {
		call->readable |= event != STREAM_DRAINED;
		advance(call);
	}
}

/* ---- connections --------------------------------------------------------------------- */

static void send_away(int fd)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				   "Connection: close\r\nRetry-After: 1\r\n\r\n";

	send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void welcome(struct http_server *s, int fd)
{
	if (s->connections >= s->conf.connections) {
		send_away(fd);
		return;
	}
	struct http_call *call = mem_new(sizeof(*call));
	if (stream_open_edge(&call->stream, s->loop, fd, on_event, call) != 0) {
		close(fd);
		free(call);
		return;
	}
	call->server = s;
	call->due = call->alarm = never;
	call->parser = http_parser_new(&s->conf.limits);
	buf_init(&call->in, READ_SIZE);
	uv_timer_init(s->loop, &call->deadline);
	call->deadline.data = call;
	settle_ref(s, &call->deadline);
	if (s->unref)
		poller_unref(&call->stream.item);
	list_append(&s->calls, &call->link);
	s->connections++;
	s->accepted++;
	s->open += call->open = 2;
	set_deadline(call, s->conf.head_timeout);
	if (s->tls && stream_secure(&call->stream, s->tls, NULL) != 0)
		call_close(call);
}

static void on_acceptable(uv_poll_t *p, int status, int events);

static void on_again(uv_timer_t *t)
{
	struct listener *l = t->data;

	uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static bool for_want_of_something(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

static void on_acceptable(uv_poll_t *p, int status, int events)
{
	struct listener *l = p->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && for_want_of_something(errno)) { /* it stays readable: don't spin */
			uv_poll_stop(&l->poll);
			uv_timer_start(&l->again, on_again, 100, 0);
		}
		if (fd < 0)
			return;
		welcome(l->server, fd);
	}
}

int http_server_listen(struct http_server *s, int fd)
{
	struct listener *l = mem_new(sizeof(*l));
	int rc = uv_poll_init(s->loop, &l->poll, fd);

	if (rc) {
		free(l);
		return rc;
	}
	l->server = s;
	l->fd = fd;
	l->poll.data = l->again.data = l;
	uv_timer_init(s->loop, &l->again);
	settle_ref(s, &l->poll);
	settle_ref(s, &l->again);
	list_append(&s->listeners, &l->link);
	s->open += l->open = 2;
	return uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void on_listener_closed(uv_handle_t *h)
{
	struct listener *l = h->data;
	struct http_server *s = l->server;

	if (--l->open == 0) {
		close(l->fd);
		free(l);
	}
	forget_handle(s);
}

static void close_listeners(struct http_server *s)
{
	struct list *it, *tmp;

	list_each (it, tmp, &s->listeners) {
		struct listener *l = container_of(it, struct listener, link);

		list_remove(&l->link);
		uv_close((uv_handle_t *)&l->poll, on_listener_closed);
		uv_close((uv_handle_t *)&l->again, on_listener_closed);
	}
}

/* ---- life ------------------------------------------------------------------------------ */

struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_conf *conf,
				    http_handler handler, void *data)
{
	struct http_server *s = mem_new(sizeof(*s));

	s->loop = loop;
	s->conf = *conf;
	s->handler = handler;
	s->data = data;
	list_init(&s->listeners);
	list_init(&s->calls);
	return s;
}

void http_server_secure(struct http_server *s, struct tls_ctx *ctx)
{
	tls_ctx_drop(s->tls);
	s->tls = ctx ? tls_ctx_hold(ctx) : NULL;
}

void http_server_figures(const struct http_server *s, int *now, uint64_t *all)
{
	*now = s->connections;
	*all = s->accepted;
}

void http_server_unref(struct http_server *s)
{
	struct list *it, *tmp;

	s->unref = true;
	list_each (it, tmp, &s->listeners) {
		uv_unref((uv_handle_t *)&container_of(it, struct listener, link)->poll);
		uv_unref((uv_handle_t *)&container_of(it, struct listener, link)->again);
	}
}

void http_server_drain(struct http_server *s)
{
	struct list *it, *tmp;

	s->draining = true;
	close_listeners(s);
	list_each (it, tmp, &s->calls) {
		struct http_call *call = container_of(it, struct http_call, link);

		if (!call->calling && !http_parser_begun(call->parser) && !call->lingering)
			linger(call);
	}
}

void http_server_close(struct http_server *s)
{
	struct list *it, *tmp;

	if (!s || s->closing)
		return;
	close_listeners(s);
	list_each (it, tmp, &s->calls)
		call_close(container_of(it, struct http_call, link));
	s->closing = true;
	if (s->open == 0)
		server_free(s);
}
