/* pools - all pools of a role: their life, their clock, and the turn of the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/private.h"
#include "core/proc/watch.h"

/* ---- time ------------------------------------------------------------------------ */

uint64_t pools_now(const struct pools *p)
{
	return uv_now(p->loop);
}

uint64_t pools_chance(struct pools *p, uint64_t below)
{
	p->chance = p->chance * 6364136223846793005u + 1442695040888963407u;
	return below ? (p->chance >> 33) % below : 0;
}

static void due(struct heap_node *n)
{
	switch (n->kind) {
	case AT_JOB:
		job_due(container_of(n, struct job, due));
		break;
	case AT_WORKER:
		worker_due(container_of(n, struct worker, due));
		break;
	case AT_RETRY:
		pool_retry_due(container_of(n, struct pool, retry));
		break;
	default:
		pool_scale_due(container_of(n, struct pool, scale));
		break;
	}
}

static void on_timer(uv_timer_t *t);

/* An earlier one starts the timer anew; a later one waits until it has rung. */
static void set_timer(struct pools *p)
{
	struct heap_node *first = heap_first(&p->times);
	uint64_t now = pools_now(p);

	if (p->closing && !first) {
		uv_timer_stop(&p->timer);
		p->timer_at = 0;
	} else if (first && (!p->timer_at || first->key < p->timer_at)) {
		p->timer_at = first->key;
		uv_timer_start(&p->timer, on_timer, first->key > now ? first->key - now : 0, 0);
	}
}

static void on_timer(uv_timer_t *t)
{
	struct pools *p = t->data;
	struct heap_node *n;

	p->timer_at = 0;
	while ((n = heap_first(&p->times)) && n->key <= pools_now(p)) {
		heap_remove(&p->times, n);
		due(n);
	}
	set_timer(p);
}

void pools_at(struct pools *p, struct heap_node *n, uint64_t when)
{
	if (!when) {
		heap_remove(&p->times, n);
		return;
	}
	heap_set(&p->times, n, when);
	set_timer(p);
}

/* ---- the turn ---------------------------------------------------------------------- */

void pools_flush(struct pools *p)
{
	while (!list_empty(&p->dirty)) {
		struct worker *w = container_of(p->dirty.next, struct worker, dirty);
		list_remove(&w->dirty);
		speak_flush(w);
	}
}

static bool all_quiet(struct pools *p)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->pools) {
		struct pool *pool = container_of(it, struct pool, link);
		if (pool->n_running || pool->n_waiting)
			return false;
	}
	return list_empty(&p->ended);
}

static void turn(void *pools)
{
	struct pools *p = pools;

	if (!p->woken)
		return;
	p->woken = false;
	pools_flush(p);
	calls_tell(p);
	if (p->draining && !p->drain_told && all_quiet(p)) {
		p->drain_told = true;
		if (p->drained)
			p->drained(p->drained_data);
	}
}

static void on_turn(uv_prepare_t *h)
{
	turn(h->data);
}

/* The loop was kept from waiting; on_turn is next. */
static void on_again(uv_idle_t *h)
{
	uv_idle_stop(h);
}

/* What is handed out in the turn of the engine is on its way by its end: no need for another. */
void pools_flushed(struct pools *p)
{
	pools_flush(p);
	if (!list_empty(&p->ended) || p->draining)
		return;
	p->woken = false;
	uv_idle_stop(&p->again);
}

/* The engine's prepare handle comes after ours. */
void pools_wake(struct pools *p)
{
	p->woken = true;
	if (p->conf.work && work_is_turning(p->conf.work) &&
	    !uv_is_closing((uv_handle_t *)&p->again))
		uv_idle_start(&p->again, on_again);
}

void pools_tell(struct pool *pool, struct pool_event e)
{
	struct pools *p = pool->all;

	e.pool = pool->name;
	if (p->conf.on_event)
		p->conf.on_event(p->conf.data, &e);
}

