/* Topics: looking, pausing, purging, raising their dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/body.h"
#include "core/api/handlers.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/base/mem.h"

static const int64_t ten_years = (int64_t)3660 * 86400 * 1000, hour = 3600000;

/* ---- looking ------------------------------------------------------------------------------ */

static void put_figures(struct json_out *o, const struct work_topic_figures *f)
{
	json_puts(o, "\"name\":");
	json_put_text(o, f->name);
	json_printf(
		o,
		",\"paused\":%s,\"ready\":%lu,\"scheduled\":%lu,\"waiting\":%lu,\"running\":%lu,"
		"\"outside\":%lu,\"dead\":%lu,\"bytes\":%lu,\"oldest_ms\":%lld",
		f->paused ? "true" : "false", (unsigned long)f->ready, (unsigned long)f->scheduled,
		(unsigned long)f->waiting, (unsigned long)f->running, (unsigned long)f->outside,
		(unsigned long)f->dead, (unsigned long)f->bytes, (long long)f->oldest);
	json_printf(o,
		    ",\"submitted\":%lu,\"succeeded\":%lu,\"failed\":%lu,\"died\":%lu,"
		    "\"cancelled\":%lu,\"expired\":%lu",
		    (unsigned long)f->submitted, (unsigned long)f->succeeded,
		    (unsigned long)f->failed, (unsigned long)f->died, (unsigned long)f->cancelled,
		    (unsigned long)f->expired);
}

struct topics {
	const struct api_ask *ask;
	struct json_out o;
	int n;
	bool found;
};

static void on_topic(void *data, const struct work_topic_figures *f)
{
	struct topics *t = data;

	if (*f->name == '.' || !api_token_has(t->ask->token, f->name))
		return;
	json_puts(&t->o, t->n++ ? ",\n{" : "{");
	put_figures(&t->o, f);
	json_puts(&t->o, "}");
}

void api_topic_list(struct api_ask *ask)
{
	struct topics t = { .ask = ask };

	json_puts(&t.o, "{\"items\":[");
	work_topics(ask->api->work, on_topic, &t);
	json_puts(&t.o, "]}\n");
	api_reply(ask, 200, NULL, &t.o);
	json_out_fini(&t.o);
}

static void put_rate(struct json_out *o, const char *name, const struct work_rate *r)
{
	if (r->per_s > 0)
		json_printf(o, ",\"%s\":{\"per_s\":%g,\"burst\":%g}", name, r->per_s, r->burst);
}

static void put_limits(struct json_out *o, const struct work_topic_conf *c)
{
	static const char *const durabilities[] = { "fsync", "os", "memory" };

	json_printf(o,
		    ",\"limits\":{\"durability\":\"%s\",\"max_attempts\":%d,\"max_crashes\":%d,"
		    "\"concurrency\":%d,\"key_concurrency\":%d,\"max_jobs\":%lu,\"max_bytes\":%lu,"
		    "\"timeout_ms\":%lld,\"expires_in_ms\":%lld,\"keep_ms\":%lld",
		    durabilities[c->durability], c->max_attempts, c->max_crashes, c->concurrency,
		    c->key_concurrency, (unsigned long)c->max_jobs, (unsigned long)c->max_bytes,
		    (long long)c->timeout, (long long)c->expires, (long long)c->keep);
	put_rate(o, "rate", &c->rate);
	put_rate(o, "key_rate", &c->key_rate);
	json_puts(o, "}");
}

/* One topic, its limits, and its last 24 hours. */
struct one {
	struct api_reply reply; /* first */
	const char *name;
	struct json_out o;
	bool found;
	int hours;
};

static void on_this(void *data, const struct work_topic_figures *f)
{
	struct one *t = data;

	if (strcmp(f->name, t->name) != 0)
		return;
	t->found = true;
	json_puts(&t->o, "{");
	put_figures(&t->o, f);
}

static void on_hour(void *data, const struct work_hour *h, int status)
{
	struct one *t = data;

	if (h) {
		json_printf(&t->o,
			    "%s{\"hour\":%lld,\"submitted\":%lu,\"succeeded\":%lu,\"failed\":%lu,"
			    "\"died\":%lu,\"run_ms\":%lu,\"wait_ms\":%lu}",
			    t->hours++ ? "," : "", (long long)h->hour, (unsigned long)h->submitted,
			    (unsigned long)h->succeeded, (unsigned long)h->failed,
			    (unsigned long)h->died, (unsigned long)h->run, (unsigned long)h->wait);
		return;
	}
	json_puts(&t->o, "]}\n");
	if (status != 0)
		api_error_code(&t->reply, status);
	else
		api_answer(&t->reply, 200, NULL, &t->o);
	json_out_fini(&t->o);
	free(t);
}

void api_topic_get(struct api_ask *ask)
{
	struct work *w = ask->api->work;
	struct work_topic_conf c;

	if (!api_auth_topic(ask, ask->part))
		return;
	if (!work_topic_get(w, ask->part, &c)) {
		api_refuse(ask, 404, NULL, "there is no such topic");
		return;
	}
	struct one *t = mem_new(sizeof(*t));
	t->reply = api_reply_to(ask);
	t->name = ask->part;
	work_topics(w, on_this, t);
	put_limits(&t->o, &c);
	json_puts(&t->o, ",\"hours\":[");
	http_call_wait(ask->call, t, api_reply_gone);
	int64_t now = api_now();
	work_hours(w, ask->part, now - now % hour - 23 * hour, on_hour, t);
}

