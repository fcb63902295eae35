/*
 * One worker, from its start to its end. States and what leads from one to the next: pool.h.
 *
 * Who pays for its death: the job that it was stopped for; else those that have sent TOUCH or
 * PROGRESS; else the first that it had not answered. The others go back to the head of their queue,
 * free of charge.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/private.h"
#include "core/proc/procstat.h"

enum {
	HANG_UP = 500, /* ms from the end of its connection to its own */
	RSS_PAUSE = 1000,
	TALKS = 10000, /* a worker that has printed something so recently prints */
};

static uint64_t now_of(const struct worker *w)
{
	return pools_now(w->pool->all);
}

/* A process, or a request, for one job. */
static bool is_for_one(const struct worker *w)
{
	return w->setup->v->mode != POOL_WORKER;
}

/* ---- the last word --------------------------------------------------------------- */

void worker_release(struct worker *w)
{
	struct pool *pool = w->pool;

	if (--w->open > 0)
		return;
	list_remove(&w->link);
	buf_fini(&w->in);
	buf_fini(&w->out);
	setup_drop(w->setup);
	free(w);
	pool_settle(pool);
}

static void on_stream_closed(struct stream *s)
{
	worker_release(s->owner);
}

static void on_gone(struct process *p)
{
	worker_release(p->owner);
}

static void close_stream(struct worker *w)
{
	list_remove(&w->dirty);
	if (w->has_stream)
		stream_close(&w->stream, on_stream_closed);
	w->has_stream = false;
}

/* ---- credit ---------------------------------------------------------------------------- */

/* Idle ones: the last that had work is the next to get some, so that the others may go. */
void worker_has_room(struct worker *w)
{
	struct pool *pool = w->pool;
	int free = w->state == WORKER_SERVING ? w->credit - w->n_jobs : 0;

	if (free < 0)
		free = 0;
	pool->credit += free - w->free;
	w->free = free;
	list_remove(&w->turn);
	if (!free)
		return;
	if (w->n_jobs)
		list_append(&pool->partly, &w->turn);
	else
		list_append(pool->idle.next, &w->turn); /* before the first */
}

