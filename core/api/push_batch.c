/*
 * POST /v1/tasks:batch - many tasks in one commit: a JSON array, or an object a line (NDJSON).
 *
 * What is wrong with some is told by its index, and the others go in; with ?atomic=1 it is all or
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/handlers.h"
#include "core/api/push.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/base/err.h"
#include "core/base/mem.h"

enum { MOST = 10000, ERRORS_MOST = 10000 };

struct many {
	struct api_reply reply; /* first */
	struct api_spec **specs;
	int *index; /* of each in what was sent */
	int n, seen, refused;
	struct json_out errors;
	int first_status;
};

static void many_free(struct many *m)
{
	for (int i = 0; i < m->n; i++) {
		api_spec_fini(m->specs[i]);
		free(m->specs[i]);
	}
	free(m->specs);
	free(m->index);
	json_out_fini(&m->errors);
	free(m);
}

static void put_error(struct many *m, int index, const struct api_fault *f)
{
	struct json_out *o = &m->errors;

	if (!m->refused++)
		m->first_status = f->status;
	json_printf(o, "%s{\"index\":%d,\"code\":\"%s\",\"message\":", o->n ? "," : "", index,
		    api_code_of(f->status));
	json_put_text(o, f->text);
	if (*f->field) {
		json_puts(o, ",\"field\":");
		json_put_text(o, f->field);
	}
	json_puts(o, "}");
}

static int read_one(struct many *m, const struct api_ask *ask, const struct json *v, int index)
{
	struct api_spec *s = mem_resize(NULL, sizeof(*s));
	struct api_fault f = { .status = 0 };

	api_spec_init(s);
	int rc = api_spec_read(s, v, &f);
	if (rc == 0)
		rc = api_spec_finish(ask->api, s, &f);
	if (rc == 0 && !api_token_has(ask->token, s->spec.topic))
		rc = api_fault(&f, 403, "topic", "the token is not for this topic");
	if (rc == 0) {
		if ((m->n & (m->n - 1)) == 0) {
			size_t room = m->n ? 2 * (size_t)m->n : 1;
			m->specs = mem_resize(m->specs, room * sizeof(*m->specs));
			m->index = mem_resize(m->index, room * sizeof(*m->index));
		}
		m->index[m->n] = index;
		m->specs[m->n++] = s;
		return 0;
	}
	put_error(m, index, &f);
	api_spec_fini(s);
	free(s);
	return rc;
}

static bool read_array(struct many *m, const struct api_ask *ask, const struct json *array)
{
	struct json item;

	for (struct json_at at = json_begin(array); json_element(&at, &item); m->seen++) {
		if (m->seen == MOST)
			return false;
		read_one(m, ask, &item, m->seen);
	}
	return true;
}

static bool read_lines(struct many *m, const struct api_ask *ask)
{
	const char *p = ask->m->body, *end = p + ask->m->body_len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		struct err err = { .text = "" };
		struct api_fault f = { .status = 0 };
		struct json v;
		bool blank = strspn(p, " \t\r") >= n;

		if (!blank && m->seen == MOST)
			return false;
		if (!blank && json_read(&v, p, n, &err) == 0)
			read_one(m, ask, &v, m->seen++);
		else if (!blank && api_fault(&f, 400, NULL, "%s", err.text) != 0)
			put_error(m, m->seen++, &f);
		p += n + 1;
	}
	return true;
}

/* ---- the answer ---------------------------------------------------------------------------- */

/* An id for each, in the order in which they were sent; null for those that were refused. */
static void put_ids(struct many *m, struct json_out *o, const struct work_receipt *r)
{
	char text[IDENT_LEN + 1];
	int at = 0;

	json_puts(o, "{\"ids\":[");
	for (int i = 0; i < m->seen; i++) {
		bool taken = at < m->n && m->index[at] == i;
		const struct work_receipt *got = taken ? &r[at++] : NULL;
		if (got)
			ident_write(got->id, text);
		if (i)
			json_puts(o, ",");
		if (got && !got->conflict)
			json_printf(o, "\"%s\"", text);
		else
			json_puts(o, "null");
		if (got && got->conflict) {
			struct api_fault f = { .status = 0 };
			api_fault(&f, 409, "unique", "task %s has that key", text);
			put_error(m, i, &f);
		}
	}
	json_puts(o, "],\"errors\":[");
	json_put(o, m->errors.p, m->errors.n);
	json_puts(o, "]}\n");
}

static void on_submitted(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct many *m = data;
	struct json_out o = { .p = NULL };

	(void)n;
	if (status != 0) {
		api_error(&m->reply, 503, NULL, "the store did not take them: %s",
			  uv_strerror(status));
	} else {
		put_ids(m, &o, receipts);
		api_answer(&m->reply, 202, NULL, &o);
		json_out_fini(&o);
	}
	many_free(m);
}

static void answer_refused(struct many *m, int status)
{
	struct json_out o = { .p = NULL };

	json_printf(&o,
		    "{\"error\":{\"code\":\"%s\",\"message\":\"%d of %d are wrong, none was "
		    "taken\"},\"errors\":[",
		    api_code_of(status), m->refused, m->seen);
	json_put(&o, m->errors.p, m->errors.n);
	json_puts(&o, "]}\n");
	api_answer(&m->reply, status, NULL, &o);
	json_out_fini(&o);
}

static void submit(struct many *m, const struct api_ask *ask)
{
	struct work_spec *specs = mem_new((size_t)(m->n + 1) * sizeof(*specs));

	for (int i = 0; i < m->n; i++)
		specs[i] = m->specs[i]->spec;
	http_call_wait(ask->call, m, api_reply_gone);
	int rc = work_submit(ask->api->work, specs, m->n, on_submitted, m);
	free(specs);
	if (rc == 0)
		return;
	api_error_code(&m->reply, rc);
	many_free(m);
}

void api_push_batch(struct api_ask *ask)
{
	struct err err = { .text = "" };
	struct json all;
	bool fits;

	if (!api_push_is_open(ask))
		return;
	if (http_field(ask->m, "Idempotency-Key")) {
		api_refuse(ask, 400, "Idempotency-Key", "Idempotency-Key: for single tasks only");
		return;
	}
	const char *body = ask->m->body ? ask->m->body : "";
	bool is_array = body[strspn(body, " \t\r\n")] == '[';
	if (is_array && json_read(&all, body, ask->m->body_len, &err) != 0) {
		api_refuse(ask, 400, NULL, "%s", err.text);
		return;
	}
	struct many *m = mem_new(sizeof(*m));
	m->reply = api_reply_to(ask);
	fits = is_array ? read_array(m, ask, &all) : !ask->m->body_len || read_lines(m, ask);
	if (!fits)
		api_error(&m->reply, 413, NULL, "at most %d tasks at a time", MOST);
	else if (!m->seen)
		api_error(&m->reply, 400, NULL, "there is no task in it");
	else if (m->refused && (api_query_yes(ask, "atomic") || !m->n))
		answer_refused(m, api_query_yes(ask, "atomic") ? 400 : m->first_status);
	else {
		submit(m, ask);
		return;
	}
	many_free(m);
}
