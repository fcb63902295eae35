/* show - what there is to tell of pools and workers. */
#include <string.h>

#include "core/pool/private.h"
#include "core/proc/procstat.h"
#include "core/stat/stat.h"
#include "core/work/ident.h"

const char *pool_worker_state_name(enum pool_worker_state s)
{
	static const char *const names[] = { "starting", "idle", "busy", "leaving", "stopping" };

	return (unsigned)s < sizeof(names) / sizeof(names[0]) ? names[s] : "unknown";
}

const char *pool_reason_name(enum pool_reason r)
{
	static const char *const names[] = {
		"max_jobs", "max_time", "max_rss", "idle",   "crash", "timeout",
		"protocol", "reload",   "itself",  "cancel", "scale",
	};

	return (unsigned)r < sizeof(names) / sizeof(names[0]) ? names[r] : "unknown";
}

static enum pool_worker_state state_of(const struct worker *w)
{
	switch (w->state) {
	case WORKER_STARTING:
		return POOL_WORKER_STARTING;
	case WORKER_SERVING:
		return w->n_jobs ? POOL_WORKER_BUSY : POOL_WORKER_IDLE;
	case WORKER_LEAVING:
		return POOL_WORKER_LEAVING;
	default:
		return POOL_WORKER_STOPPING;
	}
}

static void worker_figures(const struct worker *w, struct pool_worker_figures *f)
{
	uint64_t now = pools_now(w->pool->all);
	struct procstat s = { 0 };

	procstat_read(&s, w->process.child.pid);
	*f = (struct pool_worker_figures){
		.pool = w->pool->name,
		.name = w->name,
		.pid = w->process.child.pid,
		.state = state_of(w),
		.age = (int64_t)(now - w->born),
		.rss = (int64_t)s.rss,
		.done = w->done,
		.failed = w->failed,
		.jobs = w->n_jobs,
	};
	if (list_empty((struct list *)&w->jobs))
		return;
	const struct job *job = container_of(w->jobs.next, struct job, link);
	f->job = job->task ? job->task->id : 0;
	f->topic = job_topic(job);
	f->job_age = (int64_t)(now - job->started);
}

void pools_workers(struct pools *p, const char *name,
		   void (*row)(void *data, const struct pool_worker_figures *f), void *data)
{
	struct pool_worker_figures f;

	for (struct list *i = p->pools.next; i != &p->pools; i = i->next) {
		struct pool *pool = container_of(i, struct pool, link);
		if (name && strcmp(name, pool->name) != 0)
			continue;
		for (struct list *k = pool->workers.next; k != &pool->workers; k = k->next) {
			struct worker *w = container_of(k, struct worker, link);
			if (w->state == WORKER_GONE)
				continue;
			worker_figures(w, &f);
			row(data, &f);
		}
	}
}

static void pool_figures_of(const struct pool *pool, struct pool_figures *f)
{
	*f = (struct pool_figures){
		.name = pool->name,
		.mode = (enum pool_mode)pool->setup->v->mode,
		.min = pool->min,
		.max = pool->max,
		.running = pool->n_running,
		.waiting = pool->n_waiting,
		.loops = pool->loops,
		.started = pool->started,
		.done = pool->done,
		.failed = pool->failed,
		.crashed = pool->crashed,
		.protocol_errors = pool->protocol_errors,
	};
	memcpy(f->ended, pool->ended, sizeof(f->ended));
	for (const struct list *k = pool->workers.next; k != &pool->workers; k = k->next) {
		const struct worker *w = container_of(k, struct worker, link);
		enum pool_worker_state s = state_of(w);
		if (w->state == WORKER_GONE)
			continue;
		f->starting += s == POOL_WORKER_STARTING;
		f->idle += s == POOL_WORKER_IDLE;
		f->busy += s == POOL_WORKER_BUSY;
		f->leaving += s > POOL_WORKER_BUSY;
	}
}

void pools_figures(struct pools *p, void (*row)(void *data, const struct pool_figures *f),
		   void *data)
{
	struct pool_figures f;

	for (struct list *i = p->pools.next; i != &p->pools; i = i->next) {
		struct pool *pool = container_of(i, struct pool, link);
		if (pool->going)
			continue;
		pool_figures_of(pool, &f);
		row(data, &f);
	}
}

