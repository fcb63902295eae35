/* work - the engine's life, its turns of the loop, and its clock. */
#include "core/work/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/store/marks.h"
#include "core/work/private.h"

enum { GATHER = 32 }; /* units of one turn that the store does not see before its end */

static const int64_t day = 86400000;

static void real_clock(void *data, int64_t *mono, int64_t *wall)
{
	struct timespec t;

	(void)data;
	clock_gettime(CLOCK_MONOTONIC, &t);
	*mono = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	clock_gettime(CLOCK_REALTIME, &t);
	*wall = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- turns ----------------------------------------------------------------------- */

static void on_timer(uv_timer_t *h)
{
	struct work *w = h->data;

	w->timer_at = 0;
	work_tick(w);
}

static void set_timer(struct work *w)
{
	struct heap_node *n = heap_first(&w->times);
	int64_t at = n ? (int64_t)n->key : 0;
	bool busy = !list_empty(&w->hot_takers) || !list_empty(&w->hot_topics) ||
		    !list_empty(&w->laters);

	if (busy)
		at = w->mono;
	if (!at || w->closing) {
		uv_timer_stop(&w->timer);
		w->timer_at = 0;
	} else if (at != w->timer_at || busy) {
		w->conf.clock(w->conf.data, &w->mono, &w->wall);
		uv_timer_start(&w->timer, on_timer, at > w->mono ? (uint64_t)(at - w->mono) : 0, 0);
		w->timer_at = at;
	}
}

static void run_laters(void *work)
{
	struct work *w = work;
	struct list now;

	list_init(&now);
	list_move_all(&now, &w->laters);
	while (!list_empty(&now)) {
		struct later *l = container_of(now.next, struct later, link);
		list_remove(&l->link);
		l->go(l);
	}
}

void later(struct work *w, struct later *l, void (*go)(struct later *l))
{
	l->go = go;
	list_append(&w->laters, &l->link);
	poller_soon(w->loop, run_laters, w);
}

/* What this turn of the loop has brought, before it waits again. */
static void turn(void *work)
{
	struct work *w = work;

	w->turning = true;
	run_laters(w);
	if (!w->closing && (!list_empty(&w->hot_topics) || !list_empty(&w->hot_takers))) {
		sched_clock(w);
		takers_serve(w);
	}
	if (!w->closing)
		persist_loads(w);
	if (w->wanting && !w->closing)
		lenders_ask(w);
	if (w->store)
		store_hand_over(w->store);
	set_timer(w);
	w->turning = false;
}

static void on_turn(uv_prepare_t *h)
{
	turn(h->data);
}

bool work_is_turning(const struct work *w)
{
	return w->turning;
}

/* The clock on the wall was set: the kernel says so to who waits for a moment that never comes. */
static void watch_clock(struct work *w)
{
	struct itimerspec never = { .it_value.tv_sec = (time_t)1 << 40 };

	timerfd_settime(w->jump_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_jump(uv_poll_t *h, int status, int events)
{
	struct work *w = h->data;
	uint64_t n;

	(void)events;
	(void)status;
	if (read(w->jump_fd, &n, sizeof(n)) < 0 && errno == ECANCELED)
		log_info("the system's clock was set");
	watch_clock(w);
	work_tick(w);
}

/* ---- open -------------------------------------------------------------------------- */

static void on_health(void *data, enum store_health health, const char *why)
{
	struct work *w = data;

	if (health == STORE_FAILING)
		log_error("the store fails, nothing new is accepted reason=\"%s\"", why);
	else if (health == STORE_LAGGING)
		log_warn("the store lags reason=\"%s\"", why);
	else
		log_info("the store works again");
	if (w->conf.on_health)
		w->conf.on_health(w->conf.data, health, why);
}

static int open_store(struct work *w, struct err *err)
{
	char path[4096];
	struct store_conf conf = w->conf.store;

	snprintf(path, sizeof(path), "%s/running.marks", w->conf.dir);
	char *marks = mem_str(path);
	snprintf(path, sizeof(path), "%s/work.db", w->conf.dir);
	conf.path = path;
	conf.schema = &work_schema;
	conf.gather = GATHER;
	conf.on_health = on_health;
	conf.data = w;
	int rc = store_open(&w->store, w->loop, &conf, err);
	if (rc == 0)
		rc = marks_open(&w->marks, marks, err);
	if (rc == 0)
		rc = recover(w, err);
	free(marks);
	return rc;
}

static void add_handle(struct work *w, uv_handle_t *h)
{
	h->data = w;
	uv_unref(h);
	w->handles++;
}

static void start_handles(struct work *w)
{
	uv_prepare_init(w->loop, &w->turn);
	add_handle(w, (uv_handle_t *)&w->turn);
	uv_prepare_start(&w->turn, on_turn);
	poller_each_turn(w->loop, &w->each_turn, turn, w);
	uv_timer_init(w->loop, &w->timer);
	add_handle(w, (uv_handle_t *)&w->timer);
	w->jump_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->jump_fd < 0 || uv_poll_init(w->loop, &w->jump, w->jump_fd) != 0)
		return;
	uv_poll_start(&w->jump, UV_READABLE, on_jump);
	add_handle(w, (uv_handle_t *)&w->jump);
	watch_clock(w);
}

int work_open(struct work **out, uv_loop_t *loop, const struct work_conf *conf, struct err *err)
{
	struct work *w = mem_new(sizeof(*w));

	w->loop = loop;
	w->conf = *conf;
	if (!w->conf.clock)
		w->conf.clock = real_clock;
	if (!w->conf.resident)
		w->conf.resident = 64 << 20;
	if (!w->conf.keep_dead)
		w->conf.keep_dead = 180 * day;
	if (!w->conf.max_dead)
		w->conf.max_dead = 100000;
	work_topic_defaults(&w->topic_conf);
	list_init(&w->tasks.chunks);
	list_init(&w->tasks.spare);
	list_init(&w->hot_topics);
	list_init(&w->hot_takers);
	list_init(&w->takers);
	list_init(&w->lenders);
	list_init(&w->laters);
	w->sweep.pos = HEAP_OUT;
	w->sweep.kind = AT_SWEEP;
	w->hours.pos = HEAP_OUT;
	w->hours.kind = AT_HOURS;
	w->chance = uv_hrtime();
	w->conf.clock(w->conf.data, &w->mono, &w->wall);
	w->offset = w->wall - w->mono;
	start_handles(w);
	int rc = w->conf.dir ? open_store(w, err) : 0;
	if (rc != 0) {
		work_close(w, NULL, NULL);
		return rc;
	}
	*out = w;
	return 0;
}

/* ---- close ---------------------------------------------------------------------------- */

static void drop_task(struct work *w, struct task *t)
{
	(void)w;
	if (task_state(t) == WORK_RUNNING) {
		run_drop(t->run);
		t->body = NULL;
	}
	free(t->body);
	if (t->more) {
		free(t->more->ext_id);
		free(t->more->backoff);
		free(t->more->blocks);
	}
	free(t->more);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct work *w = h->data;
	void (*done)(void *) = w->on_closed;
	void *data = w->closed_data;

	if (--w->handles)
		return;
	plans_free(w); /* they leave the heap, in which tasks still are */
	batches_free(w);
	tasks_fini(w, drop_task);
	while (!list_empty(&w->takers))
		taker_drop(container_of(w->takers.next, struct work_taker, link));
	topics_free(w);
	names_fini(w);
	heap_fini(&w->times);
	free(w->loads);
	if (w->jump_fd >= 0)
		close(w->jump_fd);
	free(w);
	if (done)
		done(data);
}

static void on_store_closed(void *data)
{
	struct work *w = data;

	if (w->marks)
		marks_close(w->marks);
	poller_no_turn(&w->each_turn);
	uv_close((uv_handle_t *)&w->turn, on_handle_closed);
	uv_close((uv_handle_t *)&w->timer, on_handle_closed);
	if (w->handles == 3)
		uv_close((uv_handle_t *)&w->jump, on_handle_closed);
}

void work_close_store(struct work *w)
{
	if (w->hours.pos != HEAP_OUT)
		hours_flush(w, NULL, NULL);
	store_close(w->store, on_store_closed, w);
}

void work_close(struct work *w, void (*done)(void *data), void *data)
{
	w->on_closed = done;
	w->closed_data = data;
	w->closing = true;
	while (!list_empty(&w->laters)) {
		struct later *l = container_of(w->laters.next, struct later, link);
		list_remove(&l->link);
		l->go(l);
	}
	if (!w->store)
		on_store_closed(w);
	else if (!w->reads)
		work_close_store(w);
}

void work_figures(struct work *w, struct work_figures *f)
{
	*f = (struct work_figures){
		.tasks = w->tasks.n,
		.resident = w->resident,
		.memory = tasks_memory(w) + w->times.cap * sizeof(struct heap_slot),
	};
	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *t = w->topics[i]; t; t = t->next)
			f->memory += sizeof(*t) + t->ready.cap * sizeof(struct heap_slot);
	if (w->store)
		store_figures(w->store, &f->store);
}

bool work_has_dead(struct work *w)
{
	return w->dead > 0;
}

bool work_is_failing(struct work *w)
{
	return w->store && store_is_failing(w->store);
}
