/* pick - one task by its name, and the first ones of a topic, past their turn. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/work/private.h"

int64_t work_clock(struct work *w)
{
	sched_clock(w);
	return w->mono;
}

void work_pause_for(struct work *w, const char *topic, int64_t ms)
{
	struct topic *t = topic_get(w, topic);

	sched_clock(w);
	t->paused_until = ms > 0 ? w->mono + ms : 0;
	if (ms > 0)
		heap_set(&w->times, &t->wake, (uint64_t)t->paused_until);
	topic_heat(w, t);
}

const char *work_topic_of(struct work *w, uint64_t id)
{
	struct task *t = task_find(w, id);

	return t ? t->topic->name : NULL;
}

struct work_job *work_job_of(struct work *w, uint64_t id, const void *owner)
{
	struct task *t = task_find(w, id);

	if (!t || task_state(t) != WORK_RUNNING || t->run->loading ||
	    t->run->taker->conf.owner != owner)
		return NULL;
	return &t->run->job;
}

int work_take(struct work_taker *taker, uint64_t id)
{
	struct work *w = taker->w;
	struct task *t = task_pending(w, id);

	if (!t || w->closing || (task_state(t) != WORK_READY && task_state(t) != WORK_SCHEDULED))
		return UV_ENOENT;
	sched_clock(w);
	if (task_state(t) == WORK_SCHEDULED) { /* given back, it is ready */
		sched_unplace(w, t);
		t->node.c &= (uint8_t) ~(TASK_MOMENT | TASK_TURN);
		if (task_is_stored(t))
			persist_retry(w, t, 0, NULL);
		sched_ready(w, t);
	}
	sched_unplace(w, t);
	run_start(taker, t);
	return 0;
}

/* ---- the first ones ------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
	const struct heap_slot *one = a, *other = b;

	return one->key < other->key ? -1 : one->key > other->key;
}

static struct task *scheduled(const struct heap_slot *slot, const struct topic *topic)
{
	struct task *t =
		slot->node->kind == AT_TASK ? container_of(slot->node, struct task, node) : NULL;

	return t && t->topic == topic ? t : NULL;
}

static uint64_t first_due(struct work *w, const struct topic *topic)
{
	const struct heap_slot *first = NULL;

	for (uint32_t i = 0; topic->scheduled && i < w->times.n; i++) {
		const struct heap_slot *slot = &w->times.slots[i];
		if ((!first || slot->key < first->key) && scheduled(slot, topic))
			first = slot;
	}
	return first ? scheduled(first, topic)->id : 0;
}

uint64_t work_first(struct work *w, const char *topic, enum work_state state)
{
	struct topic *t = topic_find(w, topic);

	if (!t)
		return 0;
	if (state == WORK_SCHEDULED)
		return first_due(w, t);
	struct heap_node *n = heap_first(&t->ready);
	return n ? container_of(n, struct task, node)->id : 0;
}

uint64_t work_ready_before(struct work *w, const char *topic, int prio)
{
	struct topic *t = topic_find(w, topic);
	uint64_t n = 0;

	for (uint32_t i = 0; t && i < t->ready.n; i++)
		n += t->ready.slots[i].key < (uint64_t)prio << 56;
	return n;
}

uint64_t work_run_some(struct work *w, const char *topic, uint64_t n,
		       void (*each)(void *data, uint64_t id), void *data)
{
	struct topic *t = topic_find(w, topic);
	uint64_t found = 0;

	if (!t || !t->scheduled)
		return 0;
	struct heap_slot *all = mem_new(t->scheduled * sizeof(*all));
	for (uint32_t i = 0; i < w->times.n; i++)
		if (scheduled(&w->times.slots[i], t))
			all[found++] = w->times.slots[i];
	qsort(all, found, sizeof(*all), by_time);
	if (n > found)
		n = found;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t id = container_of(all[i].node, struct task, node)->id;
		work_run_now(w, id);
		if (each)
			each(data, id);
	}
	free(all);
	return n;
}
