/* Tubes: who puts into them, who watches them. */
#include <stdlib.h>
#include <string.h>

#include "core/api/spec.h"
#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

enum { FIRST = 64 };

static uint32_t hash_of(const char *s, uint32_t h)
{
	for (h = h ? h : 2166136261u; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* ---- tubes ------------------------------------------------------------------------------- */

static void grow(struct jd_bs *bs)
{
	uint32_t mask = bs->tubes ? bs->tube_mask * 2 + 1 : FIRST - 1;
	struct jd_bs_tube **fresh = mem_new(((size_t)mask + 1) * sizeof(*fresh));

	for (uint32_t i = 0; bs->tubes && i <= bs->tube_mask; i++)
		for (struct jd_bs_tube *t = bs->tubes[i], *next; t; t = next) {
			uint32_t at = hash_of(t->name, 0) & mask;
			next = t->next;
			t->next = fresh[at];
			fresh[at] = t;
		}
	free(bs->tubes);
	bs->tubes = fresh;
	bs->tube_mask = mask;
}

struct jd_bs_tube *jd_bs_tube_find(struct jd_bs *bs, const char *name)
{
	struct jd_bs_tube *t = bs->tubes ? bs->tubes[hash_of(name, 0) & bs->tube_mask] : NULL;

	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	return t;
}

struct jd_bs_tube *jd_bs_tube_get(struct jd_bs *bs, const char *name)
{
	struct jd_bs_tube *t = jd_bs_tube_find(bs, name);

	if (t)
		return t;
	if (!bs->tubes || bs->n_tubes > bs->tube_mask)
		grow(bs);
	t = mem_new(sizeof(*t) + strlen(name) + 1);
	strcpy(t->name, name);
	struct jd_bs_tube **at = &bs->tubes[hash_of(name, 0) & bs->tube_mask];
	t->next = *at;
	*at = t;
	bs->n_tubes++;
	return t;
}

/* Forgotten when nobody uses it and the engine has none of that name: so there are never more of
 * them than clients and topics. */
void jd_bs_tube_settle(struct jd_bs *bs, struct jd_bs_tube *t)
{
	if (t->using || t->takes)
		return;
	struct jd_bs_tube **at = &bs->tubes[hash_of(t->name, 0) & bs->tube_mask];
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	bs->n_tubes--;
	free(t);
}

void jd_bs_tubes_free(struct jd_bs *bs)
{
	for (uint32_t i = 0; bs->tubes && i <= bs->tube_mask; i++)
		for (struct jd_bs_tube *t = bs->tubes[i], *next; t; t = next) {
			next = t->next;
			free(t);
		}
	free(bs->tubes);
}

void jd_bs_use(struct jd_bs_client *c, const char *name)
{
	struct jd_bs_tube *t = jd_bs_tube_get(c->bs, name), *was = c->used;

	t->using ++;
	c->used = t;
	was->using --;
	jd_bs_tube_settle(c->bs, was);
}

static bool is_watched(struct jd_bs *bs, const char *name)
{
	for (struct list *it = bs->watches.next; it != &bs->watches; it = it->next) {
		struct jd_bs_watch *w = container_of(it, struct jd_bs_watch, link);
		for (int i = 0; w->users && i < w->n; i++)
			if (strcmp(w->names[i], name) == 0)
				return true;
	}
	return false;
}

bool jd_bs_tube_exists(struct jd_bs *bs, const char *name)
{
	struct jd_bs_tube *t = jd_bs_tube_find(bs, name);
	struct work_topic_figures f;

	if ((t && t->using) || strcmp(name, "default") == 0)
		return true;
	if (work_topic_figures(bs->work, name, &f) == 0 &&
	    f.ready + f.scheduled + f.waiting + f.running + f.dead > 0)
		return true;
	return is_watched(bs, name);
}

/* ---- watches ------------------------------------------------------------------------------ */

static bool is_same(const struct jd_bs_watch *w, char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(w->names[i], names[i]) != 0)
			return false;
	return true;
}

/* One user more. */
struct jd_bs_watch *jd_bs_watch_of(struct jd_bs *bs, char *const *names, int n)
{
	uint32_t hash = 0;

	for (int i = 0; i < n; i++)
		hash = hash_of(names[i], hash) * 31 + 1;
	for (struct list *it = bs->watches.next; it != &bs->watches; it = it->next) {
		struct jd_bs_watch *w = container_of(it, struct jd_bs_watch, link);
		if (w->hash == hash && w->n == n && is_same(w, names, n)) {
			w->users++;
			return w;
		}
	}
	struct jd_bs_watch *w = mem_new(sizeof(*w) + (size_t)n * sizeof(char *));
	w->bs = bs;
	w->hash = hash;
	w->users = 1;
	for (w->n = 0; w->n < n; w->n++)
		w->names[w->n] = mem_str(names[w->n]);
	list_init(&w->waiting);
	list_append(&bs->watches, &w->link);
	return w;
}

static void watch_free(struct jd_bs_watch *w)
{
	if (w->taker)
		work_taker_free(w->taker);
	list_remove(&w->link);
	for (int i = 0; i < w->n; i++)
		free(w->names[i]);
	free(w);
}

void jd_bs_watch_sweep(struct jd_bs *bs)
{
	struct list *it, *tmp;

	list_each (it, tmp, &bs->watches) {
		struct jd_bs_watch *w = container_of(it, struct jd_bs_watch, link);
		if (!w->users && !w->held)
			watch_free(w);
	}
}

/* While the engine serves its takers none of them goes. */
void jd_bs_watch_settle(struct jd_bs_watch *w)
{
	struct jd_bs *bs = w->bs;

	if (!w->users && !w->held) {
		if (work_is_turning(bs->work))
			jd_bs_wake(bs, work_clock(bs->work));
		else
			watch_free(w);
	}
	if (bs->draining && !bs->held) /* when what this is the end of is answered */
		jd_bs_wake(bs, work_clock(bs->work));
}

void jd_bs_watch_leave(struct jd_bs_watch *w)
{
	w->users--;
	jd_bs_watch_settle(w);
}

static void watch_others(struct jd_bs_client *c, char *const *names, int n)
{
	struct jd_bs_watch *was = c->watch;

	c->watch = jd_bs_watch_of(c->bs, names, n);
	jd_bs_watch_leave(was);
}

static int place_of(const struct jd_bs_watch *w, const char *name)
{
	for (int i = 0; i < w->n; i++)
		if (strcmp(w->names[i], name) == 0)
			return i;
	return -1;
}

void jd_bs_do_watch(struct jd_bs_client *c, const char *name)
{
	struct jd_bs_watch *w = c->watch;

	if (place_of(w, name) < 0 && w->n >= c->bs->jd->keys->max_watched) {
		jd_bs_say(c, "OUT_OF_MEMORY");
		return;
	}
	if (place_of(w, name) < 0) {
		char **names = mem_new(((size_t)w->n + 1) * sizeof(char *));
		memcpy(names, w->names, (size_t)w->n * sizeof(char *));
		names[w->n] = (char *)name;
		watch_others(c, names, w->n + 1);
		free(names);
	}
	jd_bs_printf(c, "WATCHING %d\r\n", c->watch->n);
}

/* The last one takes its place, as in beanstalkd's list. */
void jd_bs_do_ignore(struct jd_bs_client *c, const char *name)
{
	struct jd_bs_watch *w = c->watch;
	int at = place_of(w, name);

	if (at >= 0 && w->n == 1) {
		jd_bs_say(c, "NOT_IGNORED");
		return;
	}
	if (at >= 0) {
		char **names = mem_new((size_t)w->n * sizeof(char *));
		memcpy(names, w->names, (size_t)w->n * sizeof(char *));
		names[at] = names[w->n - 1];
		watch_others(c, names, w->n - 1);
		free(names);
	}
	jd_bs_printf(c, "WATCHING %d\r\n", c->watch->n);
}
