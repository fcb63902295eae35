/* sched - where a task waits: for others, for its time, for its turn, for its key. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/private.h"

static const int64_t far = 60000; /* ms: what is not due before has no payload in memory */

/* ---- time ------------------------------------------------------------------------ */

static void shift(struct work *w, int64_t by)
{
	for (uint32_t i = 0; i < w->times.n; i++) {
		struct heap_slot *slot = &w->times.slots[i];
		bool moment = slot->node->kind == AT_TASK || slot->node->kind == AT_PLAN;
		if (!moment || !(slot->node->c & TASK_MOMENT))
			continue;
		int64_t due = (int64_t)slot->key + by;
		slot->key = slot->node->key = due > 0 ? (uint64_t)due : 0;
	}
	heap_rebuild(&w->times);
}

void sched_clock(struct work *w)
{
	static const int64_t jump = 250;

	w->conf.clock(w->conf.data, &w->mono, &w->wall);
	int64_t by = w->offset - (w->wall - w->mono);
	if (by < jump && by > -jump)
		return;
	w->offset -= by;
	shift(w, by);
}

/* ---- payloads ----------------------------------------------------------------------- */

struct body *body_new(struct work *w, const struct work_spec *s)
{
	struct body *b = mem_resize(NULL, sizeof(*b) + s->size + s->meta_size);

	b->size = (uint32_t)s->size;
	b->meta = (uint32_t)s->meta_size;
	if (s->size)
		memcpy(b->data, s->payload, s->size);
	if (s->meta_size)
		memcpy(b->data + s->size, s->meta, s->meta_size);
	w->resident += s->size + s->meta_size;
	return b;
}

void body_let_go(struct work *w, struct body *b)
{
	if (b)
		w->resident -= b->size + b->meta;
	free(b);
}

void body_drop(struct work *w, struct task *t)
{
	body_let_go(w, t->body);
	t->body = NULL;
}

/* ---- places ---------------------------------------------------------------------------- */

void sched_ready(struct work *w, struct task *t)
{
	struct topic *topic = t->topic;
	struct key *k = t->more ? t->more->key : NULL;

	if (!(t->node.c & TASK_TURN))
		t->node.key = (uint64_t)t->node.b << 56 | ++w->last_turn;
	t->node.c |= TASK_TURN;
	t->node.a = WORK_READY;
	if (k && (k->parked.n || !key_open(w, k))) {
		heap_put(&k->parked, &t->node, t->node.key);
		topic->parked++;
		key_wake(w, k);
	} else {
		heap_put(&topic->ready, &t->node, t->node.key);
		topic_heat(w, topic);
	}
}

void sched_place(struct work *w, struct task *t, int64_t due)
{
	if (t->more && t->more->waits) {
		t->node.a = WORK_WAITING;
		t->node.key = (uint64_t)due;
		t->topic->waiting++;
	} else if (due > w->mono) {
		t->node.a = WORK_SCHEDULED;
		t->node.c &= (uint8_t)~TASK_TURN;
		heap_put(&w->times, &t->node, (uint64_t)due);
		t->topic->scheduled++;
	} else {
		sched_ready(w, t);
		return;
	}
	if (task_is_stored(t) && due > w->mono + far)
		body_drop(w, t);
}

void sched_unplace(struct work *w, struct task *t)
{
	struct topic *topic = t->topic;
	struct key *k = t->more ? t->more->key : NULL;

	switch (task_state(t)) {
	case WORK_WAITING:
		topic->waiting--;
		break;
	case WORK_SCHEDULED:
		topic->scheduled--;
		heap_remove(&w->times, &t->node);
		break;
	case WORK_READY: {
		struct heap_slot *slots = topic->ready.slots;
		uint32_t pos = t->node.pos;
		if (pos < topic->ready.n && slots[pos].node == &t->node) {
			heap_remove(&topic->ready, &t->node);
		} else {
			heap_remove(&k->parked, &t->node);
			topic->parked--;
		}
		if (k)
			key_wake(w, k);
		break;
	}
	default:
		assert(!"in no place");
	}
}

void sched_forget(struct work *w, struct task *t)
{
	struct more *m = t->more;

	body_drop(w, t);
	t->topic->bytes -= t->size;
	if (m) {
		release_uniq(w, t);
		heap_remove(&w->times, &m->expiry);
		if (m->key)
			key_give(w, m->key);
		if (m->ext_id)
			ext_remove(w, m);
		free(m->ext_id);
		free(m->backoff);
		free(m->blocks);
		free(m);
	}
	task_free(w, t);
}

/* ---- what is due -------------------------------------------------------------------------- */

static void due_uniq(struct work *w, struct uniq *u)
{
	if (u->hold == WORK_UNTIL_TTL && w->store) {
		struct store_unit *unit = store_unit();
		store_stmt(unit, S_LOCK_DROP);
		store_int(unit, (int64_t)u->id);
		store_commit(w->store, unit, STORE_OS, STORE_MUST, NULL);
	}
	uniq_drop(w, u);
}

static void due_run(struct run *r)
{
	if (r->taker->conf.on_overdue)
		r->taker->conf.on_overdue(r->taker->conf.data, &r->job);
}

/* The node is out of the heap. */
void sched_due(struct work *w, struct heap_node *n)
{
	switch (n->kind) {
	case AT_TASK: {
		struct task *t = container_of(n, struct task, node);
		t->topic->scheduled--;
		sched_ready(w, t);
		break;
	}
	case AT_EXPIRY: {
		struct task *t = container_of(n, struct more, expiry)->task;
		enum work_state s = task_state(t);
		if (s != WORK_WAITING && s != WORK_SCHEDULED && s != WORK_READY)
			break;
		sched_unplace(w, t);
		if (!end_behind(w, t))
			ending_go(ending_new(w, t, WORK_EXPIRED, NULL));
		break;
	}
	case AT_RUN:
		due_run(container_of(n, struct run, deadline));
		break;
	case AT_TOPIC:
		topic_heat(w, container_of(n, struct topic, wake));
		break;
	case AT_KEY:
		key_wake(w, container_of(n, struct key, wake));
		break;
	case AT_UNIQ:
		due_uniq(w, container_of(n, struct uniq, expiry));
		break;
	case AT_BATCH:
		batch_due(w, n);
		break;
	case AT_PLAN:
		plan_due(w, n);
		break;
	case AT_HOURS:
		hours_flush(w, NULL, NULL);
		break;
	default:
		persist_sweep(w);
	}
}

void sched_sweep_by(struct work *w, int64_t mono)
{
	if (w->store && (w->sweep.pos == HEAP_OUT || w->sweep.key > (uint64_t)mono))
		heap_set(&w->times, &w->sweep, (uint64_t)mono);
}

void work_tick(struct work *w)
{
	struct heap_node *n;

	sched_clock(w);
	while (!w->closing && (n = heap_first(&w->times)) && (int64_t)n->key <= w->mono) {
		heap_remove(&w->times, n);
		sched_due(w, n);
	}
}