/* It is no longer one of those that the pool counts on. */
static void leave_ranks(struct worker *w, enum worker_state next)
{
	struct pool *pool = w->pool;

	if (is_for_one(w)) {
		w->state = next;
		return;
	}
	if (w->state <= WORKER_SERVING) {
		pool->n_live--;
		pool->n_starting -= w->state == WORKER_STARTING;
	}
	pool->n_leaving += (next > WORKER_SERVING && next < WORKER_GONE) -
			   (w->state > WORKER_SERVING && w->state < WORKER_GONE);
	if (pool->retiring == w)
		pool->retiring = NULL;
	w->state = next;
	worker_has_room(w);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

static void next_due(struct worker *w)
{
	const struct pool_values *v = w->setup->v;
	uint64_t when = w->look_at;

	if (w->hung_up)
		return;
	if (!w->doomed)
		when = sooner(when, w->dies_at);
	if (!w->doomed && v->idle_ttl && !w->n_jobs && w->handed)
		when = sooner(when, w->busy_since + (uint64_t)v->idle_ttl);
	if (w->pings && w->n_jobs)
		when = sooner(when,
			      (w->asked_at ? w->asked_at : w->heard) + (uint64_t)v->heartbeat);
	if (when || w->due.pos != HEAP_OUT)
		pools_at(w->pool->all, &w->due, when);
}

/* ---- the end of its process ---------------------------------------------------------------- */

static bool is_charged(const struct worker *w, const struct job *job, bool some_alive)
{
	if (w->why == POOL_BY_SCALE || w->nobody_pays)
		return false;
	if (w->culprit)
		return job == w->culprit;
	return some_alive ? job->alive : job->link.prev == &w->jobs;
}

static void charge(struct worker *w, struct job *job, const char *how)
{
	char text[256];

	switch (w->why) {
	case POOL_BY_CANCEL:
		job_fail(job, WORK_FAULT_FAILED, "cancelled", -1);
		break;
	case POOL_BY_TIMEOUT:
		job_fail(job, WORK_FAULT_TIMEOUT, "it took too long", -1);
		break;
	default:
		snprintf(text, sizeof(text), "its worker died: %s", how);
		job_fail(job, WORK_FAULT_CRASHED, text, -1);
		w->pool->crashed++;
		break;
	}
}

static void end_jobs(struct worker *w, const char *how)
{
	struct list charged, others, *it, *tmp;
	bool some_alive = false;

	list_init(&charged);
	list_init(&others);
	list_each (it, tmp, &w->jobs) {
		some_alive |= container_of(it, struct job, link)->alive;
	}
	for (it = w->jobs.next; it != &w->jobs; it = it->next) /* while it is the first */
		container_of(it, struct job, link)->charged =
			is_charged(w, container_of(it, struct job, link), some_alive);
	while (!list_empty(&w->jobs)) {
		struct job *job = container_of(w->jobs.next, struct job, link);
		w->pool->n_running--;
		if (job->charged)
			charge(w, job, how);
		else
			job_release(job, 0);
	}
	w->n_jobs = 0;
}

static void say_ended(struct worker *w, const char *how)
{
	struct pool *pool = w->pool;
	bool expected =
		w->why != POOL_BY_CRASH && w->why != POOL_BY_PROTOCOL && w->why != POOL_BY_TIMEOUT;

	log_at(expected ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       "worker ended: %s pool=%s worker=%s pid=%d reason=%s jobs=%llu", how, pool->name,
	       w->name, (int)w->process.child.pid, pool_reason_name(w->why),
	       (unsigned long long)w->done);
	pool->ended[w->why]++;
	pools_tell(pool, (struct pool_event){ .what = POOL_ENDED, .worker = w->name, .text = how });
}

/* Was it of no use, so that the next might be of none either? */
static void judge(struct worker *w, bool was_starting)
{
	struct pool *pool = w->pool;

	pool->bad_rows = w->why == POOL_BY_PROTOCOL ? pool->bad_rows + 1 : pool->bad_rows;
	if (pool->going || w->why == POOL_BY_SCALE)
		return;
	if (was_starting || (!w->done && (w->why == POOL_BY_CRASH || w->why == POOL_BY_ITSELF)) ||
	    w->why == POOL_BY_PROTOCOL)
		pool_failed(pool);
}

static void set_reason(struct worker *w, const struct child_end *end)
{
	bool ends_well = end->how == CHILD_EXITED && end->code == 0;

	if (w->state > WORKER_SERVING) /* somebody has said why */
		return;
	w->culprit = NULL;
	w->why = ends_well && !w->n_jobs && w->state == WORKER_SERVING ? POOL_BY_ITSELF
								       : POOL_BY_CRASH;
}

static void on_end(struct process *p, const struct child_end *end)
{
	struct worker *w = p->owner;
	struct pool *pool = w->pool;
	bool was_starting = w->state == WORKER_STARTING || w->never_ready;
	char how[64];

	child_end_text(end, how, sizeof(how));
	if (w->has_stream)
		speak_drain(w);
	pools_at(pool->all, &w->due, 0);
	if (is_for_one(w)) {
		close_stream(w);
		push_forget(w);
		pools_at(pool->all, &w->due, 0); /* it may have been stopped */
		exec_ended(w, end);
		w->state = WORKER_GONE;
		return;
	}
	set_reason(w, end);
	close_stream(w);
	push_forget(w);
	leave_ranks(w, WORKER_GONE);
	say_ended(w, how);
	end_jobs(w, how);
	judge(w, was_starting);
	pools_wake(pool->all);
	pool_balance(pool);
}

static void on_line(struct process *p, bool is_error, char *line, size_t n)
{
	struct worker *w = p->owner;
	struct job *only = w->n_jobs == 1 ? container_of(w->jobs.next, struct job, link) : NULL;

	w->spoke = now_of(w);
	if (n)
		job_said(only, w, is_error ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, line);
}

/* What it printed before its answer may still be in a pipe. Who never prints is not asked. */
void worker_hear_out(struct worker *w)
{
	if (w->handed <= 1 || (w->spoke && now_of(w) - w->spoke < TALKS))
		process_drain(&w->process);
}

/* ---- its start --------------------------------------------------------------------------------
 */

static void set_number(struct env *env, const char *key, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	env_set(env, key, text);
}

void worker_env(const struct worker *w, struct env *env)
{
	env_copy(env, &w->setup->env);
	env_set(env, "TROUPE_ROLE", w->pool->all->role);
	env_set(env, "TROUPE_POOL", w->pool->name);
	env_set(env, "TROUPE_TITLE", w->name);
	set_number(env, "TROUPE_WORKER", w->number);
	env_set(env, "TROUPE_PROTO", "twp/1");
	env_set(env, "TROUPE_FD", "3");
	set_number(env, "TROUPE_CREDIT", w->setup->v->credit);
	env_set(env, TREE_MARK, w->process.mark);
}

int worker_spawn(struct worker *w, struct env *env, struct spawn *spec, struct err *err)
{
	const struct setup *s = w->setup;

	spec->envp = env_vars(env);
	spec->path = env_get(env, "PATH");
	spec->cwd = s->v->directory;
	spec->user = s->has_user ? &s->user : NULL;
	spec->limits = s->limits;
	spec->n_limits = s->n_limits;
	spec->nice = (int)s->v->nice;
	w->process.owner = w;
	w->process.on_end = on_end;
	w->process.on_gone = on_gone;
	w->process.on_line = w->process.on_line ? w->process.on_line : on_line;
	w->open++;
	return process_start(&w->process, &w->pool->all->outputs, &w->pool->all->reap, spec, err);
}

int worker_socket(struct worker *w, int *theirs, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set(err, uv_translate_sys_error(errno), "socketpair: %s",
			       strerror(errno));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	int rc = stream_open(&w->stream, w->pool->all->loop, ends[0], speak_on_event, w);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return err_set(err, rc, "its socket: %s", uv_strerror(rc));
	}
	w->has_stream = true;
	w->open++;
	*theirs = ends[1];
	return 0;
}

