/*
 * threads - the writer, the keeper that copies the log behind it, the reader.
 *
 * The writer's day: take in all that waits, and what comes soon; make a group from the front (up to
 * max_ops statements or max_bytes, never half a unit); commit it; answer. A group that fails is
 * looked at unit by unit: what may be refused is answered, the rest goes back to the front in its
 * order, and the store is failing until the next try has worked. The tries are a second apart; with
 * nothing to write, a try writes the version that is there already.
 *
 * The log: a checkpoint beside a busy writer never reaches its end, and only a log that was copied
 * to the end is written from its beginning again. So the keeper copies most of it (two passes),
 * and the writer copies the little that came meanwhile between two transactions.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/store/private.h"
#include "core/store/unit.h"

static const uint64_t second = 1000000000, idle_s = 5;

/* ---- health --------------------------------------------------------------------- */

static void say(struct store *s, enum store_health health, const char *why)
{
	uv_mutex_lock(&s->lock);
	if (health == STORE_WELL && s->lags) {
		health = STORE_LAGGING;
		why = s->lag_why;
	}
	bool changed = s->health != health;
	__atomic_store_n(&s->health, health, __ATOMIC_RELAXED);
	if (changed)
		snprintf(s->why, sizeof(s->why), "%s: %s", s->path, why);
	uv_mutex_unlock(&s->lock);
	if (changed)
		store_ring(s);
}

/* ---- the writer ------------------------------------------------------------------- */

static bool failing(struct store *s)
{
	return __atomic_load_n(&s->health, __ATOMIC_RELAXED) == STORE_FAILING;
}

static int on_log(void *store, sqlite3 *handle, const char *name, int pages)
{
	struct store *s = store;

	(void)handle;
	(void)name;
	__atomic_store_n(&s->log_pages, (uint64_t)pages, __ATOMIC_RELAXED);
	return SQLITE_OK;
}

/* Splits off what may be refused, and answers it. */
static void refuse(struct store *s, struct list *ring, int status)
{
	struct list refused, *it, *tmp;

	list_init(&refused);
	list_each (it, tmp, ring) {
		struct store_unit *u = container_of(it, struct store_unit, link);
		if (u->flags & STORE_MUST)
			continue;
		u->status = status;
		list_remove(it);
		list_append(&refused, it);
	}
	if (!list_empty(&refused))
		store_answer(s, &refused);
}

/* In s->lock: all that was handed over is the writer's. */
static void take_all(struct store *s)
{
	list_move_all(&s->work, &s->in);
	s->n_in = 0;
}

/*
 * In s->lock. Who was answered comes again soon, and one sync for all is cheaper than two: while
 * there is little to do, most of those that were met of late are waited for, for a part of the time
 * that a commit takes. One alone waits for nobody.
 */
static void gather(struct store *s)
{
	uint64_t now = uv_hrtime(), until = now + s->usual_ns * 3 / 10;

	s->wanted = (int)(s->usual_16th * 3 / 4 / 16);
	while (s->n_in < s->wanted && now < until && !s->stop && !s->last) {
		uv_cond_timedwait(&s->wake_writer, &s->lock, until - now);
		now = uv_hrtime();
	}
	s->wanted = 0;
}

/* Waits until there is something to do. *last: it closes once that is done. false: the end. */
static bool take_in(struct store *s, bool *last)
{
	uv_mutex_lock(&s->lock);
	while (list_empty(&s->in) && list_empty(&s->cares) && !s->stop && !s->last &&
	       !s->copy_rest) {
		uint64_t now = uv_hrtime(), until = 0;
		if (failing(s))
			until = s->retry_at;
		else if (!list_empty(&s->work))
			break;
		else if (s->dirty)
			until = now + idle_s * second;
		if (!until) {
			uv_cond_wait(&s->wake_writer, &s->lock);
		} else if (until <= now ||
			   uv_cond_timedwait(&s->wake_writer, &s->lock, until - now) != 0) {
			break;
		}
	}
	if (!list_empty(&s->in) && list_empty(&s->work) && !failing(s))
		gather(s);
	take_all(s);
	bool go = !s->stop;
	*last = s->last;
	s->last = false;
	uv_mutex_unlock(&s->lock);
	return go;
}

