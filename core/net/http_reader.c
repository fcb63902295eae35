#include "core/net/http_reader.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

enum {
	NAME_KEPT = 32,
	AROUND = 8,
	DAY = 24 * 3600,
	NO_BODY = 1, /* to llhttp: whatever the fields say of one */
};

struct http_reader {
	llhttp_t llhttp;
	size_t head, body_most;
	size_t around, in_body; /* bytes that were no body, and that were */
	struct buf body;
	struct http_response response;
	char name[NAME_KEPT];
	size_t name_len;
	char *value; /* where the present field's goes; NULL: nowhere */
	size_t value_room, value_len;
	const char *reason;
	bool begun, past_head, whole;
};

static struct http_reader *of(llhttp_t *p)
{
	return p->data;
}

/* ---- the head ------------------------------------------------------------------------- */

static int on_name(llhttp_t *p, const char *at, size_t n)
{
	struct http_reader *r = of(p);

	for (size_t i = 0; i < n && r->name_len < NAME_KEPT - 1; i++)
		r->name[r->name_len++] = at[i];
	r->name[r->name_len] = '\0';
	return 0;
}

/* Only the first of a name, and none behind the body. */
static int on_name_end(llhttp_t *p)
{
	struct http_reader *r = of(p);
	struct http_response *a = &r->response;

	r->value = strcasecmp(r->name, "retry-after") == 0    ? a->retry_after
		   : strcasecmp(r->name, "content-type") == 0 ? a->type
							      : NULL;
	r->value_room = r->value == a->type ? sizeof(a->type) : sizeof(a->retry_after);
	r->value_len = r->name_len = 0;
	if (r->value && (r->past_head || *r->value))
		r->value = NULL;
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	struct http_reader *r = of(p);

	if (r->value && r->value_len + n < r->value_room) {
		memcpy(r->value + r->value_len, at, n);
		r->value_len += n;
		r->value[r->value_len] = '\0';
	} else if (r->value) {
		r->value[0] = '\0';
		r->value = NULL;
	}
	return 0;
}

static int on_head(llhttp_t *p)
{
	struct http_reader *r = of(p);

	if (p->status_code == 101) {
		r->reason = "it changes the protocol, which nobody asked for";
		return -1;
	}
	if (p->status_code < 100 || p->status_code > 999) {
		r->reason = "its status has not three digits";
		return -1;
	}
	r->past_head = p->status_code >= 200;
	if (r->past_head)
		r->response.status = p->status_code;
	else
		r->response = (struct http_response){ 0 };
	return !r->past_head || p->status_code == 204 || p->status_code == 304 ? NO_BODY : 0;
}

/* ---- the body -------------------------------------------------------------------------- */

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	struct http_reader *r = of(p);
	size_t left = r->body_most - buf_len(&r->body), take = n < left ? n : left;

	r->in_body += n;
	if (take)
		buf_put(&r->body, at, take);
	if (take == n)
		return 0;
	r->whole = r->response.cut = true;
	return HPE_PAUSED;
}

static int on_whole(llhttp_t *p)
{
	struct http_reader *r = of(p);

	if (p->status_code < 200)
		return 0; /* informational: the real one follows */
	r->whole = true;
	r->response.keep_alive = llhttp_should_keep_alive(p);
	return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t s;

	if (s.on_body)
		return &s;
	llhttp_settings_init(&s);
	s.on_header_field = on_name;
	s.on_header_field_complete = on_name_end;
	s.on_header_value = on_value;
	s.on_headers_complete = on_head;
	s.on_message_complete = on_whole;
	s.on_body = on_body;
	return &s;
}

/* ---- life ------------------------------------------------------------------------------ */

struct http_reader *http_reader_new(size_t head)
{
	struct http_reader *r = mem_new(sizeof(*r));

	r->head = head;
	buf_init(&r->body, SIZE_MAX);
	http_reader_reset(r, 0);
	return r;
}

void http_reader_free(struct http_reader *r)
{
	buf_fini(&r->body);
	free(r);
}

void http_reader_reset(struct http_reader *r, size_t body)
{
	llhttp_init(&r->llhttp, HTTP_RESPONSE, settings());
	r->llhttp.data = r;
	r->body_most = body;
	r->around = r->in_body = r->name_len = 0;
	r->begun = r->past_head = r->whole = false;
	r->reason = NULL;
	r->value = NULL;
	r->response = (struct http_response){ 0 };
	buf_fini(&r->body);
}

static enum http_reader_state bad(struct http_reader *r, const char *why)
{
	if (!r->reason)
		r->reason = why;
	return HTTP_READER_BAD;
}

enum http_reader_state http_reader_feed(struct http_reader *r, const char *data, size_t n)
{
	size_t before = r->in_body;

	if (n == 0 && !r->begun)
		return bad(r, "the connection was closed without an answer");
	r->begun = true;
	llhttp_errno_t rc = n ? llhttp_execute(&r->llhttp, data, n) : llhttp_finish(&r->llhttp);
	if (r->whole) {
		const char *end = n ? llhttp_get_error_pos(&r->llhttp) : NULL;
		if (r->response.cut || !end || end < data + n)
			r->response.keep_alive = false;
		return HTTP_READER_WHOLE;
	}
	if (n == 0)
		return bad(r, "the connection was closed in the middle of an answer");
	if (rc != HPE_OK)
		return bad(r, llhttp_get_error_reason(&r->llhttp));
	r->around += n - (r->in_body - before);
	if (r->around > r->head + AROUND * r->in_body)
		return bad(r, r->past_head ? "too much around the body" : "the head is too long");
	return HTTP_READER_MORE;
}

bool http_reader_begun(const struct http_reader *r)
{
	return r->begun;
}

const struct http_response *http_reader_response(struct http_reader *r)
{
	r->response.body = buf_len(&r->body) ? (const void *)buf_data(&r->body) : "";
	r->response.size = buf_len(&r->body);
	return &r->response;
}

const char *http_reader_reason(const struct http_reader *r)
{
	return r->reason ? r->reason : "it is not HTTP";
}

int64_t http_retry_after(const char *text, int64_t now)
{
	struct tm tm = { 0 };
	int64_t s = -1;

	if (*text && strspn(text, "0123456789") == strlen(text)) {
		s = strlen(text) > 5 ? DAY : atoi(text);
	} else {
		const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		if (!end || *end)
			return -1;
		s = (int64_t)timegm(&tm) - now;
	}
	return (s < 0 ? 0 : s > DAY ? DAY : s) * 1000;
}
