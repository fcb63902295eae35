/*
 * submit - tasks come in.
 *
 * All is checked first; then the tasks are made, in the state STORING, and hold their names, so
 * that the next one with the same name meets them. The answer comes with the store's, also for one
 * that was there already: its first one may be under way in the same transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/work/private.h"

enum { IDEM_CELLS = 2, OVER_CELLS = 3 }; /* of a row that was found */

struct submission {
	struct later later;
	struct work *w;
	work_submitted done;
	void *data;
	int n;
	bool stored, idem;
	const struct work_spec *specs; /* until they are in the unit */
	struct task **tasks;           /* NULL: there was one before */
	struct work_receipt receipts[];
};

/* ---- what is wrong with it ------------------------------------------------------ */

static int too_long(const char *s, size_t most, const char *what, struct err *err)
{
	if (!s || strlen(s) <= most)
		return 0;
	return err_set(err, UV_EINVAL, "%s: longer than %zu bytes", what, most);
}

static int check_texts(const struct work_spec *s, struct err *err)
{
	int rc = too_long(s->topic, 128, "topic", err);

	if (rc == 0 && (!s->topic || !*s->topic))
		rc = err_set(err, UV_EINVAL, "topic: missing");
	if (rc == 0)
		rc = too_long(s->type, 128, "type", err);
	if (rc == 0)
		rc = too_long(s->ext_id, 200, "id", err);
	if (rc == 0)
		rc = too_long(s->uniq, WORK_MAX_TEXT, "unique key", err);
	if (rc == 0)
		rc = too_long(s->key, WORK_MAX_TEXT, "key", err);
	if (rc == 0)
		rc = too_long(s->idem_key, WORK_MAX_TEXT, "idempotency key", err);
	return rc;
}

static int check_numbers(const struct work_spec *s, struct err *err)
{
	static const int64_t years = (int64_t)3660 * 86400 * 1000, week = 7 * 86400000;

	if (s->prio < 0 || s->prio > 255)
		return err_set(err, UV_EINVAL, "priority: 0 to 255");
	if (s->delay < 0 || s->delay > years || s->run_at < 0)
		return err_set(err, UV_EINVAL, "delay: up to 10 years");
	if (s->max_attempts < 0 || s->max_attempts > WORK_MAX_ATTEMPTS)
		return err_set(err, UV_EINVAL, "attempts: up to %d", WORK_MAX_ATTEMPTS);
	if (s->timeout < 0 || s->timeout > week)
		return err_set(err, UV_EINVAL, "time-out: up to 7 days");
	return 0;
}

static int check_rest(const struct work_spec *s, struct err *err)
{
	if (s->expires < 0 || s->expires_at < 0 || s->keep < 0 || s->uniq_ttl < 0 ||
	    s->idem_ttl < 0)
		return err_set(err, UV_EINVAL, "a time is less than nothing");
	if (s->n_after < 0 || s->n_after > WORK_MAX_AFTER)
		return err_set(err, UV_EINVAL, "after: up to %d tasks", WORK_MAX_AFTER);
	if (s->uniq && s->hold == WORK_UNTIL_TTL && !s->uniq_ttl)
		return err_set(err, UV_EINVAL, "unique: held until a time needs one");
	if (s->size > 64 << 20 || s->meta_size > 1 << 20)
		return err_set(err, UV_E2BIG, "payload: up to 64 MiB");
	return 0;
}

int submit_check(const struct work_spec *s, struct err *err)
{
	struct backoff b;
	int rc = check_texts(s, err);

	if (rc == 0)
		rc = check_numbers(s, err);
	if (rc == 0)
		rc = check_rest(s, err);
	if (rc == 0 && s->backoff && backoff_parse(&b, s->backoff, err) != 0)
		rc = err_wrap(err, UV_EINVAL, "backoff");
	return rc;
}

int work_spec_check(struct work *w, const struct work_spec *s, struct err *err)
{
	int rc = submit_check(s, err);

	if (rc != 0)
		return rc;
	if (s->batch && !batch_is_open(w, s->batch))
		return err_set(err, UV_EINVAL, "batch: there is no open one of that name");
	struct topic *t = topic_find(w, s->topic);
	if (t && t->conf.max_jobs && topic_pending(t) >= t->conf.max_jobs)
		return err_set(err, ERR_LIMIT, "topic %s is full: %lu tasks", s->topic,
			       (unsigned long)topic_pending(t));
	if (t && t->conf.max_bytes && t->bytes + s->size > t->conf.max_bytes)
		return err_set(err, ERR_LIMIT, "topic %s is full: %lu bytes", s->topic,
			       (unsigned long)t->bytes);
	return 0;
}

/* ---- making it ---------------------------------------------------------------------- */

