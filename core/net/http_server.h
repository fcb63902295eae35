/*
 * http_server - HTTP/1.1 for whoever has answers: admin pages, task posts.
 *
 * One call at a time on a connection, in order; what a client sends ahead waits
 * in the socket. The handler answers at once or later, with one http_reply, or in pieces
 * (http_stream). If the client goes first, `gone` comes instead, and the call is no more.
 *
 *	READING --message--> CALLING --http_reply--> READING ... or LINGERING (close)
 *	   \--bad: 4xx/5xx----------------------------------------/
 *
 * All ceilings and times come from http_server_conf; a client over
 * `connections` gets a 503. Refusals are answered, then the rest of what was
 * sent is read for a moment, so that the answer is not lost to a reset.
 */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "core/net/http_parse.h"

struct http_call;
struct http_server;

struct http_server_conf {
	struct http_limits limits;
	int connections;
	uint64_t head_timeout; /* ms from the first byte of a head to its end */
	uint64_t body_timeout; /* ms for the body */
	uint64_t idle_timeout; /* ms between two requests, and for an answer that isn't read */

	/* Words for what is refused before the handler sees it, with `reason` ("": none): writes
	 * them, returns how many bytes. NULL: a line of plain text. */
	size_t (*refusal)(int status, const char *reason, char *text, size_t size);
	const char *refusal_type; /* "application/json" */
};

extern const struct http_server_conf http_server_defaults;

typedef void (*http_handler)(struct http_call *call, void *data);

/* conf is copied. */
struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_conf *conf,
				    http_handler handler, void *data);

/* Serves a listening socket, and takes it over. May be called for several. Returns 0 or a code. */
int http_server_listen(struct http_server *s, int fd);

/* From now on its connections speak TLS; NULL: they don't. ctx: held. */
struct tls_ctx;
void http_server_secure(struct http_server *s, struct tls_ctx *ctx);

/* Connections now, and all that there were. */
void http_server_figures(const struct http_server *s, int *now, uint64_t *all);

/* Its own handles don't keep the loop alive. */
void http_server_unref(struct http_server *s);

/* Answers what is asked, then closes each connection; no new ones. For a drain. */
void http_server_drain(struct http_server *s);

/* Closes all now; `gone` comes for open calls. Frees itself with its last handle. NULL: nothing. */
void http_server_close(struct http_server *s);

/* ---- a call ------------------------------------------------------------------- */

const struct http_message *http_call_message(const struct http_call *call);

/* The client, as text. */
const char *http_call_peer(struct http_call *call);

/* Its socket, to be asked about only (SO_PEERCRED). */
int http_call_fd(const struct http_call *call);

/* For a handler that answers later: whatever it wants to find again, and what to do if the client
 * goes first. */
void http_call_wait(struct http_call *call, void *data, void (*gone)(void *data));

struct http_answer {
	int status;
	const char *type;   /* "text/plain"; NULL: none */
	const char *fields; /* more lines "Name: value\r\n", or NULL */
	const void *body;
	size_t size;
};

/* All is copied. A HEAD gets no body, its length stays. The call is no more after this. */
void http_reply(struct http_call *call, const struct http_answer *answer);

/* A status with its own words for a body. */
void http_reply_status(struct http_call *call, int status);

/*
 * An answer in pieces: its head now (body and size are not looked at), then as many pieces as there
 * are, then the end. `room` comes when what was unsent has become little; NULL: nobody asks. The
 * client may go at any time, even within http_stream_put: then `gone` of http_call_wait comes from
 * the loop.
 */
void http_stream(struct http_call *call, const struct http_answer *head, void (*room)(void *data));

/* Copies. Returns the bytes that are unsent, over which the caller sets a limit. */
size_t http_stream_put(struct http_call *call, const void *data, size_t n);
void http_stream_end(struct http_call *call);

/* Ends its connection at once: the client does not read. `gone` does not come. */
void http_stream_abort(struct http_call *call);

/* "Not Found" */
const char *http_status_text(int status);
