/*
 * end - a task's last transition.
 *
 * What it held (its key among equals, its name) is free at once; what others wait for (the answer,
 * tasks behind it, its place in memory) comes when the store has it. A store that fails keeps the
 * unit, so that the end is written when it works again.
 *
 * Who is asked what follows is shown the task's meta. Where only the store has that it is read
 * first, and a close waits for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/work/private.h"

enum { MAX_ERROR = 8192 };

const char *work_state_name(enum work_state s)
{
	static const char *const names[] = {
		"storing", "waiting",   "scheduled", "ready",     "running",
		"ending",  "succeeded", "dead",      "cancelled", "expired",
	};

	return (unsigned)s < sizeof(names) / sizeof(names[0]) ? names[s] : "unknown";
}

static struct work_event event_of(struct work *w, struct task *t, enum work_state what,
				  const struct ending *e)
{
	struct work_event event = {
		.state = what,
		.id = t->id,
		.topic = t->topic->name,
		.type = t->type ? w->types[t->type] : NULL,
		.percent = -1,
		.attempts = t->attempts,
		.crashes = (int)t->crashes,
	};

	if (e) {
		event.error = e->error;
		event.result = e->result;
		event.result_size = e->size;
		event.wait = e->wait;
		event.run = e->run;
	}
	return event;
}

void tell(struct work *w, struct task *t, enum work_state what, const struct ending *e)
{
	struct work_lender *lender = e ? task_lender(t) : NULL;

	if (!w->conf.on_event && !lender)
		return;
	struct work_event event = event_of(w, t, what, e);
	if (w->conf.on_event)
		w->conf.on_event(w->conf.data, &event);
	if (lender)
		lender->back(lender->data, &event, e->delay);
}

/* What holds for a time goes on without its task. */
void release_uniq(struct work *w, struct task *t)
{
	struct uniq *u = t->more ? t->more->uniq : NULL;

	if (!u)
		return;
	if (u->hold != WORK_UNTIL_TTL) {
		uniq_drop(w, u);
		return;
	}
	u->task = NULL;
	t->more->uniq = NULL;
}

struct ending *ending_new(struct work *w, struct task *t, enum work_state how, const char *error)
{
	struct ending *e = mem_new(sizeof(*e));

	list_init(&e->later.link);
	e->w = w;
	e->task = t;
	e->how = how;
	if (error) {
		size_t n = strnlen(error, MAX_ERROR);
		e->error = mem_new(n + 1);
		memcpy(e->error, error, n);
	}
	return e;
}

bool end_behind(struct work *w, struct task *t)
{
	char why[64 + IDENT_LEN], id[IDENT_LEN + 1];
	struct more *m = t->more;

	if (!m || !m->failed)
		return false;
	ident_write(m->failed, id);
	snprintf(why, sizeof(why), "what it waited for is over without success: %s", id);
	struct ending *e = ending_new(w, t, m->failed_dead ? WORK_DEAD : WORK_CANCELLED, why);
	e->behind = m->failed;
	ending_go(e);
	return true;
}

bool end_stored(struct work *w, struct task *t)
{
	if (end_behind(w, t))
		return true;
	if (!t->more || !t->more->expires || t->more->expires > w->mono)
		return false;
	ending_go(ending_new(w, t, WORK_EXPIRED, NULL));
	return true;
}

/*
 * Those that waited for it: a success lets them go on, anything else ends them in the same way. One
 * that the store does not have yet ends when it does.
 */
static void let_others_go(struct work *w, struct task *t, const struct ending *e)
{
	struct more *m = t->more;

	if (!m || !m->n_blocks)
		return;
	sched_clock(w);
	for (int i = 0; i < m->n_blocks; i++) {
		struct task *other = task_find(w, m->blocks[i]);
		if (!other || !other->more || !other->more->waits)
			continue;
		other->more->waits--;
		if (e->how != WORK_SUCCEEDED) {
			other->more->failed = t->id;
			other->more->failed_dead = e->how == WORK_DEAD;
		}
		if (task_state(other) != WORK_WAITING)
			continue;
		if (other->more->failed) {
			sched_unplace(w, other);
			end_behind(w, other);
		} else if (!other->more->waits) {
			other->topic->waiting--;
			sched_place(w, other, (int64_t)other->node.key);
		}
	}
}

