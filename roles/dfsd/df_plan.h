/*
 * df_plan - the index is made to say what the disk says.
 *
 *	a hint, a scan --> df_plan_place --> the same: nothing
 *	                                     other content, other attributes: a new number
 *	                                     a folder that was not known: on_folder
 *	                                     an inode that was elsewhere: it has moved
 *	                                     nothing there: DF_PLAN_GONE, then df_plan_gone
 *
 * Events are never believed: what counts is what is there when we look. What is gone is said last,
 * when all that came at the same time has been looked at, for it may have moved.
 */
#pragma once

#include "roles/dfsd/df_index.h"
#include "roles/dfsd/df_root.h"

struct df_ignore;
struct df_lists;

struct df_tree {
	struct df_root root;
	struct df_index *index;
	struct df_ignore *ignore;
	struct df_lists *lists; /* of the blocks of big files; NULL: none are kept */
	bool multi;             /* several write: each path is on its own, nothing moves */
	bool specials;          /* fifos and devices, too */
	uint64_t max_file;      /* 0: none */
	/* A folder that was not known, or is known as another node now: it is to be watched, then
	 * listed. */
	void (*on_folder)(void *data, df_id id);
	/* Another name of a file that has changed: nobody tells of that. lost: of one that has lost
	 * a name, by which somebody may have it open: nobody will tell of what he writes, either.
	 */
	void (*on_twin)(void *data, const struct df_node *n, bool lost);
	/* What a peer told of is not so any more: it is wanted (df_index_want). NULL: it may be so.
	 */
	void (*on_want)(void *data);
	void *data;
	uint64_t errors;    /* what could not be looked at */
	uint64_t conflicts; /* files that were put aside */
	struct df_seen seen;
	bool written; /* see df_plan_place */
};

enum df_planned {
	DF_PLAN_SAME,
	DF_PLAN_CHANGED,
	DF_PLAN_GONE,   /* to be said once more with df_plan_gone */
	DF_PLAN_ASTRAY, /* its folder is not where we think: that is to be looked at first */
	DF_PLAN_FAILED, /* it was logged */
};

/* written: somebody may have written to it since it was looked at last, in whatever time. */
enum df_planned df_plan_place(struct df_tree *t, df_id parent, struct df_bytes name, bool written);

/* Whether something is gone now; *nodes more are. */
bool df_plan_gone(struct df_tree *t, df_id parent, struct df_bytes name, uint64_t *nodes);

/* Its other names here are to be looked at. */
void df_plan_twins(struct df_tree *t, const struct df_node *n);

/* All names in a folder, on the disk and in the index. Each of them is told; so is what is not on
 * the disk. What each may do is what the index allows while it is walked. */
int df_plan_names(struct df_tree *t, df_id id,
		  void (*each)(void *data, df_id id, struct df_bytes name), void *data);
