/*
 * One pool: how many workers there are, and who is given what.
 *
 * `target` workers are wanted, between min and max. One that is to be replaced (doomed) goes on
 * until its successor is ready; one at a time. A worker that was of no use puts off the next start:
 * the first two times not at all, then by 100 ms, 200 ms, ... up to restart_max.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/http_client.h"
#include "core/pool/private.h"

enum { QUICK_STARTS = 2, LOOPS_AT = 5, FIRST_PAUSE = 100, BAD_ROWS = 3 };

static bool may_take(const struct pool *pool)
{
	return !pool->going && !pool->all->draining;
}

/* ---- tasks in ------------------------------------------------------------------------- */

static void on_cancel(void *data, struct work_job *task, bool now)
{
	(void)data;
	job_cancel(task->data, now);
}

static void on_served(void *data)
{
	struct pool *pool = data;

	pools_flushed(pool->all);
	pool_scale_look(pool);
}

static int may_run(const struct pool *pool)
{
	const struct pool_values *v = pool->setup->v;
	int room;

	if (!may_take(pool))
		return 0;
	if (v->mode == POOL_HTTP && pool->fails) /* one is to find out whether it is back */
		room = 1 - pool->n_running - pool->n_waiting;
	else if (v->mode != POOL_WORKER)
		room = pool->max - pool->n_running - pool->n_waiting;
	else if (pool->target == 0 && pool->n_live == 0) /* the first task starts the first one */
		room = 1 - pool->n_waiting;
	else
		room = pool->credit - pool->n_waiting;
	if (pool->retry_at && !pool->n_live)
		room = 0;
	return room > 0 ? room : 0;
}

/* Nobody here could be given all of it. */
static void refuse_large(struct pool *pool, struct work_job *task)
{
	char why[160];

	snprintf(why, sizeof(why), "its payload of %zu bytes is longer than max_body of pool %s",
		 task->size, pool->name);
	work_fail(task, WORK_FAULT_FAILED, why, false, -1);
	work_want(pool->taker, may_run(pool));
}

static void on_job(void *data, struct work_job *task)
{
	struct pool *pool = data;

	if (task->size > (size_t)pool->setup->v->max_body)
		refuse_large(pool, task);
	else
		pool_place(job_of_task(pool, task));
}

static struct worker *with_credit(struct pool *pool)
{
	struct list *from = list_empty(&pool->idle) ? &pool->partly : &pool->idle;

	return list_empty(from) ? NULL : container_of(from->next, struct worker, turn);
}

static bool give(struct pool *pool, struct job *job)
{
	struct err err = { 0 };
	struct worker *w;

	if (pool->setup->v->mode == POOL_WORKER) {
		w = with_credit(pool);
		if (w)
			speak_job(w, job);
		return w != NULL;
	}
	if (pool->n_running >= pool->max)
		return false;
	w = worker_start(pool, job, &err);
	if (!w) {
		log_error("%s pool=%s", err.text, pool->name);
		job_fail_by(job, (struct twp_word){ err.text, strlen(err.text) },
			    err.code != UV_E2BIG, -1);
		if (!pool->retry_at) /* its room is free again; from the loop, there may be many */
			pools_at(pool->all, &pool->retry, pools_now(pool->all));
	}
	return true;
}

static void serve(struct pool *pool)
{
	while (!list_empty(&pool->waiting)) {
		struct job *job = container_of(pool->waiting.next, struct job, link);
		list_remove(&job->link);
		pool->n_waiting--;
		if (give(pool, job))
			continue;
		pool->waiting.next->prev = &job->link; /* back to the head */
		job->link.next = pool->waiting.next;
		job->link.prev = &pool->waiting;
		pool->waiting.next = &job->link;
		pool->n_waiting++;
		return;
	}
}

/* Calls go before tasks. */
static void wait_for_worker(struct pool *pool, struct job *job)
{
	struct list *at = pool->waiting.next;

	while (job->call && at != &pool->waiting && container_of(at, struct job, link)->call)
		at = at->next;
	list_append(job->call ? at : &pool->waiting, &job->link);
	pool->n_waiting++;
}

void pool_place(struct job *job)
{
	struct pool *pool = job->pool;

	if (list_empty(&pool->waiting) && give(pool, job))
		return;
	wait_for_worker(pool, job);
	if (pool->target == 0 && pool->max > 0)
		pool->target = 1;
	pool_balance(pool);
}

void pool_release_waiting(struct pool *pool)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, &pool->waiting);
	while (!list_empty(&now)) {
		struct job *job = container_of(now.next, struct job, link);
		pool->n_waiting--;
		if (job->call)
			call_over(job->call, UV_ECANCELED);
		job_release(job, 0);
	}
}

