#include "roles/supervisor/sv_proc.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_adopt.h"
#include "roles/supervisor/sv_care.h"
#include "roles/supervisor/sv_depend.h"
#include "roles/supervisor/sv_essential.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_schedule.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_state.h"
#include "roles/supervisor/sv_team.h"

enum { KILL_AGAIN = 2000, LOOK_AGAIN = 100, FLAPS = 16, STATUS_MOST = 127 };

static const struct sm_state table[];

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct sv_program *program(const struct sv_proc *p)
{
	return p->conf->program;
}

/* ---- its state ----------------------------------------------------------------- */

enum sv_proc_state sv_proc_state(const struct sv_proc *p)
{
	return (enum sv_proc_state)p->sm.now;
}

const char *sv_proc_state_name(enum sv_proc_state s)
{
	return table[s].name;
}

bool sv_proc_is_running(const struct sv_proc *p)
{
	enum sv_proc_state s = sv_proc_state(p);

	return s == SV_STARTING || s == SV_RUNNING_STATE || s == SV_BACKOFF;
}

bool sv_proc_has_come(const struct sv_proc *p)
{
	bool ready = p->ready || program(p)->ready.by == SV_READY_NONE;

	return ready && sv_proc_state(p) == SV_RUNNING_STATE;
}

/* ---- moves ---------------------------------------------------------------------- */

static void on_due(uv_timer_t *t)
{
	struct sv_proc *p = t->data;

	p->due = true;
	sv_proc_poke(p);
}

static void set_deadline(struct sv_proc *p, int64_t ms)
{
	p->due = ms <= 0;
	uv_update_time(p->sv->loop); /* from now on: this turn may be a long one */
	if (ms > 0)
		uv_timer_start(&p->timer, on_due, (uint64_t)ms, 0);
}

static int move(struct sv_proc *p, enum sv_proc_state next)
{
	uv_timer_stop(&p->timer);
	p->due = false;
	p->fresh = true;
	p->from = sv_proc_state(p);
	return next;
}

/* Once for each state: it is told, after it is true. */
static bool begin(struct sv_proc *p)
{
	bool fresh = p->fresh;

	p->fresh = false;
	if (fresh) {
		p->entered = uv_now(p->sv->loop);
		sv_adopt_note(p);
		sv_moved(p->sv, p, p->from);
	}
	return fresh;
}

/* ---- starts --------------------------------------------------------------------- */

/* It is meant to end, and how long it lives says nothing. */
static bool ends(const struct sv_proc *p)
{
	return program(p)->conf->type == SV_TYPE_ONESHOT || sv_schedule_has(program(p));
}

static int64_t startsecs(const struct sv_proc *p)
{
	bool given = conf_has(program(p)->item, "startsecs");

	return ends(p) && !given ? 0 : program(p)->conf->startsecs;
}

static void note_start(struct sv_proc *p)
{
	if (!program(p)->flap.given)
		return;
	if (!p->flaps)
		p->flaps = mem_new(FLAPS * sizeof(*p->flaps));
	p->flaps[p->flaps_at++ % FLAPS] = uv_now(p->sv->loop);
}

/* As many starts as `flap` allows, or more, were within its window. */
static bool flaps(const struct sv_proc *p)
{
	const struct sv_flap *f = &program(p)->flap;
	uint64_t now = uv_now(p->sv->loop);
	unsigned n = 0;

	for (unsigned i = 0; p->flaps && i < FLAPS && i < p->flaps_at; i++)
		n += p->flaps[i] + (uint64_t)f->window > now;
	return f->given && n >= (unsigned)f->count;
}

/* Before the next start, ms. */
static int64_t delay(const struct sv_proc *p)
{
	const struct sv_backoff *b = &program(p)->backoff;

	if (!b->given)
		return sv_proc_state(p) == SV_BACKOFF ? (int64_t)p->tries * 1000 : 0;
	double ms = (double)b->delay * pow(b->factor, p->row > 1 ? p->row - 1 : 0);
	if (b->cap > 0 && ms > (double)b->cap)
		ms = (double)b->cap;
	ms += ms * b->jitter * (2.0 * drand48() - 1.0);
	return (int64_t)ms;
}

static void put_text(char **at, const char *text)
{
	free(*at);
	*at = mem_str(text);
}

