/*
 * stream - one connected socket: read when there is something, write at once, keep the rest.
 *
 *	        stream_read <---- socket ----> stream_write
 *	 paused: not asked                     unsent bytes wait in `out`
 *
 * Nothing is copied on the way that the socket takes at once, but for small writes in a round of
 * events that has some for others too: they go out together when the round is over. A stream with
 * nothing unsent owns no buffer. Whoever feeds a stream looks at stream_backlog and stops its
 *source above the high mark; STREAM_DRAINED says when it is below the low one. The ceiling is the
 *last resort: a write that would pass it fails, and the stream with it.
 *
 * TLS may start at any moment; from then on the bytes are plain ones, as before.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/net/poller.h"

struct stream;
struct tls_ctx;
struct tls;

enum stream_event {
	STREAM_READABLE, /* stream_read has something to say: bytes, an end or an error */
	STREAM_DRAINED,  /* the backlog fell below the low mark */
	STREAM_SECURE,   /* the TLS handshake is done */
};

typedef void (*stream_on_event)(struct stream *s, enum stream_event event);
typedef void (*stream_on_closed)(struct stream *s);

enum { STREAM_LOW = 64 * 1024, STREAM_HIGH = 256 * 1024 };

struct stream {
	struct poller_item item;
	struct tls *tls;
	struct buf out; /* unsent */
	stream_on_event on_event;
	stream_on_closed on_closed;
	void *owner;
	int error; /* of the last write that failed; stream_read reports it */
	bool paused;
	bool secure;  /* TLS is established */
	bool closing; /* stream_close was called */
	bool lingering;
	bool more; /* TLS holds bytes that the socket does not know of */
	bool open;
	bool edge;   /* see stream_open_edge */
	bool fin;    /* the peer has said his last */
	bool broken; /* nothing reaches him any more */
	bool dry;    /* the last read has taken all that there was */
};

/* Takes over a non-blocking socket and starts to read. Returns 0, or a code and then fd is yours.
 */
int stream_open(struct stream *s, uv_loop_t *loop, int fd, stream_on_event on_event, void *owner);

/* The same for an owner who reads until stream_dry: what he leaves is told of no more, which saves
 * the kernel a look at each socket. Over TLS it is as any other. */
int stream_open_edge(struct stream *s, uv_loop_t *loop, int fd, stream_on_event on_event,
		     void *owner);

/* Nothing is left in the socket, and an event comes when there is. */
static inline bool stream_dry(const struct stream *s)
{
	return s->dry;
}

/* > 0: bytes; 0: nothing more now; UV_EOF; a code. */
ssize_t stream_read(struct stream *s, void *into, size_t size);

/* The same after a write has failed: what the peer had sent before it went. Not of TLS. */
ssize_t stream_rest(struct stream *s, void *into, size_t size);

/* TLS may hold more: read again, the loop would not say so. */
static inline bool stream_more(const struct stream *s)
{
	return s->more && s->secure;
}

/*
 * Writes all of the buffers, in order; what the socket does not take is copied, up to 64 MiB.
 * Returns 0 or a code; after a code the stream only waits to be closed. (A write that goes out
 * with the end of a round may fail there: stream_read reports it.)
 */
int stream_write(struct stream *s, const uv_buf_t *bufs, unsigned n);

/* One buffer. */
int stream_put(struct stream *s, const void *data, size_t n);

static inline size_t stream_backlog(const struct stream *s)
{
	return buf_len(&s->out);
}

/* Stops and goes on to report STREAM_READABLE. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Starts TLS; the owner hears STREAM_SECURE, or stream_read fails. name: see tls_new. */
int stream_secure(struct stream *s, struct tls_ctx *ctx, const char *name);

/* After stream_secure: bytes that the owner had read before and that are TLS's (a peer need not
 * wait for our answer to its wish for TLS). They are never taken for plain ones. */
void stream_feed(struct stream *s, const void *data, size_t n);

/* Closes now. on_closed: the last callback; the struct may be freed in it. */
void stream_close(struct stream *s, stream_on_closed on_closed);

/*
 * Sends what is unsent, says FIN, waits for the peer's; then closes. Whoever wrote an error as its
 * last words uses this: a plain close would turn into a reset when the peer has sent more. The
 * owner bounds the time by calling stream_close.
 */
void stream_linger(struct stream *s, stream_on_closed on_closed);
