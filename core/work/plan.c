/*
 * plan - tasks that come by the clock.
 *
 * When a plan is due, its task and its next moment are one transaction: a run is neither lost nor
 * made twice, whenever we are killed. Moments that passed while we were not there (or the clock was
 * set over them) are missed ones, and the plan says what becomes of them. An interval goes on from
 * its last moment, by time that really passes; after a time of ours without running it counts as a
 * plan with missed moments does.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/cron.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/work/private.h"

static const int64_t late = 60000, again = 1000; /* ms */
enum { MOST_MISSED = 1000 };

struct plan {
	struct plan *next_plan;
	struct work *w;
	struct work_plan conf; /* all it points at is own */
	struct cron *cron;     /* NULL: conf.every */
	struct heap_node node;
	int64_t next, last; /* ms since 1970; 0: never */
	int64_t before;     /* next, as it was before a run that the store has not yet */
	uint64_t last_task;
	bool paused, gone, storing;
	bool read; /* from the store; it was not yet due since */
	uint64_t runs, skipped, missed;
};

/* ---- time ---------------------------------------------------------------------- */

static int64_t after(const struct plan *p, int64_t moment)
{
	if (!p->cron)
		return moment + p->conf.every;
	int64_t next = cron_next(p->cron, moment / 1000);
	return next == CRON_NEVER ? 0 : next * 1000;
}

static void set_alarm(struct plan *p, int64_t at_least)
{
	struct work *w = p->w;
	int64_t due = due_of_moment(w, p->next);

	if (p->paused || p->gone || !p->next || p->storing)
		heap_remove(&w->times, &p->node);
	else
		heap_set(&w->times, &p->node, (uint64_t)(due > at_least ? due : at_least));
}

/* The first moment that is still to come, when the plan is new or was paused. */
static void look_ahead(struct plan *p)
{
	p->next = after(p, p->w->wall);
	set_alarm(p, 0);
}

/* Goes on to the first moment after now; returns how many had come, the last of them in *last. */
static int pass(struct plan *p, int64_t *last)
{
	int n = 0;

	while (p->next && p->next <= p->w->wall) {
		*last = p->next;
		if (++n == MOST_MISSED) {
			int64_t skip = p->cron ? 0 : (p->w->wall - p->next) / p->conf.every;
			p->next = p->cron ? after(p, p->w->wall)
					  : p->next + (skip + 1) * p->conf.every;
			break;
		}
		p->next = after(p, p->next);
	}
	return n;
}

/* ---- a run ----------------------------------------------------------------------- */

static void put_plan(struct store_unit *u, const struct plan *p)
{
	const struct work_spec *s = &p->conf.task;

	store_stmt(u, S_PLAN_PUT);
	store_text(u, p->conf.name);
	store_text(u, p->conf.cron);
	store_int(u, p->conf.every);
	store_int(u, p->conf.overlap);
	store_int(u, p->conf.missed);
	store_int(u, p->conf.jitter);
	store_text(u, s->topic);
	store_text(u, s->type);
	store_int(u, s->prio);
	store_copy(u, s->payload, s->size);
	store_copy(u, s->meta, s->meta_size);
	store_int(u, p->next);
	store_int(u, p->last);
	store_int(u, (int64_t)p->last_task);
	store_int(u, p->paused);
}

static void plan_free(struct plan *p)
{
	heap_remove(&p->w->times, &p->node);
	cron_free(p->cron);
	free((char *)p->conf.name);
	free((char *)p->conf.cron);
	free((char *)p->conf.task.topic);
	free((char *)p->conf.task.type);
	free((void *)p->conf.task.payload);
	free((void *)p->conf.task.meta);
	free(p);
}

static void on_submitted(void *data, int status, const struct work_receipt *r, int n)
{
	struct plan *p = data;

	p->storing = false;
	if (p->gone || p->w->closing) {
		if (p->gone)
			plan_free(p);
		return;
	}
	if (status == 0) {
		p->last_task = r[n - 1].id;
		p->runs += (uint64_t)n;
		set_alarm(p, 0);
		return;
	}
	p->next = p->before; /* what the store has not taken is still to be done */
	set_alarm(p, p->w->mono + again);
}

/* In the transaction of its tasks. */
static void on_put(void *data, struct store_unit *u)
{
	struct plan *p = data;

	p->last_task = p->w->last_id;
	put_plan(u, p);
}

static bool still_there(struct plan *p)
{
	struct task *t = p->last_task ? task_find(p->w, p->last_task) : NULL;

	return t && task_state(t) < WORK_ENDING;
}

