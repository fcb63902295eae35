#include "core/api/tell.h"

#include <string.h>

#include "core/api/api.h"
#include "core/api/spec.h"
#include "core/pool/pool.h"

static bool is_text(const char *p, size_t n)
{
	struct json_out o = { .p = NULL };
	bool good = !memchr(p, '\0', n);

	if (good) { /* what could not be put as it is became a mark */
		json_put_string(&o, p, n);
		good = !memmem(o.p, o.n, "\xef\xbf\xbd", 3) || memmem(p, n, "\xef\xbf\xbd", 3);
		json_out_fini(&o);
	}
	return good;
}

static void put_name(struct json_out *o, const char *name)
{
	json_puts(o, "\"");
	json_puts(o, name);
	json_puts(o, "\":");
}

void api_tell_value(struct json_out *o, const char *name, const void *p, size_t n)
{
	struct json v;

	if (n && json_read(&v, p, n, NULL) == 0) {
		put_name(o, name);
		json_put(o, v.p, v.n);
	} else if (is_text(p ? p : "", n)) {
		put_name(o, name);
		json_put_string(o, p ? p : "", n);
	} else {
		json_printf(o, "\"%s_b64\":\"", name);
		api_base64_put(o, p, n);
		json_puts(o, "\"");
	}
}

void api_tell_state(struct json_out *o, uint64_t id, enum work_state state)
{
	char text[IDENT_LEN + 1];

	ident_write(id, text);
	json_printf(o, "{\"id\":\"%s\",\"state\":\"%s\"}\n", text, work_state_name(state));
}

void api_tell_end(struct json_out *o, const struct work_event *e)
{
	char id[IDENT_LEN + 1];

	ident_write(e->id, id);
	json_puts(o, "{\"id\":\"");
	json_put(o, id, IDENT_LEN);
	json_puts(o, "\",\"topic\":");
	json_put_text(o, e->topic);
	json_puts(o, ",\"state\":\"");
	json_puts(o, work_state_name(e->state));
	json_puts(o, "\",\"attempts\":");
	json_put_int(o, e->attempts + (e->state == WORK_SUCCEEDED));
	json_puts(o, ",\"crashes\":");
	json_put_int(o, e->crashes);
	json_puts(o, ",\"run_ms\":");
	json_put_int(o, e->run);
	json_puts(o, ",\"error\":");
	json_put_text(o, e->error);
	json_puts(o, ",");
	if (e->result)
		api_tell_value(o, "result", e->result, e->result_size);
	else
		json_puts(o, "\"result\":null");
	json_puts(o, "}\n");
}

/* ---- all of it --------------------------------------------------------------------------- */

struct telling {
	struct json_out *o;
	const char *fields;
	bool some;
};

/* Whether it is wanted; then its comma is there. */
static bool wants(struct telling *t, const char *name)
{
	size_t n = strlen(name);

	for (const char *f = t->fields; f && *f; f += strcspn(f, ","), f += *f == ',')
		if (strcspn(f, ",") == n && memcmp(f, name, n) == 0)
			goto found;
	if (t->fields)
		return false;
found:
	if (t->some)
		json_puts(t->o, ",");
	t->some = true;
	return true;
}

static void put_text(struct telling *t, const char *name, const char *text)
{
	if (!wants(t, name))
		return;
	json_printf(t->o, "\"%s\":", name);
	json_put_text(t->o, text && *text ? text : NULL);
}

static void put_number(struct telling *t, const char *name, int64_t n)
{
	if (wants(t, name))
		json_printf(t->o, "\"%s\":%lld", name, (long long)n);
}

static void put_moment(struct telling *t, const char *name, int64_t ms)
{
	if (wants(t, name))
		json_printf(t->o, ms ? "\"%s\":%lld" : "\"%s\":null", name, (long long)ms);
}

static void put_value(struct telling *t, const char *name, const void *p, size_t n)
{
	if (!wants(t, name))
		return;
	if (p)
		api_tell_value(t->o, name, p, n);
	else
		json_printf(t->o, "\"%s\":null", name);
}

static void put_progress(struct telling *t, const struct work_status *s)
{
	if ((s->percent < 0 && !s->text) || !wants(t, "progress"))
		return;
	json_printf(t->o, "\"progress\":{\"percent\":%d,\"text\":", s->percent);
	json_put_text(t->o, s->text ? s->text : "");
	json_puts(t->o, "}");
}

static void put_headers(struct telling *t, const struct work_status *s)
{
	struct json h = api_meta_get(s->meta, s->meta_size, "headers");

	if (h.kind != JSON_OBJECT || !wants(t, "headers"))
		return;
	json_puts(t->o, "\"headers\":");
	json_put(t->o, h.p, h.n);
}

static void put_head(struct telling *t, const struct work_status *s)
{
	char id[IDENT_LEN + 1];

	ident_write(s->id, id);
	put_text(t, "id", id);
	if (s->ext_id)
		put_text(t, "name", s->ext_id);
	put_text(t, "topic", s->topic);
	if (s->type)
		put_text(t, "type", s->type);
	put_text(t, "state", work_state_name(s->state));
	if (s->state < WORK_SUCCEEDED || s->state == WORK_DEAD)
		put_number(t, "priority", s->prio);
	put_number(t, "attempts", s->attempts);
	put_number(t, "crashes", s->crashes);
}

void api_tell_task(struct json_out *o, struct api *api, const struct work_status *s,
		   const char *fields)
{
	struct telling t = { .o = o, .fields = fields };
	struct pool_running r = { .worker = s->worker };

	if (s->state == WORK_RUNNING && api->pools)
		pools_running(api->pools, s->id, &r);
	json_puts(o, "{");
	put_head(&t, s);
	put_moment(&t, "submitted_at", s->submitted);
	put_moment(&t, "run_at", s->run_at);
	put_moment(&t, "started_at", s->started);
	put_moment(&t, "finished_at", s->finished);
	if (s->started)
		put_number(&t, "run_ms", s->run);
	put_text(&t, "worker", r.worker);
	put_progress(&t, s);
	put_text(&t, "error", s->error);
	if (s->payload)
		put_value(&t, "payload", s->payload, s->size);
	put_headers(&t, s);
	put_value(&t, "result", s->result, s->result_size);
	if (s->log_size && wants(&t, "log_tail")) {
		json_puts(o, "\"log_tail\":");
		json_put_string(o, s->log, s->log_size);
	}
	json_puts(o, "}");
}

bool api_find(struct api *api, const char *name, uint64_t *id)
{
	return work_find(api->work, name, id) || ident_read(name, id);
}
