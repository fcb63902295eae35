#include "core/net/stream.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/net/tls.h"

enum {
	CEILING = 64 * 1024 * 1024,
	TLS_RECORDS = 64 * 1024,
	IOV_MOST = 16,
	LATER_MOST = 8 * 1024, /* bytes: copying more costs more than it saves */
};

/* That the peer's end has come is told with the event: who has read all that was there would hear
 * of it no more. */
static const unsigned EDGE = EPOLLET | EPOLLRDHUP;

static void on_poll(struct poller_item *i, unsigned events);
static void linger_on(struct stream *s);

/* Tells epoll only when something changes. */
static void arm(struct stream *s)
{
	unsigned in = s->paused && !s->lingering ? 0 : EPOLLIN;
	bool unsent = buf_len(&s->out) > 0 && !s->item.later;
	unsigned out = unsent || (s->more && !s->paused) ? EPOLLOUT : 0;

	poller_ask(&s->item, in | out | (s->edge ? EDGE : 0));
}

static int open_as(struct stream *s, uv_loop_t *loop, int fd, unsigned events)
{
	buf_init(&s->out, CEILING);
	int rc = poller_open(&s->item, loop, fd, events, on_poll);
	s->open = rc == 0;
	return rc;
}

int stream_open(struct stream *s, uv_loop_t *loop, int fd, stream_on_event on_event, void *owner)
{
	*s = (struct stream){ .on_event = on_event, .owner = owner };
	return open_as(s, loop, fd, EPOLLIN);
}

int stream_open_edge(struct stream *s, uv_loop_t *loop, int fd, stream_on_event on_event,
		     void *owner)
{
	*s = (struct stream){ .on_event = on_event, .owner = owner, .edge = true };
	return open_as(s, loop, fd, EPOLLIN | EDGE);
}

/* ---- out ----------------------------------------------------------------- */

static int fail(struct stream *s, int code)
{
	if (!s->error)
		s->error = code;
	buf_fini(&s->out);
	return s->error;
}

static ssize_t send_now(struct stream *s, const struct iovec *iov, unsigned n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };
	ssize_t sent;

	do
		sent = n == 1 ? send(s->item.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
			      : sendmsg(s->item.fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : uv_translate_sys_error(errno);
}

/* Copies what comes after the first `skip` bytes. */
static int keep(struct stream *s, const uv_buf_t *bufs, unsigned n, size_t skip)
{
	for (unsigned i = 0; i < n; i++) {
		size_t sent = skip < bufs[i].len ? skip : bufs[i].len;
		skip -= sent;
		if (buf_put(&s->out, bufs[i].base + sent, bufs[i].len - sent))
			return fail(s, ERR_LIMIT);
	}
	arm(s);
	return 0;
}

/* The socket takes bytes again, or a round of events is over. */
static void flush_out(struct stream *s)
{
	size_t before = buf_len(&s->out);
	struct iovec iov = { (void *)buf_data(&s->out), before };

	poller_not_later(&s->item);
	if (before == 0)
		return;
	ssize_t sent = send_now(s, &iov, 1);
	if (sent < 0) {
		fail(s, (int)sent);
		return;
	}
	buf_take(&s->out, (size_t)sent);
	if (buf_len(&s->out) == 0)
		poller_give_back(&s->item, &s->out);
}

/* Little, and others have to be served: it goes out with what comes behind, when they are. */
static bool put_off(struct stream *s, const uv_buf_t *bufs, unsigned n, size_t all)
{
	bool waits = buf_len(&s->out) > 0;

	if (all + buf_len(&s->out) > LATER_MOST || waits != s->item.later ||
	    !poller_later(&s->item))
		return false;
	if (!s->out.mem)
		poller_lend(&s->item, &s->out);
	for (unsigned i = 0; i < n; i++)
		buf_put(&s->out, bufs[i].base, bufs[i].len);
	return true;
}

static int write_plain(struct stream *s, const uv_buf_t *bufs, unsigned n)
{
	size_t all = 0;

	for (unsigned i = 0; i < n; i++)
		all += bufs[i].len;
	if (all == 0 || put_off(s, bufs, n, all))
		return 0;
	if (s->item.later)
		flush_out(s);
	if (s->error)
		return s->error;
	if (buf_len(&s->out) > 0)
		return keep(s, bufs, n, 0);

	ssize_t sent = send_now(s, (const struct iovec *)(const void *)bufs, n);
	if (sent < 0)
		return fail(s, (int)sent);
	return (size_t)sent == all ? 0 : keep(s, bufs, n, (size_t)sent);
}

/* What TLS has made goes out. */
static int flush_tls(struct stream *s)
{
	size_t n;
	const void *data = tls_pending(s->tls, &n);

	if (n == 0)
		return 0;
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)n);
	int rc = write_plain(s, &buf, 1);
	tls_sent(s->tls);
	return rc;
}

int stream_write(struct stream *s, const uv_buf_t *bufs, unsigned n)
{
	assert(n <= IOV_MOST);
	if (s->error || s->closing)
		return s->error ? s->error : UV_ECANCELED;
	if (!s->tls)
		return write_plain(s, bufs, n);
	for (unsigned i = 0; i < n; i++)
		if (tls_write(s->tls, bufs[i].base, bufs[i].len))
			return fail(s, ERR_PROTO);
	return flush_tls(s);
}

int stream_put(struct stream *s, const void *data, size_t n)
{
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)n);

	return stream_write(s, &buf, 1);
}

/* ---- in ------------------------------------------------------------------ */