/* How many of n moments become tasks, as `missed` and `overlap` say. */
static int how_many(struct plan *p, int n, int64_t last)
{
	bool on_time = n > 0 && p->w->wall - last < late;
	int missed = n - on_time;

	p->missed += (uint64_t)missed;
	if (missed && p->conf.missed == WORK_MISSED_SKIP)
		n = on_time;
	else if (missed && p->conf.missed == WORK_MISSED_ONCE)
		n = 1;
	if (n && p->conf.overlap != WORK_OVERLAP_QUEUE) {
		p->skipped += (uint64_t)n - 1; /* they would overlap each other */
		n = 1;
	}
	if (n && p->conf.overlap == WORK_OVERLAP_SKIP && still_there(p)) {
		p->skipped++;
		n = 0;
	}
	return n;
}

static int run(struct plan *p, int n)
{
	struct work *w = p->w;
	struct work_spec *specs = mem_new((size_t)(n + 1) * sizeof(*specs));

	for (int i = 0; i < n; i++) {
		specs[i] = p->conf.task;
		w->chance = w->chance * 6364136223846793005u + 1442695040888963407u;
		if (p->conf.jitter)
			specs[i].delay = (int64_t)((w->chance >> 33) % (uint64_t)p->conf.jitter);
	}
	struct submitted what = {
		.specs = specs, .n = n, .done = on_submitted, .put = on_put, .data = p
	};
	int rc = submit_with(w, &what);
	free(specs);
	if (rc == 0)
		p->storing = true;
	return rc;
}

/* The moment, and nothing else. */
static void keep(struct plan *p)
{
	if (!p->w->store)
		return;
	struct store_unit *u = store_unit();
	put_plan(u, p);
	store_commit(p->w->store, u, STORE_FSYNC, STORE_MUST, NULL);
}

void plan_due(struct work *w, struct heap_node *node)
{
	struct plan *p = container_of(node, struct plan, node);
	if (!p->cron && !p->read) /* where it is on a clock that may have been set */
		p->next = w->wall - (w->mono - (int64_t)node->key);
	p->read = false;
	int64_t moment = p->next, before = p->next, last = p->last;
	int n = how_many(p, pass(p, &moment), moment);

	p->before = before;
	p->last = n ? w->wall : last;
	if (!n) {
		keep(p);
		set_alarm(p, 0);
		return;
	}
	if (p->conf.overlap == WORK_OVERLAP_REPLACE && still_there(p))
		work_cancel(w, p->last_task, false);
	int rc = run(p, n);
	if (rc == 0)
		return;
	log_warn("a planned task was not taken, it is tried again plan=%s error=%s", p->conf.name,
		 err_name(rc));
	p->next = before;
	p->last = last;
	set_alarm(p, w->mono + again);
}

/* ---- what can be done with them ---------------------------------------------------- */

static struct plan **place_of(struct work *w, const char *name)
{
	struct plan **at = &w->plans;

	while (*at && strcmp((*at)->conf.name, name) != 0)
		at = &(*at)->next_plan;
	return at;
}

static void *copy(const void *p, size_t n)
{
	void *own = n ? mem_resize(NULL, n) : NULL;

	if (n)
		memcpy(own, p, n);
	return own;
}

static struct plan *plan_new(struct work *w, const struct work_plan *conf, struct cron *cron)
{
	struct plan *p = mem_new(sizeof(*p));
	struct work_spec *s = &p->conf.task;

	p->w = w;
	p->cron = cron;
	p->conf = *conf;
	p->conf.name = mem_str(conf->name);
	p->conf.cron = mem_str(conf->cron);
	s->topic = mem_str(s->topic);
	s->type = mem_str(s->type);
	s->payload = copy(s->payload, s->size);
	s->meta = copy(s->meta, s->meta_size);
	p->node.pos = HEAP_OUT;
	p->node.kind = AT_PLAN;
	p->node.c = cron ? TASK_MOMENT : 0;
	return p;
}

static bool same_times(const struct plan *p, const struct work_plan *conf)
{
	if (!p->conf.cron || !conf->cron)
		return !p->conf.cron && !conf->cron && p->conf.every == conf->every;
	return strcmp(p->conf.cron, conf->cron) == 0;
}

static void drop(struct work *w, struct plan **at)
{
	struct plan *p = *at;

	(void)w;
	*at = p->next_plan;
	p->gone = true;
	heap_remove(&p->w->times, &p->node);
	if (!p->storing)
		plan_free(p);
}

