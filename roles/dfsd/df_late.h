/*
 * df_late - nodes that are to be said to a peer once more, and when.
 *
 *	stale     it was another file than the index said when it was to be read: soon
 *	failed    the peer could not do it: after a second, two, four, up to a minute, TRIES times
 *
 * As long as one of them waits, nothing is marked: the peer does not have all yet.
 */
#pragma once

#include "roles/dfsd/df_index.h"

struct df_late_item {
	df_id id;
	uint64_t content; /* another number by now: it is said in its turn */
	int64_t due;      /* ms */
	uint32_t tries;   /* that have failed */
	bool said;        /* and not failed again, up to now */
	uint64_t mark;    /* the last one when it was said */
};

struct df_late {
	struct df_late_item *items;
	size_t n, waiting;
};

void df_late_free(struct df_late *l);

void df_late_stale(struct df_late *l, const struct df_node *n, int64_t now);

/* false: it has failed too often and is given up. */
bool df_late_failed(struct df_late *l, const struct df_node *n, int64_t now);

/* The next one that is due, DF_NOBODY: none. mark: the number of the last one put. *over: some are
 * over that were waited for. */
df_id df_late_take(struct df_late *l, struct df_index *x, int64_t now, uint64_t mark, bool *over);

/* The peer has done all that was said before that mark. */
void df_late_done(struct df_late *l, uint64_t mark);
