/*
 * edit - a task gets another topic, time or payload; the dead rise.
 *
 * A pending task that is edited is in no place until the store has it, as one that comes in: a
 * taker must never read the payload that was there before.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/work/private.h"

struct change {
	struct later later;
	struct work *w;
	uint64_t id;
	int64_t due;
	struct work_edit e; /* topic and payload are own */
	void (*done)(void *data, int status);
	void *data;
};

/* ---- what is asked for -------------------------------------------------------------- */

static int check(struct work *w, struct task *t, const struct work_edit *e)
{
	struct work_spec s = { .topic = e->topic ? e->topic : t->topic->name,
			       .payload = e->payload,
			       .size = e->size,
			       .prio = e->prio < 0 ? WORK_PRIO : e->prio,
			       .delay = e->delay < 0 ? 0 : e->delay };
	bool stays = strcmp(s.topic, t->topic->name) == 0;
	int rc = work_spec_check(w, &s, NULL);

	if (rc != 0 && !(rc == ERR_LIMIT && stays))
		return rc;
	struct uniq *u = t->more ? t->more->uniq : NULL;
	if (u && !stays && uniq_find(w, topic_get(w, s.topic), u->name))
		return UV_EEXIST;
	return 0;
}

static struct change *change_new(struct work *w, uint64_t id, const struct work_edit *e)
{
	struct change *c = mem_new(sizeof(*c));
	void *own = e->payload ? mem_resize(NULL, e->size + 1) : NULL;

	if (e->size)
		memcpy(own, e->payload, e->size);
	list_init(&c->later.link);
	c->w = w;
	c->id = id;
	c->e = *e;
	c->e.topic = mem_str(e->topic);
	c->e.payload = own;
	return c;
}

static void change_over(struct change *c, int status)
{
	if (c->done)
		c->done(c->data, status);
	free((char *)c->e.topic);
	free((void *)c->e.payload);
	free(c);
}

/* ---- it is done --------------------------------------------------------------------- */

/* What it holds goes with it, unless another has come to hold that there. */
static void take_along(struct work *w, struct task *t, struct topic *to)
{
	struct more *m = t->more;
	struct uniq *u = m->uniq;

	if (m->key) {
		struct key *k = key_get(to, m->key->name);
		key_give(w, m->key);
		m->key = k;
	}
	if (!u)
		return;
	if (!uniq_find(w, to, u->name)) {
		int64_t until = u->expiry.pos == HEAP_OUT ? 0 : (int64_t)u->expiry.key;
		m->uniq = uniq_hold(w, to, u->name, (enum work_hold)u->hold, until);
		m->uniq->id = t->id;
		m->uniq->task = t;
	} else {
		m->uniq = NULL;
	}
	uniq_drop(w, u);
}

static void set_topic(struct work *w, struct task *t, struct topic *to)
{
	if (t->more)
		take_along(w, t, to);
	t->topic->bytes -= t->size;
	t->topic->storing--;
	t->topic = to;
	to->bytes += t->size;
	to->storing++;
}

static void set_payload(struct work *w, struct task *t, const struct work_edit *e)
{
	struct body *old = t->body;
	struct work_spec s = { .payload = e->payload, .size = e->size };

	if (old && old->meta) {
		s.meta = old->data + old->size;
		s.meta_size = old->meta;
	}
	t->topic->bytes -= t->size;
	t->size = (uint32_t)(s.size + s.meta_size) & ((1u << 27) - 1);
	t->topic->bytes += t->size;
	if (!old) /* only the store has the rest of it */
		return;
	t->body = body_new(w, &s);
	body_let_go(w, old);
}

static void apply(struct change *c, struct task *t)
{
	struct work *w = c->w;
	const struct work_edit *e = &c->e;

	if (e->topic && strcmp(e->topic, t->topic->name) != 0)
		set_topic(w, t, topic_get(w, e->topic));
	if (e->payload)
		set_payload(w, t, e);
	if (e->prio >= 0) {
		t->node.b = (uint8_t)e->prio;
		t->node.c &= (uint8_t)~TASK_TURN;
	}
	if (e->delay >= 0) {
		c->due = w->mono + e->delay;
		t->node.c &= (uint8_t) ~(TASK_TURN | TASK_MOMENT);
	}
}

static void changed(struct change *c, int status)
{
	struct work *w = c->w;
	struct task *t = task_find(w, c->id);

	if (w->closing) {
		t->topic->storing--;
		change_over(c, status);
		return;
	}
	sched_clock(w);
	if (status == 0)
		apply(c, t);
	t->topic->storing--;
	if (!end_stored(w, t)) {
		sched_place(w, t, c->due);
		tell(w, t, task_state(t), NULL);
	}
	change_over(c, status);
}

static void on_unit(struct store_unit *u, int status)
{
	changed(u->data, status);
}

static void on_later(struct later *l)
{
	changed((struct change *)(void *)l, 0);
}