/* Tasks only: calls have a deadline of their own. */
static void give_back_tasks(struct pool *pool)
{
	struct list *it, *tmp;

	list_each (it, tmp, &pool->waiting) {
		struct job *job = container_of(it, struct job, link);
		if (job->call)
			continue;
		list_remove(it);
		pool->n_waiting--;
		job_release(job, 0);
	}
}

/* ---- how many ---------------------------------------------------------------------------- */

static void pick_retiring(struct pool *pool)
{
	struct list *it, *tmp;

	list_each (it, tmp, &pool->workers) {
		struct worker *w = container_of(it, struct worker, link);
		if (pool->retiring)
			return;
		if (w->state != WORKER_SERVING || !w->doomed)
			continue;
		if (pool->n_live > pool->target)
			worker_leave(w, w->why);
		else
			pool->retiring = w;
	}
}

static void let_retire(struct pool *pool)
{
	struct worker *w = pool->retiring;

	if (!w || pool->n_live - pool->n_starting <= pool->target)
		return;
	pool->retiring = NULL;
	worker_leave(w, w->why);
	pick_retiring(pool);
}

static bool may_start(const struct pool *pool)
{
	int wanted = pool->target + (pool->retiring != NULL);

	return may_take(pool) && pool->n_live < wanted && !pool->retry_at &&
	       !(pool->loops && pool->n_starting);
}

static void start_more(struct pool *pool)
{
	struct err err = { 0 };

	while (may_start(pool)) {
		if (worker_start(pool, NULL, &err))
			continue;
		log_error("a worker can't be started: %s pool=%s", err.text, pool->name);
		pool_failed(pool);
	}
}

/* Those that have been idle longest go first. */
static void shrink(struct pool *pool)
{
	int wanted = pool->target + (pool->retiring != NULL);
	struct list *it, *tmp;

	while (pool->n_live > wanted && !list_empty(&pool->idle))
		worker_leave(container_of(pool->idle.prev, struct worker, turn), POOL_BY_SCALE);
	if (pool->n_live <= wanted)
		return;
	list_each (it, tmp, &pool->workers) {
		struct worker *w = container_of(it, struct worker, link);
		if (pool->n_live > wanted && w->state == WORKER_SERVING)
			worker_leave(w, POOL_BY_SCALE);
	}
}

void pool_balance(struct pool *pool)
{
	if (pool->setup->v->mode == POOL_WORKER && may_take(pool)) {
		let_retire(pool);
		pick_retiring(pool);
		shrink(pool);
		start_more(pool);
	}
	serve(pool);
	if (pool->taker)
		work_want(pool->taker, may_run(pool));
	pool_scale_look(pool);
	if (pool->all->draining)
		pools_wake(pool->all);
}

static void loops(struct pool *pool)
{
	bool http = pool->setup->v->mode == POOL_HTTP;

	pool->loops = true;
	log_error("%s pool=%s failures=%d",
		  http ? "the service can't be reached; the next request waits"
		       : "workers don't come up, or end at once; the next start waits",
		  pool->name, pool->fails);
	pools_tell(pool, (struct pool_event){ .what = POOL_LOOPS,
					      .text = http ? "the service can't be reached"
							   : "workers end at once" });
}

void pool_failed(struct pool *pool)
{
	const struct pool_values *v = pool->setup->v;
	int over = pool->fails++ - QUICK_STARTS;
	uint64_t pause = over < 0    ? 0
			 : over > 20 ? (uint64_t)v->restart_max
				     : (uint64_t)FIRST_PAUSE << over;

	if (pause > (uint64_t)v->restart_max)
		pause = (uint64_t)v->restart_max;
	if (pool->bad_rows >= BAD_ROWS && pause < 1000)
		pause = 1000;
	if (!pool->loops && (pool->fails >= LOOPS_AT || pool->bad_rows >= BAD_ROWS))
		loops(pool);
	if (!pause)
		return;
	pool->retry_at = pools_now(pool->all) + pause;
	pools_at(pool->all, &pool->retry, pool->retry_at);
	if (!pool->n_live)
		give_back_tasks(pool);
}

void pool_retry_due(struct pool *pool)
{
	pool->retry_at = 0;
	pool_balance(pool);
}

void pool_did_well(struct worker *w)
{
	struct pool *pool = w->pool;

	if (pools_now(pool->all) - w->born > STAY)
		pool->bad_rows = 0;
	if (!pool->fails || pool->bad_rows >= BAD_ROWS)
		return;
	pool->fails = 0;
	if (!pool->loops)
		return;
	pool->loops = false;
	log_info("%s pool=%s",
		 pool->setup->v->mode == POOL_HTTP ? "the service is back"
						   : "workers come up again",
		 pool->name);
	pools_tell(pool, (struct pool_event){ .what = POOL_RECOVERS });
}