/* Whether another pending one has a name of its. */
static bool met(struct work *w, struct topic *topic, const struct work_spec *s,
		struct work_receipt *r)
{
	struct task *t = s->ext_id ? ext_find(w, s->ext_id) : NULL;
	struct uniq *u = !t && s->uniq ? uniq_find(w, topic, s->uniq) : NULL;

	if (!t && !u)
		return false;
	r->id = t ? t->id : u->id;
	r->duplicate = true;
	r->conflict = u != NULL;
	return true;
}

struct task *task_before(struct work *w, struct task *t, uint64_t id)
{
	struct task *other = task_find(w, id);

	return other && other != t && !(other->node.c & TASK_WELL) ? other : NULL;
}

static void wait_for(struct task *t, struct task *other)
{
	struct more *m = task_more(other);

	if ((m->n_blocks & (m->n_blocks - 1)) == 0)
		m->blocks = mem_resize(m->blocks, (m->n_blocks ? 2 * (size_t)m->n_blocks : 1) *
							  sizeof(*m->blocks));
	m->blocks[m->n_blocks++] = t->id;
	task_more(t)->waits++;
}

static void make_more(struct work *w, struct task *t, const struct work_spec *s)
{
	struct topic *topic = t->topic;
	int64_t expires = s->expires ? s->expires : topic->conf.expires;
	int64_t until = s->expires_at ? due_of_moment(w, s->expires_at) : w->mono + expires;

	if (s->ext_id) {
		task_more(t)->ext_id = mem_str(s->ext_id);
		ext_add(w, t->more);
	}
	if (s->uniq) {
		int64_t held = s->uniq_ttl ? w->mono + s->uniq_ttl : 0;
		task_more(t)->uniq = uniq_hold(w, topic, s->uniq, s->hold, held);
		t->more->uniq->id = t->id;
		t->more->uniq->task = t;
	}
	if (s->key && *s->key)
		task_more(t)->key = key_get(topic, s->key);
	if (s->backoff)
		task_more(t)->backoff = mem_str(s->backoff);
	if (expires || s->expires_at) {
		task_more(t)->expires = until;
		heap_put(&w->times, &t->more->expiry, (uint64_t)t->more->expires);
	}
	if (s->max_attempts || s->timeout || s->keep) {
		task_more(t)->max_attempts = s->max_attempts;
		t->more->timeout = s->timeout;
		t->more->keep = s->keep;
	}
	if (s->batch && (task_more(t)->batch = batch_find(w, s->batch)))
		batch_enter(t->more->batch);
	for (int i = 0; i < s->n_after; i++) {
		struct task *other = task_before(w, t, s->after[i]);
		if (other)
			wait_for(t, other);
	}
}

struct task *submit_task(struct work *w, const struct work_spec *s, uint64_t id)
{
	struct topic *topic = topic_get(w, s->topic);
	struct task *t = task_new(w, id);

	t->topic = topic;
	t->node.kind = AT_TASK;
	t->node.a = WORK_STORING;
	t->node.b = (uint8_t)s->prio;
	t->node.c = (uint8_t)((s->run_at ? TASK_MOMENT : 0) |
			      (is_stored(topic) && !s->fleeting ? TASK_STORED : 0) |
			      (s->meta_size ? TASK_META : 0));
	t->node.key = (uint64_t)(s->run_at ? due_of_moment(w, s->run_at) : w->mono + s->delay);
	t->type = type_number(w, s->type);
	t->size = (uint32_t)(s->size + s->meta_size) & ((1u << 27) - 1);
	t->body = body_new(w, s);
	make_more(w, t, s);
	topic->storing++;
	topic->submitted++;
	hours_touch(w);
	topic->bytes += t->size;
	return t;
}

int submission_new(struct work *w, const struct work_spec *specs, int n, struct submission **out)
{
	for (int i = 0; i < n; i++) {
		int rc = work_spec_check(w, &specs[i], NULL);
		if (rc != 0)
			return rc;
	}
	sched_clock(w);
	*out = submission_make(w, specs, n);
	return 0;
}

/* What it is to come after is nothing that we know: the store may know how that ended. */
static bool asks_the_store(struct work *w, const struct work_spec *s)
{
	for (int i = 0; i < s->n_after; i++)
		if (!task_find(w, s->after[i]))
			return w->store != NULL;
	return false;
}

struct submission *submission_make(struct work *w, const struct work_spec *specs, int n)
{
	struct submission *s =
		mem_new(sizeof(*s) + (size_t)n * (sizeof(struct work_receipt) + sizeof(void *)));
	list_init(&s->later.link);
	s->w = w;
	s->n = n;
	s->specs = specs;
	s->tasks = (struct task **)(void *)&s->receipts[n];
	for (int i = 0; i < n; i++) {
		struct topic *topic = topic_get(w, specs[i].topic);
		s->stored |= is_stored(topic) && !specs[i].fleeting;
		s->stored |= asks_the_store(w, &specs[i]);
		if (met(w, topic, &specs[i], &s->receipts[i]))
			continue;
		w->last_id = ident_next(w->last_id, w->wall);
		s->tasks[i] = submit_task(w, &specs[i], w->last_id);
		s->receipts[i].id = s->tasks[i]->id;
	}
	return s;
}