static void put_change(struct change *c, struct task *t, struct store_unit *u)
{
	const struct work_edit *e = &c->e;
	struct work *w = c->w;
	int64_t due = e->delay >= 0 ? w->mono + e->delay : c->due;
	const char *topic = e->topic ? e->topic : t->topic->name;

	u->data = c;
	store_stmt(u, S_EDIT);
	store_int(u, (int64_t)t->id);
	store_text(u, topic);
	store_int(u, e->prio >= 0 ? e->prio : t->node.b);
	store_int(u, due > w->mono ? w->wall + due - w->mono : 0);
	store_blob(u, e->payload, e->size);
	if (t->more && t->more->uniq && t->more->uniq->hold == WORK_UNTIL_TTL) {
		store_stmt(u, S_EDIT_LOCK);
		store_int(u, (int64_t)t->id);
		store_text(u, topic);
	}
}

int work_edit(struct work *w, uint64_t id, const struct work_edit *e,
	      void (*done)(void *data, int status), void *data)
{
	struct task *t = task_pending(w, id);

	if (w->closing || (w->store && store_is_failing(w->store)))
		return UV_EROFS;
	if (!t)
		return UV_ENOENT;
	if (task_state(t) == WORK_RUNNING || task_lender(t))
		return UV_EBUSY;
	int rc = check(w, t, e);
	if (rc != 0)
		return rc;
	sched_clock(w);
	struct change *c = change_new(w, id, e);
	c->done = done;
	c->data = data;
	c->due = task_state(t) == WORK_READY ? 0 : (int64_t)t->node.key;
	sched_unplace(w, t);
	t->node.a = WORK_STORING;
	t->topic->storing++;
	if (!task_is_stored(t)) {
		later(w, &c->later, on_later);
		return 0;
	}
	struct store_unit *u = store_unit();
	put_change(c, t, u);
	store_commit(w->store, u, sync_of(t->topic), 0, on_unit);
	return 0;
}

/* ---- the dead rise ------------------------------------------------------------------- */

void raise_row(struct work *w, const struct store_value *cells)
{
	struct task *t = task_of_row(w, cells);

	t->topic->dead -= t->topic->dead > 0;
	w->dead -= w->dead > 0;
	sched_place(w, t, (int64_t)t->node.key);
	tell(w, t, task_state(t), NULL);
}

/* It was another topic's: the counts of all, anew. */
static void on_recount(struct store_unit *u, int status)
{
	struct work *w = u->data;

	if (status != 0 || w->closing)
		return;
	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *t = w->topics[i]; t; t = t->next)
			t->dead = 0;
	for (int i = 0; i < u->rows; i++) {
		const struct store_value *c = &u->cells[i * u->columns];
		topic_get(w, c[0].p)->dead = (uint64_t)c[1].n;
	}
}

static void recount(struct work *w)
{
	struct store_unit *u = store_unit();

	u->data = w;
	store_stmt(u, S_SCAN_DEAD);
	store_read(w->store, u, on_recount);
}

static void on_revived(struct store_unit *u, int status)
{
	struct change *c = u->data;
	struct work *w = c->w;

	if (status == 0 && !u->rows)
		status = UV_ENOENT;
	if (status == 0 && !w->closing) {
		sched_clock(w);
		raise_row(w, u->cells);
		if (c->e.topic)
			recount(w);
	}
	change_over(c, status);
}

void put_revival(struct work *w, struct store_unit *u, enum statement how,
		 const struct work_edit *e, uint64_t id)
{
	store_stmt(u, how);
	store_int(u, (int64_t)id);
	store_text(u, e ? e->topic : NULL);
	if (e && e->prio >= 0)
		store_int(u, e->prio);
	else
		store_null(u);
	store_int(u, e && e->delay > 0 ? w->wall + e->delay : 0);
	store_blob(u, e ? e->payload : NULL, e ? e->size : 0);
	store_stmt(u, how == S_REVIVE ? S_DROP_DEAD : S_DROP_RAISED);
	store_int(u, (int64_t)id);
}

int work_retry(struct work *w, uint64_t id, const struct work_edit *e,
	       void (*done)(void *data, int status), void *data)
{
	static const struct work_edit nothing = { .delay = -1, .prio = -1 };

	if (!w->store || w->closing)
		return UV_ENOENT;
	if (store_is_failing(w->store))
		return UV_EROFS;
	if (e && e->topic && (!*e->topic || strlen(e->topic) > 128))
		return UV_EINVAL;
	struct change *c = change_new(w, id, e ? e : &nothing);
	struct store_unit *u = store_unit();

	sched_clock(w);
	c->done = done;
	c->data = data;
	u->data = c;
	put_revival(w, u, S_REVIVE, &c->e, id);
	store_commit(w->store, u, STORE_FSYNC, 0, on_revived);
	return 0;
}
