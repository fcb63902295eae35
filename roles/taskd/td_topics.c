/* Topics: looking, pausing, purging, raising their dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/taskd/td.h"
#include "roles/taskd/td_api.h"
#include "roles/taskd/td_auth.h"
#include "roles/taskd/td_body.h"
#include "roles/taskd/td_reply.h"
#include "roles/taskd/td_route.h"

static const int64_t ten_years = (int64_t)3660 * 86400 * 1000, hour = 3600000;

/* ---- looking ------------------------------------------------------------------------------ */

static void put_figures(struct json_out *o, const struct work_topic_figures *f)
{
	json_puts(o, "\"name\":");
	json_put_text(o, f->name);
	json_printf(
		o,
		",\"paused\":%s,\"ready\":%lu,\"scheduled\":%lu,\"waiting\":%lu,\"running\":%lu,"
		"\"dead\":%lu,\"bytes\":%lu,\"oldest_ms\":%lld",
		f->paused ? "true" : "false", (unsigned long)f->ready, (unsigned long)f->scheduled,
		(unsigned long)f->waiting, (unsigned long)f->running, (unsigned long)f->dead,
		(unsigned long)f->bytes, (long long)f->oldest);
	json_printf(o,
		    ",\"submitted\":%lu,\"succeeded\":%lu,\"failed\":%lu,\"died\":%lu,"
		    "\"cancelled\":%lu,\"expired\":%lu",
		    (unsigned long)f->submitted, (unsigned long)f->succeeded,
		    (unsigned long)f->failed, (unsigned long)f->died, (unsigned long)f->cancelled,
		    (unsigned long)f->expired);
}

struct topics {
	const struct td_ask *ask;
	struct json_out o;
	int n;
	bool found;
};

static void on_topic(void *data, const struct work_topic_figures *f)
{
	struct topics *t = data;

	if (*f->name == '.' || !td_token_has(t->ask->token, f->name))
		return;
	json_puts(&t->o, t->n++ ? ",\n{" : "{");
	put_figures(&t->o, f);
	json_puts(&t->o, "}");
}

void td_topic_list(struct td_ask *ask)
{
	struct topics t = { .ask = ask };

	json_puts(&t.o, "{\"items\":[");
	work_topics(ask->td->work, on_topic, &t);
	json_puts(&t.o, "]}\n");
	td_reply(ask, 200, NULL, &t.o);
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
	struct td_reply reply; /* first */
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
		td_error_code(&t->reply, status);
	else
		td_answer(&t->reply, 200, NULL, &t->o);
	json_out_fini(&t->o);
	free(t);
}

void td_topic_get(struct td_ask *ask)
{
	struct work *w = ask->td->work;
	struct work_topic_conf c;

	if (!td_auth_topic(ask, ask->part))
		return;
	if (!work_topic_get(w, ask->part, &c)) {
		td_refuse(ask, 404, NULL, "there is no such topic");
		return;
	}
	struct one *t = mem_new(sizeof(*t));
	t->reply = td_reply_to(ask);
	t->name = ask->part;
	work_topics(w, on_this, t);
	put_limits(&t->o, &c);
	json_puts(&t->o, ",\"hours\":[");
	http_call_wait(ask->call, t, td_reply_gone);
	int64_t now = td_now();
	work_hours(w, ask->part, now - now % hour - 23 * hour, on_hour, t);
}

/* ---- orders --------------------------------------------------------------------------------- */

static void answer_count(struct td_reply *r, uint64_t n)
{
	struct json_out o = { .p = NULL };

	json_printf(&o, "{\"count\":%lu}\n", (unsigned long)n);
	td_answer(r, 202, NULL, &o);
	json_out_fini(&o);
}

static void set_paused(struct td_ask *ask, bool paused)
{
	struct td_reply r = td_reply_to(ask);

	if (!td_auth_topic(ask, ask->part))
		return;
	int rc = work_pause(ask->td->work, ask->part, paused);
	if (rc != 0)
		td_error_code(&r, rc);
	else
		answer_count(&r, 1);
}

