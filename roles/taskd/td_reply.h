/* td_reply - answers: JSON, errors as {"error":{"code","message","field"}}, and what is counted. */
#pragma once

#include <stddef.h>

#include "core/base/jsontext.h"
#include "core/net/http_server.h"

struct td_ask;
struct td;
struct td_route;
struct err;

/* Who waits for an answer that comes later: what is left of a td_ask. */
struct td_reply {
	struct td *td;
	struct http_call *call; /* NULL: the client is gone, or it is answered */
	const struct td_route *route;
};

struct td_reply td_reply_to(const struct td_ask *ask);

/* For http_call_wait, with the struct td_reply (or what begins with one) as data. */
void td_reply_gone(void *reply);

/* These answer once; a call that is gone is passed over. fields: as http_answer's. */
void td_answer(struct td_reply *r, int status, const char *fields, const struct json_out *body);
void td_answer_text(struct td_reply *r, int status, const char *type, const void *body, size_t n);
void td_error(struct td_reply *r, int status, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, at once. */
void td_reply(const struct td_ask *ask, int status, const char *fields,
	      const struct json_out *body);
void td_refuse(const struct td_ask *ask, int status, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* What the engine said: 404, 409, 429, 503, 500. */
void td_error_code(struct td_reply *r, int code);

/* "bad_request" for 400. */
const char *td_code_of(int status);

/* For http_server_conf. */
size_t td_refusal(int status, const char *reason, char *text, size_t size);
