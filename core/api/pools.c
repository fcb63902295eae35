#include "core/api/pools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/alarm.h"
#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/body.h"
#include "core/api/handlers.h"
#include "core/api/keys.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/setup.h"
#include "core/api/spec.h"
#include "core/api/wait.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/pool.h"

/* ---- what they ask and tell -------------------------------------------------------------------
 */

static void put_escaped(char *to, size_t size, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = strlen(to);

	for (; *text && n + 4 < size; text++) {
		unsigned char c = (unsigned char)*text;
		if (c > 0x20 && c < 0x7f && c != '%' && c != '=') {
			to[n++] = (char)c;
		} else {
			to[n++] = '%';
			to[n++] = hex[c >> 4];
			to[n++] = hex[c & 15];
		}
	}
	to[n] = '\0';
}

/* A task's headers: fields of an HTTP request; for a worker h.NAME=VALUE, as many as there is room
 * for. */
static bool on_start(void *data, const struct work_job *job, struct pool_extra *extra)
{
	struct json all = api_meta_get(job->meta, job->meta_size, "headers"), key, value;
	bool sync = api_is_waited_for(data, job->id);

	if (all.kind != JSON_OBJECT)
		return sync;
	for (struct json_at at = json_begin(&all); json_member(&at, &key, &value);) {
		char *name = json_unquoted(&key, NULL), *text = json_unquoted(&value, NULL);
		size_t n = strlen(extra->fields), args = strlen(extra->args);
		bool token = *name && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
						   "uvwxyz0123456789-_.") == strlen(name);

		if (token && n + strlen(name) + strlen(text) + 5 < sizeof(extra->fields))
			sprintf(extra->fields + n, "%s: %s\r\n", name, text);
		if (token && args + strlen(name) + 3 * strlen(text) + 8 < sizeof(extra->args)) {
			sprintf(extra->args + args, "%sh.%s=", args ? " " : "", name);
			put_escaped(extra->args, sizeof(extra->args), text);
		}
		free(name);
		free(text);
	}
	return sync;
}

static int on_push(void *data, struct work_spec *spec, struct err *err)
{
	struct api *api = data;

	if (!spec->topic || !api_topic_is_good(spec->topic))
		return err_set(err, UV_EINVAL, "no good name for a topic");
	int rc = api_setup_takes(api, spec->topic);
	return rc == 0 ? 0 : err_set(err, rc, "topic %s is not taken", spec->topic);
}

