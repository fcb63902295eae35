/*
 * http_reader - an HTTP/1.x response from bytes (llhttp): no socket. RFC 9112.
 *
 *	HTTP_READER_MORE --last byte--> HTTP_READER_WHOLE	1xx responses are passed over
 *	         \--------------------> HTTP_READER_BAD
 *
 * A peer can't make it hold or read without end: a body is whole when there is as much of it as may
 * be kept (`cut`), and what is no body (the head, the words around chunks, trailers) may be as long
 * as a head, and a few bytes more for each byte of the body.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_reader_state { HTTP_READER_MORE, HTTP_READER_WHOLE, HTTP_READER_BAD };

struct http_reader;

struct http_response {
	int status;           /* 200 to 999 */
	char retry_after[64]; /* "" when there is none, or it is longer */
	char type[128];       /* Content-Type, the same */
	const void *body;     /* never NULL */
	size_t size;
	bool cut;        /* there is more of it */
	bool keep_alive; /* the connection can take another request */
};

/* head: bytes. */
struct http_reader *http_reader_new(size_t head);
void http_reader_free(struct http_reader *r);

/* For the response to the next request, of whose body so much is kept. */
void http_reader_reset(struct http_reader *r, size_t body);

/* n 0: the end of the connection. Bytes behind a whole response make keep_alive false. */
enum http_reader_state http_reader_feed(struct http_reader *r, const char *data, size_t n);

/* Whether any byte of it has come. */
bool http_reader_begun(const struct http_reader *r);

/* When it is whole; until the next reset. */
const struct http_response *http_reader_response(struct http_reader *r);

/* When it is bad: "the head is too long". */
const char *http_reader_reason(const struct http_reader *r);

/* Retry-After (RFC 9110 10.2.3) as ms from now (s since 1970), at most a day; -1: none, or not
 * understood. */
int64_t http_retry_after(const char *text, int64_t now);
