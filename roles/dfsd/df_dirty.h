/*
 * df_dirty - places to look at, each once, and when.
 *
 * A set, not a queue of events: a file that is written a thousand times until its moment comes is
 * looked at once. A place that is there already keeps its moment, or gets an earlier one, so that
 * one that is written without end is looked at again and again.
 */
#pragma once

#include "core/base/list.h"
#include "roles/dfsd/df_index.h"

struct df_dirty_item {
	struct list link;
	struct df_dirty_item *next;
	df_id dir;
	int64_t due; /* ms */
	bool later, written;
	uint8_t n;
	char name[];
};

enum { DF_LATER = 1, DF_WRITTEN = 2 }; /* how */

struct df_dirty {
	struct list soon, later; /* in the order of their moments */
	struct df_dirty_item **buckets;
	uint32_t size, n;
};

void df_dirty_init(struct df_dirty *d);
void df_dirty_fini(struct df_dirty *d);

/* DF_LATER: it may be moved ahead by one that is not. DF_WRITTEN: somebody has written to it. name:
 * "" for the folder itself. Moments of the same kind must not become earlier. */
void df_dirty_put(struct df_dirty *d, df_id dir, struct df_bytes name, int64_t due, unsigned how);

/* The one whose moment has come, out of the set: free() it. NULL: none; *next is when one has, 0:
 * none at all. */
struct df_dirty_item *df_dirty_take(struct df_dirty *d, int64_t now, int64_t *next);