int work_plan_set(struct work *w, const struct work_plan *conf, struct err *err)
{
	struct cron *cron = NULL;

	if (!conf->name || !*conf->name || strlen(conf->name) > 128)
		return err_set(err, UV_EINVAL, "name: 1 to 128 bytes");
	if (!conf->cron && conf->every < 1000)
		return err_set(err, UV_EINVAL, "a time, or an interval of at least a second");
	int rc = work_spec_check(w, &conf->task, err);
	if (rc != 0 && rc != ERR_LIMIT)
		return rc;
	if (conf->cron && !(cron = cron_new(conf->cron, err)))
		return UV_EINVAL;
	sched_clock(w);
	struct plan *p = plan_new(w, conf, cron), **at = place_of(w, conf->name);
	if (*at) { /* it goes on where it was, unless it has other times now */
		p->paused = (*at)->paused;
		p->last = (*at)->last;
		p->last_task = (*at)->last_task;
		p->next = same_times(*at, conf) ? (*at)->next : 0;
		drop(w, at);
	}
	p->next_plan = *at;
	*at = p;
	if (p->next)
		set_alarm(p, 0);
	else
		look_ahead(p);
	keep(p);
	return 0;
}

int work_plan_drop(struct work *w, const char *name)
{
	struct plan **at = place_of(w, name);

	if (!*at)
		return UV_ENOENT;
	if (w->store) {
		struct store_unit *u = store_unit();
		store_stmt(u, S_PLAN_DROP);
		store_text(u, name);
		store_commit(w->store, u, STORE_FSYNC, STORE_MUST, NULL);
	}
	drop(w, at);
	return 0;
}

int work_plan_pause(struct work *w, const char *name, bool paused)
{
	struct plan *p = *place_of(w, name);

	if (!p)
		return UV_ENOENT;
	sched_clock(w);
	if (p->paused != paused) {
		p->paused = paused;
		look_ahead(p);
		keep(p);
	}
	return 0;
}

int work_plan_run(struct work *w, const char *name)
{
	struct plan *p = *place_of(w, name);

	if (!p)
		return UV_ENOENT;
	if (p->storing)
		return UV_EALREADY;
	sched_clock(w);
	p->before = p->next;
	p->last = w->wall;
	return run(p, 1);
}

void work_plans(struct work *w, void (*row)(void *data, const struct work_plan_figures *f),
		void *data)
{
	for (struct plan *p = w->plans; p; p = p->next_plan) {
		struct work_plan_figures f = {
			.plan = &p->conf,
			.paused = p->paused,
			.next = p->paused ? 0 : p->next,
			.last = p->last,
			.last_task = p->last_task,
			.runs = p->runs,
			.skipped = p->skipped,
			.missed = p->missed,
		};
		row(data, &f);
	}
}

/* ---- the start, the end --------------------------------------------------------------- */

enum {
	NAME,
	CRON,
	EVERY,
	OVERLAP,
	MISSED,
	JITTER,
	TOPIC,
	TYPE,
	PRIO,
	PAYLOAD,
	META,
	NEXT,
	LAST,
	LAST_TASK,
	PAUSED
};

static const char *text(const struct store_value *v)
{
	return v->type == STORE_TEXT && v->size ? v->p : NULL;
}

int plan_of_row(void *data, const struct store_value *c)
{
	struct work *w = data;
	struct work_plan conf = {
		.name = text(&c[NAME]),
		.cron = text(&c[CRON]),
		.every = c[EVERY].n,
		.overlap = (enum work_overlap)c[OVERLAP].n,
		.missed = (enum work_missed)c[MISSED].n,
		.jitter = c[JITTER].n,
		.task = {
			.topic = text(&c[TOPIC]),
			.type = text(&c[TYPE]),
			.prio = (int)c[PRIO].n,
			.payload = c[PAYLOAD].p,
			.size = c[PAYLOAD].size,
			.meta = c[META].p,
			.meta_size = c[META].size,
		},
	};
	struct err err = { .text = "" };
	struct cron *cron = conf.cron ? cron_new(conf.cron, &err) : NULL;

	if (conf.cron && !cron) { /* its zone is not on this system */
		log_error("a plan can't be kept plan=%s error=\"%s\"", conf.name, err.text);
		return 0;
	}
	struct plan *p = plan_new(w, &conf, cron);
	p->next = c[NEXT].n;
	p->last = c[LAST].n;
	p->last_task = (uint64_t)c[LAST_TASK].n;
	p->paused = c[PAUSED].n != 0;
	p->read = true;
	p->next_plan = w->plans;
	w->plans = p;
	set_alarm(p, 0);
	return 0;
}

void plans_free(struct work *w)
{
	while (w->plans) {
		struct plan *p = w->plans;
		w->plans = p->next_plan;
		plan_free(p);
	}
}