/* Why not, is in spawn_error then. */
static bool spawned(struct sv_proc *p)
{
	struct err err = { 0 };
	char full[512];

	put_text(&p->spawn_error, NULL);
	put_text(&p->status, NULL);
	p->watchdog = 0;
	p->ended = p->ready = p->healthy = p->again = p->ordered = false;
	p->started_at = wall_ms();
	uv_update_time(p->sv->loop); /* as in set_deadline */
	p->spawned = uv_now(p->sv->loop);
	note_start(p);
	p->life = sv_life_start(p, &err);
	if (!p->life) {
		put_text(&p->spawn_error, err.text);
		log_warn("spawn failed: %s name=%s", err.text, sv_proc_full(p, full, sizeof(full)));
		return false;
	}
	p->pid = p->last_pid = p->life->child.pid;
	log_info("spawned name=%s pid=%d", sv_proc_full(p, full, sizeof(full)), (int)p->pid);
	return true;
}

static int step_stopped(void *self)
{
	struct sv_proc *p = self;

	begin(p);
	if (p->removed)
		return move(p, SV_GONE);
	if (!p->wanted || p->sv->stopping)
		return SM_WAIT;
	p->waits = !sv_depend_met(p);
	return p->waits ? SM_WAIT : move(p, SV_STARTING);
}

static int step_starting(void *self)
{
	struct sv_proc *p = self;
	char full[512];

	if (begin(p)) {
		if (!spawned(p))
			return move(p, SV_BACKOFF);
		set_deadline(p, startsecs(p));
	}
	if (p->ended) {
		put_text(&p->spawn_error, "Exited too quickly (process log may have details)");
		return move(p, p->wanted ? SV_BACKOFF : SV_STOPPED);
	}
	if (!p->wanted || p->again)
		return move(p, SV_STOPPING);
	if (!p->due)
		return SM_WAIT;
	log_info("entered RUNNING state name=%s", sv_proc_full(p, full, sizeof(full)));
	return move(p, SV_RUNNING_STATE);
}

/* ---- runs ------------------------------------------------------------------------ */

bool sv_proc_is_expected(const struct sv_proc *p)
{
	const struct sv_program *g = program(p);

	if (p->end.how != CHILD_EXITED)
		return false;
	for (int i = 0; i < g->exitcode_count; i++)
		if (g->exitcodes[i] == p->end.code)
			return true;
	return false;
}

static int step_running(void *self)
{
	struct sv_proc *p = self;

	if (begin(p)) {
		p->tries = 0;
		set_deadline(p, program(p)->conf->restart_reset);
		sv_care_begin(p);
	}
	if (p->ended || !p->wanted || p->again)
		sv_care_end(p);
	if (p->ended)
		return move(p, SV_EXITED);
	if (!p->wanted || p->again)
		return move(p, SV_STOPPING);
	if (p->due)
		p->row = 0; /* it is stable */
	return SM_WAIT;
}

/* ---- ends ------------------------------------------------------------------------ */

static bool restarts(const struct sv_proc *p)
{
	if (ends(p) && !conf_has(program(p)->item, "autorestart"))
		return false;
	switch (program(p)->conf->autorestart) {
	case SV_RESTART_ALWAYS:
		return true;
	case SV_RESTART_UNEXPECTED:
		return !sv_proc_is_expected(p);
	case SV_RESTART_ON_SUCCESS:
		return sv_proc_is_expected(p);
	case SV_RESTART_ON_ABNORMAL:
		return p->end.how == CHILD_KILLED;
	default:
		return false;
	}
}

static int step_exited(void *self)
{
	struct sv_proc *p = self;

	if (begin(p)) {
		if (p->wanted && !restarts(p))
			p->wanted = false;
		if (p->wanted && flaps(p))
			return move(p, SV_FATAL_STATE);
		p->row++;
		if (p->wanted)
			p->restarts[SV_BY_EXIT]++;
		else
			sv_essential_ended(p);
		set_deadline(p, p->wanted ? delay(p) : 0);
		sv_adopt_note(p);
	}
	if (p->removed)
		return move(p, SV_GONE);
	if (!p->wanted || p->sv->stopping || !(p->due || p->ordered))
		return SM_WAIT;
	p->waits = !sv_depend_met(p);
	return p->waits ? SM_WAIT : move(p, SV_STARTING);
}