static const struct job *running_in(const struct pool *pool, uint64_t id)
{
	for (const struct list *k = pool->workers.next; k != &pool->workers; k = k->next) {
		const struct worker *w = container_of(k, struct worker, link);
		for (const struct list *j = w->jobs.next; j != &w->jobs; j = j->next) {
			const struct job *job = container_of(j, struct job, link);
			if (job->task && job->task->id == id)
				return job;
		}
	}
	return NULL;
}

bool pools_running(struct pools *p, uint64_t id, struct pool_running *out)
{
	const struct job *job = NULL;

	for (struct list *i = p->pools.next; i != &p->pools && !job; i = i->next)
		job = running_in(container_of(i, struct pool, link), id);
	if (!job)
		return false;
	struct buf *log = (struct buf *)&job->log;
	if (buf_len(log) == 0 || buf_data(log)[buf_len(log) - 1]) {
		buf_put(log, "", 1); /* a zero that is no part of it */
		log->tail--;
	}
	*out = (struct pool_running){
		.pool = job->pool->name,
		.worker = job->worker ? job->worker->name : NULL,
		.started = job->started_at,
		.percent = job->percent,
		.text = job->text,
		.log = (const char *)buf_data(log),
	};
	return true;
}

/* ---- status ------------------------------------------------------------------------------ */

static void row_of_pool(void *data, const struct pool_figures *f)
{
	struct stat_out *out = data;

	stat_row(out);
	stat_label(out, "pool", f->name);
	stat_gauge(out, "starting", "Workers that are not ready yet.", f->starting);
	stat_gauge(out, "idle", "Workers without a job.", f->idle);
	stat_gauge(out, "busy", "Workers with a job.", f->busy);
	stat_gauge(out, "leaving", "Workers that get no more jobs.", f->leaving);
	stat_gauge(out, "max", "Workers at most.", f->max);
	stat_gauge(out, "running", "Jobs in the hands of workers.", f->running);
	stat_gauge(out, "waiting", "Jobs that wait for a worker in the pool.", f->waiting);
	stat_gauge(out, "loops", "1: its workers don't come up.", f->loops);
	stat_counter(out, "started", "Workers started.", f->started);
	stat_counter(out, "done", "Jobs done.", f->done);
	stat_counter(out, "failed", "Jobs that their worker said had failed.", f->failed);
	stat_counter(out, "crashed", "Jobs charged with their worker's death.", f->crashed);
	stat_counter(out, "protocol_errors", "Breaches of the protocol.", f->protocol_errors);
}

static void rows_of_reasons(void *data, const struct pool_figures *f)
{
	struct stat_out *out = data;

	for (int r = 0; r < POOL_REASONS; r++) {
		if (!f->ended[r])
			continue;
		stat_row(out);
		stat_label(out, "pool", f->name);
		stat_label(out, "reason", pool_reason_name((enum pool_reason)r));
		stat_counter(out, "ended", "Workers that ended, by reason.", f->ended[r]);
	}
}

static void row_of_worker(void *data, const struct pool_worker_figures *f)
{
	struct stat_out *out = data;
	char id[IDENT_LEN + 1] = "";

	if (f->job)
		ident_write(f->job, id);
	stat_row(out);
	stat_label(out, "worker", f->name);
	stat_word(out, "state", pool_worker_state_name(f->state));
	stat_gauge(out, "pid", "Its process.", f->pid);
	stat_gauge(out, "rss_bytes", "Resident memory.", (double)f->rss);
	stat_gauge(out, "age_seconds", "Since its start.", (double)f->age / 1000);
	stat_counter(out, "done", "Jobs done.", f->done);
	stat_gauge(out, "jobs", "Jobs that it holds.", f->jobs);
	stat_word(out, "topic", f->topic ? f->topic : "");
	stat_word(out, "job", id);
	stat_gauge(out, "job_seconds", "Since that job's start.", (double)f->job_age / 1000);
}

void pools_status(struct pools *p, struct stat_out *out)
{
	stat_table(out, "pool", "Pools of workers.");
	pools_figures(p, row_of_pool, out);
	stat_table(out, "pool_workers", "Why workers ended.");
	pools_figures(p, rows_of_reasons, out);
	stat_table(out, "worker", "Workers.");
	pools_workers(p, NULL, row_of_worker, out);
}
