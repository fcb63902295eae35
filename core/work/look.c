/* look - finding, listing, cancelling, starting what is there. */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/private.h"

enum { MAX_LOG = 16384 };

bool work_find(struct work *w, const char *name, uint64_t *id)
{
	struct task *t = ident_read(name, id) ? task_find(w, *id) : NULL;

	if (!t)
		t = ext_find(w, name);
	if (!t || task_state(t) == WORK_STORING)
		return false;
	*id = t->id;
	return true;
}

struct task *task_pending(struct work *w, uint64_t id)
{
	struct task *t = task_find(w, id);

	if (!t || task_state(t) == WORK_STORING || task_state(t) >= WORK_ENDING)
		return NULL;
	return t;
}

int work_cancel(struct work *w, uint64_t id, bool now)
{
	struct task *t = task_pending(w, id);

	if (!t)
		return UV_ENOENT;
	sched_clock(w);
	if (task_state(t) != WORK_RUNNING) {
		end_waiting(w, t, WORK_CANCELLED, NULL);
		return 0;
	}
	struct run *r = t->run;
	r->job.cancelled = true;
	if (r->loading) /* its taker has not seen it yet */
		work_release(&r->job, 0);
	else if (r->taker->conf.on_cancel)
		r->taker->conf.on_cancel(r->taker->conf.data, &r->job, now);
	return UV_EALREADY;
}

int work_run_now(struct work *w, uint64_t id)
{
	struct task *t = task_pending(w, id);

	if (!t)
		return UV_ENOENT;
	if (task_state(t) != WORK_SCHEDULED)
		return UV_EINVAL;
	sched_clock(w);
	sched_unplace(w, t);
	t->node.c &= (uint8_t)~TASK_MOMENT;
	if (task_is_stored(t))
		persist_retry(w, t, 0, NULL);
	sched_ready(w, t);
	return 0;
}

int work_pause(struct work *w, const char *topic, bool paused)
{
	struct topic *t = topic_find(w, topic);

	if (!t)
		return UV_ENOENT;
	t->paused = paused;
	t->paused_until = 0;
	topic_heat(w, t);
	if (w->store) {
		struct store_unit *u = store_unit();
		store_stmt(u, S_TOPIC);
		store_text(u, topic);
		store_int(u, paused);
		store_commit(w->store, u, STORE_FSYNC, STORE_MUST, NULL);
	}
	return 0;
}

enum work_state work_state_of(struct work *w, uint64_t id)
{
	struct task *t = task_find(w, id);

	return t ? task_state(t) : WORK_STORING;
}

/* ---- rows become what is seen ------------------------------------------------------- */

struct look {
	struct work *w;
	work_seen seen;
	void *data;
	int limit;
	uint64_t one; /* id, when only that is wanted */
	bool again;   /* asked for once more */
};

static const char *text(const struct store_value *v)
{
	return v->type == STORE_TEXT ? v->p : NULL;
}

static int64_t number(const struct store_value *v)
{
	return v->type == STORE_INT ? v->n : 0;
}

/* The last 16 KiB of it. */
static void set_log(struct work_status *s, const char *bytes, size_t n)
{
	size_t skip = n > MAX_LOG ? n - MAX_LOG : 0;

	s->log = n ? bytes + skip : NULL;
	s->log_size = n - skip;
}

/* `run` ms before `then`. One clock tells how long it runs, another when: their milliseconds do not
 * begin together, but nothing has started before it was there. */
static int64_t start_of(uint64_t id, int64_t then, int64_t run)
{
	int64_t submitted = ident_time(id);

	return then - run < submitted && then >= submitted ? submitted : then - run;
}

/* false: it ended after the row was read. */
static bool add_live(struct work *w, struct work_status *s)
{
	struct task *t = task_find(w, s->id);

	if (!t)
		return false;
	s->state = task_state(t);
	s->attempts = t->attempts;
	s->crashes = (int)t->crashes;
	s->prio = t->node.b;
	s->timeout = t->more && t->more->timeout ? t->more->timeout : t->topic->conf.timeout;
	if (s->state == WORK_SCHEDULED && (int64_t)t->node.key > w->mono)
		s->left = (int64_t)t->node.key - w->mono;
	if (s->state == WORK_RUNNING) {
		int64_t deadline = t->run->job.deadline;
		s->left = deadline > w->mono ? deadline - w->mono : 0;
		s->percent = t->run->percent;
		s->text = t->run->text;
		if (t->run->tail)
			set_log(s, t->run->tail->bytes, t->run->tail->size);
		s->run = w->mono - t->run->started;
		s->started = start_of(s->id, w->wall, s->run);
	}
	return true;
}

static void see_job(struct look *l, const struct store_value *c, bool dead)
{
	struct work_status s = {
		.id = (uint64_t)c[0].n,
		.state = WORK_DEAD,
		.percent = -1,
		.topic = text(&c[1]),
		.type = text(&c[2]),
		.prio = (int)number(&c[3]),
		.run_at = number(&c[4]),
		.attempts = (int)number(&c[5]),
		.crashes = (int)number(&c[6]),
		.ext_id = text(&c[12]),
		.meta = c[17].size ? c[17].p : NULL,
		.meta_size = c[17].size,
		.error = text(&c[18]),
		.payload = c[19].size ? c[19].p : NULL,
		.size = c[19].size,
		.submitted = ident_time((uint64_t)c[0].n),
	};

	if (dead) {
		s.finished = number(&c[21]);
		set_log(&s, c[22].p, c[22].size);
	} else if (!add_live(l->w, &s)) {
		return;
	}
	l->seen(l->data, &s, 0, 0);
}

