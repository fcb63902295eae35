/*
 * df_multi - a share that several write to: what a peer says of a path against what we have.
 *
 *	versions (df_version) --> theirs is older, or the same: ours stays
 *	                          theirs is newer: it takes the place
 *	                          neither knew of the other: a file wins over one that is gone, a
 *	                          folder over a file, the later file over the other one, which
 *	                          stays as NAME.conflict-YYYYMMDD-HHMMSS-NODE.EXT
 *
 * Who has the loser puts it aside, takes the winner and tells of both with a version that is newer
 * than either. Who has the winner does nothing: he will hear of that. The name of what is put aside
 * says nothing of who does so: several nodes that do it come to the same file.
 */
#pragma once

#include "roles/dfsd/df_plan.h"
#include "roles/dfsd/df_version.h"

enum df_verdict {
	DF_KEEP,  /* ours stays as it is */
	DF_DRESS, /* the content is the same: all else, and the version */
	DF_TAKE,  /* theirs takes the place */
};

struct df_claim {
	const char *path;
	struct df_entry *e; /* what the peer says; its version becomes that of both */
	bool content;       /* it is at hand, and its hash in the entry */
	/* What came of it: */
	bool both; /* it is made of what we and the peer had */
	bool lost; /* what we have there is to be put aside */
	uint8_t version[DF_VERSION];
	char by[DF_NODE_NAME];
};

/* Looks at the disk first: what somebody has just written here is known then. */
enum df_verdict df_multi_judge(struct df_tree *t, struct df_claim *c);

/* Before something takes the place: what would be lost there is put aside. 0 or an error. */
int df_multi_room(struct df_tree *t, const struct df_claim *c);

/* The same where the folders on the way are to be. */
int df_multi_way(struct df_tree *t, const char *path);

/* What the peer has does not fit, as our folder is not empty: ours is told of once more. path
 * becomes the one at which the peer's file can stay, when that is one. */
void df_multi_insist(struct df_tree *t, const struct df_claim *c, char path[DF_PATH]);
