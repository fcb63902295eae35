#include "roles/supervisor/sv_times.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/conf/conf.h"
#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_schedule.h"
#include "roles/supervisor/sv_team.h"

enum { JUMP = 1000 }; /* ms; less is a clock that is set right */

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
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
static void for_all(struct sv *sv, int64_t ms, void (*each)(struct sv_proc *p, int64_t ms))
{
	struct list *it, *tmp, *in, *next;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (has_times(p))
				each(p, ms);
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

/* An interval is time that passes, whatever clocks say. */
static void shift_interval(struct sv_proc *p, int64_t by)
{
	if (p->conf->program->conf->interval > 0 && p->next_start)
		p->next_start += by;
}

/* By how much the wall's clock was set since the last look, ms. */
static int64_t jump(struct sv_times *t, int64_t now)
{
	int64_t apart = now - clock_ms(CLOCK_BOOTTIME);
	int64_t by = t->looked ? apart - t->apart : 0;

	t->apart = apart;
	t->looked = true;
	return by > JUMP || by < -JUMP ? by : 0;
}

static void reckon_schedule(struct sv_proc *p, int64_t now)
{
	if (p->conf->program->cron)
		reckon_one(p, now);
}

static void reckon_after_jump(struct sv *sv, int64_t now)
{
	int64_t by = jump(&sv->times, now);

	if (!by)
		return;
	log_warn("the clock was set seconds=%lld", (long long)(by / 1000));
	for_all(sv, by, shift_interval);
	if (by < -SV_TIMES_BACK)
		for_all(sv, now, reckon_schedule);
}

static void on_look(uv_timer_t *t);

/* At that moment, or when the clock is set; 0: never. */
static void ask_clock(struct sv *sv, int64_t at)
{
	struct itimerspec when = { .it_value = { .tv_sec = at / 1000,
						 .tv_nsec = at % 1000 * 1000000 } };

	if (timerfd_settime(sv->times.clock.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
			    NULL) != 0 &&
	    errno == ECANCELED) /* it was set since we looked */
		uv_timer_start(&sv->times.timer, on_look, 0, 0);
}

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
	if (first && first <= now)
		uv_timer_start(&sv->times.timer, on_look, 0, 0);
	ask_clock(sv, first);
}

static void on_look(uv_timer_t *t)
{
	struct sv *sv = t->data;
	int64_t now = wall_ms();

	if (sv->stopping)
		return;
	reckon_after_jump(sv, now);
	for_all(sv, now, start_if_due);
	wait_for_next(sv, now);
}

void sv_times_look(struct sv *sv)
{
	int64_t now = wall_ms();

	if (sv->stopping)
		return;
	reckon_after_jump(sv, now);
	for_all(sv, now, reckon_one);
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

static void on_clock(struct poller_item *i, unsigned events)
{
	struct sv_times *t = container_of(i, struct sv_times, clock);
	uint64_t times;

	(void)events;
	if (read(i->fd, &times, sizeof(times)) > 0 || errno == ECANCELED)
		on_look(&t->timer);
}

int sv_times_open(struct sv *sv)
{
	struct sv_times *t = &sv->times;
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = fd < 0 ? -errno : poller_open(&t->clock, sv->loop, fd, EPOLLIN, on_clock);

	if (rc) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	uv_timer_init(sv->loop, &t->timer);
	t->timer.data = sv;
	sv->lives += 2;
	return 0;
}

static void settle(struct sv *sv)
{
	sv->lives--;
	sv_settle(sv);
}

static void on_closed(uv_handle_t *h)
{
	settle(h->data);
}

static void on_clock_closed(struct poller_item *i)
{
	settle(container_of(i, struct sv_times, clock)->timer.data);
}

void sv_times_close(struct sv *sv)
{
	uv_close((uv_handle_t *)&sv->times.timer, on_closed);
	poller_close(&sv->times.clock, on_clock_closed);
}