static int step_backoff(void *self)
{
	struct sv_proc *p = self;
	const struct sv_program *g = program(p);

	if (begin(p)) {
		p->tries++;
		p->row++;
		if (g->flap.given ? flaps(p) : p->tries > (unsigned)g->conf->startretries)
			return move(p, SV_FATAL_STATE);
		set_deadline(p, delay(p));
	}
	if (!p->wanted || p->sv->stopping)
		return move(p, SV_STOPPED);
	return p->due ? move(p, SV_STARTING) : SM_WAIT;
}

static int step_fatal(void *self)
{
	struct sv_proc *p = self;
	int64_t retry = program(p)->flap.given ? program(p)->flap.retry : 0;
	char full[512];

	if (begin(p)) {
		p->tries = 0;
		p->wanted = retry > 0;
		log_error("gave up: entered FATAL state name=%s: %s",
			  sv_proc_full(p, full, sizeof(full)),
			  p->spawn_error ? p->spawn_error : "it ended too often");
		if (retry > 0)
			set_deadline(p, retry);
		else
			sv_essential_ended(p);
	}
	if (p->removed)
		return move(p, SV_GONE);
	if (!p->wanted || p->sv->stopping || !(p->due || p->ordered))
		return SM_WAIT;
	return move(p, SV_STARTING);
}

/* ---- stops ----------------------------------------------------------------------- */

static void send_stop(struct sv_proc *p)
{
	const struct sv_program *g = program(p);
	const struct sv_stop_step *s = &g->stop[p->stop_step];
	char full[512];

	log_info("stopping with %s name=%s pid=%d", strsignal(s->signal),
		 sv_proc_full(p, full, sizeof(full)), (int)p->pid);
	sv_life_signal(p->life, s->signal, g->conf->stopasgroup);
	set_deadline(p, s->wait);
}

static void send_kill(struct sv_proc *p)
{
	const struct sv_program *g = program(p);
	char full[512];

	log_warn("killing with SIGKILL name=%s pid=%d", sv_proc_full(p, full, sizeof(full)),
		 (int)p->pid);
	sv_life_signal(p->life, SIGKILL, g->killasgroup || g->conf->kill_tree != SV_TREE_OFF);
	set_deadline(p, KILL_AGAIN);
}

static void stop_more(struct sv_proc *p)
{
	if (p->stop_step < program(p)->stop_count && ++p->stop_step < program(p)->stop_count)
		send_stop(p);
	else
		send_kill(p);
}

/* What it leaves gets the rest of its time to end, then none. */
static bool is_rest_over(struct sv_proc *p)
{
	const struct sv_program *g = program(p);

	if (!p->life || p->rest_killed)
		return true;
	if (p->life->kill)
		return false;
	if (g->conf->kill_tree == SV_TREE_OFF || sv_life_left(p->life) == 0)
		return true;
	uint64_t now = uv_now(p->sv->loop);
	if (!p->rest_told) {
		p->rest_told = true;
		p->rest_until = now + (uint64_t)g->stop[0].wait;
		sv_life_signal_left(p->life, g->stop[0].signal, g->conf->stopasgroup);
	}
	if (now >= p->rest_until)
		sv_life_kill_left(p->life);
	else if (sv_life_is_told(p->life) || p->rest_until - now < LOOK_AGAIN)
		set_deadline(p, (int64_t)(p->rest_until - now));
	else
		set_deadline(p, LOOK_AGAIN);
	return false;
}

static int step_stopping(void *self)
{
	struct sv_proc *p = self;

	if (begin(p)) {
		p->stop_step = 0;
		p->rest_told = p->rest_killed = false;
		send_stop(p);
	}
	if (!p->ended) {
		if (p->due)
			stop_more(p);
		return SM_WAIT;
	}
	if (!is_rest_over(p))
		return SM_WAIT;
	if (p->life)
		sv_life_let_go(p->life);
	if (p->again)
		p->restarts[p->reason]++;
	p->again = false;
	return move(p, SV_STOPPED);
}

static int step_unknown(void *self)
{
	struct sv_proc *p = self;

	begin(p);
	return p->ended ? move(p, SV_EXITED) : SM_WAIT;
}

