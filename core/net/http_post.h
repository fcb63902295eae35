/*
 * http_post - tells somebody something by one HTTP request, and hears whether he has taken it.
 *
 * The contract is dial's: start returns 0 or a code; after 0 `done` comes exactly once, from the
 * loop. A connection for each; what the answer says beyond its status is not read.
 */
#pragma once

#include <stddef.h>
#include <uv.h>

struct err;
struct http_post;

struct http_post_conf {
	const char *url;    /* http://host[:port]/path, https://... */
	const char *fields; /* more lines "Name: value\r\n", or NULL */
	const char *type;   /* "application/json" */
	const void *body;
	size_t size;
	uint64_t timeout; /* ms for all of it */
	/* status: of the answer, 100 to 999; or a negative code. */
	void (*done)(void *data, int status);
	void *data;
};

/* All is copied. *out holds until done; may be NULL. */
int http_post_start(struct http_post **out, uv_loop_t *loop, const struct http_post_conf *conf,
		    struct err *err);

/* done comes soon, with UV_ECANCELED. */
void http_post_cancel(struct http_post *p);
