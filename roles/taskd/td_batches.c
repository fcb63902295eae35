/* Batches: tasks that are waited for together. Tasks enter with the member "batch". */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/taskd/td.h"
#include "roles/taskd/td_api.h"
#include "roles/taskd/td_auth.h"
#include "roles/taskd/td_body.h"
#include "roles/taskd/td_push.h"
#include "roles/taskd/td_reply.h"
#include "roles/taskd/td_route.h"
#include "roles/taskd/td_spec.h"

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
	struct td_reply *reply = data;
	struct json_out o = { .p = NULL };

	(void)n;
	if (status != 0) {
		td_error_code(reply, status);
	} else {
		put_batch(&o, r->id, &(struct work_batch_figures){ .open = true });
		td_answer(reply, 201, NULL, &o);
		json_out_fini(&o);
	}
	free(reply);
}

/* What follows is a task without a time, a name and a key of its own. */
static int read_follower(const struct td_ask *ask, const struct json *body, const char *name,
			 struct td_spec *s)
{
	struct json v = json_get(body, name);
	struct td_fault f = { .status = 0 };

	if (v.kind == JSON_NONE || v.kind == JSON_NULL)
		return 0;
	if (td_spec_read(s, &v, &f) != 0 || td_spec_finish(ask->td, s, &f) != 0) {
		char inner[sizeof(f.field)];
		strcpy(inner, f.field);
		snprintf(f.field, sizeof(f.field), "%s%s%.48s", name, *inner ? "." : "", inner);
		td_push_refuse(ask, &f);
		return -1;
	}
	return td_auth_topic(ask, s->spec.topic) ? 1 : -1;
}

void td_batch_post(struct td_ask *ask)
{
	static const char *const names[] = { "on_success", "on_complete", "on_death" };
	struct work_batch b = { .on_success = NULL };
	const struct work_spec **to[] = { &b.on_success, &b.on_complete, &b.on_death };
	struct td_spec specs[3];
	struct json body;
	int rc = 0, n = 0;

	if (!td_push_is_open(ask) || !td_body(ask, &body))
		return;
	for (; n < 3 && rc >= 0; n++) {
		td_spec_init(&specs[n]);
		rc = read_follower(ask, &body, names[n], &specs[n]);
		if (rc > 0)
			*to[n] = &specs[n].spec;
	}
	if (rc >= 0) {
		struct td_reply *reply = mem_new(sizeof(*reply));
		*reply = td_reply_to(ask);
		http_call_wait(ask->call, reply, td_reply_gone);
		rc = work_batch_new(ask->td->work, &b, on_made, reply);
		if (rc != 0) {
			td_error_code(reply, rc);
			free(reply);
		}
	}
	while (n-- > 0)
		td_spec_fini(&specs[n]);
}

static bool find(const struct td_ask *ask, uint64_t *id, struct work_batch_figures *f)
{
	if (ident_read(ask->part, id) && work_batch_get(ask->td->work, *id, f) == 0)
		return true;
	td_refuse(ask, 404, NULL, "there is no such batch");
	return false;
}

static void answer(const struct td_ask *ask, int status, uint64_t id)
{
	struct work_batch_figures f = { .total = 0 };
	struct json_out o = { .p = NULL };

	work_batch_get(ask->td->work, id, &f);
	put_batch(&o, id, &f);
	td_reply(ask, status, NULL, &o);
	json_out_fini(&o);
}

void td_batch_get(struct td_ask *ask)
{
	struct work_batch_figures f;
	uint64_t id;

	if (find(ask, &id, &f))
		answer(ask, 200, id);
}

void td_batch_close(struct td_ask *ask)
{
	struct work_batch_figures f;
	uint64_t id;

	if (!find(ask, &id, &f))
		return;
	work_batch_close(ask->td->work, id);
	answer(ask, 202, id);
}

void td_batch_cancel(struct td_ask *ask)
{
	struct work_batch_figures f;
	uint64_t id;

	if (!find(ask, &id, &f))
		return;
	work_batch_cancel(ask->td->work, id);
	answer(ask, 202, id);
}
