#include "roles/supervisor/sv.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/shed.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv_files.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_scale.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum { SHED_AFTER = 2000 };

/* ---- moves ------------------------------------------------------------------------------ */

void sv_watch(struct sv *sv, struct sv_watch *w)
{
	list_append(&sv->watchers, &w->link);
}

void sv_unwatch(struct sv_watch *w)
{
	list_remove(&w->link);
}

static void poke_waiting(struct sv *sv)
{
	struct list *it, *tmp, *in, *next;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (p->waits)
				sv_proc_poke(p);
		}
}

void sv_moved(struct sv *sv, struct sv_proc *p, int from)
{
	struct list *it, *tmp;

	log_debug("name=%s %s -> %s", p->conf->full, sv_proc_state_name((enum sv_proc_state)from),
		  sv_proc_state_name(sv_proc_state(p)));
	list_each (it, tmp, &sv->watchers) {
		struct sv_watch *w = container_of(it, struct sv_watch, link);
		w->on_move(w, p, from);
	}
	sv_tell_move(p, from);
	sv_times_moved(p);
	if (p->team->pool)
		sv_pool_dispatch(p->team->pool);
	poke_waiting(sv);
	sv_settle(sv);
}

static bool has_limits(const struct sv_program *p)
{
	const struct sv_program_conf *c = p->conf;

	return c->memory_max || c->memory_high || p->cpu_max || c->pids_max || c->cpu_weight;
}

static void warn_of_limits(struct sv *sv)
{
	for (size_t i = 0; i < sv->setup->group_count; i++)
		for (size_t k = 0; k < sv->setup->groups[i].program_count; k++) {
			const struct sv_program *p = &sv->setup->groups[i].programs[k];
			if (sv->warned || !has_limits(p))
				continue;
			sv->warned = true;
			log_warn("program=%s: memory_max, memory_high, cpu_max, cpu_weight and "
				 "pids_max are not applied: cgroups are not set up",
				 p->name);
		}
}

static void on_shed(uv_timer_t *t)
{
	(void)t;
	shed_memory();
}

void sv_changed(struct sv *sv)
{
	uv_update_time(sv->loop); /* many starts take their time */
	if (!uv_is_closing((uv_handle_t *)&sv->shed))
		uv_timer_start(&sv->shed, on_shed, SHED_AFTER, 0);
	warn_of_limits(sv);
	sv_times_look(sv);
	sv_scale_look(sv);
	sv_files_look(sv);
}

/* ---- the end ------------------------------------------------------------------------------ */

/* Groups end in the order in which they did not start, each when the one before has. */
static bool all_stopped(struct sv *sv)
{
	for (struct list *it = sv->teams.prev, *prev; it != &sv->teams; it = prev) {
		struct sv_team *t = container_of(it, struct sv_team, link);
		prev = it->prev;
		if (sv_team_is_stopped(t))
			continue;
		if (!t->told && !sv->leave) {
			t->told = true;
			sv_team_stop(t);
		}
		if (!sv_team_is_stopped(t))
			return false;
	}
	return true;
}

static void on_soon(uv_timer_t *t)
{
	struct sv *sv = t->data;

	if (sv->stopping && !sv->drained && all_stopped(sv)) {
		sv->drained = true;
		run_drained(sv->run);
	}
	if (sv->closing && sv->lives == 0)
		sv_close(sv);
}

/* Later, since the one who calls may be in the middle of a list of those who would go. */
void sv_settle(struct sv *sv)
{
	if (sv->stopping && !uv_is_closing((uv_handle_t *)&sv->soon))
		uv_timer_start(&sv->soon, on_soon, 0, 0);
}
