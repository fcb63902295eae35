/* topic - what is known of a topic, and whether it may hand something out now. */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/private.h"

enum { FIRST = 64, KEYS_FIRST = 16 };

void work_topic_defaults(struct work_topic_conf *c)
{
	*c = (struct work_topic_conf){ .max_attempts = 25, .max_crashes = 3 };
	backoff_parse(&c->backoff, "poly4", NULL);
}

/* ---- by name ------------------------------------------------------------------ */

static void grow(struct work *w)
{
	uint32_t buckets = w->topic_buckets ? w->topic_buckets * 2 : FIRST;
	struct topic **fresh = mem_new(buckets * sizeof(*fresh));

	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *t = w->topics[i], *next; t; t = next) {
			uint32_t at = name_hash(t->name, NULL) & (buckets - 1);
			next = t->next;
			t->next = fresh[at];
			fresh[at] = t;
		}
	free(w->topics);
	w->topics = fresh;
	w->topic_buckets = buckets;
}

struct topic *topic_find(struct work *w, const char *name)
{
	struct topic *t = w->topic_asked;

	if (!w->topic_buckets)
		return NULL;
	if (t && strcmp(t->name, name) == 0)
		return t;
	t = w->topics[name_hash(name, NULL) & (w->topic_buckets - 1)];
	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	w->topic_asked = t;
	return t;
}

struct topic *topic_get(struct work *w, const char *name)
{
	struct topic *t = topic_find(w, name);

	if (t)
		return t;
	if (w->n_topics >= w->topic_buckets)
		grow(w);
	t = mem_new(sizeof(*t) + strlen(name) + 1);
	strcpy(t->name, name);
	t->conf = w->topic_conf;
	if (!w->store)
		t->conf.durability = WORK_MEMORY;
	list_init(&t->subs);
	list_init(&t->hot);
	t->wake.pos = HEAP_OUT;
	t->wake.kind = AT_TOPIC;
	uint32_t at = name_hash(name, NULL) & (w->topic_buckets - 1);
	t->next = w->topics[at];
	w->topics[at] = t;
	w->n_topics++;
	taker_topic(w, t);
	return t;
}

static void topic_free(struct topic *t)
{
	for (uint32_t i = 0; i < t->key_buckets; i++)
		for (struct key *k = t->keys[i], *next; k; k = next) {
			next = k->next;
			heap_fini(&k->parked);
			free(k);
		}
	free(t->keys);
	free(t->note);
	heap_fini(&t->ready);
	free(t);
}

void topics_free(struct work *w)
{
	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *t = w->topics[i], *next; t; t = next) {
			next = t->next;
			topic_free(t);
		}
	free(w->topics);
}

int work_topic_set(struct work *w, const char *name, const struct work_topic_conf *c)
{
	if (name && (!*name || strlen(name) > 128))
		return UV_EINVAL;
	struct topic *t = name ? topic_get(w, name) : NULL;
	struct work_topic_conf *to = t ? &t->conf : &w->topic_conf;
	*to = *c;
	if (!w->store)
		to->durability = WORK_MEMORY;
	if (to->rate.burst < 1)
		to->rate.burst = 1;
	if (to->key_rate.burst < 1)
		to->key_rate.burst = 1;
	if (!t)
		return 0;
	topic_heat(w, t);
	return 0;
}

bool work_topic_get(struct work *w, const char *name, struct work_topic_conf *c)
{
	struct topic *t = topic_find(w, name);

	if (t)
		*c = t->conf;
	return t;
}

int work_topic_note(struct work *w, const char *name, const char *note)
{
	struct topic *t = topic_find(w, name);

	if (!t)
		return UV_ENOENT;
	free(t->note);
	t->note = mem_str(note);
	if (w->store) {
		struct store_unit *u = store_unit();
		store_stmt(u, S_NOTE);
		store_text(u, name);
		store_text(u, note);
		store_commit(w->store, u, STORE_FSYNC, STORE_MUST, NULL);
	}
	return 0;
}

const char *work_topic_noted(struct work *w, const char *name)
{
	struct topic *t = topic_find(w, name);

	return t ? t->note : NULL;
}

uint64_t work_topics_count(struct work *w)
{
	return w->n_topics;
}

