#include "core/work/heap.h"

#include <stdlib.h>

#include "core/base/mem.h"

enum { FIRST = 16 };

void heap_fini(struct heap *h)
{
	free(h->slots);
	*h = (struct heap){ .n = 0 };
}

static void place(struct heap *h, uint32_t at, struct heap_slot slot)
{
	h->slots[at] = slot;
	slot.node->pos = at;
}

static void up(struct heap *h, uint32_t at)
{
	struct heap_slot slot = h->slots[at];

	while (at) {
		uint32_t parent = (at - 1) / 4;
		if (h->slots[parent].key <= slot.key)
			break;
		place(h, at, h->slots[parent]);
		at = parent;
	}
	place(h, at, slot);
}

static void down(struct heap *h, uint32_t at)
{
	struct heap_slot slot = h->slots[at];

	for (;;) {
		uint32_t first = at * 4 + 1, least = at;
		uint64_t key = slot.key;
		for (uint32_t i = first; i < first + 4 && i < h->n; i++)
			if (h->slots[i].key < key) {
				least = i;
				key = h->slots[i].key;
			}
		if (least == at)
			break;
		place(h, at, h->slots[least]);
		at = least;
	}
	place(h, at, slot);
}

/* By half when it is large: what is never used of it is memory lost. */
static void grow(struct heap *h)
{
	uint32_t cap = h->cap < FIRST ? FIRST : h->cap < 4096 ? h->cap * 2 : h->cap + h->cap / 4;

	h->slots = mem_resize(h->slots, cap * sizeof(*h->slots));
	h->cap = cap;
}

static void shrink(struct heap *h)
{
	if (h->cap <= FIRST || h->n > h->cap / 4)
		return;
	h->cap /= 2;
	h->slots = mem_resize(h->slots, h->cap * sizeof(*h->slots));
}

void heap_put(struct heap *h, struct heap_node *n, uint64_t key)
{
	if (h->n == h->cap)
		grow(h);
	n->key = key;
	h->slots[h->n] = (struct heap_slot){ key, n };
	up(h, h->n++);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	uint32_t at = n->pos;

	if (at == HEAP_OUT)
		return;
	n->pos = HEAP_OUT;
	h->n--;
	if (at < h->n) {
		struct heap_node *moved = h->slots[h->n].node;
		place(h, at, h->slots[h->n]);
		up(h, at);
		down(h, moved->pos);
	}
	shrink(h);
}

void heap_set(struct heap *h, struct heap_node *n, uint64_t key)
{
	if (n->pos == HEAP_OUT) {
		heap_put(h, n, key);
		return;
	}
	n->key = key;
	h->slots[n->pos].key = key;
	up(h, n->pos);
	down(h, n->pos);
}

void heap_rebuild(struct heap *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		h->slots[i].node->pos = i;
	for (uint32_t i = h->n; i-- > 0;)
		down(h, i);
}