bool submission_put(struct submission *s, struct store_unit *u)
{
	const struct work_spec *first = &s->specs[0];

	if (s->n == 1 && first->idem_key && s->tasks[0] && s->stored) {
		s->idem = true;
		store_guard(u, S_IDEM_FIND);
		store_text(u, first->idem_key);
		store_copy(u, first->idem_hash, first->idem_hash_size);
		store_int(u, s->w->wall);
	}
	for (int i = 0; i < s->n; i++) {
		struct task *t = s->tasks[i];
		if (t && task_is_stored(t))
			persist_task(u, s->w, t, &s->specs[i]);
		if (t && s->stored)
			persist_deps(u, s->w, t, &s->specs[i]);
	}
	for (int i = 0; i < s->n; i++)
		if (s->tasks[i] && s->tasks[i]->more && s->tasks[i]->more->batch)
			batch_count(s->tasks[i]->more->batch, u, 1, 0);
	s->specs = NULL;
	return s->stored;
}

static void settle(struct submission *s, struct task *t, bool taken)
{
	struct work *w = s->w;

	t->topic->storing--;
	if (!taken || w->closing) {
		t->topic->submitted--;
		if (t->more && t->more->batch)
			batch_leave(t->more->batch);
		sched_forget(w, t);
		return;
	}
	if (task_is_stored(t) && w->resident > (uint64_t)w->conf.resident)
		body_drop(w, t);
	int64_t due = (int64_t)t->node.key;
	if (end_stored(w, t))
		return;
	sched_place(w, t, due);
	tell(w, t, task_state(t), NULL);
}

/* Rows of S_DEP_OVER and S_SEE_OVER: what they were to come after has ended without success. */
static void note_failed(struct work *w, const struct store_unit *u)
{
	for (int i = 0; i < u->rows; i++) {
		const struct store_value *cells = &u->cells[i * OVER_CELLS];
		struct task *t = task_find(w, (uint64_t)cells[0].n);
		if (t) {
			task_more(t)->failed = (uint64_t)cells[1].n;
			t->more->failed_dead = cells[2].n != 0;
		}
	}
}

void submission_done(struct submission *s, const struct store_unit *u, int status)
{
	bool found = s->idem && u && u->rows > 0 && u->columns == IDEM_CELLS;

	if (found) {
		s->receipts[0].id = (uint64_t)u->cells[0].n;
		s->receipts[0].duplicate = true;
		s->receipts[0].conflict = !u->cells[1].n;
	}
	if (u && u->columns == OVER_CELLS && status == 0)
		note_failed(s->w, u);
	for (int i = 0; i < s->n; i++)
		if (s->tasks[i])
			settle(s, s->tasks[i], status == 0 && !found);
	if (s->done)
		s->done(s->data, status, s->receipts, s->n);
	free(s);
}

static void on_unit(struct store_unit *u, int status)
{
	struct submission *s = u->data;

	sched_clock(s->w);
	submission_done(s, u, status);
}

static void on_later(struct later *l)
{
	submission_done((struct submission *)(void *)l, NULL, 0);
}

void submission_commit(struct work *w, struct submission *s, struct store_unit *u)
{
	if (u) {
		u->data = s;
		store_commit(w->store, u, STORE_FSYNC, STORE_MUST, s ? on_unit : NULL);
	} else if (s) {
		later(w, &s->later, on_later);
	}
}

static enum store_sync sync_for(const struct submission *s)
{
	enum store_sync sync = STORE_OS;

	for (int i = 0; i < s->n; i++)
		if (!s->tasks[i] || s->tasks[i]->topic->conf.durability == WORK_FSYNC)
			sync = STORE_FSYNC;
	return sync;
}

int submit_with(struct work *w, const struct submitted *what)
{
	struct submission *s;

	if (w->closing || (w->store && store_is_failing(w->store)))
		return UV_EROFS;
	int rc = submission_new(w, what->specs, what->n, &s);
	if (rc != 0)
		return rc;
	s->done = what->done;
	s->data = what->data;
	if (!w->store || (!s->stored && !what->put)) {
		later(w, &s->later, on_later);
		return 0;
	}
	enum store_sync sync = what->put ? STORE_FSYNC : sync_for(s);
	struct store_unit *u = store_unit();
	u->data = s;
	submission_put(s, u);
	if (what->put)
		what->put(what->data, u);
	store_commit(w->store, u, sync, 0, on_unit);
	return 0;
}

int work_submit(struct work *w, const struct work_spec *specs, int n, work_submitted done,
		void *data)
{
	struct submitted what = { .specs = specs, .n = n, .done = done, .data = data };

	return submit_with(w, &what);
}
