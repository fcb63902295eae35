/*
 * task - where tasks live: chunks of 64 KiB in slabs of 1 MiB, so that a million cost 64 MB and
 * nothing more, and a table from ids to them.
 *
 * A task finds its chunk by its address, and that wants aligned ones: asked for singly, each would
 * leave a hole of its own size behind it. What is free goes back: a chunk's pages at once, a slab
 * with its last chunk.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/mem.h"
#include "core/work/private.h"

enum { CHUNK = 65536, CHUNKS = 16, PAGE = 4096, FIRST = 256 };

struct chunk {
	struct list link; /* of those with room, or of the spare ones */
	struct task *free;
	uint32_t used;
	bool listed;
	uint8_t at;   /* of its slab's chunks */
	uint8_t busy; /* of the first one: how many of the slab are not spare */
};

enum { PER_CHUNK = CHUNK / sizeof(struct task) - 1 };

static_assert(sizeof(struct task) == 64, "a task is a line of the cache");
static_assert(sizeof(struct chunk) <= sizeof(struct task), "the head takes a task's place");

static struct chunk *chunk_of(struct task *t)
{
	return (struct chunk *)(void *)((uintptr_t)t & ~(uintptr_t)(CHUNK - 1));
}

/* The n-th of those that c is one of. */
static struct chunk *sibling(struct chunk *c, int n)
{
	return (struct chunk *)(void *)((char *)c + (n - c->at) * (ptrdiff_t)CHUNK);
}

static void slab_new(struct tasks *all)
{
	struct chunk *first = aligned_alloc(CHUNK, CHUNK * CHUNKS);

	if (!first)
		abort();
	first->at = 0;
	for (int i = 0; i < CHUNKS; i++) {
		struct chunk *c = sibling(first, i);
		memset(c, 0, sizeof(*c));
		c->at = (uint8_t)i;
		list_append(&all->spare, &c->link);
	}
}

static void slab_free(struct chunk *c)
{
	for (int i = 0; i < CHUNKS; i++)
		list_remove(&sibling(c, i)->link);
	free(sibling(c, 0));
}

static struct chunk *chunk_new(struct tasks *all)
{
	if (list_empty(&all->spare))
		slab_new(all);
	struct chunk *c = container_of(all->spare.next, struct chunk, link);
	struct task *tasks = (struct task *)(void *)c;
	list_remove(&c->link);
	c->free = NULL;
	for (int i = PER_CHUNK; i > 0; i--) {
		tasks[i].next = c->free;
		c->free = &tasks[i];
	}
	sibling(c, 0)->busy++;
	return c;
}

static void chunk_free(struct tasks *all, struct chunk *c)
{
	list_remove(&c->link);
	list_append(&all->spare, &c->link);
	c->listed = false;
	if (--sibling(c, 0)->busy == 0)
		slab_free(c);
	else
		madvise((char *)c + PAGE, CHUNK - PAGE, MADV_DONTNEED);
}

static struct task *take(struct tasks *all)
{
	if (list_empty(&all->chunks)) {
		struct chunk *fresh = chunk_new(all);
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
	if (--c->used == 0 && all->chunks.next->next != &all->chunks) /* not the only one */
		chunk_free(all, c);
}

/* 64 ids in a row have buckets in a row: those that come together are in the cache together. */
static uint32_t bucket_of(uint64_t id, uint32_t mask)
{
	return (uint32_t)(((id >> 6) * 0x9e3779b97f4a7c15u >> 32) + (id & 63)) & mask;
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

	for (uint32_t i = 0; all->buckets && i <= all->mask; i++)
		while (all->buckets[i]) {
			struct task *t = all->buckets[i];
			each(w, t);
			all->buckets[i] = t->next;
			give(all, t);
		}
	if (!list_empty(&all->chunks))
		slab_free(container_of(all->chunks.next, struct chunk, link));
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
