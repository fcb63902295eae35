/*
 * task - where tasks live: chunks of 64 KiB, so that a million cost 64 MB and nothing more, and a
 * table from ids to them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/private.h"

enum { CHUNK = 65536, FIRST = 256 };

struct chunk {
	struct list link; /* of those with room */
	struct task *free;
	uint32_t used;
	bool listed;
};

enum { PER_CHUNK = CHUNK / sizeof(struct task) - 1 };

static_assert(sizeof(struct task) == 64, "a task is a line of the cache");
static_assert(sizeof(struct chunk) <= sizeof(struct task), "the head takes a task's place");

static struct chunk *chunk_of(struct task *t)
{
	return (struct chunk *)(void *)((uintptr_t)t & ~(uintptr_t)(CHUNK - 1));
}

static struct chunk *chunk_new(void)
{
	struct chunk *c = aligned_alloc(CHUNK, CHUNK);

	if (!c)
		abort();
	struct task *tasks = (struct task *)(void *)c;
	memset(c, 0, sizeof(struct task));
	for (int i = PER_CHUNK; i > 0; i--) {
		tasks[i].next = c->free;
		c->free = &tasks[i];
	}
	return c;
}

static struct task *take(struct tasks *all)
{
	if (list_empty(&all->chunks)) {
		struct chunk *fresh = chunk_new();
		list_append(&all->chunks, &fresh->link);
		fresh->listed = true;
	}
	struct chunk *c = container_of(all->chunks.next, struct chunk, link);
	struct task *t = c->free;
	c->free = t->next;
	if (++c->used == PER_CHUNK) {
		list_remove(&c->link);
		c->listed = false;
	}
	return t;
}

static void give(struct tasks *all, struct task *t)
{
	struct chunk *c = chunk_of(t);

	t->next = c->free;
	c->free = t;
	if (!c->listed) {
		list_append(&all->chunks, &c->link);
		c->listed = true;
	}
	if (--c->used == 0 && all->chunks.next->next != &all->chunks) { /* not the only one */
		list_remove(&c->link);
		free(c);
	}
}

static uint32_t bucket_of(uint64_t id, uint32_t mask)
{
	return (uint32_t)((id * 0x9e3779b97f4a7c15u) >> 32) & mask;
}

static void resize(struct tasks *all, uint32_t buckets)
{
	struct task **fresh = mem_new(buckets * sizeof(*fresh));

	for (uint32_t i = 0; all->buckets && i <= all->mask; i++)
		for (struct task *t = all->buckets[i], *next; t; t = next) {
			uint32_t at = bucket_of(t->id, buckets - 1);
			next = t->next;
			t->next = fresh[at];
			fresh[at] = t;
		}
	free(all->buckets);
	all->buckets = fresh;
	all->mask = buckets - 1;
}

struct task *task_new(struct work *w, uint64_t id)
{
	struct tasks *all = &w->tasks;

	if (!all->buckets)
		resize(all, FIRST);
	else if (all->n > all->mask)
		resize(all, (all->mask + 1) * 2);
	struct task *t = take(all);
	memset(t, 0, sizeof(*t));
	uint32_t at = bucket_of(id, all->mask);
	t->id = id;
	t->node.pos = HEAP_OUT;
	t->next = all->buckets[at];
	all->buckets[at] = t;
	all->n++;
	return t;
}

void task_free(struct work *w, struct task *t)
{
	struct tasks *all = &w->tasks;
	struct task **at = &all->buckets[bucket_of(t->id, all->mask)];

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	give(all, t);
	all->n--;
	if (all->n < all->mask / 8 && all->mask >= FIRST)
		resize(all, (all->mask + 1) / 4);
}

struct task *task_find(struct work *w, uint64_t id)
{
	struct tasks *all = &w->tasks;

	if (!all->buckets)
		return NULL;
	struct task *t = all->buckets[bucket_of(id, all->mask)];
	while (t && t->id != id)
		t = t->next;
	return t;
}

void tasks_fini(struct work *w, void (*each)(struct work *w, struct task *t))
{
	struct tasks *all = &w->tasks;
	struct list *it, *tmp;

	for (uint32_t i = 0; all->buckets && i <= all->mask; i++)
		while (all->buckets[i]) {
			struct task *t = all->buckets[i];
			each(w, t);
			all->buckets[i] = t->next;
			give(all, t);
		}
	list_each (it, tmp, &all->chunks) {
		free(container_of(it, struct chunk, link));
	}
	free(all->buckets);
}

uint64_t tasks_memory(struct work *w)
{
	struct tasks *all = &w->tasks;
	uint64_t chunks = (all->n + PER_CHUNK - 1) / PER_CHUNK;

	return chunks * CHUNK + (all->mask + 1) * sizeof(struct task *);
}

struct more *task_more(struct task *t)
{
	if (!t->more) {
		t->more = mem_new(sizeof(*t->more));
		t->more->task = t;
		t->more->expiry.pos = HEAP_OUT;
		t->more->expiry.kind = AT_EXPIRY;
	}
	return t->more;
}