static int start_speaker(struct worker *w, struct err *err)
{
	struct spawn_fd fds[2] = { { .child = 0 }, { .child = 3 } };
	struct spawn spec = { .argv = (const char *const *)w->setup->argv, .fds = fds, .n_fds = 2 };
	struct env env;
	int theirs = -1, rc = worker_socket(w, &theirs, err);

	if (rc)
		return rc;
	fds[0].ours = fds[1].ours = theirs;
	env_init(&env);
	worker_env(w, &env);
	rc = worker_spawn(w, &env, &spec, err);
	env_fini(&env);
	close(theirs);
	return rc;
}

static struct worker *worker_new(struct pool *pool)
{
	struct worker *w = mem_new(sizeof(*w));

	w->pool = pool;
	w->setup = setup_hold(pool->setup);
	w->number = ++pool->numbers;
	snprintf(w->name, sizeof(w->name), "%s-%d", pool->name, w->number);
	list_init(&w->turn);
	list_init(&w->dirty);
	list_init(&w->jobs);
	list_init(&w->pushes);
	list_append(&pool->workers, &w->link);
	buf_init(&w->in, (size_t)w->setup->v->max_body + TWP_LINE + 2 + ROOM);
	buf_init(&w->out, SIZE_MAX);
	w->due.pos = HEAP_OUT;
	w->due.kind = AT_WORKER;
	w->open = 1; /* whoever starts it */
	w->born = w->busy_since = w->heard = pools_now(pool->all);
	process_init(&w->process);
	return w;
}

static struct worker *give_up(struct worker *w)
{
	w->state = WORKER_GONE;
	close_stream(w);
	worker_release(w);
	return NULL;
}

struct worker *worker_start(struct pool *pool, struct job *job, struct err *err)
{
	struct worker *w = worker_new(pool);
	bool exec = pool->setup->v->mode == POOL_EXEC;

	if (pool->setup->v->mode == POOL_HTTP) {
		pool->started++;
		request_start(w, job);
		return w;
	}
	int rc = exec ? exec_start(w, job, err) : start_speaker(w, err);
	if (rc)
		return give_up(w);
	w->open--; /* the process holds it */
	pool->started++;
	log_at(exec ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "worker started pool=%s worker=%s pid=%d",
	       pool->name, w->name, (int)w->process.child.pid);
	pools_tell(pool, (struct pool_event){ .what = POOL_STARTED, .worker = w->name });
	if (exec)
		return w;
	pool->n_live++;
	pool->n_starting++;
	pools_at(pool->all, &w->due, w->born + (uint64_t)w->setup->v->start_timeout);
	speak_open(w);
	return w;
}

