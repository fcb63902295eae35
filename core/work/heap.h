/*
 * heap - the least of many, with removal from the middle.
 *
 * Four children to a parent, and the keys beside the pointers: the children of one parent are one
 * line of the cache, so a million entries cost ten lines to go through. 16 bytes an entry.
 */
#pragma once

#include <stdint.h>

enum { HEAP_OUT = 0xffffffff };

/* Lives inside the thing that is ordered. */
struct heap_node {
	uint64_t key;    /* kept when the node is out */
	uint32_t pos;    /* HEAP_OUT: in no heap */
	uint8_t kind;    /* the owner's four bytes, */
	uint8_t a, b, c; /* where they cost nothing */
};

struct heap_slot {
	uint64_t key;
	struct heap_node *node;
};

struct heap {
	struct heap_slot *slots;
	uint32_t n, cap;
};

/* A heap of zeros is an empty one. */
void heap_fini(struct heap *h);

/* The node is in no heap. */
void heap_put(struct heap *h, struct heap_node *n, uint64_t key);

/* Nothing happens to a node that is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);

/* Puts it, or moves it to its new place. */
void heap_set(struct heap *h, struct heap_node *n, uint64_t key);

/* NULL when empty. */
static inline struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->slots[0].node : 0;
}

/* After the caller has changed keys in the slots. */
void heap_rebuild(struct heap *h);
