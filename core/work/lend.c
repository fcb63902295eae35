/*
 * lend - tasks that are another's and only run here.
 *
 *	lender --work_lend--> ready, running, as any other --> back: over, or to be tried again
 *	       <---hungry---- somebody wants tasks: work_room says how many
 */
#include "core/store/marks.h"
#include "core/work/private.h"

void work_lender_add(struct work *w, struct work_lender *l)
{
	list_append(&w->lenders, &l->link);
	w->wanting = true;
}

void work_lender_remove(struct work_lender *l)
{
	list_remove(&l->link);
}

void work_lender_forget(struct work *w, struct work_lender *l)
{
	struct tasks *all = &w->tasks;

	for (uint32_t i = 0; all->buckets && i <= all->mask; i++)
		for (struct task *t = all->buckets[i]; t; t = t->next)
			if (task_lender(t) == l)
				t->more->lender = NULL;
}

uint64_t work_ids(struct work *w, int n)
{
	sched_clock(w);
	uint64_t first = ident_next(w->last_id, w->wall);

	w->last_id = first + (uint64_t)n - 1;
	return first;
}

int work_lend(struct work *w, struct work_lender *l, const struct work_loan *loan)
{
	struct work_spec spec = loan->spec;
	int rc = submit_check(&spec, NULL);

	if (rc != 0)
		return rc;
	if (w->closing)
		return UV_ECANCELED;
	if (task_find(w, loan->id))
		return UV_EEXIST;
	sched_clock(w);
	spec.fleeting = true;
	struct task *t = submit_task(w, &spec, loan->id);
	task_more(t)->lender = l;
	t->attempts = (uint16_t)loan->attempts;
	t->crashes = loan->crashes < 31 ? (uint32_t)loan->crashes & 31 : 31;
	t->topic->storing--;
	t->topic->submitted -= loan->attempts > 0;
	if (!end_stored(w, t)) {
		sched_place(w, t, (int64_t)t->node.key);
		tell(w, t, task_state(t), NULL);
	}
	return 0;
}

bool work_was_running(struct work *w, uint64_t id)
{
	size_t n = 0;
	const uint64_t *left = w->marks ? marks_left(w->marks, &n) : NULL;

	for (size_t i = 0; i < n; i++)
		if (left[i] == id)
			return true;
	return false;
}

uint64_t work_ready(struct work *w, const char *topic)
{
	return topic_get(w, topic)->ready.n;
}

bool work_recall(struct work *w, uint64_t id)
{
	struct task *t = task_find(w, id);
	enum work_state s = t ? task_state(t) : WORK_STORING;

	if (!t || !task_lender(t) || (s != WORK_READY && s != WORK_SCHEDULED))
		return false;
	sched_unplace(w, t);
	sched_forget(w, t);
	return true;
}

/* What a taker wants beyond what is ready for it. */
static int64_t lacks(const struct work_taker *t)
{
	int64_t n = t->wants;

	for (int i = 0; i < t->n_subs && n > 0; i++)
		n -= t->subs[i]->topic->paused ? 0 : t->subs[i]->topic->ready.n;
	return n > 0 ? n : 0;
}

int work_room(struct work *w, const char *name)
{
	struct topic *t = topic_get(w, name);
	struct list *it, *tmp;
	int64_t n = 0;

	list_each (it, tmp, &t->subs) {
		n += lacks(container_of(it, struct sub, link)->taker);
	}
	if (t->conf.concurrency && n > t->conf.concurrency - (int64_t)t->running)
		n = t->conf.concurrency - (int64_t)t->running;
	return t->paused || w->closing || n < 0 ? 0 : (int)n;
}

void work_outside(struct work *w, const char *name, const struct work_outside *o)
{
	struct topic *t = topic_get(w, name);

	t->outside = *o;
	t->outside_since = w->mono - o->oldest;
}

void lenders_ask(struct work *w)
{
	struct list *it, *tmp;

	w->wanting = false;
	list_each (it, tmp, &w->lenders) {
		struct work_lender *l = container_of(it, struct work_lender, link);
		l->hungry(l->data);
	}
}
