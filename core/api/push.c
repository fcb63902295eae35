/*
 * api_push - a task comes in: POST /v1/tasks, POST /v1/topics/{t}/tasks.
 *
 * Checked and submitted at once; answered with 202 from the commit's callback, and never before.
 */
#include "core/api/push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/handlers.h"
#include "core/api/keys.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/api/tell.h"
#include "core/api/wait.h"
#include "core/base/err.h"
#include "core/base/mem.h"

struct push {
	struct api_reply reply; /* first */
	int64_t wait;
};

/* ---- the answer ------------------------------------------------------------------------ */

static void answer_new(struct api_reply *r, uint64_t id)
{
	char text[IDENT_LEN + 1], fields[64], body[96], *end;

	ident_write(id, text);
	end = stpcpy(stpcpy(fields, "Location: /v1/tasks/"), text);
	stpcpy(end, "\r\n");
	end = stpcpy(stpcpy(body, "{\"id\":\""), text);
	end = stpcpy(end, "\",\"state\":\"");
	end = stpcpy(end, work_state_name(work_state_of(r->api->work, id)));
	end = stpcpy(end, "\"}\n");
	api_answer(r, 202, fields, &(struct json_out){ body, (size_t)(end - body), 0 });
}

static void answer_duplicate(struct api_reply *r, uint64_t id)
{
	struct json_out o = { .p = NULL };
	char text[IDENT_LEN + 1];

	ident_write(id, text);
	json_printf(&o, "{\"id\":\"%s\",\"duplicate\":true}\n", text);
	api_answer(r, 200, NULL, &o);
	json_out_fini(&o);
}

static void answer_conflict(struct api_reply *r, uint64_t id)
{
	struct json_out o = { .p = NULL };
	char text[IDENT_LEN + 1];

	ident_write(id, text);
	json_printf(&o,
		    "{\"error\":{\"code\":\"conflict\",\"message\":\"task %s has that key, and is "
		    "another one\",\"field\":\"unique\"},\"id\":\"%s\"}\n",
		    text, text);
	api_answer(r, 409, NULL, &o);
	json_out_fini(&o);
}

static void on_submitted(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct push *p = data;
	struct api_reply *r = &p->reply;
	const struct work_receipt *got = receipts;

	(void)n;
	if (!r->call)
		;
	else if (status != 0)
		api_error(r, 503, NULL, "the store did not take it: %s", uv_strerror(status));
	else if (got->conflict)
		answer_conflict(r, got->id);
	else if (p->wait && work_state_of(r->api->work, got->id) != WORK_STORING)
		api_wait(r->api, r, got->id, p->wait);
	else if (got->duplicate)
		answer_duplicate(r, got->id);
	else
		answer_new(r, got->id);
	free(p);
}

/* ---- what is asked for -------------------------------------------------------------------- */

bool api_push_is_open(const struct api_ask *ask)
{
	if (ask->api->draining) {
		api_refuse(ask, 503, NULL, "the server is about to end");
		return false;
	}
	if (!work_is_failing(ask->api->work))
		return true;
	api_refuse(ask, 503, NULL, "the store fails, nothing new is taken");
	return false;
}

void api_push_refuse(const struct api_ask *ask, const struct api_fault *f)
{
	api_refuse(ask, f->status, *f->field ? f->field : NULL, "%s", f->text);
}

/* curl's -d says it is a form. */
bool api_push_is_json(const struct api_ask *ask)
{
	const char *type = http_field(ask->m, "Content-Type");
	size_t n = type ? strcspn(type, "; ") : 0;

	if (!type || (n == 16 && strncasecmp(type, "application/json", n) == 0) ||
	    (n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0) ||
	    (n == 33 && strncasecmp(type, "application/x-www-form-urlencoded", n) == 0))
		return true;
	api_refuse(ask, 415, NULL, "the body is to be application/json");
	return false;
}

/* 128 bits, so that another body is told from the same one; nobody gains by a collision. */
static void hash_body(const struct api_ask *ask, const struct api_spec *s, uint64_t hash[2])
{
	const char *parts[] = { s->spec.topic, ask->m->body };
	size_t sizes[] = { strlen(s->spec.topic) + 1, ask->m->body_len };

	hash[0] = 0xcbf29ce484222325u;
	hash[1] = 0x9e3779b97f4a7c15u;
	for (int part = 0; part < 2; part++)
		for (size_t i = 0; i < sizes[part]; i++) {
			hash[0] = (hash[0] ^ (unsigned char)parts[part][i]) * 0x100000001b3u;
			hash[1] = (hash[1] + (unsigned char)parts[part][i]) * 0xff51afd7ed558ccdu;
			hash[1] ^= hash[1] >> 29;
		}
}

/* Whether the field is right; then the spec has it. */
static bool take_idempotency(const struct api_ask *ask, struct api_spec *s, uint64_t hash[2])
{
	const char *key = http_field(ask->m, "Idempotency-Key");

	if (!key)
		return true;
	if (!*key || strlen(key) > WORK_MAX_TEXT) {
		api_refuse(ask, 400, "Idempotency-Key", "Idempotency-Key: 1 to %d bytes",
			   WORK_MAX_TEXT);
		return false;
	}
	hash_body(ask, s, hash);
	s->spec.idem_key = key;
	s->spec.idem_hash = hash;
	s->spec.idem_hash_size = 2 * sizeof(hash[0]);
	s->spec.idem_ttl = ask->api->keys->idempotency_ttl;
	return true;
}

void api_push_one(const struct api_ask *ask, struct api_spec *s)
{
	uint64_t hash[2];
	int64_t wait = api_wait_of(ask);

	if (wait < 0 || !take_idempotency(ask, s, hash))
		return;
	struct push *p = mem_new(sizeof(*p));
	p->reply = api_reply_to(ask);
	p->wait = wait;
	http_call_wait(ask->call, p, api_reply_gone);
	int rc = work_submit(ask->api->work, &s->spec, 1, on_submitted, p);
	if (rc == 0)
		return;
	api_error_code(&p->reply, rc);
	free(p);
}

void api_push(struct api_ask *ask)
{
	struct api_fault f = { .status = 0 };
	struct api_spec s;
	struct json object;
	struct err err = { .text = "" };

	if (!api_push_is_open(ask) || !api_push_is_json(ask))
		return;
	api_spec_init(&s);
	if (json_read(&object, ask->m->body, ask->m->body_len, &err) != 0)
		api_refuse(ask, 400, NULL, "%s", err.text);
	else if (api_spec_read(&s, &object, &f) != 0 || api_spec_finish(ask->api, &s, &f) != 0)
		api_push_refuse(ask, &f);
	else if (api_auth_topic(ask, s.spec.topic))
		api_push_one(ask, &s);
	api_spec_fini(&s);
}

/* The payload as it is; all else beside it. */
void api_push_raw(struct api_ask *ask)
{
	struct api_fault f = { .status = 0 };
	struct api_spec s;

	if (!api_push_is_open(ask))
		return;
	api_spec_init(&s);
	s.spec.topic = ask->part;
	s.spec.payload = ask->m->body ? ask->m->body : "";
	s.spec.size = ask->m->body_len;
	if (api_spec_options(&s, ask, &f) != 0 || api_spec_finish(ask->api, &s, &f) != 0)
		api_push_refuse(ask, &f);
	else if (api_auth_topic(ask, s.spec.topic))
		api_push_one(ask, &s);
	api_spec_fini(&s);
}