static uint64_t less_jitter(struct worker *w, int64_t n)
{
	uint64_t most = (uint64_t)n * (uint64_t)w->setup->v->recycle_jitter / 100;

	return (uint64_t)n - pools_chance(w->pool->all, most + 1);
}

void worker_ready(struct worker *w, int credit)
{
	const struct pool_values *v = w->setup->v;
	struct pool *pool = w->pool;

	w->credit = credit < v->credit ? credit : (int)v->credit;
	if (w->state != WORKER_STARTING) { /* it has changed its mind */
		worker_has_room(w);
		return;
	}
	w->state = WORKER_SERVING;
	pool->n_starting--;
	w->most_jobs = v->max_jobs ? less_jitter(w, v->max_jobs) : 0;
	w->dies_at = v->max_time ? w->born + less_jitter(w, v->max_time) : 0;
	worker_has_room(w);
	next_due(w);
	log_debug("worker ready pool=%s worker=%s credit=%d", pool->name, w->name, w->credit);
	pools_tell(pool, (struct pool_event){ .what = POOL_READY, .worker = w->name });
	pool_balance(pool);
}

/* ---- recycling ------------------------------------------------------------------------------- */

static void doom(struct worker *w, enum pool_reason why)
{
	if (w->doomed)
		return;
	w->doomed = true;
	w->why = why;
	pool_balance(w->pool);
}

/* Looked at once a second at most, and once more behind the last job. */
static bool is_fat(struct worker *w)
{
	struct procstat s;
	uint64_t now = now_of(w), most = (uint64_t)w->pool->setup->v->max_rss;

	if (!most || !(w->done + w->failed))
		return false;
	if (now - w->rss_at < RSS_PAUSE) {
		w->look_at = w->rss_at + RSS_PAUSE;
		next_due(w);
		return false;
	}
	w->rss_at = now;
	w->look_at = 0;
	return procstat_read(&s, w->process.child.pid) == 0 && s.rss > most;
}

void worker_recycle(struct worker *w)
{
	if (w->state != WORKER_SERVING || w->doomed || is_for_one(w))
		return;
	if (w->most_jobs && w->done + w->failed >= w->most_jobs)
		doom(w, POOL_BY_MAX_JOBS);
	else if (is_fat(w))
		doom(w, POOL_BY_MAX_RSS);
}

void worker_has_work(struct worker *w)
{
	if (!w->n_jobs++)
		w->heard = w->busy_since = now_of(w);
	w->handed++;
	worker_has_room(w);
	if (!w->pings)
		return;
	w->asked_at = 0;
	next_due(w);
}

void worker_job_over(struct worker *w, struct job *job, bool well)
{
	struct list *next = job->link.next;

	if (job->link.prev == &w->jobs && next != &w->jobs)
		job_at_it(container_of(next, struct job, link));
	w->n_jobs--;
	w->pool->n_running--;
	*(well ? &w->done : &w->failed) += 1;
	*(well ? &w->pool->done : &w->pool->failed) += 1;
	if (!w->n_jobs)
		w->busy_since = now_of(w);
	worker_has_room(w);
	if (w->setup->v->idle_ttl || w->pings)
		next_due(w);
	pool_did_well(w);
}

/* ---- the way out --------------------------------------------------------------------------------
 */

void worker_settle(struct worker *w)
{
	if (w->state != WORKER_LEAVING || w->n_jobs || !list_empty(&w->pushes) || w->asked_to_quit)
		return;
	w->asked_to_quit = true;
	speak_quit(w);
	pools_at(w->pool->all, &w->due, now_of(w) + (uint64_t)w->pool->setup->v->kill_grace);
}

void worker_leave(struct worker *w, enum pool_reason why)
{
	if (w->state > WORKER_SERVING || is_for_one(w))
		return;
	w->why = why;
	w->never_ready = false;
	leave_ranks(w, WORKER_LEAVING);
	pools_at(w->pool->all, &w->due, 0);
	worker_settle(w);
}

void worker_stop(struct worker *w, enum pool_reason why, struct job *culprit)
{
	if (w->state >= WORKER_STOPPING)
		return;
	w->never_ready = w->state == WORKER_STARTING;
	w->why = why;
	w->culprit = culprit;
	leave_ranks(w, WORKER_STOPPING);
	if (w->exchange) {
		request_stop(w);
		return;
	}
	process_signal(&w->process, SIGTERM);
	pools_at(w->pool->all, &w->due, now_of(w) + (uint64_t)w->pool->setup->v->kill_grace);
	pool_balance(w->pool);
}

