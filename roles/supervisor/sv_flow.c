#include "roles/supervisor/sv_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_team.h"

enum { LOOK = 250 }; /* ms */

struct step {
	struct sv_proc *proc; /* NULL: gone */
	pid_t was;
	bool told, ran, done;
};

struct flow {
	struct sv *sv;
	struct sv_call *call; /* NULL: answered */
	struct sv_flow_want want;
	struct step *steps;
	size_t n;
	uint64_t until; /* loop ms; 0: for ever */
	struct sv_watch watch;
	uv_timer_t timer;
	json_t *results;
};

static void on_closed(uv_handle_t *h)
{
	struct flow *f = h->data;
	struct sv *sv = f->sv;

	json_decref(f->results);
	free(f->steps);
	free(f);
	sv->lives--;
	sv_settle(sv);
}

static void over(struct flow *f)
{
	sv_unwatch(&f->watch);
	uv_close((uv_handle_t *)&f->timer, on_closed);
}

static void succeed(struct flow *f)
{
	sv_call_return(f->call, f->want.single ? json_true() : json_incref(f->results));
	over(f);
}

static void fail(struct flow *f, enum sv_fault fault, const char *text)
{
	sv_call_fault(f->call, fault, text);
	over(f);
}

/* ---- one process ------------------------------------------------------------------------- */

static bool is_ready(const struct sv_proc *p, enum sv_goal goal)
{
	const struct sv_program *g = p->conf->program;

	if (goal == SV_GOAL_HEALTHY)
		return p->healthy;
	return goal == SV_GOAL_STARTED || g->ready.by == SV_READY_NONE || p->ready;
}

static bool is_there(const struct step *s, enum sv_goal goal)
{
	const struct sv_proc *p = s->proc;
	enum sv_proc_state state = sv_proc_state(p);

	if (goal == SV_GOAL_STOPPED)
		return !sv_proc_is_running(p) && state != SV_STOPPING;
	if (goal == SV_GOAL_EXITED)
		return state == SV_EXITED && !p->wanted;
	if (state == SV_RUNNING_STATE && p->pid != s->was)
		return is_ready(p, goal);
	return s->ran && state == SV_EXITED && !p->wanted && p->exit_status == 0;
}

/* It will not get there by itself. */
static bool is_lost(const struct step *s, const struct flow *f)
{
	const struct sv_proc *p = s->proc;
	enum sv_proc_state state = sv_proc_state(p);

	if (f->want.goal >= SV_GOAL_STOPPED)
		return false;
	if (f->want.restart)
		return !p->wanted && state != SV_STOPPING;
	return state == SV_FATAL_STATE && !p->wanted;
}

static void tell(struct flow *f, struct step *s)
{
	s->told = true;
	if (!f->want.restart)
		return;
	s->was = s->proc->pid;
	sv_proc_restart(s->proc, SV_BY_ORDER);
}

static void add_result(struct flow *f, const struct step *s)
{
	const struct sv_proc *p = s->proc;

	json_array_append_new(f->results, json_pack("{s:s,s:s,s:i,s:s}", "name", p->conf->name,
						    "group", p->team->conf->name, "status",
						    (int)SV_SUCCESS, "description", "OK"));
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void fail_of(struct flow *f, const struct step *s, const char *why)
{
	char text[400];

	snprintf(text, sizeof(text), "%.200s %s %s", s->proc ? s->proc->conf->full : "a process",
		 why, s->proc ? sv_proc_state_name(sv_proc_state(s->proc)) : "gone");
	fail(f, SV_FAILED, text);
}

/* false: the flow is over. */
static bool look(struct flow *f, size_t *under_way, size_t *done)
{
	for (size_t i = 0; i < f->n; i++) {
		struct step *s = &f->steps[i];

		if (s->told && !s->done && (!s->proc || is_lost(s, f))) {
			fail_of(f, s, "is");
			return false;
		}
		if (s->told && !s->done && is_there(s, f->want.goal)) {
			s->done = true;
			add_result(f, s);
		}
		*done += s->done;
		*under_way += s->told && !s->done;
	}
	return true;
}

static void tell_next(struct flow *f, size_t under_way)
{
	size_t width = f->want.restart ? f->want.restart : f->n;

	for (size_t i = 0; i < f->n && under_way < width; i++) {
		struct step *s = &f->steps[i];
		if (s->told)
			continue;
		if (s->proc)
			tell(f, s);
		s->told = true;
		under_way++;
	}
}

static void time_out(struct flow *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->steps[i].done) {
			fail_of(f, &f->steps[i], "timed out,");
			return;
		}
}

static void on_tick(uv_timer_t *t)
{
	struct flow *f = t->data;
	size_t under_way = 0, done = 0;

	if (!look(f, &under_way, &done))
		return;
	if (done == f->n)
		succeed(f);
	else if (f->until && uv_now(f->sv->loop) >= f->until)
		time_out(f);
	else
		tell_next(f, under_way);
}

/* Now: when nothing is to be stopped, there is no later. */
static void on_end(struct sv_watch *w)
{
	fail(w->owner, SV_SHUTDOWN_STATE, NULL);
}

static void on_move(struct sv_watch *w, struct sv_proc *p, int from)
{
	struct flow *f = w->owner;
	enum sv_proc_state state = sv_proc_state(p);

	(void)from;
	for (size_t i = 0; i < f->n; i++) {
		struct step *s = &f->steps[i];
		if (s->proc != p)
			continue;
		s->ran |= s->told && state == SV_RUNNING_STATE && p->pid != s->was;
		if (state == SV_GONE)
			s->proc = NULL;
		uv_timer_start(&f->timer, on_tick, 0, LOOK);
	}
}

void sv_flow_start(struct sv_call *call, struct sv_proc **procs, size_t n,
		   const struct sv_flow_want *want)
{
	struct flow *f = mem_new(sizeof(*f));

	f->sv = call->sv;
	f->call = call;
	f->want = *want;
	f->n = n;
	f->steps = mem_new((n + 1) * sizeof(*f->steps));
	f->results = json_array();
	for (size_t i = 0; i < n; i++)
		f->steps[i].proc = procs[i];
	free(procs);
	f->watch = (struct sv_watch){ .owner = f, .on_move = on_move, .on_end = on_end };
	sv_watch(f->sv, &f->watch);
	uv_timer_init(f->sv->loop, &f->timer);
	f->timer.data = f;
	f->sv->lives++;
	if (want->timeout)
		f->until = uv_now(f->sv->loop) + (uint64_t)want->timeout;
	uv_timer_start(&f->timer, on_tick, 0, LOOK);
}