static const struct sm_state table[] = {
	[SV_STOPPED] = { "STOPPED",
			 SM_TO(SV_STARTING) | SM_TO(SV_RUNNING_STATE) | SM_TO(SV_EXITED) |
				 SM_TO(SV_GONE),
			 step_stopped },
	[SV_STARTING] = { "STARTING",
			  SM_TO(SV_RUNNING_STATE) | SM_TO(SV_BACKOFF) | SM_TO(SV_STOPPING) |
				  SM_TO(SV_STOPPED),
			  step_starting },
	[SV_RUNNING_STATE] = { "RUNNING", SM_TO(SV_EXITED) | SM_TO(SV_STOPPING), step_running },
	[SV_BACKOFF] = { "BACKOFF", SM_TO(SV_STARTING) | SM_TO(SV_FATAL_STATE) | SM_TO(SV_STOPPED),
			 step_backoff },
	[SV_STOPPING] = { "STOPPING", SM_TO(SV_STOPPED) | SM_TO(SV_UNKNOWN), step_stopping },
	[SV_EXITED] = { "EXITED", SM_TO(SV_STARTING) | SM_TO(SV_FATAL_STATE) | SM_TO(SV_GONE),
			step_exited },
	[SV_FATAL_STATE] = { "FATAL", SM_TO(SV_STARTING) | SM_TO(SV_GONE), step_fatal },
	[SV_UNKNOWN] = { "UNKNOWN", SM_TO(SV_EXITED), step_unknown },
	[SV_GONE] = { "GONE", 0, NULL },
};

/* ---- its machine ----------------------------------------------------------------------- */

void sv_proc_poke(struct sv_proc *p)
{
	sm_run(&p->sm);
	if (sv_proc_state(p) == SV_GONE && p->fresh) {
		begin(p);
		sv_proc_close(p);
	}
}

/* ---- its life speaks ---------------------------------------------------------------- */

void sv_proc_died(struct sv_proc *p, const struct child_end *end)
{
	char how[96], full[512];
	enum sv_proc_state s = sv_proc_state(p);

	p->ended = true;
	p->end = *end;
	p->has_exit = true;
	p->exit_status = end->how == CHILD_EXITED ? end->code : -1;
	p->stopped_at = wall_ms();
	child_end_text(end, how, sizeof(how));
	log_at(s == SV_STOPPING || sv_proc_is_expected(p) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       "%s name=%s pid=%d %s", s == SV_STOPPING ? "stopped" : "exited",
	       sv_proc_full(p, full, sizeof(full)), (int)p->pid, how);
	p->pid = 0;
	p->ready = p->healthy = false;
	if (s != SV_STOPPING)
		sv_life_let_go(p->life);
	sv_proc_poke(p);
}

void sv_proc_rest_killed(struct sv_proc *p)
{
	p->rest_killed = true;
	sv_proc_poke(p);
}

void sv_proc_is_ready(struct sv_proc *p)
{
	if (p->ready)
		return;
	p->ready = true;
	p->watchdog = uv_now(p->sv->loop); /* a sign of life */
	sv_adopt_note(p);
	sv_moved(p->sv, p, sv_proc_state(p));
}

void sv_proc_says(struct sv_proc *p, const char *status)
{
	free(p->status);
	p->status = strndup(status, STATUS_MOST);
}

void sv_proc_is_healthy(struct sv_proc *p, bool healthy)
{
	if (p->healthy == healthy)
		return;
	p->healthy = healthy;
	sv_moved(p->sv, p, sv_proc_state(p));
}

/* ---- life ------------------------------------------------------------------------------ */

struct sv_proc *sv_proc_new(struct sv_team *team, const struct sv_process_conf *conf)
{
	struct sv_proc *p = mem_new(sizeof(*p));

	p->sv = team->sv;
	p->team = team;
	p->setup = sv_setup_hold(team->sv->setup);
	p->conf = conf;
	p->rest_slot = SIZE_MAX;
	list_init(&p->link);
	uv_timer_init(p->sv->loop, &p->timer);
	p->timer.data = p;
	p->sv->lives++;
	sm_init(&p->sm, table, SV_STOPPED, p);
	return p;
}

static void on_closed(uv_handle_t *h)
{
	struct sv_proc *p = h->data;
	struct sv *sv = p->sv;

	sv_setup_drop(p->setup);
	free(p->auto_out);
	free(p->auto_err);
	free(p->spawn_error);
	free(p->status);
	free(p->flaps);
	free(p);
	sv->lives--;
	sv_settle(sv);
}

void sv_proc_close(struct sv_proc *p)
{
	if (uv_is_closing((uv_handle_t *)&p->timer))
		return;
	list_remove(&p->link);
	sv_team_settle(p->team);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

void sv_proc_remove(struct sv_proc *p)
{
	p->removed = true;
	p->wanted = false;
	sv_adopt_drop(p);
	sv_proc_poke(p);
}
