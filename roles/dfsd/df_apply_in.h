/* df_apply_in - what the files of df_apply share: its struct, and what is done with one frame. */
#pragma once

#include "core/base/list.h"
#include "roles/dfsd/df_apply.h"
#include "roles/dfsd/df_multi.h"
#include "roles/dfsd/df_part.h"
#include "roles/dfsd/df_set.h"

/* A file that comes in pieces. */
struct df_stream_in {
	struct list link;
	uint32_t number;
	uint64_t seq;
	df_id id;
	struct df_part part;
	uint8_t *bytes; /* of the entry */
	struct df_entry entry;
	bool broken; /* it was refused: what comes of it is passed over */
	char path[];
};

struct df_apply {
	struct df_apply_conf conf;
	struct df_index *index;
	struct df_root *root;
	struct list streams;
	int n_streams;
	uint64_t mark, mark_naks, naks, acked;
	bool marked, swept;
	struct df_claim claim; /* of the frame that is at hand, when several write */
	uint32_t origin;       /* of what is noted now */
	df_id *touched;        /* folders in which something was done in this turn */
	size_t n_touched;
	struct df_set astray; /* what came to be another file, in parts of what was there */
	struct df_seen seen;
	struct df_apply_figures figures;
};

/* What is asked. */
struct df_order {
	uint64_t seq;
	df_id id;
	char path[DF_PATH];
	struct df_entry e;
	struct df_reader r;
};

/* The peer is told that it is not done, and why; and of an error of the system. */
void df_apply_nak(struct df_apply *a, df_id id, enum df_nak why, const char *text);
void df_apply_fail(struct df_apply *a, df_id id, const char *path, int rc);

/* What is done in a folder changes its time, which is to be the peer's: that is mended at the end
 * of the turn. */
void df_apply_touch(struct df_apply *a, df_id folder);

/* What is at the path now is how the peer wanted what it calls `their`. */
void df_apply_note(struct df_apply *a, df_id their, const char *path, const struct df_entry *e,
		   bool content);

/* After an error: the folders on the way to it are there now. rc: that one, where it is another. */
int df_apply_way(struct df_apply *a, const char *path, int rc);

bool df_apply_path(struct df_reader *r, char path[DF_PATH]);
int df_apply_put(struct df_apply *a, struct df_order *o);
int df_apply_entry(struct df_apply *a, struct df_order *o, bool offer);

/* passed: what comes of it is passed over. */
int df_apply_begin(struct df_apply *a, const struct df_frame *f, struct df_order *o, bool passed);

/* ---- df_apply_multi.c ------------------------------------------------------------------------ */

/* The same, where several write. */
int df_apply_multi(struct df_apply *a, const struct df_frame *f, struct df_order *o);

/* Its content has come; whether it is to take its place: o is of that then. */
bool df_apply_takes_place(struct df_apply *a, struct df_stream_in *s, struct df_order *o);
