/*
 * df_apply - what a peer says of a share becomes so here.
 *
 *	frame --> checked: the path, the entry --> done on the disk (df_root) --> in the index, as
 *	the disk says it is, with the peer as its origin --> MARK --> ACK
 *
 * Every frame says how a path is to be, so one that comes twice does no harm. What can't be done
 * is answered with NAK; nothing is acknowledged before the peer has heard all of those.
 */
#pragma once

#include "roles/dfsd/df_link.h"
#include "roles/dfsd/df_plan.h"

struct df_apply;

struct df_apply_conf {
	struct df_tree *tree;
	struct df_link *link;
	uint16_t share; /* our number for it */
	uint32_t origin, round;
	bool whole;          /* the peer tells all */
	bool keeps;          /* nothing is deleted that the peer only does not have */
	uint64_t min_free;   /* bytes that stay free on the file system */
	uint64_t max_delete; /* nodes that a sweep may delete; 0: any */
	/* All up to there is done, and the peer will hear of it when that returns true: the index
	 * has it. all: nothing of what the peer had before it told all is left. */
	bool (*on_done)(void *data, uint64_t seq, bool all);
	/* The sweep would have deleted so many: it has not. */
	void (*on_guard)(void *data, uint64_t nodes);
	/* A path is another now, for who wants to know. */
	void (*on_changed)(void *data, const char *path);
	void *data;
};

struct df_apply_figures {
	uint64_t ops, files, bytes, renames, naks, deleted;
};

struct df_apply *df_apply_new(const struct df_apply_conf *conf);
void df_apply_free(struct df_apply *a);

/* A frame of that share that a feed puts. Returns 0 or ERR_PROTO. */
int df_apply_frame(struct df_apply *a, const struct df_frame *f);

/* What came at once is done: acknowledges. */
void df_apply_turn(struct df_apply *a);

/* All that the peer has said is done. */
bool df_apply_is_done(const struct df_apply *a);

void df_apply_figures(const struct df_apply *a, struct df_apply_figures *figures);
