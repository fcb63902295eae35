/* recover - what is pending is read again, once, before anything is handed out. */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/store/marks.h"
#include "core/work/private.h"

enum {
	ID,
	TOPIC,
	TYPE,
	PRIO,
	RUN_AT,
	ATTEMPTS,
	CRASHES,
	MAX_ATTEMPTS,
	TIMEOUT,
	EXPIRES,
	KEEP,
	BACKOFF,
	EXT_ID,
	UNIQ,
	HOLD,
	UNIQ_UNTIL,
	KEY,
	BATCH,
	SIZE,
	META
};

static const char *text(const struct store_value *v)
{
	return v->type == STORE_TEXT && v->size ? v->p : NULL;
}

static int64_t number(const struct store_value *v)
{
	return v->type == STORE_INT ? v->n : 0;
}

static void hold_again(struct work *w, struct task *t, const struct store_value *cells)
{
	const char *name = text(&cells[UNIQ]);
	int64_t until = number(&cells[UNIQ_UNTIL]);

	/* What was freed by a start may be held by another by now: the first one holds. */
	if (!name || (until && until <= w->wall) || uniq_find(w, t->topic, name))
		return;
	task_more(t)->uniq = uniq_hold(w, t->topic, name, (enum work_hold)number(&cells[HOLD]),
				       until ? due_of_moment(w, until) : 0);
	t->more->uniq->id = t->id;
	t->more->uniq->task = t;
}

/* The store has its total; who is pending is counted here. */
static void rejoin(struct work *w, struct task *t, uint64_t id)
{
	struct batch *b = batch_find(w, id);

	if (!b)
		return;
	task_more(t)->batch = b;
	batch_rejoin(b);
}

static void add_more(struct work *w, struct task *t, const struct store_value *cells)
{
	int64_t expires = number(&cells[EXPIRES]);

	if (text(&cells[EXT_ID])) {
		task_more(t)->ext_id = mem_str(text(&cells[EXT_ID]));
		ext_add(w, t->more);
	}
	if (text(&cells[KEY]))
		task_more(t)->key = key_get(t->topic, text(&cells[KEY]));
	if (text(&cells[BACKOFF]))
		task_more(t)->backoff = mem_str(text(&cells[BACKOFF]));
	if (expires) {
		task_more(t)->expires = due_of_moment(w, expires);
		heap_put(&w->times, &t->more->expiry, (uint64_t)t->more->expires);
	}
	if (number(&cells[MAX_ATTEMPTS]) || number(&cells[TIMEOUT]) || number(&cells[KEEP])) {
		task_more(t)->max_attempts = (int)number(&cells[MAX_ATTEMPTS]);
		t->more->timeout = number(&cells[TIMEOUT]);
		t->more->keep = number(&cells[KEEP]);
	}
	if (number(&cells[BATCH]))
		rejoin(w, t, (uint64_t)number(&cells[BATCH]));
	hold_again(w, t, cells);
}

/* STORING, in no heap; node.key is when it is due. */
struct task *task_of_row(struct work *w, const struct store_value *cells)
{
	struct task *t = task_new(w, (uint64_t)cells[ID].n);
	int64_t run_at = number(&cells[RUN_AT]);
	uint64_t crashes = (uint64_t)number(&cells[CRASHES]);

	t->topic = topic_get(w, cells[TOPIC].p);
	t->type = type_number(w, text(&cells[TYPE]));
	t->node.kind = AT_TASK;
	t->node.a = WORK_STORING;
	t->node.b = (uint8_t)number(&cells[PRIO]);
	t->node.c =
		TASK_STORED | (run_at ? TASK_MOMENT : 0) | (number(&cells[META]) ? TASK_META : 0);
	t->node.key = run_at ? (uint64_t)due_of_moment(w, run_at) : 0;
	t->attempts = (uint16_t)number(&cells[ATTEMPTS]);
	t->crashes = crashes > 31 ? 31 : (uint32_t)crashes;
	t->size = (uint32_t)number(&cells[SIZE]) & ((1u << 27) - 1);
	t->topic->bytes += t->size;
	add_more(w, t, cells);
	return t;
}

/* They come in the order of ids: those without a dependency are placed when all deps are known. */
static int on_job(void *data, const struct store_value *cells)
{
	struct work *w = data;

	if (cells[TOPIC].type != STORE_TEXT || !cells[TOPIC].size)
		return 0; /* nobody's */
	struct task *t = task_of_row(w, cells);
	sched_place(w, t, (int64_t)t->node.key);
	return 0;
}