/* More may come, for the same sync. */
static void tarry(struct store *s)
{
	struct timespec pause = { .tv_nsec = s->conf.commit_delay * 1000L };

	nanosleep(&pause, NULL);
	uv_mutex_lock(&s->lock);
	take_all(s);
	uv_mutex_unlock(&s->lock);
}

/* From the front of s->work, never empty when that is not. */
static enum store_sync make_group(struct store *s, struct list *group, uint64_t *units)
{
	enum store_sync sync = STORE_OS;
	uint64_t ops = 0, bytes = 0;

	list_init(group);
	*units = 0;
	while (!list_empty(&s->work)) {
		struct store_unit *u = container_of(s->work.next, struct store_unit, link);
		ops += u->statements;
		bytes += u->bytes;
		if (*units &&
		    (ops > (uint64_t)s->conf.max_ops || bytes > (uint64_t)s->conf.max_bytes))
			break;
		if (u->sync == STORE_FSYNC)
			sync = STORE_FSYNC;
		list_remove(&u->link);
		list_append(group, &u->link);
		++*units;
	}
	return sync;
}

static int set_sync(struct store *s, enum store_sync sync, struct err *err)
{
	if (s->sync_now == (int)sync)
		return 0;
	int rc = db_exec(&s->writing,
			 sync == STORE_OS ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL",
			 err);
	if (rc == 0)
		s->sync_now = (int)sync;
	return rc;
}

static void failed(struct store *s, struct list *group, struct store_unit *wrong, struct err *err)
{
	count_add(&s->failures, 1);
	if (wrong) { /* its own fault: the others are tried again without it */
		struct list one;
		list_init(&one);
		list_remove(&wrong->link);
		list_append(&one, &wrong->link);
		wrong->status = err->code;
		store_answer(s, &one);
	} else {
		say(s, STORE_FAILING, err->text);
		s->retry_at = uv_hrtime() + second;
	}
	list_move_all(group, &s->work);
	list_move_all(&s->work, group);
	if (!wrong)
		refuse(s, &s->work, err->code);
}

static void note_group(struct store *s, uint64_t units, uint64_t ns)
{
	uv_mutex_lock(&s->lock);
	uint64_t behind = (uint64_t)s->n_in;
	uv_mutex_unlock(&s->lock);
	s->usual_16th += (units + behind) * 4 - s->usual_16th / 4;
	s->usual_ns += ns / 4 - s->usual_ns / 4;
	hist_add(&s->commit_us, ns / 1000);
	hist_add(&s->batch, units);
	count_add(&s->commits, 1);
	count_add(&s->units, units);
}

static void write_group(struct store *s)
{
	struct err err = { .code = 0 };
	struct store_unit *wrong = NULL;
	struct list group;
	uint64_t units, start = uv_hrtime();
	enum store_sync sync = make_group(s, &group, &units);

	int rc = set_sync(s, sync, &err);
	if (rc == 0)
		rc = unit_commit(&group, &s->writing, &wrong, &err);
	if (rc != 0) {
		failed(s, &group, wrong, &err);
		return;
	}
	note_group(s, units, uv_hrtime() - start);
	s->dirty = true;
	say(s, STORE_WELL, "writes work again");
	store_answer(s, &group);
}

/* Nothing to write, and the last write failed: one that changes nothing. */
static void probe(struct store *s)
{
	struct err err = { .code = 0 };
	char sql[96];

	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", s->conf.schema->version);
	int rc = set_sync(s, STORE_FSYNC, &err);
	if (rc == 0)
		rc = db_begin(&s->writing, &err);
	if (rc == 0)
		rc = db_exec(&s->writing, sql, &err);
	if (rc == 0)
		rc = db_commit(&s->writing, &err);
	if (rc == 0) {
		say(s, STORE_WELL, "writes work again");
		return;
	}
	db_exec(&s->writing, "ROLLBACK", NULL);
	s->retry_at = uv_hrtime() + second;
}

