/*
 * scale - more workers when tasks wait, fewer when workers do.
 *
 * Nothing is looked at while there is neither: a pool with credit to spare and its least number of
 * workers has no timer. A task can't have waited longer than its pool has been without credit.
 */
#include "core/pool/private.h"

enum { TICK = 250 };

static bool is_busy(const struct pool *pool)
{
	return pool->credit == 0 || pool->n_waiting > 0;
}

static bool is_wanted(const struct pool *pool)
{
	const struct pool_values *v = pool->setup->v;

	if (v->mode != POOL_WORKER || v->scale_by == POOL_BY_NONE || pool->going ||
	    pool->all->draining)
		return false;
	return pool->target > pool->min || (is_busy(pool) && pool->target < pool->max);
}

void pool_scale_look(struct pool *pool)
{
	uint64_t now = pools_now(pool->all);

	if (!is_busy(pool))
		pool->busy_since = 0;
	else if (!pool->busy_since)
		pool->busy_since = now;
	if (!is_wanted(pool))
		pools_at(pool->all, &pool->scale, 0);
	else if (pool->scale.pos == HEAP_OUT)
		pools_at(pool->all, &pool->scale, now + TICK);
}

static bool is_too_few(struct pool *pool)
{
	const struct pool_values *v = pool->setup->v;
	uint64_t busy = pools_now(pool->all) - pool->busy_since;
	struct work_backlog b = { 0 };

	if (!is_busy(pool) || !pool->busy_since || pool->loops)
		return false;
	if (pool->taker)
		work_backlog(pool->taker, &b);
	b.ready += (uint64_t)pool->n_waiting;
	if (v->scale_by == POOL_BY_LENGTH)
		return b.ready > (uint64_t)v->scale_target_length;
	if (pool->n_waiting)
		b.oldest = INT64_MAX;
	return b.ready && busy > (uint64_t)v->scale_target_wait && b.oldest > v->scale_target_wait;
}

static struct worker *idle_too_long(struct pool *pool)
{
	uint64_t patience = (uint64_t)pool->setup->v->scale_down_after;

	if (list_empty(&pool->idle) || pool->target <= pool->min)
		return NULL;
	struct worker *w = container_of(pool->idle.prev, struct worker, turn);
	return pools_now(pool->all) - w->busy_since >= patience ? w : NULL;
}

void pool_scale_due(struct pool *pool)
{
	struct worker *idle = idle_too_long(pool);

	if (is_too_few(pool)) {
		pool->target += (int)pool->setup->v->scale_up_step;
		if (pool->target > pool->max)
			pool->target = pool->max;
		pool->busy_since = pools_now(pool->all); /* these are waited for first */
	} else if (idle) {
		pool->target--;
		worker_leave(idle, POOL_BY_SCALE);
	}
	pool_balance(pool);
}
