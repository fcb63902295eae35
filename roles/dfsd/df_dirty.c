#include "roles/dfsd/df_dirty.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { FIRST = 64 };

static uint32_t bucket(const struct df_dirty *d, df_id dir, struct df_bytes name)
{
	const uint8_t *p = name.p;
	uint64_t h = dir * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32) & (d->size - 1);
}

static struct df_bytes name_of(const struct df_dirty_item *item)
{
	return (struct df_bytes){ item->name, item->n };
}

static void grow(struct df_dirty *d)
{
	struct df_dirty_item **old = d->buckets;
	uint32_t n = d->size;

	d->size = n ? n * 2 : FIRST;
	d->buckets = mem_new(d->size * sizeof(struct df_dirty_item *));
	for (uint32_t i = 0; i < n; i++)
		for (struct df_dirty_item *item = old[i], *next; item; item = next) {
			next = item->next;
			struct df_dirty_item **at =
				&d->buckets[bucket(d, item->dir, name_of(item))];
			item->next = *at;
			*at = item;
		}
	free(old);
}

void df_dirty_init(struct df_dirty *d)
{
	*d = (struct df_dirty){ .n = 0 };
	list_init(&d->soon);
	list_init(&d->later);
	grow(d);
}

void df_dirty_fini(struct df_dirty *d)
{
	for (uint32_t i = 0; i < d->size; i++)
		while (d->buckets[i]) {
			struct df_dirty_item *item = d->buckets[i];
			d->buckets[i] = item->next;
			free(item);
		}
	free(d->buckets);
	d->buckets = NULL;
	d->size = d->n = 0;
}

static void queue(struct df_dirty *d, struct df_dirty_item *item, int64_t due, bool later)
{
	item->due = due;
	item->later = later;
	list_append(later ? &d->later : &d->soon, &item->link);
}

void df_dirty_put(struct df_dirty *d, df_id dir, struct df_bytes name, int64_t due, unsigned how)
{
	bool later = how & DF_LATER;
	struct df_dirty_item *item = d->buckets[bucket(d, dir, name)];

	while (item &&
	       (item->dir != dir || item->n != name.n || memcmp(item->name, name.p, name.n) != 0))
		item = item->next;
	if (item && item->later && !later) {
		list_remove(&item->link);
		queue(d, item, due, later);
	}
	if (item) {
		item->written |= (how & DF_WRITTEN) != 0;
		return;
	}
	if (d->n >= d->size)
		grow(d);
	item = mem_new(sizeof(*item) + name.n);
	item->dir = dir;
	item->n = (uint8_t)name.n;
	item->written = how & DF_WRITTEN;
	memcpy(item->name, name.p, name.n);
	struct df_dirty_item **at = &d->buckets[bucket(d, dir, name)];
	item->next = *at;
	*at = item;
	d->n++;
	queue(d, item, due, later);
}

static struct df_dirty_item *first(const struct list *l)
{
	return list_empty(l) ? NULL : container_of(l->next, struct df_dirty_item, link);
}

struct df_dirty_item *df_dirty_take(struct df_dirty *d, int64_t now, int64_t *next)
{
	struct df_dirty_item *a = first(&d->soon), *b = first(&d->later);
	struct df_dirty_item *item = !a || (b && b->due < a->due) ? b : a;

	*next = item ? item->due : 0;
	if (!item || item->due > now)
		return NULL;
	struct df_dirty_item **at = &d->buckets[bucket(d, item->dir, name_of(item))];
	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	list_remove(&item->link);
	d->n--;
	return item;
}
