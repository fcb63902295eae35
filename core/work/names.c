/* names - of types, of tasks by their callers' names, and those that only one task may hold. */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/private.h"

enum { FIRST = 64, MAX_TYPES = 65535 };

uint32_t name_hash(const char *s, const void *salt)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uintptr_t)salt;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

/* 0: none. Types are few; those past 65,535 are forgotten in memory, not in the store. */
uint16_t type_number(struct work *w, const char *type)
{
	static const int chunk = 64;

	if (!type || !*type)
		return 0;
	for (int i = w->n_types; i-- > 1;)
		if (strcmp(w->types[i], type) == 0)
			return (uint16_t)i;
	if (w->n_types >= MAX_TYPES)
		return 0;
	if (w->n_types % chunk == 0)
		w->types = mem_resize(w->types, (size_t)(w->n_types + chunk) * sizeof(char *));
	if (w->n_types == 0)
		w->types[w->n_types++] = NULL;
	w->types[w->n_types] = mem_str(type);
	return (uint16_t)w->n_types++;
}

/* ---- callers' names ---------------------------------------------------------- */

static struct more **ext_bucket(struct names *n, const char *name)
{
	return (struct more **)(void *)&n->buckets[name_hash(name, NULL) & n->mask];
}

static void exts_grow(struct names *n)
{
	struct names more = { .n = n->n };
	uint32_t buckets = n->buckets ? (n->mask + 1) * 2 : FIRST;

	more.buckets = mem_new(buckets * sizeof(void *));
	more.mask = buckets - 1;
	for (uint32_t i = 0; n->buckets && i <= n->mask; i++)
		for (struct more *m = n->buckets[i], *next; m; m = next) {
			struct more **at = ext_bucket(&more, m->ext_id);
			next = m->ext_next;
			m->ext_next = *at;
			*at = m;
		}
	free(n->buckets);
	*n = more;
}

struct task *ext_find(struct work *w, const char *ext_id)
{
	if (!w->exts.buckets)
		return NULL;
	struct more *m = *ext_bucket(&w->exts, ext_id);
	while (m && strcmp(m->ext_id, ext_id) != 0)
		m = m->ext_next;
	return m ? m->task : NULL;
}

void ext_add(struct work *w, struct more *m)
{
	if (!w->exts.buckets || w->exts.n > w->exts.mask)
		exts_grow(&w->exts);
	struct more **at = ext_bucket(&w->exts, m->ext_id);
	m->ext_next = *at;
	*at = m;
	w->exts.n++;
}

void ext_remove(struct work *w, struct more *m)
{
	struct more **at = w->exts.buckets ? ext_bucket(&w->exts, m->ext_id) : NULL;

	while (at && *at && *at != m)
		at = &(*at)->ext_next;
	if (!at || !*at)
		return;
	*at = m->ext_next;
	w->exts.n--;
}

/* ---- held by one ---------------------------------------------------------------- */

static struct uniq **uniq_bucket(struct names *n, const struct topic *t, const char *name)
{
	return (struct uniq **)(void *)&n->buckets[name_hash(name, t) & n->mask];
}

static void uniqs_grow(struct names *n)
{
	struct names more = { .n = n->n };
	uint32_t buckets = n->buckets ? (n->mask + 1) * 2 : FIRST;

	more.buckets = mem_new(buckets * sizeof(void *));
	more.mask = buckets - 1;
	for (uint32_t i = 0; n->buckets && i <= n->mask; i++)
		for (struct uniq *u = n->buckets[i], *next; u; u = next) {
			struct uniq **at = uniq_bucket(&more, u->topic, u->name);
			next = u->next;
			u->next = *at;
			*at = u;
		}
	free(n->buckets);
	*n = more;
}

struct uniq *uniq_find(struct work *w, struct topic *t, const char *name)
{
	if (!w->uniqs.buckets)
		return NULL;
	struct uniq *u = *uniq_bucket(&w->uniqs, t, name);
	while (u && (u->topic != t || strcmp(u->name, name) != 0))
		u = u->next;
	return u;
}

/* until: monotonic; 0: as long as the task does. Whose it is, the caller says in id and task. */
struct uniq *uniq_hold(struct work *w, struct topic *t, const char *name, enum work_hold hold,
		       int64_t until)
{
	size_t n = strlen(name) + 1;
	struct uniq *u = mem_new(sizeof(*u) + n);

	if (!w->uniqs.buckets || w->uniqs.n > w->uniqs.mask)
		uniqs_grow(&w->uniqs);
	memcpy(u->name, name, n);
	u->topic = t;
	u->hold = (uint8_t)hold;
	u->expiry.pos = HEAP_OUT;
	u->expiry.kind = AT_UNIQ;
	struct uniq **at = uniq_bucket(&w->uniqs, t, name);
	u->next = *at;
	*at = u;
	w->uniqs.n++;
	if (until)
		heap_put(&w->times, &u->expiry, (uint64_t)until);
	return u;
}

void uniq_drop(struct work *w, struct uniq *u)
{
	struct uniq **at = uniq_bucket(&w->uniqs, u->topic, u->name);

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	w->uniqs.n--;
	if (u->task)
		u->task->more->uniq = NULL;
	heap_remove(&w->times, &u->expiry);
	free(u);
}

void names_fini(struct work *w)
{
	for (uint32_t i = 0; w->uniqs.buckets && i <= w->uniqs.mask; i++)
		for (struct uniq *u = w->uniqs.buckets[i], *next; u; u = next) {
			next = u->next;
			free(u);
		}
	free(w->uniqs.buckets);
	free(w->exts.buckets);
	for (int i = 1; i < w->n_types; i++)
		free(w->types[i]);
	free(w->types);
}