void worker_kill(struct worker *w, enum pool_reason why, struct job *culprit)
{
	if (w->exchange) {
		worker_stop(w, why, culprit);
		return;
	}
	if (w->state >= WORKER_KILLING)
		return;
	if (w->state != WORKER_STOPPING) {
		w->never_ready = w->state == WORKER_STARTING;
		w->why = why;
		w->culprit = culprit;
	}
	leave_ranks(w, WORKER_KILLING);
	pools_at(w->pool->all, &w->due, 0);
	process_kill(&w->process);
	pool_balance(w->pool);
}

void worker_bad(struct worker *w, const char *why, struct twp_word bytes)
{
	char shown[121];
	size_t n = bytes.n < sizeof(shown) - 1 ? bytes.n : sizeof(shown) - 1;

	for (size_t i = 0; i < n; i++)
		shown[i] = bytes.at[i] == '"' ? '\'' : bytes.at[i];
	shown[n] = '\0';
	log_error("worker broke the protocol: %s pool=%s worker=%s pid=%d bytes=\"%s\"", why,
		  w->pool->name, w->name, (int)w->process.child.pid, shown);
	w->pool->protocol_errors++;
	close_stream(w);
	worker_kill(w, POOL_BY_PROTOCOL, NULL);
}

void worker_hung_up(struct worker *w)
{
	if (w->hung_up || w->state >= WORKER_STOPPING || is_for_one(w))
		return;
	w->hung_up = true;
	w->credit = 0;
	worker_has_room(w);
	if (!w->asked_to_quit)
		pools_at(w->pool->all, &w->due, now_of(w) + HANG_UP);
}

/* ---- its clock
 * ------------------------------------------------------------------------------------ */

static void start_is_late(struct worker *w)
{
	if (w->setup->v->ready == POOL_READY_IMPLICIT) {
		worker_ready(w, 1);
		return;
	}
	log_warn("worker was not ready in time pool=%s worker=%s pid=%d", w->pool->name, w->name,
		 (int)w->process.child.pid);
	worker_kill(w, POOL_BY_TIMEOUT, NULL);
}

/* false: it is dead. */
static bool beat(struct worker *w)
{
	uint64_t hb = (uint64_t)w->setup->v->heartbeat, now = now_of(w);
	struct twp_line l;

	if (!w->pings || !w->n_jobs)
		return true;
	if (w->asked_at && now - w->asked_at >= hb) {
		log_warn("worker does not answer PING pool=%s worker=%s", w->pool->name, w->name);
		worker_kill(w, POOL_BY_TIMEOUT, container_of(w->jobs.next, struct job, link));
		return false;
	}
	if (!w->asked_at && now - w->heard >= hb) {
		w->asked_at = now;
		twp_begin(&l, TWP_PING);
		twp_put_number(&l, (int64_t)now);
		speak_line(w, &l);
	}
	return true;
}

static void serving_due(struct worker *w)
{
	uint64_t now = now_of(w);
	int64_t ttl = w->setup->v->idle_ttl;

	if (!beat(w))
		return;
	if (w->dies_at && now >= w->dies_at)
		doom(w, POOL_BY_MAX_TIME);
	else if (ttl && w->handed && !w->n_jobs && now - w->busy_since >= (uint64_t)ttl)
		doom(w, POOL_BY_IDLE);
	else if (w->look_at && now >= w->look_at)
		worker_recycle(w);
	if (w->state == WORKER_SERVING)
		next_due(w);
}

void worker_due(struct worker *w)
{
	if (w->hung_up && !w->asked_to_quit && w->state < WORKER_STOPPING) {
		log_warn("worker closed its connection, and lives pool=%s worker=%s pid=%d",
			 w->pool->name, w->name, (int)w->process.child.pid);
		worker_stop(w, POOL_BY_PROTOCOL, NULL);
		return;
	}
	switch (w->state) {
	case WORKER_STARTING:
		start_is_late(w);
		break;
	case WORKER_SERVING:
		serving_due(w);
		break;
	case WORKER_LEAVING:
		worker_stop(w, w->why, NULL);
		break;
	case WORKER_STOPPING:
		worker_kill(w, w->why, w->culprit);
		break;
	default:
		break;
	}
}