static void ending_free(struct ending *e)
{
	free(e->error);
	free(e->worker);
	free(e->result);
	free(e->tail);
	free(e);
}

static void ended(struct ending *e, const struct store_unit *u, int status)
{
	struct work *w = e->w;
	struct task *t = e->task;

	if (status != 0)
		log_error("a task's end could not be written; it will run again after a restart "
			  "topic=%s error=%s",
			  t->topic->name, uv_strerror(status));
	t->topic->ending--;
	tell(w, t, e->how, e);
	if (e->next || e->then || e->follow)
		sched_clock(w);
	if (e->next)
		submission_done(e->next, u, status);
	if (e->then)
		submission_done(e->then, u, status);
	if (e->follow)
		submission_done(e->follow, u, status);
	if (!w->closing)
		let_others_go(w, t, e);
	sched_forget(w, t);
	ending_free(e);
}

static void on_unit(struct store_unit *u, int status)
{
	ended(u->data, u, status);
}

static void on_later(struct later *l)
{
	ended((struct ending *)(void *)l, NULL, 0);
}

static void put_tail(struct store_unit *u, const struct ending *e)
{
	store_blob(u, e->tail ? e->tail->bytes : NULL, e->tail ? e->tail->size : 0);
}

static void put_done(struct store_unit *u, struct ending *e, int64_t keep)
{
	struct work *w = e->w;
	struct task *t = e->task;

	store_stmt(u, S_DONE);
	store_int(u, (int64_t)t->id);
	store_text(u, t->topic->name);
	store_text(u, t->type ? w->types[t->type] : NULL);
	store_int(u, e->how);
	store_int(u, w->wall);
	store_int(u, e->run);
	store_int(u, t->attempts + (e->how == WORK_SUCCEEDED));
	store_int(u, t->crashes);
	store_text(u, e->worker);
	store_blob(u, e->result, e->size);
	store_text(u, e->error);
	store_int(u, w->wall + keep);
	put_tail(u, e);
	sched_sweep_by(w, w->mono + keep + 1000);
}

/* Whose row of dep has lost its `after` ends at the next start, if we don't come to it. */
static void put_deps_end(struct store_unit *u, const struct ending *e)
{
	const struct task *t = e->task;

	if (t->more && t->more->n_blocks) {
		store_stmt(u, e->how == WORK_SUCCEEDED ? S_DEP_DONE : S_DEP_FAILED);
		store_int(u, (int64_t)t->id);
	}
	if (e->behind) {
		store_stmt(u, S_DEP_DROP);
		store_int(u, (int64_t)e->behind);
		store_int(u, (int64_t)t->id);
	}
}

static void put_end(struct store_unit *u, struct ending *e)
{
	struct work *w = e->w;
	struct task *t = e->task;
	int64_t keep = t->more && t->more->keep ? t->more->keep : t->topic->conf.keep;

	if (e->how == WORK_DEAD) {
		store_stmt(u, S_TO_DEAD);
		store_int(u, (int64_t)t->id);
		store_int(u, w->wall);
		store_text(u, e->error);
		store_int(u, t->attempts);
		store_int(u, t->crashes);
		put_tail(u, e);
		w->dead++;
		t->topic->dead++;
		sched_sweep_by(w, w->mono + (w->dead > (uint64_t)w->conf.max_dead
						     ? 1000
						     : w->conf.keep_dead));
	} else if (keep) {
		put_done(u, e, keep);
	}
	store_stmt(u, S_DELETE);
	store_int(u, (int64_t)t->id);
	put_deps_end(u, e);
}