/* ---- open, close --------------------------------------------------------------------- */

int pools_open(struct pools **out, uv_loop_t *loop, const struct pools_conf *conf, struct err *err)
{
	struct pools *p = mem_new(sizeof(*p));
	int rc = reap_open(&p->reap, loop, true);

	if (rc) {
		free(p);
		return err_set(err, rc, "signals can't be watched: %s", uv_strerror(rc));
	}
	p->loop = loop;
	p->conf = *conf;
	p->role = mem_str(conf->role ? conf->role : "troupe");
	p->chance = uv_hrtime();
	list_init(&p->pools);
	list_init(&p->dirty);
	list_init(&p->ended);
	outputs_init(&p->outputs, loop);
	uv_timer_init(loop, &p->timer);
	uv_idle_init(loop, &p->again);
	uv_prepare_init(loop, &p->turn);
	p->timer.data = p->turn.data = p->again.data = p;
	uv_prepare_start(&p->turn, on_turn);
	poller_each_turn(loop, &p->each_turn, turn, p);
	uv_unref((uv_handle_t *)&p->timer);
	uv_unref((uv_handle_t *)&p->turn);
	uv_unref((uv_handle_t *)&p->again);
	p->room = mem_resize(NULL, ROOM);
	p->handles = 5;
	*out = p;
	return 0;
}

void pools_release(struct pools *p)
{
	void (*closed)(void *) = p->closed;
	void *data = p->closed_data;

	if (--p->handles > 0)
		return;
	heap_fini(&p->times);
	free(p->room);
	free(p->role);
	free(p);
	if (closed)
		closed(data);
}

static void on_handle_closed(uv_handle_t *h)
{
	pools_release(h->data);
}

static void on_reap_closed(struct reap *r)
{
	pools_release(r->owner);
}

static void on_outputs_closed(struct logfiles *l)
{
	pools_release(container_of(container_of(l, struct outputs, files), struct pools, outputs));
}

static void on_watch_closed(void *data)
{
	pools_release(data);
}

static void watch_none(struct pools *p)
{
	if (p->watch)
		watch_close(p->watch, on_watch_closed);
	p->watch = NULL;
}

/* The pools are gone. */
void pools_settle(struct pools *p)
{
	if (!p->closing || p->held || !list_empty(&p->pools))
		return;
	p->held = true;
	p->reap.owner = p;
	watch_none(p);
	pools_flush(p);
	calls_tell(p);
	outputs_close(&p->outputs, on_outputs_closed);
	reap_close(&p->reap, on_reap_closed);
	uv_close((uv_handle_t *)&p->timer, on_handle_closed);
	poller_no_turn(&p->each_turn);
	uv_close((uv_handle_t *)&p->turn, on_handle_closed);
	uv_close((uv_handle_t *)&p->again, on_handle_closed);
}

void pools_drain(struct pools *p, void (*done)(void *data), void *data)
{
	struct list *it, *tmp;

	p->draining = true;
	p->drained = done;
	p->drained_data = data;
	list_each (it, tmp, &p->pools) {
		struct pool *pool = container_of(it, struct pool, link);
		pool_release_waiting(pool);
		pool_balance(pool);
	}
	pools_wake(p);
}

/* Never from inside: the loop turns once more. */
static void on_last_turn(uv_idle_t *h)
{
	uv_idle_stop(h);
	pools_settle(h->data);
}

void pools_close(struct pools *p, void (*done)(void *data), void *data)
{
	struct list *it, *tmp;

	p->closing = p->draining = p->drain_told = p->held = true;
	p->closed = done;
	p->closed_data = data;
	watch_none(p);
	list_each (it, tmp, &p->pools) {
		pool_go(container_of(it, struct pool, link));
	}
	p->held = false;
	if (!list_empty(&p->pools))
		return;
	uv_ref((uv_handle_t *)&p->again);
	uv_idle_stop(&p->again);
	uv_idle_start(&p->again, on_last_turn);
}