bool work_is_taken(struct work *w, const char *topic)
{
	return !list_empty(&topic_get(w, topic)->subs);
}

uint64_t topic_pending(const struct topic *t)
{
	return t->ready.n + t->parked + t->scheduled + t->waiting + t->running + t->storing;
}

void topic_heat(struct work *w, struct topic *t)
{
	if (list_empty(&t->hot))
		list_append(&w->hot_topics, &t->hot);
}

/* ---- limits --------------------------------------------------------------------- */

/* Whether there is a token; *at: when there will be one. */
static bool has_token(struct bucket *b, const struct work_rate *rate, int64_t now, int64_t *at)
{
	if (!b->at)
		b->tokens = rate->burst;
	else if (now > b->at)
		b->tokens += (double)(now - b->at) * rate->per_s / 1000;
	b->at = now;
	if (b->tokens > rate->burst)
		b->tokens = rate->burst;
	if (b->tokens >= 1)
		return true;
	*at = now + 1 + (int64_t)((1 - b->tokens) * 1000 / rate->per_s);
	return false;
}

bool topic_is_paused(const struct work *w, const struct topic *t)
{
	return t->paused || t->paused_until > w->mono;
}

bool topic_open(struct work *w, struct topic *t)
{
	int64_t at;

	if (t->paused || w->closing)
		return false;
	if (topic_is_paused(w, t)) {
		heap_set(&w->times, &t->wake, (uint64_t)t->paused_until);
		return false;
	}
	if (t->conf.concurrency && t->running >= (uint64_t)t->conf.concurrency)
		return false;
	if (t->conf.rate.per_s <= 0 || has_token(&t->bucket, &t->conf.rate, w->mono, &at))
		return true;
	heap_set(&w->times, &t->wake, (uint64_t)at);
	return false;
}

bool key_open(struct work *w, struct key *k)
{
	const struct work_topic_conf *c = &k->topic->conf;
	int64_t at;

	if (c->key_concurrency && k->running >= (uint32_t)c->key_concurrency)
		return false;
	if (c->key_rate.per_s <= 0 || has_token(&k->bucket, &c->key_rate, w->mono, &at))
		return true;
	heap_set(&w->times, &k->wake, (uint64_t)at);
	return false;
}

void topic_started(struct work *w, struct topic *t, struct key *k)
{
	t->running++;
	if (t->conf.rate.per_s > 0)
		t->bucket.tokens -= 1;
	if (!k)
		return;
	k->running++;
	if (t->conf.key_rate.per_s > 0)
		k->bucket.tokens -= 1;
	key_wake(w, k);
}

void topic_ended(struct work *w, struct topic *t, struct key *k)
{
	t->running--;
	topic_heat(w, t);
	if (!k)
		return;
	k->running--;
	key_wake(w, k);
}

/* ---- keys ------------------------------------------------------------------------- */

static void keys_grow(struct topic *t)
{
	uint32_t buckets = t->key_buckets ? t->key_buckets * 2 : KEYS_FIRST;
	struct key **fresh = mem_new(buckets * sizeof(*fresh));

	for (uint32_t i = 0; i < t->key_buckets; i++)
		for (struct key *k = t->keys[i], *next; k; k = next) {
			uint32_t at = name_hash(k->name, NULL) & (buckets - 1);
			next = k->next;
			k->next = fresh[at];
			fresh[at] = k;
		}
	free(t->keys);
	t->keys = fresh;
	t->key_buckets = buckets;
}

struct key *key_get(struct topic *t, const char *name)
{
	uint32_t hash = name_hash(name, NULL);
	struct key *k = t->key_buckets ? t->keys[hash & (t->key_buckets - 1)] : NULL;

	while (k && strcmp(k->name, name) != 0)
		k = k->next;
	if (!k) {
		if (t->n_keys >= t->key_buckets)
			keys_grow(t);
		k = mem_new(sizeof(*k) + strlen(name) + 1);
		strcpy(k->name, name);
		k->topic = t;
		k->wake.pos = HEAP_OUT;
		k->wake.kind = AT_KEY;
		k->next = t->keys[hash & (t->key_buckets - 1)];
		t->keys[hash & (t->key_buckets - 1)] = k;
		t->n_keys++;
	}
	k->users++;
	return k;
}