/* ---- orders -------------------------------------------------------------------------------- */

int pool_scale(struct pool *pool, int min, int max)
{
	if (min < 0 || min > max || max < 1 || max > 10000)
		return UV_EINVAL;
	pool->min = min;
	pool->max = max;
	if (pool->target < min)
		pool->target = min;
	if (pool->target > max)
		pool->target = max;
	pool_balance(pool);
	return 0;
}

void pool_recycle(struct pool *pool)
{
	struct list *it, *tmp;

	list_each (it, tmp, &pool->workers) {
		struct worker *w = container_of(it, struct worker, link);
		if (w->doomed || w->state > WORKER_SERVING)
			continue;
		w->doomed = true;
		w->why = POOL_BY_RELOAD;
	}
	pool->fails = pool->bad_rows = 0; /* what is new may be better */
	pool->retry_at = 0;
	pools_at(pool->all, &pool->retry, 0);
	pool_balance(pool);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct work_taker *make_taker(struct pool *pool)
{
	const struct setup *s = pool->setup;
	struct work_taker_conf conf = {
		.topics = (const char *const *)s->topics,
		.weights = s->weights,
		.n_topics = s->n_topics,
		.order = (enum work_order)s->v->topic_order,
		.on_job = on_job,
		.on_cancel = on_cancel,
		.on_served = on_served,
		.data = pool,
	};

	return work_taker_new(pool->all->conf.work, &conf);
}

struct pool *pool_new(struct pools *all, struct setup *setup)
{
	struct pool *pool = mem_new(sizeof(*pool));

	pool->all = all;
	pool->setup = setup;
	pool->name = mem_str(setup->item->name);
	pool->min = (int)setup->v->workers_min;
	pool->max = (int)setup->v->workers_max;
	pool->target = pool->min;
	list_init(&pool->workers);
	list_init(&pool->idle);
	list_init(&pool->partly);
	list_init(&pool->waiting);
	pool->retry.pos = pool->scale.pos = HEAP_OUT;
	pool->retry.kind = AT_RETRY;
	pool->scale.kind = AT_SCALE;
	list_append(&all->pools, &pool->link);
	if (setup->v->mode == POOL_HTTP)
		pool->http = request_client(pool);
	if (all->conf.work)
		pool->taker = make_taker(pool);
	pool_balance(pool);
	return pool;
}

static bool same_number(const struct setup *a, const struct setup *b)
{
	return a->v->workers_min == b->v->workers_min && a->v->workers_max == b->v->workers_max;
}

void pool_change(struct pool *pool, struct setup *setup)
{
	struct setup *old = pool->setup;
	enum setup_change change = setup_compare(old, setup);

	pool->setup = setup_hold(setup);
	if (setup->tls) /* the file of whom to trust may say something else by now */
		http_client_secure(pool->http, setup->tls);
	if (change >= SETUP_VALUES && !same_number(old, setup))
		pool_scale(pool, (int)setup->v->workers_min, (int)setup->v->workers_max);
	if (change == SETUP_WORKERS)
		pool_recycle(pool);
	else
		pool_balance(pool);
	setup_drop(old);
}

static void stop_workers(struct pool *pool)
{
	struct list *it, *tmp;

	list_each (it, tmp, &pool->workers) {
		struct worker *w = container_of(it, struct worker, link);
		if (pool->all->closing && w->n_jobs)
			worker_stop(w, POOL_BY_SCALE, NULL);
		else if (w->state <= WORKER_SERVING)
			worker_leave(w, POOL_BY_SCALE);
	}
}

void pool_go(struct pool *pool)
{
	pool->going = true;
	pool->retiring = NULL;
	pools_at(pool->all, &pool->retry, 0);
	pools_at(pool->all, &pool->scale, 0);
	pool_release_waiting(pool);
	if (pool->taker)
		work_want(pool->taker, 0);
	stop_workers(pool);
	pool_settle(pool);
}

void pool_settle(struct pool *pool)
{
	struct pools *all = pool->all;

	if (!pool->going || !list_empty(&pool->workers))
		return;
	if (pool->taker)
		work_taker_free(pool->taker);
	if (pool->http)
		request_client_close(pool);
	pools_at(all, &pool->retry, 0);
	pools_at(all, &pool->scale, 0);
	list_remove(&pool->link);
	setup_drop(pool->setup);
	free(pool->name);
	free(pool);
	pools_settle(all);
}
