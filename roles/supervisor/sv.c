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

void sv_ending(struct sv *sv)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->watchers) {
		struct sv_watch *w = container_of(it, struct sv_watch, link);
		if (w->on_end)
			w->on_end(w);
	}
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