/* ---- configuration ------------------------------------------------------------------------ */

int64_t pools_credit(struct pools *p, const char *topic)
{
	struct list *it, *tmp;
	int64_t n = 0;

	list_each (it, tmp, &p->pools) {
		const struct pool *pool = container_of(it, struct pool, link);
		const struct pool_values *v = pool->setup->v;
		if (!pool->going && setup_has_topic(pool->setup, topic))
			n += pool->max * (v->mode == POOL_EXEC ? 1 : v->credit);
	}
	return n;
}

struct pool *pools_find(struct pools *p, const char *name)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->pools) {
		struct pool *pool = container_of(it, struct pool, link);
		if (!pool->going && strcmp(pool->name, name) == 0)
			return pool;
	}
	return NULL;
}

static void on_files(void *data, void *tag)
{
	struct pools *p = data;
	struct setup *s = tag;
	struct pool *pool = pools_find(p, s->item->name);

	if (!pool)
		return;
	log_info("watched files changed, workers are replaced pool=%s", pool->name);
	pool_recycle(pool);
}

static void on_watch_trouble(void *data, void *tag, const char *text)
{
	const struct setup *s = tag;

	(void)data;
	log_warn("can't watch %s pool=%s", text, s->item->name);
}

static void watch_all(struct pools *p)
{
	struct watch_conf conf = { .on_change = on_files,
				   .on_trouble = on_watch_trouble,
				   .data = p };
	struct list *it, *tmp;

	bool fresh = false;

	watch_none(p);
	list_each (it, tmp, &p->pools) {
		struct pool *pool = container_of(it, struct pool, link);
		const struct pool_values *v = pool->setup->v;
		for (char **at = v->watch; *at && !pool->going; at++) {
			int rc = p->watch ? 0 : watch_open(&p->watch, p->loop, &conf);
			p->handles += rc == 0 && !fresh;
			fresh = true;
			if (rc) {
				log_error("files can't be watched: %s", uv_strerror(rc));
				return;
			}
			watch_add(p->watch, *at, v->directory, pool->setup);
		}
	}
}

struct fresh {
	struct setup **all;
	size_t n;
};

static int read_setups(const struct conf *conf, struct fresh *f, struct err *err)
{
	for (const struct conf_item *item = NULL; (item = conf_next(conf, "pool", item));) {
		struct setup *s = setup_new(conf, item, err);
		if (!s)
			return err_wrap(err, err ? err->code : ERR_CONF, "pool %s", item->name);
		f->all = mem_resize(f->all, (f->n + 1) * sizeof(struct setup *));
		f->all[f->n++] = s;
	}
	return 0;
}

static struct setup *setup_named(const struct fresh *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->all[i]->item->name, name) == 0)
			return f->all[i];
	return NULL;
}

/* Those that go make room first; a pool whose kind changes goes, too. */
static void apply(struct pools *p, const struct fresh *f)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->pools) {
		struct pool *pool = container_of(it, struct pool, link);
		struct setup *s = pool->going ? NULL : setup_named(f, pool->name);
		if (pool->going)
			continue;
		if (!s || setup_compare(pool->setup, s) == SETUP_POOL)
			pool_go(pool);
		else
			pool_change(pool, s);
	}
	for (size_t i = 0; i < f->n; i++)
		if (!pools_find(p, f->all[i]->item->name))
			pool_new(p, setup_hold(f->all[i]));
	watch_all(p);
}

int pools_apply(struct pools *p, const struct conf *conf, struct err *err)
{
	struct fresh f = { 0 };
	int rc = read_setups(conf, &f, err);

	if (rc == 0)
		apply(p, &f);
	for (size_t i = 0; i < f.n; i++)
		setup_drop(f.all[i]);
	free(f.all);
	return rc;
}
