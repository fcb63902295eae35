#include "roles/supervisor/sv_times.h"

#include <time.h>

#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_schedule.h"
#include "roles/supervisor/sv_team.h"

enum { LOOK_MOST = 60 * 1000 };

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool has_times(const struct sv_proc *p)
{
	return !p->removed && !p->conf->spare && sv_schedule_has(p->conf->program);
}

static void reckon(struct sv_proc *p, int64_t now, int64_t last)
{
	int64_t next = sv_schedule_next(p->conf->program, now, last);

	p->next_start = next == SV_SCHEDULE_NEVER ? 0 : next;
}

/* ---- starts ----------------------------------------------------------------------------- */

static bool is_over(const struct sv_proc *p)
{
	return !sv_proc_is_running(p) && sv_proc_state(p) != SV_STOPPING;
}

static void overlap(struct sv_proc *p)
{
	switch (p->conf->program->conf->overlap) {
	case SV_OVERLAP_QUEUE:
		p->queued = true;
		log_info("it is time, but it still runs: it starts after that name=%s",
			 p->conf->full);
		break;
	case SV_OVERLAP_KILL:
		log_warn("it is time, but it still runs: restarting name=%s", p->conf->full);
		sv_proc_restart(p, SV_BY_ORDER);
		break;
	default:
		log_warn("it is time, but it still runs: left out name=%s", p->conf->full);
	}
}

static void start_if_due(struct sv_proc *p, int64_t now)
{
	bool due = p->next_start && p->next_start <= now;

	if (due)
		reckon(p, now, now);
	if (due && !is_over(p)) {
		overlap(p);
	} else if (due || (p->queued && is_over(p))) {
		p->queued = false;
		sv_proc_start(p);
	}
}

/* ---- looks ------------------------------------------------------------------------------- */

/* Calls `each` for all that have times. */
static void for_all(struct sv *sv, int64_t now, void (*each)(struct sv_proc *p, int64_t now))
{
	struct list *it, *tmp, *in, *next;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (has_times(p))
				each(p, now);
			else
				p->next_start = 0;
		}
}

/* What is due already stays so. */
static void reckon_one(struct sv_proc *p, int64_t now)
{
	if (!p->next_start || p->next_start > now)
		reckon(p, now, p->started_at);
}

static void on_look(uv_timer_t *t);

static void wait_for_next(struct sv *sv, int64_t now)
{
	struct list *it, *tmp, *in, *next;
	int64_t first = 0;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			const struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (p->next_start && (!first || p->next_start < first))
				first = p->next_start;
		}
	uv_timer_stop(&sv->times.timer);
	if (!first)
		return;
	int64_t wait = first > now ? first - now + 1 : 0;
	uv_timer_start(&sv->times.timer, on_look, (uint64_t)(wait < LOOK_MOST ? wait : LOOK_MOST),
		       0);
}

static void on_look(uv_timer_t *t)
{
	struct sv *sv = t->data;
	int64_t now = wall_ms();

	if (sv->stopping)
		return;
	if (now + SV_TIMES_BACK < sv->times.looked)
		for_all(sv, now, reckon_one);
	sv->times.looked = now;
	for_all(sv, now, start_if_due);
	wait_for_next(sv, now);
}

void sv_times_look(struct sv *sv)
{
	int64_t now = wall_ms();

	if (sv->stopping)
		return;
	for_all(sv, now, reckon_one);
	sv->times.looked = now;
	wait_for_next(sv, now);
}

/* In a turn of its own: it is in the middle of its move. */
void sv_times_moved(struct sv_proc *p)
{
	struct sv *sv = p->sv;

	if (!p->queued || !is_over(p) || sv->stopping)
		return;
	if (sv_proc_state(p) == SV_STOPPED) /* a person wants it to be */
		p->queued = false;
	else
		uv_timer_start(&sv->times.timer, on_look, 0, 0);
}

/* ---- life ---------------------------------------------------------------------------------- */

void sv_times_open(struct sv *sv)
{
	uv_timer_init(sv->loop, &sv->times.timer);
	sv->times.timer.data = sv;
	sv->lives++;
}

static void on_closed(uv_handle_t *h)
{
	struct sv *sv = h->data;

	sv->lives--;
	sv_settle(sv);
}

void sv_times_close(struct sv *sv)
{
	uv_close((uv_handle_t *)&sv->times.timer, on_closed);
}
