#include "roles/dfsd/df_late.h"

#include <stdlib.h>

#include "core/base/mem.h"

enum { STALE = 100, FIRST = 1000, LONGEST = 60000, TRIES = 10 }; /* ms */

void df_late_free(struct df_late *l)
{
	free(l->items);
	*l = (struct df_late){ .items = NULL };
}

static void add(struct df_late *l, struct df_late_item item)
{
	if ((l->n & (l->n - 1)) == 0)
		l->items = mem_resize(l->items, (l->n ? 2 * l->n : 1) * sizeof(*l->items));
	l->items[l->n++] = item;
	l->waiting++;
}

static void drop(struct df_late *l, size_t i)
{
	l->waiting -= !l->items[i].said;
	l->items[i] = l->items[--l->n];
}

void df_late_stale(struct df_late *l, const struct df_node *n, int64_t now)
{
	add(l, (struct df_late_item){ .id = n->id, .content = n->content, .due = now + STALE });
}

bool df_late_failed(struct df_late *l, const struct df_node *n, int64_t now)
{
	struct df_late_item item = { .id = n->id, .content = n->content, .tries = 1 };

	for (size_t i = 0; i < l->n; i++) {
		if (l->items[i].id != n->id || !l->items[i].tries)
			continue;
		item.tries = l->items[i].tries + 1;
		drop(l, i);
		break;
	}
	int64_t wait = (int64_t)FIRST << (item.tries - 1);
	item.due = now + (wait > LONGEST ? LONGEST : wait);
	if (item.tries > TRIES)
		return false;
	add(l, item);
	return true;
}

df_id df_late_take(struct df_late *l, struct df_index *x, int64_t now, uint64_t mark, bool *over)
{
	struct df_node n;

	for (size_t i = 0; i < l->n;) {
		struct df_late_item *item = &l->items[i];
		df_id id = item->id;
		if (item->said ||
		    (df_index_get(x, id, &n) && n.content == item->content && item->due > now)) {
			i++;
			continue;
		}
		*over = true;
		bool again = df_index_get(x, id, &n) && n.content == item->content;
		if (again && item->tries) {
			item->said = true;
			item->mark = mark;
			l->waiting--;
		} else {
			drop(l, i);
		}
		if (again)
			return id;
	}
	return DF_NOBODY;
}

void df_late_done(struct df_late *l, uint64_t mark)
{
	for (size_t i = 0; i < l->n;)
		if (l->items[i].said && l->items[i].mark < mark)
			drop(l, i);
		else
			i++;
}
