#include "core/api/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/counts.h"
#include "core/api/route.h"
#include "core/base/err.h"

static const char json[] = "application/json";

const char *api_code_of(int status)
{
	static const struct {
		int status;
		const char *code;
	} all[] = {
		{ 400, "bad_request" },
		{ 401, "unauthorized" },
		{ 403, "forbidden" },
		{ 404, "not_found" },
		{ 405, "method_not_allowed" },
		{ 408, "timeout" },
		{ 409, "conflict" },
		{ 410, "gone" },
		{ 413, "too_large" },
		{ 414, "uri_too_long" },
		{ 415, "unsupported_media_type" },
		{ 417, "expectation_failed" },
		{ 422, "unprocessable" },
		{ 429, "too_many" },
		{ 431, "head_too_large" },
		{ 501, "not_implemented" },
		{ 502, "worker_failed" },
		{ 503, "unavailable" },
		{ 504, "deadline" },
		{ 505, "http_version" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].status == status)
			return all[i].code;
	return "internal";
}

size_t api_refusal(int status, const char *reason, char *text, size_t size)
{
	int n = snprintf(text, size, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n",
			 api_code_of(status), *reason ? reason : http_status_text(status));

	return n < (int)size ? (size_t)n : size - 1;
}

struct api_reply api_reply_to(const struct api_ask *ask)
{
	return (struct api_reply){ ask->api, ask->call, ask->route };
}

void api_reply_gone(void *reply)
{
	((struct api_reply *)reply)->call = NULL;
}

static void send_answer(struct api_reply *r, const struct http_answer *a)
{
	struct http_call *call = r->call;

	if (!call)
		return;
	r->call = NULL;
	api_count(r->api, r->route, a->status);
	http_reply(call, a);
}

void api_answer(struct api_reply *r, int status, const char *fields, const struct json_out *body)
{
	send_answer(r, &(struct http_answer){ status, body && body->n ? json : NULL, fields,
					      body ? body->p : NULL, body ? body->n : 0 });
}

void api_answer_text(struct api_reply *r, int status, const char *type, const void *body, size_t n)
{
	send_answer(r,
		    &(struct http_answer){ status, type, "Cache-Control: no-store\r\n", body, n });
}

static void send_error(struct api_reply *r, int status, const char *field, const char *text)
{
	struct json_out o = { .p = NULL };
	const char *fields = status == 401 ? "WWW-Authenticate: Bearer realm=\"troupe\"\r\n"
			     : status == 429 || status == 503 ? "Retry-After: 1\r\n"
							      : NULL;

	json_printf(&o, "{\"error\":{\"code\":\"%s\",\"message\":", api_code_of(status));
	json_put_text(&o, text);
	if (field) {
		json_puts(&o, ",\"field\":");
		json_put_text(&o, field);
	}
	json_puts(&o, "}}\n");
	api_answer(r, status, fields, &o);
	json_out_fini(&o);
}

void api_error(struct api_reply *r, int status, const char *field, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	send_error(r, status, field, text);
}

void api_refuse(const struct api_ask *ask, int status, const char *field, const char *fmt, ...)
{
	struct api_reply r = api_reply_to(ask);
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	send_error(&r, status, field, text);
}

void api_reply(const struct api_ask *ask, int status, const char *fields,
	       const struct json_out *body)
{
	struct api_reply r = api_reply_to(ask);

	api_answer(&r, status, fields, body);
}

void api_error_code(struct api_reply *r, int code)
{
	switch (code) {
	case UV_ENOENT:
		api_error(r, 404, NULL, "there is none of that name");
		break;
	case UV_EEXIST:
		api_error(r, 409, NULL, "what it is known by belongs to another task");
		break;
	case UV_EBUSY:
	case UV_EALREADY:
	case UV_EINVAL:
		api_error(r, 409, NULL, "its state does not allow that");
		break;
	case ERR_LIMIT:
		api_error(r, 429, NULL, "the topic is full");
		break;
	case UV_E2BIG:
		api_error(r, 413, NULL, "too large");
		break;
	default:
		api_error(r, 503, NULL, "the store takes nothing now: %s", err_name(code));
	}
}
