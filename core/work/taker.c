/*
 * taker - who is handed the next task.
 *
 * A topic that may have something heats; in the next turn it enters the heaps of all takers that
 * want it, ordered as each of them said: by place, by what is first in it, or by pass (each task
 * moves a topic on by one weight-th of a lap, so those with more weight come round more often). A
 * topic leaves a taker's heap only when the taker looks and finds nothing, and what is first in it
 * may have gone to another one since: then its place is mended when the taker looks. Takers are
 * served one task each in turn.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/private.h"

enum { LAP = 1 << 20, AT_ONCE = 1024 };

static void subscribe(struct work_taker *t, struct topic *topic, int place)
{
	struct sub *s = mem_new(sizeof(*s));
	int weight = t->conf.weights ? t->conf.weights[place] : 1;

	s->taker = t;
	s->topic = topic;
	s->place = place;
	s->weight = weight < 1 ? 1 : weight;
	s->node.pos = HEAP_OUT;
	list_append(&topic->subs, &s->link);
	t->subs = mem_resize(t->subs, (size_t)(t->n_subs + 1) * sizeof(struct sub *));
	t->subs[t->n_subs++] = s;
}

static void match(struct work_taker *t, struct topic *topic)
{
	for (int i = 0; i < t->conf.n_topics; i++)
		if (fnmatch(t->conf.topics[i], topic->name, FNM_PERIOD) == 0) {
			subscribe(t, topic, i);
			return;
		}
}

void taker_topic(struct work *w, struct topic *topic)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->takers) {
		match(container_of(it, struct work_taker, link), topic);
	}
}

static void copy_conf(struct work_taker *t, const struct work_taker_conf *conf)
{
	size_t n = (size_t)conf->n_topics;
	char **topics = mem_new((n + 1) * sizeof(char *));
	int *weights = conf->weights ? mem_new((n + 1) * sizeof(int)) : NULL;

	t->conf = *conf;
	for (size_t i = 0; i < n; i++) {
		topics[i] = mem_str(conf->topics[i]);
		if (weights)
			weights[i] = conf->weights[i];
	}
	t->conf.topics = (const char *const *)topics;
	t->conf.weights = weights;
}

struct work_taker *work_taker_new(struct work *w, const struct work_taker_conf *conf)
{
	struct work_taker *t = mem_new(sizeof(*t));

	t->w = w;
	copy_conf(t, conf);
	list_init(&t->hot);
	list_init(&t->runs);
	list_append(&w->takers, &t->link);
	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *topic = w->topics[i]; topic; topic = topic->next) {
			match(t, topic);
			topic_heat(w, topic);
		}
	return t;
}

void taker_drop(struct work_taker *t)
{
	for (int i = 0; i < t->n_subs; i++) {
		list_remove(&t->subs[i]->link);
		free(t->subs[i]);
	}
	free(t->subs);
	for (int i = 0; i < t->conf.n_topics; i++)
		free((char *)t->conf.topics[i]);
	free((void *)t->conf.topics);
	free((void *)t->conf.weights);
	heap_fini(&t->ready);
	list_remove(&t->link);
	list_remove(&t->hot);
	free(t);
}

/* What is still being read for it goes back. */
void work_taker_free(struct work_taker *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->runs) {
		work_release(&container_of(it, struct run, link)->job, 0);
	}
	taker_drop(t);
}

void work_want(struct work_taker *t, int n)
{
	t->wants = n - t->loading;
	t->w->wanting |= t->wants > 0;
	if (t->wants > 0 && t->ready.n && list_empty(&t->hot))
		list_append(&t->w->hot_takers, &t->hot);
}

/* ---- the turn ---------------------------------------------------------------------- */

/* It comes before all that is known to the taker, or its place is right already. */
static void offer_first(struct sub *s)
{
	uint64_t first = heap_first(&s->topic->ready)->key;

	if (s->node.pos == HEAP_OUT || first < s->node.key)
		heap_set(&s->taker->ready, &s->node, first);
}

