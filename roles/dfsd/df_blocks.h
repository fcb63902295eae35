/*
 * df_blocks - a content as a list of blocks, by which another one is said in parts of it.
 *
 * Of each block two sums: a weak one that slides over bytes, a strong one (XXH3). They say which
 * bytes are likely there; the hash of the whole content, checked at its end, says whether they
 *were.
 *
 *	content --> df_blocks_add --> df_lists_keep, by its hash
 *	another one, and the hash of what the peer has --> df_lists_find --> df_blocks_match
 */
#pragma once

#include "core/base/list.h"
#include "roles/dfsd/df_entry.h"

enum {
	DF_BLOCK_SIZE = 128 * 1024,
	DF_BIG = 1 << 20,    /* files from there on have a list, and are resumed */
	DF_LISTS = 32 << 20, /* bytes of all lists that are kept, at most: of 256 GiB */
};

struct df_blocks;

struct df_blocks *df_blocks_new(void);
void df_blocks_free(struct df_blocks *b); /* its reference; NULL: nothing */

/* The next bytes of it. */
void df_blocks_add(struct df_blocks *b, const uint8_t *p, size_t n);

/* The same of bytes that are whole blocks of another list, from there on. */
void df_blocks_add_from(struct df_blocks *b, const struct df_blocks *other, uint64_t from,
			struct df_bytes bytes);

struct df_matcher {
	struct df_blocks *of;
	uint64_t next;   /* where what was found last ends in it */
	unsigned misses; /* the weak sum was right, the strong one not */
};

struct df_match {
	size_t before; /* bytes that are not there, */
	uint64_t from; /* and then, from there in it, */
	size_t n;      /* so many that are; 0: none */
};

/* Looks at p, which is at `at` of the new content. last: that is its end. Where nothing is found,
 * `before` bytes have been looked at. */
struct df_match df_blocks_match(struct df_matcher *m, uint64_t at, struct df_bytes bytes,
				bool last);

/* ---- lists that are kept, the latest used ones ------------------------------------------------
 */

struct df_lists {
	struct list all;
	size_t bytes, most;
};

void df_lists_init(struct df_lists *l, size_t most);
void df_lists_fini(struct df_lists *l);

/* Takes the reference over. */
void df_lists_keep(struct df_lists *l, struct df_blocks *b, const uint8_t hash[DF_HASH]);

/* A reference, or NULL. */
struct df_blocks *df_lists_find(struct df_lists *l, const uint8_t hash[DF_HASH]);