void td_topic_pause(struct td_ask *ask)
{
	set_paused(ask, true);
}

void td_topic_resume(struct td_ask *ask)
{
	set_paused(ask, false);
}

/* ?state= and older_ms, of the body or the query; false: it was answered. */
static bool read_range(const struct td_ask *ask, char **state, struct work_range *r)
{
	const char *older = td_query(ask, "older_ms"), *of = td_query(ask, "state");
	int64_t ms = older ? atoll(older) : 0;
	struct json body;

	*state = mem_str(of);
	if (!td_auth_topic(ask, ask->part) || !td_body(ask, &body) ||
	    !td_body_text(ask, &body, "state", state) ||
	    !td_body_number(ask, &body, "older_ms", &ms, ten_years))
		return false;
	*r = (struct work_range){ .topic = ask->part, .before = ms > 0 ? td_now() - ms : 0 };
	struct work_topic_conf c;
	if (work_topic_get(ask->td->work, ask->part, &c))
		return true;
	td_refuse(ask, 404, NULL, "there is no such topic");
	return false;
}

static void on_counted(void *data, int status, uint64_t n)
{
	struct td_reply *r = data;

	if (status != 0)
		td_error_code(r, status);
	else
		answer_count(r, n);
	free(r);
}

static struct td_reply *reply_later(const struct td_ask *ask)
{
	struct td_reply *r = mem_new(sizeof(*r));

	*r = td_reply_to(ask);
	http_call_wait(ask->call, r, td_reply_gone);
	return r;
}

void td_topic_purge(struct td_ask *ask)
{
	struct td_reply r = td_reply_to(ask);
	struct work_range range;
	char *state = NULL;

	if (!read_range(ask, &state, &range))
		;
	else if (!state || strcmp(state, "pending") == 0)
		answer_count(&r, work_purge(ask->td->work, &range));
	else if (strcmp(state, "dead") == 0)
		work_forget(ask->td->work, WORK_DEAD, &range, on_counted, reply_later(ask));
	else if (strcmp(state, "succeeded") == 0)
		work_forget(ask->td->work, WORK_SUCCEEDED, &range, on_counted, reply_later(ask));
	else
		td_refuse(ask, 400, "state", "state: pending, dead or succeeded");
	free(state);
}

void td_topic_retry(struct td_ask *ask)
{
	struct work_range range;
	char *state = NULL;

	if (read_range(ask, &state, &range))
		work_retry_all(ask->td->work, &range, on_counted, reply_later(ask));
	free(state);
}

/* ---- :drain -----------------------------------------------------------------------------------
 */

/* A pause, and the answer when nothing of it runs any more: looked at again and again. */
struct draining {
	struct td_reply reply; /* first */
	struct td *td;
	char *topic;
	uv_timer_t timer;
	uint64_t running;
};

static void on_drained_closed(uv_handle_t *h)
{
	struct draining *d = h->data;
	struct td *td = d->td;

	free(d->topic);
	free(d);
	td->open--;
	td_settle(td);
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
	if (d->reply.call && !d->td->stopping)
		work_topics(d->td->work, on_figures, d);
	if (d->running)
		return;
	answer_count(&d->reply, 0);
	uv_close((uv_handle_t *)t, on_drained_closed);
}

void td_topic_drain(struct td_ask *ask)
{
	struct td_reply r = td_reply_to(ask);

	if (!td_auth_topic(ask, ask->part))
		return;
	int rc = work_pause(ask->td->work, ask->part, true);
	if (rc != 0) {
		td_error_code(&r, rc);
		return;
	}
	struct draining *d = mem_new(sizeof(*d));
	d->reply = r;
	d->td = ask->td;
	d->topic = mem_str(ask->part);
	d->timer.data = d;
	ask->td->open++;
	http_call_wait(ask->call, d, td_reply_gone);
	uv_timer_init(ask->td->loop, &d->timer);
	uv_timer_start(&d->timer, on_look, 0, 50);
}
