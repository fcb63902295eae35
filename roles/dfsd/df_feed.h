/*
 * df_feed - what a peer has to be told of a share, in the order of our numbers.
 *
 *	index, from the cursor on --> one node: its folders first, then what makes it so
 *	                              a tomb:   DELETE
 *	cursor --> MARK --> the peer does all up to it --> ACK
 *
 * A node is said as it is now, with its id: a peer that was told of it moves it from wherever it
 * stands there. What stands in a folder that the peer does not know yet makes that folder be said
 * first, ahead of its turn; `ahead` has the numbers that were. Where it turns out that the peer
 *does not have what it was told of (NAK), the node is said whole.
 *
 * Files above DF_SMALL go in pieces, in turn with one another and with what is small.
 */
#pragma once

#include "core/base/list.h"
#include "roles/dfsd/df_link.h"
#include "roles/dfsd/df_plan.h"

struct df_feed;

struct df_feed_conf {
	struct df_tree *tree;
	struct df_link *link;
	uint16_t share;  /* our number for it */
	uint32_t origin; /* what is from that peer is not said to it */
	uint64_t cursor; /* up to here it has all */
	bool whole;      /* it is told all; what it has too many of it finds out at the end */
	bool empty;      /* it has nothing at all */
	/* A file is another than the index says. */
	void (*on_stale)(void *data, df_id parent, struct df_bytes name);
	void (*on_acked)(void *data, uint64_t seq);
	void *data;
};

struct df_feed_figures {
	uint64_t cursor, acked;
	uint64_t files, bytes, ops, naks;
	bool idle;
};

struct df_feed *df_feed_new(const struct df_feed_conf *conf);
void df_feed_free(struct df_feed *f);

/* Says what there is room for. Returns whether there is more, now. */
bool df_feed_run(struct df_feed *f);

/* ACK, NAK and WANT of that share. Returns 0, or ERR_PROTO. */
int df_feed_heard(struct df_feed *f, const struct df_frame *frame);

/* After a peer had no room: says all again that it has not acknowledged. Returns whether there is
 * something to say. */
bool df_feed_tick(struct df_feed *f, int64_t now);

void df_feed_figures(const struct df_feed *f, struct df_feed_figures *figures);
