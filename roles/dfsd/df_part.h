/*
 * df_part - a file that comes in pieces.
 *
 *	BEGIN -> a temporary file; of one that is big it has a name that is the same the next time
 *	DATA, COPY (from the file that is there), HOLE -> END: the hash of all
 *	         the link is cut: it stays, and the next BEGIN of the same goes on with it
 */
#pragma once

#include "roles/dfsd/df_root.h"

struct df_index;
struct df_node;
struct df_reader;

struct df_part {
	struct df_root *root;
	struct df_temp temp;
	int base; /* the file that is there, -1: none */
	uint64_t size, at;
	struct df_hasher *hasher;
	bool named;   /* by what it will be */
	bool resumed; /* `at` bytes of it were there; the peer may begin anew */
};

/* What it is, to know it again. */
struct df_part_name {
	uint32_t origin;
	uint64_t id, size;
	int64_t mtime;
};

int df_part_open(struct df_part *part, struct df_root *r, const struct df_part_name *name);
void df_part_close(struct df_part *part); /* nothing of it is left */

/* The link is cut: what is worth it stays for the next time. */
void df_part_leave(struct df_part *part);

/* The file at path, when it is what the index says of it, is a source for COPY. */
bool df_part_base(struct df_part *part, const char *path, const struct df_node *n);

/* How much of it is there, and its hash, as HAVE says that. */
uint8_t *df_part_have(const struct df_part *part, uint8_t *p);

/* One piece: DATA, COPY, HOLE. Returns 0, ERR_PROTO, -ESTALE (what is there is not what the peer
 * thinks), or what the system says. */
int df_part_take(struct df_part *part, uint8_t type, struct df_reader *r);

/* Only takes note of it, as it is refused already. Returns 0 or ERR_PROTO. */
int df_part_skip(struct df_part *part, uint8_t type, struct df_reader *r);

/* Whether it is all there, with that hash. */
bool df_part_is(struct df_part *part, const uint8_t hash[DF_HASH]);

/* What was left, but for the latest ones. */
void df_part_trim(struct df_root *r);