static void key_free(struct work *w, struct key *k)
{
	struct topic *t = k->topic;
	struct key **at = &t->keys[name_hash(k->name, NULL) & (t->key_buckets - 1)];

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	t->n_keys--;
	heap_remove(&w->times, &k->wake);
	heap_fini(&k->parked);
	free(k);
}

/* Kept until its bucket is full again, or a key could be used up by being forgotten. */
static bool spent(struct work *w, struct key *k, int64_t *full)
{
	const struct work_rate *rate = &k->topic->conf.key_rate;
	int64_t at;

	if (rate->per_s <= 0 || !k->bucket.at)
		return false;
	has_token(&k->bucket, rate, w->mono, &at);
	*full = w->mono + 1 + (int64_t)((rate->burst - k->bucket.tokens) * 1000 / rate->per_s);
	return k->bucket.tokens < rate->burst;
}

void key_give(struct work *w, struct key *k)
{
	int64_t full;

	if (--k->users)
		return;
	if (spent(w, k, &full))
		heap_set(&w->times, &k->wake, (uint64_t)full);
	else
		key_free(w, k);
}

/* The next of those that are parked, when it may run; it goes on from there with each start. */
void key_wake(struct work *w, struct key *k)
{
	int64_t full;

	if (!k->users) {
		if (!spent(w, k, &full))
			key_free(w, k);
		else
			heap_set(&w->times, &k->wake, (uint64_t)full);
		return;
	}
	struct heap_node *n = heap_first(&k->parked);
	if (!n || !key_open(w, k))
		return;
	heap_remove(&k->parked, n);
	k->topic->parked--;
	heap_put(&k->topic->ready, n, n->key);
	topic_heat(w, k->topic);
}

/* ---- told ----------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct topic *const *)a)->name, (*(struct topic *const *)b)->name);
}

static int64_t oldest(struct work *w, struct topic *t)
{
	struct heap_node *n = heap_first(&t->ready);
	int64_t since = n ? ident_time(container_of(n, struct task, node)->id) : 0;

	int64_t here = n && w->wall > since ? w->wall - since : 0;
	int64_t outside = t->outside.ready ? w->mono - t->outside_since : 0;

	return here > outside ? here : outside;
}

static struct work_topic_figures figures_of(struct work *w, struct topic *t)
{
	return (struct work_topic_figures){
		.name = t->name,
		.paused = topic_is_paused(w, t),
		.pause_left = t->paused_until > w->mono ? t->paused_until - w->mono : 0,
		.ready = t->ready.n + t->parked,
		.scheduled = t->scheduled + t->outside.scheduled,
		.waiting = t->waiting,
		.running = t->running,
		.dead = t->dead + t->outside.dead,
		.bytes = t->bytes,
		.submitted = t->submitted,
		.succeeded = t->succeeded,
		.failed = t->failed,
		.died = t->died,
		.cancelled = t->cancelled,
		.expired = t->expired,
		.oldest = oldest(w, t),
		.outside = t->outside.ready,
	};
}

int work_topic_figures(struct work *w, const char *name, struct work_topic_figures *f)
{
	struct topic *t = topic_find(w, name);

	if (!t)
		return UV_ENOENT;
	sched_clock(w);
	*f = figures_of(w, t);
	return 0;
}

void work_topics(struct work *w, void (*row)(void *data, const struct work_topic_figures *f),
		 void *data)
{
	struct topic **all = mem_new((w->n_topics + 1) * sizeof(*all));
	uint32_t n = 0;

	sched_clock(w);
	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *t = w->topics[i]; t; t = t->next)
			all[n++] = t;
	qsort(all, n, sizeof(*all), by_name);
	for (uint32_t i = 0; i < n; i++) {
		struct work_topic_figures f = figures_of(w, all[i]);
		row(data, &f);
	}
	free(all);
}

void work_backlog(struct work_taker *t, struct work_backlog *b)
{
	*b = (struct work_backlog){ 0 };
	sched_clock(t->w);
	for (int i = 0; i < t->n_subs; i++) {
		struct topic *topic = t->subs[i]->topic;
		bool paused = topic_is_paused(t->w, topic);
		int64_t age = paused ? 0 : oldest(t->w, topic);
		if (!paused)
			b->ready += topic->ready.n + topic->outside.ready;
		if (age > b->oldest)
			b->oldest = age;
	}
}