static void offer(struct work *w, struct sub *s)
{
	struct work_taker *t = s->taker;

	if (t->conf.order == WORK_URGENT) {
		offer_first(s);
	} else if (s->node.pos == HEAP_OUT) {
		if (s->pass < t->pass) /* what was idle has saved up nothing */
			s->pass = t->pass;
		heap_put(&t->ready, &s->node,
			 t->conf.order == WORK_STRICT ? (uint64_t)s->place : s->pass);
	}
	if (t->wants > 0 && list_empty(&t->hot))
		list_append(&w->hot_takers, &t->hot);
}

static void offer_topics(struct work *w)
{
	struct list *it, *tmp;

	while (!list_empty(&w->hot_topics)) {
		struct topic *t = container_of(w->hot_topics.next, struct topic, hot);
		list_remove(&t->hot);
		if (!t->ready.n || topic_is_paused(w, t))
			continue;
		list_each (it, tmp, &t->subs) {
			offer(w, container_of(it, struct sub, link));
		}
	}
}

/* The next that may start, out of its heap; what may not any more is ended on the way. */
static struct task *next_task(struct work *w, struct topic *topic)
{
	struct heap_node *n;

	while ((n = heap_first(&topic->ready))) {
		struct task *t = container_of(n, struct task, node);
		struct key *k = t->more ? t->more->key : NULL;
		heap_remove(&topic->ready, n);
		if (topic->conf.max_crashes && (int)t->crashes >= topic->conf.max_crashes) {
			ending_go(
				ending_new(w, t, WORK_DEAD, "poison: what ran it died each time"));
		} else if (t->attempts && task_is_used_up(t)) {
			/* we died while it ran, or fewer are allowed by now; its row says why */
			ending_go(ending_new(w, t, WORK_DEAD, NULL));
		} else if (k && !key_open(w, k)) {
			heap_put(&k->parked, n, n->key);
			topic->parked++;
		} else {
			return t;
		}
	}
	return NULL;
}

/* Whether another topic comes before it by now. */
static bool is_overtaken(struct work_taker *t, struct sub *s)
{
	struct heap_node *first = heap_first(&s->topic->ready);

	if (t->conf.order != WORK_URGENT || !first || first->key <= s->node.key)
		return false;
	heap_set(&t->ready, &s->node, first->key);
	return heap_first(&t->ready) != &s->node;
}

/* It has had its turn. */
static void move_on(struct work_taker *t, struct sub *s)
{
	t->pass = s->pass;
	s->pass += LAP / (uint64_t)s->weight;
	if (t->conf.order == WORK_WEIGHTED || t->conf.order == WORK_FAIR)
		heap_set(&t->ready, &s->node, s->pass);
}

/* false: nothing more for it now. */
static bool serve_one(struct work *w, struct work_taker *t)
{
	struct heap_node *n;

	while (t->wants > 0 && (n = heap_first(&t->ready))) {
		struct sub *s = container_of(n, struct sub, node);
		if (is_overtaken(t, s))
			continue;
		struct task *task = topic_open(w, s->topic) ? next_task(w, s->topic) : NULL;
		if (!task) {
			heap_remove(&t->ready, n);
			continue;
		}
		move_on(t, s);
		t->wants--;
		if (t->wants > 0) /* before the taker is called, who may free itself */
			list_append(&w->hot_takers, &t->hot);
		run_start(t, task);
		return true;
	}
	return false;
}

bool work_serve(struct work_taker *t)
{
	struct work *w = t->w;

	if (w->closing)
		return false;
	sched_clock(w);
	offer_topics(w);
	list_remove(&t->hot);
	return serve_one(w, t);
}

static void tell_served(struct work *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->takers) {
		struct work_taker *t = container_of(it, struct work_taker, link);
		if (t->served && t->conf.on_served)
			t->conf.on_served(t->conf.data);
		t->served = false;
	}
}

void takers_serve(struct work *w)
{
	offer_topics(w);
	for (int i = 0; i < AT_ONCE && !list_empty(&w->hot_takers); i++) {
		struct work_taker *t = container_of(w->hot_takers.next, struct work_taker, hot);
		list_remove(&t->hot);
		t->served |= serve_one(w, t);
		offer_topics(w);
	}
	tell_served(w);
}
