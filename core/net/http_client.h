/*
 * http_client - HTTP/1.1 requests to whomever, over connections that are kept.
 *
 *	http_client_ask --+-- an idle connection of that host ---> SENT --answer--> done; idle again
 *	                  \-- dial, TLS (connect_timeout) ------/   | closed, garbage, time-out,
 *	                                                            \ cancel: done with a code
 *
 * One request at a time on a connection. One that had been idle and turns out to be closed before a
 * byte of an answer came is replaced, once. Nothing is followed: a redirect is an answer.
 *
 * The contract is dial's: after http_client_ask, done comes exactly once, from the loop, never from
 * inside ask or cancel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/net/http_reader.h"
#include "core/net/http_url.h"

struct http_client;
struct http_exchange;
struct tls_ctx;

struct http_client_conf {
	struct tls_ctx
		*tls; /* for https; held. NULL: made when needed, trusts whom the system does */
	int idle;     /* connections that are kept without work; 0: each is for one request */
	uint64_t idle_timeout; /* ms that they are */
};

struct http_client *http_client_new(uv_loop_t *loop, const struct http_client_conf *conf);

/* From now on new connections trust by this; no other is used for another request. Held. */
void http_client_secure(struct http_client *c, struct tls_ctx *tls);

/* What is under way ends with UV_ECANCELED. closed: the last callback; may be NULL. */
void http_client_close(struct http_client *c, void (*closed)(void *data), void *data);

struct http_outcome {
	int rc;          /* 0: there is an answer, whatever its status; else a code, and */
	const char *why; /* what happened, in words; never NULL */
	bool sent;       /* the request may have been acted upon, or still be */
	const struct http_response *response; /* until done returns; NULL: rc is not 0 */
};

struct http_ask {
	const char *method;
	const struct http_url *url;
	const char *fields; /* more lines "Name: value\r\n", or NULL */
	const char *type;   /* Content-Type, or NULL */
	const void *body;   /* NULL: none, and no word of one */
	size_t size;
	size_t keep;              /* bytes of the answer's body */
	uint64_t connect_timeout; /* ms; 0: `timeout` */
	uint64_t timeout;         /* ms for all of it; 0: none, then connect_timeout must be set */
	/* It goes out: from now on it may be acted upon. Also from inside ask, and again when its
	 * connection is replaced; may be NULL. */
	void (*sent)(void *data);
	void (*done)(void *data, const struct http_outcome *o);
	void *data;
};

/* All is copied. The exchange holds until done. */
struct http_exchange *http_client_ask(struct http_client *c, const struct http_ask *ask);

/* done comes soon, with UV_ECANCELED; the connection is closed, which the other side may see. */
void http_exchange_cancel(struct http_exchange *x);
