/*
 * http_parse - HTTP/1.x requests, strictly: bytes in, one message out. No socket.
 *
 * The head is looked at by ourselves. Where it says more of the frame than
 * Content-Length, or its target is no path, llhttp does so too, and frames the
 * body; both must agree, since llhttp (also in strict mode) lets pass what a proxy
 * before us may read otherwise: folded lines, Transfer-Encoding on 1.0, no or two
 * Hosts, other versions, two spaces, empty names, framing fields in trailers.
 *
 *	HTTP_IN_HEAD --empty line--> HTTP_IN_BODY --last byte--> HTTP_WHOLE --reset--> HTTP_IN_HEAD
 *	     \___________________________\___________________________> HTTP_BAD, with a status to
 *answer
 *
 * Sources: RFC 9110, RFC 9112 (2.2 robustness, 3.2 Host, 5.2 folding, 6.1-6.3 framing).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_parser;

struct http_field {
	const char *name; /* as it came; compare with strcasecmp */
	const char *value;
};

/* Lives until the parser's next reset. */
struct http_message {
	const char *method;
	const char *target;
	int minor; /* HTTP/1.minor */
	const struct http_field *fields;
	size_t field_count;
	const char *body; /* unchunked; zero-terminated */
	size_t body_len;
	bool keep_alive;
	bool expects_continue; /* asks for a 100 before it sends the body */
};

struct http_limits {
	size_t head;     /* bytes of request line and fields */
	size_t fields;   /* their number */
	size_t body;     /* bytes */
	bool empty_host; /* is allowed, as clients of unix sockets send it */
};

enum http_state { HTTP_IN_HEAD, HTTP_IN_BODY, HTTP_WHOLE, HTTP_BAD };

struct http_parser *http_parser_new(const struct http_limits *limits);
void http_parser_free(struct http_parser *p);

/* For the next message. */
void http_parser_reset(struct http_parser *p);

/* Returns how many bytes were used: all, unless the message ended or was bad. */
size_t http_parser_feed(struct http_parser *p, const char *data, size_t n);

enum http_state http_parser_state(const struct http_parser *p);

/* Whether any byte of this message has come. */
bool http_parser_begun(const struct http_parser *p);

/* From HTTP_IN_BODY on. The body is whole in HTTP_WHOLE. */
const struct http_message *http_parser_message(const struct http_parser *p);

/* In HTTP_BAD: 400, 405, 413, 414, 417, 431, 501 or 505, and why. */
int http_parser_status(const struct http_parser *p);
const char *http_parser_reason(const struct http_parser *p);

/* The first field of that name, or NULL. */
const char *http_field(const struct http_message *m, const char *name);
