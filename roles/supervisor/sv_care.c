#include "roles/supervisor/sv_care.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/proc/procstat.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_probe.h"
#include "roles/supervisor/sv_proc.h"

enum { LOOK_MEMORY = 5000 };

struct sv_care {
	struct sv_proc *proc; /* NULL: it is over */
	uv_timer_t age, memory, watchdog, ready, health;
	struct sv_probe_run probe;
	unsigned failures; /* probes in a row */
	bool asking;
	int open;
};

static const struct sv_program_conf *keys(const struct sv_proc *p)
{
	return p->conf->program->conf;
}

static void restart(struct sv_proc *p, enum sv_reason reason, const char *why)
{
	log_warn("restarting name=%s: %s", p->conf->full, why);
	sv_proc_restart(p, reason);
}

/* ---- age, memory, watchdog ------------------------------------------------------------- */

static void on_age(uv_timer_t *t)
{
	struct sv_care *c = t->data;

	if (c->proc)
		restart(c->proc, SV_BY_AGE, "max_age is reached");
}

static void on_memory(uv_timer_t *t)
{
	struct sv_care *c = t->data;
	struct procstat s;

	if (!c->proc || procstat_read(&s, c->proc->pid) != 0)
		return;
	if (s.rss > (uint64_t)keys(c->proc)->max_rss)
		restart(c->proc, SV_BY_MEMORY, "it uses more memory than max_rss");
}

static void on_watchdog(uv_timer_t *t)
{
	struct sv_care *c = t->data;
	struct sv_proc *p = c->proc;

	if (!p)
		return;
	uint64_t most = (uint64_t)keys(p)->watchdog, now = uv_now(p->sv->loop);
	uint64_t last = p->watchdog ? p->watchdog : p->spawned;
	if (!sv_proc_has_come(p))
		uv_timer_start(t, on_watchdog, most, 0); /* ready_timeout is for that */
	else if (now >= last + most)
		restart(p, SV_BY_WATCHDOG, "the watchdog heard nothing");
	else
		uv_timer_start(t, on_watchdog, last + most - now, 0);
}

static void on_unready(uv_timer_t *t)
{
	struct sv_care *c = t->data;

	if (c->proc && !c->proc->ready)
		restart(c->proc, SV_BY_WATCHDOG, "it is not ready within ready_timeout");
}

/* What is left of its time, which began at its start. 0: it is not waited for. */
static int64_t unready_for(const struct sv_proc *p)
{
	int64_t most = keys(p)->ready_timeout, passed = (int64_t)(uv_now(p->sv->loop) - p->spawned);

	if (most <= 0 || p->ready || p->conf->program->ready.by == SV_READY_NONE)
		return 0;
	return most > passed ? most - passed : 1;
}

/* ---- health ------------------------------------------------------------------------------ */

static void run_command(struct sv_proc *p, char **argv)
{
	struct err err = { 0 };

	if (sv_probe_command(p, argv, &err) != 0)
		log_error("health_action name=%s: %s", p->conf->full, err.text);
}

static void act(struct sv_proc *p)
{
	switch (p->conf->program->health_action) {
	case SV_ACTION_RESTART:
		restart(p, SV_BY_HEALTH, "it is not healthy");
		break;
	case SV_ACTION_KILL:
		log_warn("killing name=%s: it is not healthy", p->conf->full);
		sv_proc_signal(p, SIGKILL);
		break;
	case SV_ACTION_EXEC:
		run_command(p, p->conf->program->health_argv);
		break;
	default:
		break;
	}
}

static void on_probed(struct sv_probe_run *run, const char *why)
{
	struct sv_care *c = run->data;
	struct sv_proc *p = c->proc;

	c->asking = false;
	if (!p)
		return;
	if (!why) {
		c->failures = 0;
		sv_proc_is_healthy(p, true);
		if (p->conf->program->ready.by == SV_READY_PROBE)
			sv_proc_is_ready(p);
		return;
	}
	bool grace = uv_now(p->sv->loop) < p->spawned + (uint64_t)keys(p)->health_grace;
	if (grace && !p->healthy)
		return;
	log_warn("health check failed name=%s: %s", p->conf->full, why);
	if (++c->failures < (unsigned)keys(p)->health_failures)
		return;
	c->failures = 0;
	sv_proc_is_healthy(p, false);
	act(p);
}

static void on_health(uv_timer_t *t)
{
	struct sv_care *c = t->data;

	if (!c->proc || c->asking)
		return;
	c->asking = true;
	c->probe.data = c;
	sv_probe_start(&c->probe, c->proc, on_probed);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct sv_care *c = h->data;

	if (--c->open == 0)
		free(c);
}

static void on_probe_closed(struct sv_probe_run *run)
{
	struct sv_care *c = run->data;

	if (--c->open == 0)
		free(c);
}

static void start(uv_timer_t *t, uv_timer_cb on, int64_t first, int64_t then)
{
	if (first > 0)
		uv_timer_start(t, on, (uint64_t)first, (uint64_t)then);
}

/* What is left of it, ms; 0: it may grow as old as it likes. */
static int64_t age_left(const struct sv_proc *p)
{
	const struct sv_program *g = p->conf->program;
	int64_t jitter = g->max_age_jitter ? (int64_t)((double)g->max_age_jitter * drand48()) : 0;
	int64_t left = g->max_age + jitter - (int64_t)(uv_now(p->sv->loop) - p->spawned);

	return g->max_age <= 0 ? 0 : left > 0 ? left : 1;
}

void sv_care_begin(struct sv_proc *p)
{
	const struct sv_program *g = p->conf->program;
	bool probes = p->conf->health != NULL;

	int64_t unready = unready_for(p);
	if (g->max_age <= 0 && !unready && g->conf->max_rss <= 0 && g->conf->watchdog <= 0 &&
	    !probes)
		return;
	struct sv_care *c = mem_new(sizeof(*c));
	uv_timer_t *timers[] = { &c->age, &c->memory, &c->watchdog, &c->ready, &c->health };
	c->proc = p;
	p->care = c;
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		uv_timer_init(p->sv->loop, timers[i]);
		timers[i]->data = c;
		c->open++;
	}
	start(&c->age, on_age, age_left(p), 0);
	start(&c->memory, on_memory, g->conf->max_rss > 0 ? LOOK_MEMORY : 0, LOOK_MEMORY);
	start(&c->watchdog, on_watchdog, g->conf->watchdog, 0);
	start(&c->ready, on_unready, unready, 0);
	start(&c->health, on_health, probes ? 1 : 0, g->conf->health_interval);
}

void sv_care_end(struct sv_proc *p)
{
	struct sv_care *c = p->care;

	if (!c)
		return;
	p->care = NULL;
	c->proc = NULL;
	if (c->asking) {
		c->open++;
		sv_probe_cancel(&c->probe, on_probe_closed);
	}
	uv_close((uv_handle_t *)&c->age, on_closed);
	uv_close((uv_handle_t *)&c->memory, on_closed);
	uv_close((uv_handle_t *)&c->watchdog, on_closed);
	uv_close((uv_handle_t *)&c->ready, on_closed);
	uv_close((uv_handle_t *)&c->health, on_closed);
}