static void on_event(void *data, const struct pool_event *e)
{
	struct api *api = data;
	char subject[200];

	if (api->stopping)
		return;
	if (e->what == POOL_PROGRESS) {
		work_progress(api->work, e->job, e->percent, e->text);
	} else if (e->what == POOL_SAID && e->job) {
		work_log(api->work, e->job, e->text, strlen(e->text));
		work_log(api->work, e->job, "\n", 1);
	} else if (e->what == POOL_LOOPS) {
		snprintf(subject, sizeof(subject), "pool %s", e->pool);
		api_alarm_raise(api, API_ON_POOL_CRASH_LOOP, subject, e->text ? e->text : "");
	}
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

int api_pools_open(struct api *api, const struct conf *conf, struct err *err)
{
	struct pools_conf c = { .role = "taskd",
				.work = api->work,
				.on_start = on_start,
				.on_push = on_push,
				.on_event = on_event,
				.data = api };
	int rc = pools_open(&api->pools, api->loop, &c, err);

	return rc == 0 ? pools_apply(api->pools, conf, err) : rc;
}

int api_pools_apply(struct api *api, const struct conf *conf, struct err *err)
{
	return pools_apply(api->pools, conf, err);
}

static void on_drained(void *data)
{
	api_drained(data);
}

void api_pools_drain(struct api *api)
{
	pools_drain(api->pools, on_drained, api);
}

static void on_closed(void *data)
{
	struct api *api = data;

	api->pools = NULL;
	api->pools_gone = true;
	api_settle(api);
}

void api_pools_close(struct api *api)
{
	if (api->pools) {
		pools_close(api->pools, on_closed, api);
		return;
	}
	api->pools_gone = true;
}

/* ---- the API
 * ---------------------------------------------------------------------------------------- */

struct workers {
	struct json_out o;
	int n;
};

static void on_worker(void *data, const struct pool_worker_figures *f)
{
	struct workers *w = data;
	struct json_out *o = &w->o;
	char id[IDENT_LEN + 1];

	json_puts(o, w->n++ ? ",\n{\"pool\":" : "{\"pool\":");
	json_put_text(o, f->pool);
	json_puts(o, ",\"name\":");
	json_put_text(o, f->name);
	json_printf(o,
		    ",\"pid\":%d,\"state\":\"%s\",\"age_ms\":%lld,\"rss_bytes\":%lld,\"done\":%lu,"
		    "\"failed\":%lu,\"jobs\":%d,\"task\":",
		    (int)f->pid, pool_worker_state_name(f->state), (long long)f->age,
		    (long long)f->rss, (unsigned long)f->done, (unsigned long)f->failed, f->jobs);
	ident_write(f->job, id);
	json_put_text(o, f->job ? id : NULL);
	json_puts(o, ",\"topic\":");
	json_put_text(o, f->topic);
	json_printf(o, ",\"task_age_ms\":%lld}", (long long)f->job_age);
}

static void on_pool(void *data, const struct pool_figures *f)
{
	static const char *const modes[] = { "worker", "exec", "http" };
	struct workers *w = data;
	struct json_out *o = &w->o;

	json_puts(o, w->n++ ? ",\n{\"name\":" : "{\"name\":");
	json_put_text(o, f->name);
	json_printf(
		o,
		",\"mode\":\"%s\",\"min\":%d,\"max\":%d,\"starting\":%d,\"idle\":%d,\"busy\":%d,"
		"\"leaving\":%d,\"running\":%d,\"waiting\":%d,\"crash_loop\":%s,\"done\":%lu,"
		"\"failed\":%lu,\"crashed\":%lu}",
		modes[f->mode], f->min, f->max, f->starting, f->idle, f->busy, f->leaving,
		f->running, f->waiting, f->loops ? "true" : "false", (unsigned long)f->done,
		(unsigned long)f->failed, (unsigned long)f->crashed);
}

void api_worker_list(struct api_ask *ask)
{
	struct workers w = { .n = 0 };

	json_puts(&w.o, "{\"items\":[");
	pools_workers(ask->api->pools, api_query(ask, "pool"), on_worker, &w);
	json_puts(&w.o, "],\n\"pools\":[");
	w.n = 0;
	pools_figures(ask->api->pools, on_pool, &w);
	json_puts(&w.o, "]}\n");
	api_reply(ask, 200, NULL, &w.o);
	json_out_fini(&w.o);
}

static struct pool *find(const struct api_ask *ask)
{
	struct pool *p = pools_find(ask->api->pools, ask->part);

	if (!p)
		api_refuse(ask, 404, NULL, "there is no such pool");
	return p;
}

static void answer_ok(const struct api_ask *ask)
{
	struct json_out o = { .p = NULL };

	json_puts(&o, "{\"ok\":true}\n");
	api_reply(ask, 202, NULL, &o);
	json_out_fini(&o);
}

void api_pool_recycle(struct api_ask *ask)
{
	struct pool *p = find(ask);

	if (!p)
		return;
	pool_recycle(p);
	answer_ok(ask);
}

/* New processes with the code as it is now. */
void api_pool_reload(struct api_ask *ask)
{
	api_pool_recycle(ask);
}

void api_pool_scale(struct api_ask *ask)
{
	struct pool *p = find(ask);
	int64_t min = -1, max = -1;
	struct json body;

	if (!p || !api_body(ask, &body) || !api_body_number(ask, &body, "min", &min, 10000) ||
	    !api_body_number(ask, &body, "max", &max, 10000))
		return;
	if (min < 0 || max < 0 || pool_scale(p, (int)min, (int)max) != 0)
		api_refuse(ask, 400, "max", "min and max: 0 <= min <= max, max from 1 to 10000");
	else
		answer_ok(ask);
}

/* ---- somebody waits for the answer
 * --------------------------------------------------------------- */

struct rpc {
	struct api_reply reply; /* first */
	struct pool_call *call;
};

static void on_rpc_gone(void *data)
{
	struct rpc *r = data;

	r->reply.call = NULL;
	pool_call_cancel(r->call);
}

static void on_answer(void *data, const struct pool_answer *a)
{
	struct rpc *r = data;
	struct json v;
	bool json = a->size && json_read(&v, a->body, a->size, NULL) == 0;

	if (a->status == 0 && r->reply.call)
		api_answer_text(&r->reply, 200,
				json ? "application/json" : "application/octet-stream", a->body,
				a->size);
	else if (a->status == POOL_FAILED)
		api_error(&r->reply, a->retry ? 502 : 422, NULL, "%.*s",
			  (int)(a->size > 400 ? 400 : a->size), (const char *)a->body);
	else if (a->status == UV_ETIMEDOUT)
		api_error(&r->reply, 504, NULL, "no answer in time");
	else if (a->status == UV_EPIPE)
		api_error(&r->reply, 502, NULL, "the worker died");
	else
		api_error(&r->reply, 503, NULL, "no worker took it");
	free(r);
}

void api_rpc(struct api_ask *ask)
{
	const char *text = api_query(ask, "timeout");
	int64_t timeout = text ? api_duration(text) : 30000;

	if (timeout < 1 || timeout > ask->api->keys->max_wait) {
		api_refuse(ask, 400, "timeout", "timeout: a time up to max_wait, as 5s");
		return;
	}
	if (!api_auth_topic(ask, ask->part))
		return;
	struct rpc *r = mem_new(sizeof(*r));
	struct pool_call_spec spec = { .topic = ask->part,
				       .body = ask->m->body ? ask->m->body : "",
				       .size = ask->m->body_len,
				       .timeout = timeout,
				       .done = on_answer,
				       .data = r };
	r->reply = api_reply_to(ask);
	int rc = pools_call(ask->api->pools, &spec, &r->call);
	if (rc == 0) {
		http_call_wait(ask->call, r, on_rpc_gone);
		return;
	}
	if (rc == UV_E2BIG)
		api_error(&r->reply, 413, NULL, "too large for the pool");
	else
		api_error(&r->reply, 503, NULL,
			  rc == UV_ENOENT ? "no pool has that topic" : "no worker takes it now");
	free(r);
}