/* ---- orders --------------------------------------------------------------------------------- */

static void answer_count(struct api_reply *r, uint64_t n)
{
	struct json_out o = { .p = NULL };

	json_printf(&o, "{\"count\":%lu}\n", (unsigned long)n);
	api_answer(r, 202, NULL, &o);
	json_out_fini(&o);
}

static void set_paused(struct api_ask *ask, bool paused)
{
	struct api_reply r = api_reply_to(ask);

	if (!api_auth_topic(ask, ask->part))
		return;
	int rc = work_pause(ask->api->work, ask->part, paused);
	if (rc != 0)
		api_error_code(&r, rc);
	else
		answer_count(&r, 1);
}

void api_topic_pause(struct api_ask *ask)
{
	set_paused(ask, true);
}

void api_topic_resume(struct api_ask *ask)
{
	set_paused(ask, false);
}

/* ?state= and older_ms, of the body or the query; false: it was answered. */
static bool read_range(const struct api_ask *ask, char **state, struct work_range *r)
{
	const char *older = api_query(ask, "older_ms"), *of = api_query(ask, "state");
	int64_t ms = older ? atoll(older) : 0;
	struct json body;

	*state = mem_str(of);
	if (!api_auth_topic(ask, ask->part) || !api_body(ask, &body) ||
	    !api_body_text(ask, &body, "state", state) ||
	    !api_body_number(ask, &body, "older_ms", &ms, ten_years))
		return false;
	*r = (struct work_range){ .topic = ask->part, .before = ms > 0 ? api_now() - ms : 0 };
	struct work_topic_conf c;
	if (work_topic_get(ask->api->work, ask->part, &c))
		return true;
	api_refuse(ask, 404, NULL, "there is no such topic");
	return false;
}

static void on_counted(void *data, int status, uint64_t n)
{
	struct api_reply *r = data;

	if (status != 0)
		api_error_code(r, status);
	else
		answer_count(r, n);
	free(r);
}

static struct api_reply *reply_later(const struct api_ask *ask)
{
	struct api_reply *r = mem_new(sizeof(*r));

	*r = api_reply_to(ask);
	http_call_wait(ask->call, r, api_reply_gone);
	return r;
}

void api_topic_purge(struct api_ask *ask)
{
	struct api_reply r = api_reply_to(ask);
	struct work_range range;
	char *state = NULL;

	if (!read_range(ask, &state, &range))
		;
	else if (!state || strcmp(state, "pending") == 0)
		answer_count(&r, work_purge(ask->api->work, &range));
	else if (strcmp(state, "dead") == 0)
		work_forget(ask->api->work, WORK_DEAD, &range, on_counted, reply_later(ask));
	else if (strcmp(state, "succeeded") == 0)
		work_forget(ask->api->work, WORK_SUCCEEDED, &range, on_counted, reply_later(ask));
	else
		api_refuse(ask, 400, "state", "state: pending, dead or succeeded");
	free(state);
}

void api_topic_retry(struct api_ask *ask)
{
	struct work_range range;
	char *state = NULL;

	if (read_range(ask, &state, &range)) {
		if (ask->api->role->raise && !range.before)
			ask->api->role->raise(ask->api->role_data, range.topic);
		work_retry_all(ask->api->work, &range, on_counted, reply_later(ask));
	}
	free(state);
}

/* ---- :drain -----------------------------------------------------------------------------------
 */

/* A pause, and the answer when nothing of it runs any more: looked at again and again. */
struct draining {
	struct api_reply reply; /* first */
	struct api *api;
	char *topic;
	uv_timer_t timer;
	uint64_t running;
};

static void on_drained_closed(uv_handle_t *h)
{
	struct draining *d = h->data;
	struct api *api = d->api;

	free(d->topic);
	free(d);
	api->open--;
	api_settle(api);
}

static void on_figures(void *data, const struct work_topic_figures *f)
{
	struct draining *d = data;

	if (strcmp(f->name, d->topic) == 0)
		d->running = f->running;
}

static void on_look(uv_timer_t *t)
{
	struct draining *d = t->data;

	d->running = 0;
	if (d->reply.call && !d->api->stopping)
		work_topics(d->api->work, on_figures, d);
	if (d->running)
		return;
	answer_count(&d->reply, 0);
	uv_close((uv_handle_t *)t, on_drained_closed);
}

void api_topic_drain(struct api_ask *ask)
{
	struct api_reply r = api_reply_to(ask);

	if (!api_auth_topic(ask, ask->part))
		return;
	int rc = work_pause(ask->api->work, ask->part, true);
	if (rc != 0) {
		api_error_code(&r, rc);
		return;
	}
	struct draining *d = mem_new(sizeof(*d));
	d->reply = r;
	d->api = ask->api;
	d->topic = mem_str(ask->part);
	d->timer.data = d;
	ask->api->open++;
	http_call_wait(ask->call, d, api_reply_gone);
	uv_timer_init(ask->api->loop, &d->timer);
	uv_timer_start(&d->timer, on_look, 0, 50);
}
