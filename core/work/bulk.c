/*
 * bulk - many at once: purge, forget, raise. Piece by piece, so that the writer serves others too.
 */
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/work/private.h"

enum { AT_ONCE = 500 };

static bool is_in(const struct work *w, const struct task *t, const struct work_range *r)
{
	(void)w;
	return !r->before || ident_time(t->id) <= r->before;
}

uint64_t work_purge(struct work *w, const struct work_range *r)
{
	struct topic *topic = r->topic ? topic_find(w, r->topic) : NULL;
	uint64_t n = 0, *ids = mem_new((w->tasks.n + 1) * sizeof(*ids)), found = 0;

	sched_clock(w);
	if (r->topic && !topic) {
		free(ids);
		return 0;
	}
	for (uint32_t i = 0; w->tasks.buckets && i <= w->tasks.mask; i++)
		for (struct task *t = w->tasks.buckets[i]; t; t = t->next)
			if ((!topic || t->topic == topic) && is_in(w, t, r))
				ids[found++] = t->id;
	for (uint64_t i = 0; i < found; i++) {
		struct task *t = task_pending(w, ids[i]);
		if (!t || task_state(t) == WORK_RUNNING)
			continue;
		end_waiting(w, t, WORK_CANCELLED, NULL);
		n++;
	}
	free(ids);
	return n;
}

/* ---- in the store ------------------------------------------------------------------- */

struct bulk {
	struct work *w;
	enum work_state state;
	char *topic;
	int64_t before;
	uint64_t from, n, left; /* left: to be raised yet */
	work_counted done;
	void *data;
};

static void bulk_over(struct bulk *b, int status)
{
	b->done(b->data, status, b->n);
	free(b->topic);
	free(b);
}

static struct bulk *bulk_new(struct work *w, const struct work_range *r, work_counted done,
			     void *data)
{
	struct bulk *b = mem_new(sizeof(*b));

	b->w = w;
	b->topic = mem_str(r->topic);
	b->before = r->before;
	b->left = r->limit ? r->limit : UINT64_MAX;
	b->done = done;
	b->data = data;
	return b;
}

static void forget_some(struct bulk *b);

static void on_forgotten(struct store_unit *u, int status)
{
	struct bulk *b = u->data;
	struct work *w = b->w;

	for (int i = 0; i < u->rows && b->state == WORK_DEAD && !w->closing; i++) {
		struct topic *t = topic_get(w, u->cells[i].p);
		t->dead -= t->dead > 0;
		w->dead -= w->dead > 0;
	}
	b->n += (uint64_t)u->rows;
	if (status != 0 || !u->rows || w->closing)
		bulk_over(b, status);
	else
		forget_some(b);
}

static void forget_some(struct bulk *b)
{
	struct store_unit *u = store_unit();

	u->data = b;
	store_stmt(u, b->state == WORK_DEAD ? S_FORGET_DEAD : S_FORGET_DONE);
	store_text(u, b->topic);
	store_int(u, b->before);
	if (b->state != WORK_DEAD)
		store_int(u, b->state);
	store_commit(b->w->store, u, STORE_OS, 0, on_forgotten);
}

void work_forget(struct work *w, enum work_state state, const struct work_range *r,
		 work_counted done, void *data)
{
	if (!w->store || w->closing) {
		done(data, 0, 0);
		return;
	}
	struct bulk *b = bulk_new(w, r, done, data);
	b->state = state;
	forget_some(b);
}

/* ---- the dead ------------------------------------------------------------------------- */

static void raise_some(struct bulk *b);

static void on_raised(struct store_unit *u, int status)
{
	struct bulk *b = u->data;
	struct work *w = b->w;

	sched_clock(w);
	for (int i = 0; i < u->rows && !w->closing; i++)
		raise_row(w, &u->cells[i * u->columns]);
	b->n += (uint64_t)u->rows;
	b->left -= (uint64_t)u->rows < b->left ? (uint64_t)u->rows : b->left;
	if (status != 0 || w->closing || !b->left)
		bulk_over(b, status);
	else
		raise_some(b);
}

static void on_ids(struct store_unit *u, int status)
{
	struct bulk *b = u->data;

	if (status != 0 || !u->rows || b->w->closing) {
		bulk_over(b, status);
		return;
	}
	struct store_unit *raise = store_unit();
	raise->data = b;
	for (int i = 0; i < u->rows; i++)
		put_revival(b->w, raise, S_REVIVE_IF, NULL, (uint64_t)u->cells[i].n);
	b->from = (uint64_t)u->cells[u->rows - 1].n;
	store_commit(b->w->store, raise, STORE_FSYNC, 0, on_raised);
}

static void raise_some(struct bulk *b)
{
	struct store_unit *u = store_unit();

	u->data = b;
	store_stmt(u, S_DEAD_IDS);
	store_int(u, (int64_t)b->from);
	store_text(u, b->topic);
	store_int(u, b->before);
	store_int(u, b->left < AT_ONCE ? (int64_t)b->left : AT_ONCE);
	store_read(b->w->store, u, on_ids);
}

void work_retry_all(struct work *w, const struct work_range *r, work_counted done, void *data)
{
	if (!w->store || w->closing) {
		done(data, 0, 0);
		return;
	}
	raise_some(bulk_new(w, r, done, data));
}

struct dropped {
	struct work *w;
	void (*done)(void *data, int status, const char *topic);
	void *data;
};

static void on_dropped(struct store_unit *u, int status)
{
	struct dropped *d = u->data;

	if (status == 0 && !u->rows)
		status = UV_ENOENT;
	if (status == 0 && !d->w->closing) {
		struct topic *t = topic_get(d->w, u->cells[0].p);
		t->dead -= t->dead > 0;
		d->w->dead -= d->w->dead > 0;
	}
	d->done(d->data, status, status == 0 ? u->cells[0].p : NULL);
	free(d);
}

int work_drop(struct work *w, uint64_t id, void (*done)(void *data, int status, const char *topic),
	      void *data)
{
	if (!w->store || w->closing)
		return UV_ENOENT;
	if (store_is_failing(w->store))
		return UV_EROFS;
	struct dropped *d = mem_new(sizeof(*d));
	struct store_unit *u = store_unit();

	*d = (struct dropped){ w, done, data };
	u->data = d;
	store_stmt(u, S_DROP_ONE);
	store_int(u, (int64_t)id);
	store_commit(w->store, u, STORE_FSYNC, 0, on_dropped);
	return 0;
}

int work_look_after(struct work *w, enum store_care what, const char *path,
		    void (*done)(void *data, int status, const char *why), void *data)
{
	if (!w->store || w->closing)
		return UV_ENOTSUP;
	store_look_after(w->store, what, path, done, data);
	return 0;
}