/* Asks the keeper when it is time, and does what it left to do. */
static void mind_the_log(struct store *s, bool idle)
{
	uint64_t limit = (uint64_t)s->conf.checkpoint_bytes;

	uv_mutex_lock(&s->lock);
	while (s->copy && !s->lags && store_log_bytes(s) >= 8 * limit)
		uv_cond_wait(&s->wake_writer, &s->lock); /* we are faster than the disk */
	bool finish = s->copy_rest && !failing(s);
	if (finish)
		s->copy_rest = false;
	bool ask =
		!finish && !s->copy && !s->lags && (idle ? s->dirty : store_log_bytes(s) >= limit);
	if (ask) {
		s->copy = true;
		uv_cond_signal(&s->wake_keeper);
	}
	uv_mutex_unlock(&s->lock);
	if (idle)
		s->dirty = false;
	if (!finish)
		return;
	int left;
	/* What was copied to its end is written from the beginning; only a long one is cut. */
	bool cut = store_log_bytes(s) > 4 * limit;
	if (db_checkpoint(&s->writing, cut, &left, NULL) == 0) {
		count_add(&s->checkpoints, 1);
		if (left == 0)
			__atomic_store_n(&s->log_pages, 0, __ATOMIC_RELAXED);
	}
}

/* The end: one more try for what is held. */
static void last_try(struct store *s)
{
	while (!list_empty(&s->work)) {
		write_group(s);
		if (failing(s))
			break;
	}
	struct list *it, *tmp;
	list_each (it, tmp, &s->work) {
		container_of(it, struct store_unit, link)->status = UV_EIO;
	}
	store_answer(s, &s->work);
}

void writer_run(void *store)
{
	struct store *s = store;
	bool last;

	sqlite3_wal_hook(s->writing.handle, on_log, s);
	while (take_in(s, &last)) {
		bool was_idle = list_empty(&s->work);
		if (!was_idle && s->conf.commit_delay && !last && !failing(s))
			tarry(s);
		if (last)
			last_try(s);
		care_compact(s);
		if (failing(s))
			refuse(s, &s->work, UV_EIO);
		if (failing(s) && uv_hrtime() < s->retry_at)
			continue;
		if (!list_empty(&s->work))
			write_group(s);
		else if (failing(s))
			probe(s);
		mind_the_log(s, was_idle);
	}
}

/* ---- the keeper ----------------------------------------------------------------------- */

static void copy_log(struct store *s)
{
	struct err err = { .code = 0 };
	int left = 0, rc = 0;

	for (int pass = 0; pass < 2 && rc == 0; pass++) {
		rc = db_checkpoint(&s->copying, false, &left, &err);
		if (rc == 0 && left == 0)
			break;
	}
	if (rc == 0)
		count_add(&s->checkpoints, 1);
	uv_mutex_lock(&s->lock);
	s->lags = rc != 0;
	if (rc != 0)
		snprintf(s->lag_why, sizeof(s->lag_why), "the log can't be copied: %s", err.text);
	s->copy = rc != 0; /* again, in a second */
	s->copy_rest = rc == 0;
	uv_mutex_unlock(&s->lock);
}

void keeper_run(void *store)
{
	struct store *s = store;

	uv_mutex_lock(&s->lock);
	while (!s->stop) {
		if (!s->copy) {
			uv_cond_wait(&s->wake_keeper, &s->lock);
			continue;
		}
		uv_mutex_unlock(&s->lock);
		copy_log(s);
		uv_mutex_lock(&s->lock);
		uv_cond_signal(&s->wake_writer);
		if (s->lags && !s->stop)
			uv_cond_timedwait(&s->wake_keeper, &s->lock, second);
	}
	uv_mutex_unlock(&s->lock);
}

/* ---- the reader ------------------------------------------------------------------------- */

void reader_run(void *store)
{
	struct store *s = store;
	struct list mine;

	list_init(&mine);
	uv_mutex_lock(&s->lock);
	for (;;) {
		while (list_empty(&s->queries) && !s->stop)
			uv_cond_wait(&s->wake_reader, &s->lock);
		list_move_all(&mine, &s->queries);
		if (list_empty(&mine))
			break;
		uv_mutex_unlock(&s->lock);
		struct list *it, *tmp;
		list_each (it, tmp, &mine) {
			struct store_unit *u = container_of(it, struct store_unit, link);
			u->status = unit_run(u, &s->reading, NULL);
		}
		store_answer(s, &mine);
		uv_mutex_lock(&s->lock);
	}
	uv_mutex_unlock(&s->lock);
}