static ssize_t read_socket(struct stream *s, void *into, size_t size)
{
	ssize_t n;

	do
		n = recv(s->item.fd, into, size, 0);
	while (n < 0 && errno == EINTR);
	s->dry = n < (ssize_t)size && !s->fin;
	if (n > 0)
		return n;
	if (n == 0)
		return UV_EOF;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : uv_translate_sys_error(errno);
}

/* Feeds the wire to TLS until it yields plain bytes, or the wire is dry. */
static ssize_t read_tls(struct stream *s, void *into, size_t size)
{
	uint8_t wire[TLS_RECORDS];

	for (;;) {
		long n = tls_read(s->tls, into, size);
		if (flush_tls(s))
			return s->error;
		s->more = n > 0 && tls_more(s->tls);
		if (n != 0)
			return n;
		ssize_t got = read_socket(s, wire, sizeof(wire));
		if (got <= 0)
			return got;
		tls_feed(s->tls, wire, (size_t)got);
	}
}

ssize_t stream_read(struct stream *s, void *into, size_t size)
{
	if (s->error)
		return s->error;
	if (!s->tls)
		return read_socket(s, into, size);
	return s->secure ? read_tls(s, into, size) : 0; /* the handshake reads for itself */
}

ssize_t stream_rest(struct stream *s, void *into, size_t size)
{
	return s->tls || s->closing ? UV_EOF : read_socket(s, into, size);
}

/* Epoll is told when it has something to say: mostly it goes on before. */
void stream_pause(struct stream *s)
{
	s->paused = true;
}

void stream_resume(struct stream *s)
{
	s->paused = false;
	arm(s);
}

/* ---- TLS ----------------------------------------------------------------- */

static void handshake(struct stream *s)
{
	uint8_t wire[TLS_RECORDS];
	int rc = tls_handshake(s->tls);

	s->more = false;
	arm(s);
	while (rc == 0 && flush_tls(s) == 0) {
		ssize_t got = read_socket(s, wire, sizeof(wire));
		if (got == 0)
			return;
		if (got < 0) {
			fail(s, (int)got);
			break;
		}
		tls_feed(s->tls, wire, (size_t)got);
		rc = tls_handshake(s->tls);
	}
	flush_tls(s); /* the last flight, or the alert */
	if (rc < 0)
		fail(s, rc);
	s->secure = rc == 1;
	s->more = s->secure && tls_more(s->tls); /* what came in the same segment as its end */
	arm(s);
	s->on_event(s, s->secure ? STREAM_SECURE : STREAM_READABLE);
}

int stream_secure(struct stream *s, struct tls_ctx *ctx, const char *name)
{
	s->edge = false; /* what TLS holds is no business of the socket */
	s->tls = tls_new(ctx, name);
	arm(s);
	int rc = tls_handshake(s->tls); /* a client says hello; a server waits */
	if (rc < 0)
		return fail(s, rc);
	return flush_tls(s);
}

void stream_feed(struct stream *s, const void *data, size_t n)
{
	if (n == 0)
		return;
	tls_feed(s->tls, data, n);
	s->more = true; /* the loop comes round for it */
	arm(s);
}

/* ---- the loop speaks ----------------------------------------------------- */

static void on_poll(struct poller_item *i, unsigned events)
{
	struct stream *s = container_of(i, struct stream, item);
	size_t before = buf_len(&s->out);
	bool broken = events & (EPOLLERR | EPOLLHUP);

	s->fin |= (events & EPOLLRDHUP) != 0;
	s->broken |= broken;
	if (events & EPOLLOUT)
		flush_out(s);
	if (s->lingering) {
		linger_on(s);
		return;
	}
	arm(s);
	bool drained = before >= STREAM_LOW && buf_len(&s->out) < STREAM_LOW;
	if (s->error || (broken && s->paused)) { /* the owner reads, and learns of it */
		s->on_event(s, STREAM_READABLE);
		return;
	}
	if (drained)
		s->on_event(s, STREAM_DRAINED);
	if (s->closing || s->error || s->lingering || s->paused ||
	    !(events & EPOLLIN || broken || s->more))
		return;
	if (s->tls && !s->secure)
		handshake(s);
	else
		s->on_event(s, STREAM_READABLE);
}

/* ---- the end ------------------------------------------------------------- */

static void on_item_closed(struct poller_item *i)
{
	struct stream *s = container_of(i, struct stream, item);

	tls_free(s->tls);
	buf_fini(&s->out);
	s->open = false;
	s->on_closed(s);
}

void stream_close(struct stream *s, stream_on_closed on_closed)
{
	if (s->closing)
		return;
	if (s->item.later)
		flush_out(s);
	s->closing = true;
	s->on_closed = on_closed;
	poller_close(&s->item, on_item_closed);
}

/* Reads and forgets, until the peer says that it has read all of ours. */
static void linger_on(struct stream *s)
{
	char waste[16 * 1024];
	ssize_t n = s->error;

	if (!n && buf_len(&s->out) == 0) {
		shutdown(s->item.fd, SHUT_WR);
		n = read_socket(s, waste, sizeof(waste)); /* once: who floods us gets no thread */
	}
	if (n < 0)
		stream_close(s, s->on_closed);
	s->edge &= n <= 0 || s->dry; /* or nobody would tell of the rest */
	arm(s);
}

void stream_linger(struct stream *s, stream_on_closed on_closed)
{
	if (s->closing || s->lingering)
		return;
	s->lingering = true;
	s->on_closed = on_closed;
	if (s->item.later)
		flush_out(s);
	arm(s);
	linger_on(s);
}
