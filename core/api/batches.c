/* Batches: tasks that are waited for together. Tasks enter with the member "batch". */
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/body.h"
#include "core/api/handlers.h"
#include "core/api/push.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/base/mem.h"

static void put_batch(struct json_out *o, uint64_t id, const struct work_batch_figures *f)
{
	char text[IDENT_LEN + 1];

	ident_write(id, text);
	json_printf(o,
		    "{\"id\":\"%s\",\"total\":%lu,\"pending\":%lu,\"failed\":%lu,\"open\":%s,"
		    "\"over_at\":",
		    text, (unsigned long)f->total, (unsigned long)f->pending,
		    (unsigned long)f->failed, f->open ? "true" : "false");
	json_printf(o, f->over ? "%lld}\n" : "null}\n", (long long)f->over);
}

static void on_made(void *data, int status, const struct work_receipt *r, int n)
{
	struct api_reply *reply = data;
	struct json_out o = { .p = NULL };

	(void)n;
	if (status != 0) {
		api_error_code(reply, status);
	} else {
		put_batch(&o, r->id, &(struct work_batch_figures){ .open = true });
		api_answer(reply, 201, NULL, &o);
		json_out_fini(&o);
	}
	free(reply);
}

/* What follows is a task without a time, a name and a key of its own. */
static int read_follower(const struct api_ask *ask, const struct json *body, const char *name,
			 struct api_spec *s)
{
	struct json v = json_get(body, name);
	struct api_fault f = { .status = 0 };

	if (v.kind == JSON_NONE || v.kind == JSON_NULL)
		return 0;
	if (api_spec_read(s, &v, &f) != 0 || api_spec_finish(ask->api, s, &f) != 0) {
		char inner[sizeof(f.field)];
		strcpy(inner, f.field);
		snprintf(f.field, sizeof(f.field), "%s%s%.48s", name, *inner ? "." : "", inner);
		api_push_refuse(ask, &f);
		return -1;
	}
	return api_auth_topic(ask, s->spec.topic) ? 1 : -1;
}

void api_batch_post(struct api_ask *ask)
{
	static const char *const names[] = { "on_success", "on_complete", "on_death" };
	struct work_batch b = { .on_success = NULL };
	const struct work_spec **to[] = { &b.on_success, &b.on_complete, &b.on_death };
	struct api_spec specs[3];
	struct json body;
	int rc = 0, n = 0;

	if (!api_push_is_open(ask) || !api_body(ask, &body))
		return;
	for (; n < 3 && rc >= 0; n++) {
		api_spec_init(&specs[n]);
		rc = read_follower(ask, &body, names[n], &specs[n]);
		if (rc > 0)
			*to[n] = &specs[n].spec;
	}
	if (rc >= 0) {
		struct api_reply *reply = mem_new(sizeof(*reply));
		*reply = api_reply_to(ask);
		http_call_wait(ask->call, reply, api_reply_gone);
		rc = work_batch_new(ask->api->work, &b, on_made, reply);
		if (rc != 0) {
			api_error_code(reply, rc);
			free(reply);
		}
	}
	while (n-- > 0)
		api_spec_fini(&specs[n]);
}

static bool find(const struct api_ask *ask, uint64_t *id, struct work_batch_figures *f)
{
	if (ident_read(ask->part, id) && work_batch_get(ask->api->work, *id, f) == 0)
		return true;
	api_refuse(ask, 404, NULL, "there is no such batch");
	return false;
}

static void answer(const struct api_ask *ask, int status, uint64_t id)
{
	struct work_batch_figures f = { .total = 0 };
	struct json_out o = { .p = NULL };

	work_batch_get(ask->api->work, id, &f);
	put_batch(&o, id, &f);
	api_reply(ask, status, NULL, &o);
	json_out_fini(&o);
}

void api_batch_get(struct api_ask *ask)
{
	struct work_batch_figures f;
	uint64_t id;

	if (find(ask, &id, &f))
		answer(ask, 200, id);
}

void api_batch_close(struct api_ask *ask)
{
	struct work_batch_figures f;
	uint64_t id;

	if (!find(ask, &id, &f))
		return;
	work_batch_close(ask->api->work, id);
	answer(ask, 202, id);
}

void api_batch_cancel(struct api_ask *ask)
{
	struct work_batch_figures f;
	uint64_t id;

	if (!find(ask, &id, &f))
		return;
	work_batch_cancel(ask->api->work, id);
	answer(ask, 202, id);
}
