/* Schedules: tasks that come by the clock. */
#include <stdio.h>
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
#include "core/api/tell.h"
#include "core/base/err.h"

static const int64_t ten_years = (int64_t)3660 * 86400 * 1000;
static const char *const overlaps[] = { "skip", "queue", "replace" };
static const char *const misseds[] = { "skip", "once", "all" };

/* ---- looking ------------------------------------------------------------------------------- */

static void put_moment(struct json_out *o, const char *name, int64_t ms)
{
	json_printf(o, ms ? ",\"%s\":%lld" : ",\"%s\":null", name, (long long)ms);
}

static void put_plan(struct json_out *o, const struct work_plan_figures *f)
{
	const struct work_plan *p = f->plan;
	char id[IDENT_LEN + 1];

	json_puts(o, "{\"name\":");
	json_put_text(o, p->name);
	if (p->cron) {
		json_puts(o, ",\"cron\":");
		json_put_text(o, p->cron);
	} else {
		json_printf(o, ",\"every_ms\":%lld", (long long)p->every);
	}
	json_printf(o, ",\"overlap\":\"%s\",\"missed\":\"%s\",\"jitter_ms\":%lld,\"topic\":",
		    overlaps[p->overlap], misseds[p->missed], (long long)p->jitter);
	json_put_text(o, p->task.topic);
	if (p->task.type) {
		json_puts(o, ",\"type\":");
		json_put_text(o, p->task.type);
	}
	json_printf(o, ",\"priority\":%d,", p->task.prio);
	api_tell_value(o, "payload", p->task.payload, p->task.size);
	json_printf(o, ",\"paused\":%s,\"runs\":%lu,\"skipped\":%lu,\"missed_runs\":%lu",
		    f->paused ? "true" : "false", (unsigned long)f->runs, (unsigned long)f->skipped,
		    (unsigned long)f->missed);
	put_moment(o, "next_at", f->next);
	put_moment(o, "last_at", f->last);
	ident_write(f->last_task, id);
	json_printf(o, f->last_task ? ",\"last_task\":\"%s\"}" : ",\"last_task\":null}", id);
}

struct seen {
	const struct api_ask *ask;
	const char *name; /* NULL: all */
	struct json_out o;
	int n;
};

static void on_plan(void *data, const struct work_plan_figures *f)
{
	struct seen *s = data;

	if (s->name && strcmp(s->name, f->plan->name) != 0)
		return;
	if (!api_token_has(s->ask->token, f->plan->task.topic))
		return;
	json_puts(&s->o, s->n++ ? ",\n" : "");
	put_plan(&s->o, f);
}

void api_schedule_list(struct api_ask *ask)
{
	struct seen s = { .ask = ask };

	json_puts(&s.o, "{\"items\":[");
	work_plans(ask->api->work, on_plan, &s);
	json_puts(&s.o, "]}\n");
	api_reply(ask, 200, NULL, &s.o);
	json_out_fini(&s.o);
}

static int answer_one(const struct api_ask *ask, const char *name, int status)
{
	struct seen s = { .ask = ask, .name = name };

	work_plans(ask->api->work, on_plan, &s);
	json_puts(&s.o, "\n");
	if (s.n)
		api_reply(ask, status, NULL, &s.o);
	json_out_fini(&s.o);
	return s.n;
}

void api_schedule_get(struct api_ask *ask)
{
	if (!answer_one(ask, ask->part, 200))
		api_refuse(ask, 404, NULL, "there is no such schedule");
}

/* ---- making and changing ----------------------------------------------------------------------
 */

struct reading {
	char *name, *cron, *tz, *topic, *type, *overlap, *missed;
	char full[400];
	int64_t prio;
	struct work_plan plan;
};

static void reading_fini(struct reading *r)
{
	free(r->name);
	free(r->cron);
	free(r->tz);
	free(r->topic);
	free(r->type);
	free(r->overlap);
	free(r->missed);
}

