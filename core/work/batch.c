/*
 * batch - tasks that are waited for together.
 *
 * The store has how many there were and how many failed, added to in the transaction of each task;
 * how many are pending is counted from the tasks themselves, so that it can't differ from them. The
 * last one's end and the tasks that follow from it are one transaction. A batch that is over is
 * known for an hour more.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/work/private.h"

static const int64_t known = 3600000; /* ms after its end */

enum { ON_SUCCESS, ON_COMPLETE, ON_DEATH, FOLLOWERS };

struct batch {
	struct batch *next;
	struct work *w;
	uint64_t id, total, pending, failed;
	bool open, died, over;
	int64_t over_at; /* ms since 1970 */
	struct heap_node node;
	struct work_spec then[FOLLOWERS]; /* topic NULL: nothing; all they point at is own */
};

struct batch *batch_find(struct work *w, uint64_t id)
{
	struct batch *b = w->batches;

	while (b && b->id != id)
		b = b->next;
	return b;
}

bool batch_is_open(struct work *w, uint64_t id)
{
	struct batch *b = batch_find(w, id);

	return b && b->open;
}

static void set_spec(struct work_spec *to, const struct work_spec *s)
{
	*to = (struct work_spec){ .prio = s->prio, .size = s->size, .meta_size = s->meta_size };
	to->topic = mem_str(s->topic);
	to->type = mem_str(s->type);
	if (s->size)
		to->payload = memcpy(mem_resize(NULL, s->size), s->payload, s->size);
	if (s->meta_size)
		to->meta = memcpy(mem_resize(NULL, s->meta_size), s->meta, s->meta_size);
}

static struct batch *batch_new(struct work *w, uint64_t id)
{
	struct batch *b = mem_new(sizeof(*b));

	b->w = w;
	b->id = id;
	b->node.pos = HEAP_OUT;
	b->node.kind = AT_BATCH;
	b->next = w->batches;
	w->batches = b;
	return b;
}

static void batch_free(struct batch *b)
{
	heap_remove(&b->w->times, &b->node);
	for (int i = 0; i < FOLLOWERS; i++) {
		free((char *)b->then[i].topic);
		free((char *)b->then[i].type);
		free((void *)b->then[i].payload);
		free((void *)b->then[i].meta);
	}
	free(b);
}

static void forget(struct batch *b)
{
	struct batch **at = &b->w->batches;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	batch_free(b);
}

/* An hour after its end. */
void batch_due(struct work *w, struct heap_node *n)
{
	struct batch *b = container_of(n, struct batch, node);

	if (w->store) {
		struct store_unit *u = store_unit();
		store_stmt(u, S_BATCH_DROP);
		store_int(u, (int64_t)b->id);
		store_stmt(u, S_THEN_DROP);
		store_int(u, (int64_t)b->id);
		store_commit(w->store, u, STORE_OS, STORE_MUST, NULL);
	}
	forget(b);
}

/* ---- counting ------------------------------------------------------------------- */

void batch_count(struct batch *b, struct store_unit *u, int total, int failed)
{
	if (!u)
		return;
	store_stmt(u, S_BATCH_COUNT);
	store_int(u, (int64_t)b->id);
	store_int(u, total);
	store_int(u, failed);
	store_int(u, b->open);
	store_int(u, b->died);
	store_int(u, b->over_at);
}

void batch_enter(struct batch *b)
{
	b->total++;
	b->pending++;
}

/* It did not come to be. */
void batch_leave(struct batch *b)
{
	b->total--;
	b->pending--;
}

/* At the start: it is in the total already. */
void batch_rejoin(struct batch *b)
{
	b->pending++;
}

/* What follows now, with its rows in u; NULL: nothing. */
static struct submission *follow(struct batch *b, bool death, struct store_unit *u)
{
	struct work *w = b->w;
	struct work_spec specs[FOLLOWERS];
	int n = 0;
	bool end = !b->over && !b->open && !b->pending;

	if (death && b->then[ON_DEATH].topic)
		specs[n++] = b->then[ON_DEATH];
	if (end) {
		b->over = true;
		b->over_at = w->wall;
		heap_set(&w->times, &b->node, (uint64_t)(w->mono + known));
		if (b->then[ON_COMPLETE].topic)
			specs[n++] = b->then[ON_COMPLETE];
		if (!b->failed && b->then[ON_SUCCESS].topic)
			specs[n++] = b->then[ON_SUCCESS];
	}
	struct submission *s = n ? submission_make(w, specs, n) : NULL;
	if (s && u)
		submission_put(s, u);
	return s;
}

/* u: NULL when nothing is stored. What follows is done when u is. */
struct submission *batch_ended(struct batch *b, enum work_state how, struct store_unit *u)
{
	bool failed = how != WORK_SUCCEEDED, death = how == WORK_DEAD && !b->died;

	b->pending--;
	b->failed += failed;
	b->died |= death;
	struct submission *s = follow(b, death, u);
	batch_count(b, u, 0, failed);
	return s;
}

/* ---- what can be done with them ------------------------------------------------------ */

struct making {
	struct later later;
	struct batch *batch;
	work_submitted done;
	void *data;
};

static void made(struct making *m, int status)
{
	struct work_receipt r = { .id = m->batch->id };

	if (status != 0)
		forget(m->batch);
	else
		m->batch->open = true;
	m->done(m->data, status, &r, 1);
	free(m);
}