static void count(struct topic *t, enum work_state how)
{
	t->ending++;
	t->succeeded += how == WORK_SUCCEEDED;
	t->died += how == WORK_DEAD;
	t->cancelled += how == WORK_CANCELLED;
	t->expired += how == WORK_EXPIRED;
}

static bool may_follow(const struct ending *e)
{
	return e->w->conf.follow && (e->task->node.c & TASK_META) && e->how >= WORK_SUCCEEDED;
}

/* What the owner wants to follow it. b: NULL when its meta can't be read. */
static bool put_follow(struct ending *e, const struct body *b, struct store_unit *u)
{
	struct work *w = e->w;
	struct work_spec spec = { .topic = NULL };
	struct work_event event = event_of(w, e->task, e->how, e);

	if (!b || !may_follow(e))
		return false;
	event.meta = b->data + b->size;
	event.meta_size = b->meta;
	if (!w->conf.follow(w->conf.data, &event, &spec))
		return false;
	int rc = submission_new(w, &spec, 1, &e->follow);
	if (rc != 0)
		log_error("what was to follow a task is lost topic=%s error=%s", spec.topic,
			  err_name(rc));
	return rc == 0 && u && submission_put(e->follow, u);
}

static void commit(struct ending *e, const struct body *b)
{
	struct work *w = e->w;
	struct task *t = e->task;
	struct store_unit *u = w->store ? store_unit() : NULL;
	bool rows = put_follow(e, b, u);

	if (u && task_is_stored(t)) {
		put_end(u, e);
		body_drop(w, t);
		rows = true;
	} else if (u && e->kept) { /* its row points at its payload */
		persist_unstored(u, w, t);
		put_end(u, e);
		rows = true;
	}
	if (u && e->next)
		rows |= submission_put(e->next, u);
	if (t->more && t->more->batch) {
		e->then = batch_ended(t->more->batch, e->how, u);
		t->more->batch = NULL;
		rows |= u != NULL;
	}
	if (rows) {
		u->data = e;
		store_commit(w->store, u, sync_of(t->topic), STORE_MUST, on_unit);
		return;
	}
	if (u)
		store_drop(u);
	later(w, &e->later, on_later);
}

static void on_meta(struct store_unit *u, int status)
{
	struct ending *e = u->data;
	struct work *w = e->w;
	struct body *b = status == 0 && u->rows ? body_of_row(w, u->cells) : NULL;

	if (!b)
		log_error("what is to follow a task can't be read topic=%s error=%s",
			  e->task->topic->name, status ? uv_strerror(status) : "no row");
	sched_clock(w);
	commit(e, b);
	body_let_go(w, b);
	if (--w->reads == 0 && w->closing)
		work_close_store(w);
}

/* Only the store has it, and it is wanted before the row is gone. */
static void load_meta(struct ending *e)
{
	struct store_unit *u = store_unit();

	store_stmt(u, S_LOAD);
	store_int(u, (int64_t)e->task->id);
	u->data = e;
	e->w->reads++;
	store_read(e->w->store, u, on_meta);
}

void ending_go(struct ending *e)
{
	struct work *w = e->w;
	struct task *t = e->task;

	t->node.a = WORK_ENDING;
	t->node.c |= e->how == WORK_SUCCEEDED ? TASK_WELL : 0;
	count(t->topic, e->how);
	t->topic->run_ms += (uint64_t)e->run;
	t->topic->wait_ms += (uint64_t)e->wait;
	hours_touch(w);
	if (t->more) {
		release_uniq(w, t);
		heap_remove(&w->times, &t->more->expiry);
		if (t->more->ext_id)
			ext_remove(w, t->more);
	}
	if (may_follow(e) && !t->body && task_is_stored(t))
		load_meta(e);
	else
		commit(e, t->body);
}

void end_waiting(struct work *w, struct task *t, enum work_state how, const char *error)
{
	sched_unplace(w, t);
	ending_go(ending_new(w, t, how, error));
}