static int word_of(const char *word, const char *const words[3])
{
	for (int i = 0; i < 3; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

static bool read_words(const struct api_ask *ask, struct reading *r)
{
	int overlap = r->overlap ? word_of(r->overlap, overlaps) : WORK_OVERLAP_SKIP;
	int missed = r->missed ? word_of(r->missed, misseds) : WORK_MISSED_ONCE;

	if (overlap < 0)
		api_refuse(ask, 400, "overlap", "overlap: skip, queue or replace");
	else if (missed < 0)
		api_refuse(ask, 400, "missed", "missed: skip, once or all");
	r->plan.overlap = (enum work_overlap)(overlap < 0 ? 0 : overlap);
	r->plan.missed = (enum work_missed)(missed < 0 ? 0 : missed);
	return overlap >= 0 && missed >= 0;
}

static bool read_plan(const struct api_ask *ask, const struct json *o, struct reading *r)
{
	struct work_plan *p = &r->plan;
	struct json payload = json_get(o, "payload");

	r->prio = WORK_PRIO;
	if (!api_body_text(ask, o, "name", &r->name) || !api_body_text(ask, o, "cron", &r->cron) ||
	    !api_body_text(ask, o, "tz", &r->tz) || !api_body_text(ask, o, "topic", &r->topic) ||
	    !api_body_text(ask, o, "type", &r->type) ||
	    !api_body_text(ask, o, "overlap", &r->overlap) ||
	    !api_body_text(ask, o, "missed", &r->missed) ||
	    !api_body_number(ask, o, "every_ms", &p->every, ten_years) ||
	    !api_body_number(ask, o, "jitter_ms", &p->jitter, ten_years) ||
	    !api_body_number(ask, o, "priority", &r->prio, 255) || !read_words(ask, r))
		return false;
	if (r->cron)
		snprintf(r->full, sizeof(r->full), "%s%s%s", r->cron, r->tz ? " " : "",
			 r->tz ? r->tz : "");
	p->name = *ask->part ? ask->part : r->name;
	p->cron = r->cron ? r->full : NULL;
	p->task = (struct work_spec){ .topic = r->topic,
				      .type = r->type,
				      .prio = (int)r->prio,
				      .payload = payload.kind ? payload.p : "null",
				      .size = payload.kind ? payload.n : 4 };
	return true;
}

/* A name that a path can have. */
static bool is_name(const char *name)
{
	return name && *name && strlen(name) <= 128 && !strpbrk(name, "/:") &&
	       api_topic_is_good(name);
}

static void set(struct api_ask *ask, const struct json *body)
{
	struct reading r = { .name = NULL };
	struct err err = { .text = "" };
	struct seen before = { .ask = ask };

	if (!read_plan(ask, body, &r))
		;
	else if (!is_name(r.plan.name))
		api_refuse(ask, 400, "name", "name: 1 to 128 bytes, without spaces, / and :");
	else if (!r.topic || !api_topic_is_good(r.topic))
		api_refuse(ask, 400, "topic", "topic: 1 to 128 bytes, without spaces");
	else if (!r.plan.cron == !r.plan.every)
		api_refuse(ask, 400, "cron", "either cron or every_ms");
	else if (api_auth_topic(ask, r.topic)) {
		before.name = r.plan.name;
		work_plans(ask->api->work, on_plan, &before);
		if (work_plan_set(ask->api->work, &r.plan, &err) != 0)
			api_refuse(ask, 400, NULL, "%s", err.text);
		else
			answer_one(ask, r.plan.name, before.n ? 200 : 201);
	}
	json_out_fini(&before.o);
	reading_fini(&r);
}

void api_schedule_put(struct api_ask *ask)
{
	struct json body;

	if (!api_push_is_open(ask) || !api_body(ask, &body))
		return;
	set(ask, &body);
}

void api_schedule_post(struct api_ask *ask)
{
	api_schedule_put(ask);
}

/* ---- orders
 * --------------------------------------------------------------------------------------- */

static void answer_code(const struct api_ask *ask, int rc, int status)
{
	struct api_reply r = api_reply_to(ask);

	if (rc != 0)
		api_error_code(&r, rc);
	else if (status == 204)
		api_answer(&r, 204, NULL, NULL);
	else
		answer_one(ask, ask->part, status);
}

void api_schedule_delete(struct api_ask *ask)
{
	answer_code(ask, work_plan_drop(ask->api->work, ask->part), 204);
}

void api_schedule_run(struct api_ask *ask)
{
	if (api_push_is_open(ask))
		answer_code(ask, work_plan_run(ask->api->work, ask->part), 202);
}

void api_schedule_pause(struct api_ask *ask)
{
	answer_code(ask, work_plan_pause(ask->api->work, ask->part, true), 202);
}

void api_schedule_resume(struct api_ask *ask)
{
	answer_code(ask, work_plan_pause(ask->api->work, ask->part, false), 202);
}
