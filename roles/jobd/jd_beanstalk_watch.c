/* Tubes: who puts into them, who watches them. */
#include <stdlib.h>
#include <string.h>

#include "core/api/spec.h"
#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

enum { FIRST = 64 };

/* ---- tubes ------------------------------------------------------------------------------- */

static void grow(struct jd_bs *bs)
{
	uint32_t mask = bs->tubes ? bs->tube_mask * 2 + 1 : FIRST - 1;
	struct jd_bs_tube **fresh = mem_new(((size_t)mask + 1) * sizeof(*fresh));

	for (uint32_t i = 0; bs->tubes && i <= bs->tube_mask; i++)
		for (struct jd_bs_tube *t = bs->tubes[i], *next; t; t = next) {
			uint32_t at = jd_watch_hash(t->name, 0) & mask;
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
	struct jd_bs_tube *t = bs->tubes ? bs->tubes[jd_watch_hash(name, 0) & bs->tube_mask] : NULL;

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
	struct jd_bs_tube **at = &bs->tubes[jd_watch_hash(name, 0) & bs->tube_mask];
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
	struct jd_bs_tube **at = &bs->tubes[jd_watch_hash(t->name, 0) & bs->tube_mask];
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

bool jd_bs_tube_exists(struct jd_bs *bs, const char *name)
{
	struct jd_bs_tube *t = jd_bs_tube_find(bs, name);
	struct work_topic_figures f;

	if ((t && t->using) || strcmp(name, "default") == 0)
		return true;
	if (work_topic_figures(bs->work, name, &f) == 0 &&
	    f.ready + f.scheduled + f.waiting + f.running + f.dead > 0)
		return true;
	return jd_watch_is_of(&bs->watches, name);
}

/* ---- watches ------------------------------------------------------------------------------ */

static void watch_others(struct jd_bs_client *c, char *const *names, int n)
{
	struct jd_watch *was = c->watch;

	c->watch = jd_watch_of(&c->bs->watches, names, n);
	jd_watch_leave(was);
}

static int place_of(const struct jd_watch *w, const char *name)
{
	for (int i = 0; i < w->n; i++)
		if (strcmp(w->names[i], name) == 0)
			return i;
	return -1;
}

void jd_bs_do_watch(struct jd_bs_client *c, const char *name)
{
	struct jd_watch *w = c->watch;

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
	jd_conn_printf(&c->conn, "WATCHING %d\r\n", c->watch->n);
}

/* The last one takes its place, as in beanstalkd's list. */
void jd_bs_do_ignore(struct jd_bs_client *c, const char *name)
{
	struct jd_watch *w = c->watch;
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
	jd_conn_printf(&c->conn, "WATCHING %d\r\n", c->watch->n);
}
