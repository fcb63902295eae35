/* api_reply - answers: JSON, errors as {"error":{"code","message","field"}}, and what is counted.
 */
#pragma once

#include <stddef.h>

#include "core/base/jsontext.h"
#include "core/net/http_server.h"

struct api_ask;
struct api;
struct api_route;
struct err;

/* Who waits for an answer that comes later: what is left of a api_ask. */
struct api_reply {
	struct api *api;
	struct http_call *call; /* NULL: the client is gone, or it is answered */
	const struct api_route *route;
};

struct api_reply api_reply_to(const struct api_ask *ask);

/* For http_call_wait, with the struct api_reply (or what begins with one) as data. */
void api_reply_gone(void *reply);

/* These answer once; a call that is gone is passed over. fields: as http_answer's. */
void api_answer(struct api_reply *r, int status, const char *fields, const struct json_out *body);
void api_answer_text(struct api_reply *r, int status, const char *type, const void *body, size_t n);
void api_error(struct api_reply *r, int status, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, at once. */
void api_reply(const struct api_ask *ask, int status, const char *fields,
	       const struct json_out *body);
void api_refuse(const struct api_ask *ask, int status, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* What the engine said: 404, 409, 429, 503, 500. */
void api_error_code(struct api_reply *r, int code);

/* "bad_request" for 400. */
const char *api_code_of(int status);

/* For http_server_conf. */
size_t api_refusal(int status, const char *reason, char *text, size_t size);