static void see_done(struct look *l, const struct store_value *c)
{
	struct work_status s = {
		.id = (uint64_t)c[0].n,
		.percent = -1,
		.topic = text(&c[1]),
		.type = text(&c[2]),
		.state = (enum work_state)number(&c[3]),
		.finished = number(&c[4]),
		.run = number(&c[5]),
		.started = start_of((uint64_t)c[0].n, number(&c[4]), number(&c[5])),
		.attempts = (int)number(&c[6]),
		.crashes = (int)number(&c[7]),
		.worker = text(&c[8]),
		.result = c[9].size ? c[9].p : NULL,
		.result_size = c[9].size,
		.error = text(&c[10]),
		.submitted = ident_time((uint64_t)c[0].n),
	};

	set_log(&s, c[12].p, c[12].size);
	l->seen(l->data, &s, 0, 0);
}

/* Each kind of row has a width of its own. */
enum { DONE_COLUMNS = 13, LIVE_COLUMNS = 22 };

static void see(struct look *l, const struct store_unit *u)
{
	sched_clock(l->w);
	for (int i = 0; i < u->rows; i++) {
		const struct store_value *c = &u->cells[i * u->columns];
		if (u->columns == DONE_COLUMNS)
			see_done(l, c);
		else
			see_job(l, c, u->columns != LIVE_COLUMNS);
	}
}

static uint64_t next_of(const struct look *l, const struct store_unit *u)
{
	if (!u->rows || u->rows != l->limit)
		return 0;
	return (uint64_t)u->cells[(u->rows - 1) * u->columns].n;
}

static void on_rows(struct store_unit *u, int status)
{
	struct look *l = u->data;

	see(l, u);
	l->seen(l->data, NULL, status, next_of(l, u));
	free(l);
}

static void ask_for_one(struct look *l);

/* A row of what has ended since is not what there is now. */
static void on_one(struct store_unit *u, int status)
{
	struct look *l = u->data;

	if (u->rows && u->columns == LIVE_COLUMNS && !task_find(l->w, l->one) && !l->again &&
	    !l->w->closing) {
		l->again = true;
		ask_for_one(l);
	} else {
		on_rows(u, status);
	}
}

/*
 * Each statement has its own moment, so that they stand in the order in which a task goes from one
 * table to the next: what is no more in the first is in the second. The dead may come back.
 */
static void ask_for_one(struct look *l)
{
	static const enum statement order[] = { S_GET_JOB, S_GET_DONE, S_GET_DEAD, S_GET_JOB };
	struct store_unit *u = store_unit();

	u->data = l;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		store_guard(u, order[i]);
		store_int(u, (int64_t)l->one);
	}
	store_read(l->w->store, u, on_one);
}

static struct look *look_new(struct work *w, work_seen seen, void *data)
{
	struct look *l = mem_new(sizeof(*l));

	l->w = w;
	l->seen = seen;
	l->data = data;
	return l;
}

/* Tasks that are in memory only are told as they are. */
static bool see_unstored(struct work *w, struct task *t, work_seen seen, void *data)
{
	if (!t || task_is_stored(t) || task_state(t) == WORK_STORING)
		return false;
	struct body *b = task_state(t) == WORK_RUNNING ? t->run->body : t->body;
	struct work_status s = {
		.id = t->id,
		.percent = -1,
		.topic = t->topic->name,
		.type = t->type ? w->types[t->type] : NULL,
		.ext_id = t->more ? t->more->ext_id : NULL,
		.prio = t->node.b,
		.submitted = ident_time(t->id),
		.payload = b ? b->data : NULL,
		.size = b ? b->size : 0,
		.meta = b ? b->data + b->size : NULL,
		.meta_size = b ? b->meta : 0,
	};
	add_live(w, &s);
	seen(data, &s, 0, 0);
	return true;
}

void work_get(struct work *w, uint64_t id, work_seen seen, void *data)
{
	sched_clock(w);
	if (see_unstored(w, task_find(w, id), seen, data) || !w->store || w->closing) {
		seen(data, NULL, 0, 0);
		return;
	}
	struct look *l = look_new(w, seen, data);
	l->one = id;
	ask_for_one(l);
}

void work_list(struct work *w, const struct work_filter *f, work_seen seen, void *data)
{
	enum statement statement = f->state < WORK_SUCCEEDED ? S_LIST_JOBS
				   : f->state == WORK_DEAD   ? S_LIST_DEAD
							     : S_LIST_DONE;

	if (!w->store || w->closing) {
		seen(data, NULL, 0, 0);
		return;
	}
	struct look *l = look_new(w, seen, data);
	struct store_unit *u = store_unit();
	l->limit = f->limit < 1 ? 1 : f->limit > 1000 ? 1000 : f->limit;
	u->data = l;
	store_stmt(u, statement);
	store_int(u, (int64_t)f->from);
	store_text(u, f->topic);
	store_copy(u, f->text, f->text ? strlen(f->text) : 0);
	store_int(u, l->limit);
	store_text(u, f->type);
	store_int(u, (int64_t)f->until);
	if (statement == S_LIST_DONE)
		store_int(u, f->state);
	store_read(w->store, u, on_rows);
}