/* It was placed when it was read, as if nobody was before it. */
static void hold_back(struct work *w, struct task *t)
{
	int64_t due = task_state(t) == WORK_SCHEDULED ? (int64_t)t->node.key : 0;

	if (task_more(t)->waits++)
		return;
	sched_unplace(w, t);
	t->node.c &= (uint8_t)~TASK_TURN;
	sched_place(w, t, due);
}

/* We died between the two ends: in the first turn this one comes, as of one that expires. */
static void fail_behind(struct work *w, struct task *t, const struct store_value *cells)
{
	struct more *m = task_more(t);

	m->failed = (uint64_t)cells[1].n;
	m->failed_dead = number(&cells[2]) != 0;
	heap_set(&w->times, &m->expiry, (uint64_t)w->mono);
}

static int on_dep(void *data, const struct store_value *cells)
{
	struct work *w = data;
	struct task *t = task_find(w, (uint64_t)cells[0].n);
	struct task *after = task_find(w, (uint64_t)cells[1].n);

	if (!t)
		return 0;
	hold_back(w, t);
	if (!after) {
		fail_behind(w, t, cells);
		return 0;
	}
	struct more *m = task_more(after);
	if ((m->n_blocks & (m->n_blocks - 1)) == 0)
		m->blocks = mem_resize(m->blocks, (m->n_blocks ? 2 * (size_t)m->n_blocks : 1) *
							  sizeof(*m->blocks));
	m->blocks[m->n_blocks++] = t->id;
	return 0;
}

static int on_dead(void *data, const struct store_value *cells)
{
	struct work *w = data;

	topic_get(w, cells[0].p)->dead = (uint64_t)cells[1].n;
	w->dead += (uint64_t)cells[1].n;
	return 0;
}

static int on_topic(void *data, const struct store_value *cells)
{
	struct work *w = data;
	struct topic *t = topic_get(w, cells[0].p);

	t->paused = number(&cells[1]) != 0;
	t->note = mem_str(text(&cells[2]));
	return 0;
}

static int on_lock(void *data, const struct store_value *cells)
{
	struct work *w = data;
	struct topic *t = topic_get(w, cells[1].p);

	if (cells[3].n > w->wall && !uniq_find(w, t, cells[2].p))
		uniq_hold(w, t, cells[2].p, WORK_UNTIL_TTL, due_of_moment(w, cells[3].n))->id =
			(uint64_t)cells[0].n;
	return 0;
}

static int on_last(void *data, const struct store_value *cells)
{
	struct work *w = data;

	w->last_id = (uint64_t)number(&cells[0]);
	return 0;
}

/* What ran when we died: it may have killed us. */
static void charge(struct work *w)
{
	size_t n;
	const uint64_t *left = marks_left(w->marks, &n);

	for (size_t i = 0; i < n; i++) {
		struct task *t = task_find(w, left[i]);
		if (!t)
			continue;
		t->attempts++;
		if (t->crashes < 31)
			t->crashes++;
		persist_retry(w, t, 0, "the server died while it ran");
	}
}

int recover(struct work *w, struct err *err)
{
	static const struct {
		enum statement statement;
		int (*row)(void *data, const struct store_value *cells);
	} scans[] = {
		{ S_SCAN_LAST, on_last },      { S_SCAN_BATCHES, batch_of_row },
		{ S_SCAN_THENS, then_of_row }, { S_SCAN_JOBS, on_job },
		{ S_SCAN_DEPS, on_dep },       { S_SCAN_DEAD, on_dead },
		{ S_SCAN_TOPICS, on_topic },   { S_SCAN_LOCKS, on_lock },
		{ S_SCAN_PLANS, plan_of_row },
	};

	sched_clock(w);
	for (size_t i = 0; i < sizeof(scans) / sizeof(scans[0]); i++) {
		int rc = store_scan(w->store, scans[i].statement, scans[i].row, w, err);
		if (rc != 0)
			return err_wrap(err, rc, "what is pending can't be read");
	}
	if (w->marks)
		charge(w);
	batches_check(w);
	struct store_unit *u = store_unit();
	store_stmt(u, S_CLEAN_DEPS);
	store_commit(w->store, u, STORE_OS, STORE_MUST, NULL);
	sched_sweep_by(w, w->mono);
	return 0;
}