static void on_made(struct store_unit *u, int status)
{
	made(u->data, status);
}

static void on_made_later(struct later *l)
{
	made((struct making *)(void *)l, 0);
}

static void put_then(struct store_unit *u, struct batch *b, int which)
{
	const struct work_spec *s = &b->then[which];

	store_stmt(u, S_THEN_PUT);
	store_int(u, (int64_t)b->id);
	store_int(u, which);
	store_text(u, s->topic);
	store_text(u, s->type);
	store_int(u, s->prio);
	store_blob(u, s->payload, s->size);
	store_blob(u, s->meta, s->meta_size);
}

int work_batch_new(struct work *w, const struct work_batch *conf, work_submitted done, void *data)
{
	const struct work_spec *then[FOLLOWERS] = { conf->on_success, conf->on_complete,
						    conf->on_death };

	if (w->closing || (w->store && store_is_failing(w->store)))
		return UV_EROFS;
	for (int i = 0; i < FOLLOWERS; i++) {
		int rc = then[i] ? work_spec_check(w, then[i], NULL) : 0;
		if (rc != 0 && rc != ERR_LIMIT)
			return rc;
	}
	sched_clock(w);
	w->last_id = ident_next(w->last_id, w->wall);
	struct batch *b = batch_new(w, w->last_id);
	struct making *m = mem_new(sizeof(*m));
	list_init(&m->later.link);
	m->batch = b;
	m->done = done;
	m->data = data;
	for (int i = 0; i < FOLLOWERS; i++)
		if (then[i])
			set_spec(&b->then[i], then[i]);
	if (!w->store) {
		later(w, &m->later, on_made_later);
		return 0;
	}
	struct store_unit *u = store_unit();
	u->data = m;
	store_stmt(u, S_BATCH_PUT);
	store_int(u, (int64_t)b->id);
	for (int i = 0; i < FOLLOWERS; i++)
		if (then[i])
			put_then(u, b, i);
	store_commit(w->store, u, STORE_FSYNC, 0, on_made);
	return 0;
}

int work_batch_close(struct work *w, uint64_t id)
{
	struct batch *b = batch_find(w, id);

	if (!b)
		return UV_ENOENT;
	if (!b->open)
		return 0;
	sched_clock(w);
	b->open = false;
	struct store_unit *u = w->store ? store_unit() : NULL;
	struct submission *s = follow(b, false, u);
	batch_count(b, u, 0, 0);
	submission_commit(w, s, u);
	return 0;
}

int work_batch_cancel(struct work *w, uint64_t id)
{
	struct batch *b = batch_find(w, id);
	uint64_t n = 0, *ids = b ? mem_new((b->pending + 1) * sizeof(*ids)) : NULL;

	if (!b)
		return UV_ENOENT;
	for (uint32_t i = 0; w->tasks.buckets && i <= w->tasks.mask; i++)
		for (struct task *t = w->tasks.buckets[i]; t; t = t->next)
			if (t->more && t->more->batch == b && n < b->pending)
				ids[n++] = t->id;
	for (uint64_t i = 0; i < n; i++)
		work_cancel(w, ids[i], false);
	free(ids);
	return work_batch_close(w, id);
}

int work_batch_get(struct work *w, uint64_t id, struct work_batch_figures *f)
{
	struct batch *b = batch_find(w, id);

	if (!b)
		return UV_ENOENT;
	*f = (struct work_batch_figures){
		.total = b->total,
		.pending = b->pending,
		.failed = b->failed,
		.open = b->open,
		.over = b->over_at,
	};
	return 0;
}

/* ---- the start, the end ----------------------------------------------------------------- */

int batch_of_row(void *data, const struct store_value *c)
{
	struct work *w = data;
	struct batch *b = batch_new(w, (uint64_t)c[0].n);

	b->total = (uint64_t)c[1].n;
	b->failed = (uint64_t)c[2].n;
	b->open = c[3].n != 0;
	b->died = c[4].n != 0;
	b->over_at = c[5].n;
	b->over = b->over_at != 0;
	if (b->over)
		heap_put(&w->times, &b->node, (uint64_t)due_of_moment(w, b->over_at + known));
	return 0;
}

int then_of_row(void *data, const struct store_value *c)
{
	struct batch *b = batch_find(data, (uint64_t)c[0].n);
	struct work_spec s = {
		.topic = c[2].p,
		.type = c[3].type == STORE_TEXT ? c[3].p : NULL,
		.prio = (int)c[4].n,
		.payload = c[5].p,
		.size = c[5].type == STORE_BLOB ? c[5].size : 0,
		.meta = c[6].p,
		.meta_size = c[6].type == STORE_BLOB ? c[6].size : 0,
	};

	if (b && c[1].n >= 0 && c[1].n < FOLLOWERS)
		set_spec(&b->then[c[1].n], &s);
	return 0;
}

/* What was in memory only is gone now: a batch may be over by that. */
void batches_check(struct work *w)
{
	for (struct batch *b = w->batches; b; b = b->next) {
		if (b->open || b->pending || b->over)
			continue;
		struct store_unit *u = store_unit();
		struct submission *s = follow(b, false, u);
		batch_count(b, u, 0, 0);
		submission_commit(w, s, u);
	}
}

void batches_free(struct work *w)
{
	while (w->batches)
		forget(w->batches);
}
