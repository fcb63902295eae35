/* df_apply_multi - what a peer says of a share that several write to (df_multi) becomes so. */
#include <string.h>
#include <uv.h>

#include "core/base/err.h"
#include "roles/dfsd/df_apply_in.h"

static enum df_verdict judge(struct df_apply *a, const char *path, struct df_entry *e, bool content)
{
	a->claim.path = path;
	a->claim.e = e;
	a->claim.content = content;
	enum df_verdict v = df_multi_judge(a->conf.tree, &a->claim);
	a->origin = a->claim.both ? DF_OF_BOTH : a->conf.origin;
	return v;
}

/* What is gone there is known to be gone here, and since when. */
static void note_gone(struct df_apply *a, struct df_order *o)
{
	struct df_node n;

	if (!df_index_was(a->index, o->path, &n))
		return;
	df_apply_touch(a, n.parent);
	n.entry = (struct df_entry){ .type = DF_GONE,
				     .size = n.entry.size,
				     .mtime = n.entry.mtime,
				     .version = o->e.version,
				     .by = o->e.by };
	n.origin = a->origin;
	df_index_put(a->index, &n, true);
}

static void remove_one(struct df_apply *a, struct df_order *o)
{
	char path[DF_PATH];
	int rc = df_root_remove_one(a->root, o->path);

	if (rc == UV_ENOTEMPTY) {
		df_multi_insist(a->conf.tree, &a->claim, path);
		return;
	}
	if (rc != 0) {
		df_apply_fail(a, o->id, o->path, rc);
		return;
	}
	a->figures.deleted++;
	note_gone(a, o);
}

/* Its content stood elsewhere until now, and still does here. */
static bool take_copy(struct df_apply *a, struct df_order *o)
{
	char from[DF_PATH];
	struct df_node n;

	if (!df_apply_path(&o->r, from) || !df_index_find(a->index, from, &n) ||
	    !df_entry_same_content(&n.entry, &o->e) || df_root_look(a->root, from, &a->seen) != 0 ||
	    a->seen.ino != n.ino || a->seen.ctime != n.ctime)
		return false;
	if (df_multi_room(a->conf.tree, &a->claim) != 0 ||
	    df_apply_way(a, o->path, UV_ENOENT) != 0 ||
	    df_root_copy(a->root, from, o->path, &o->e) != 0)
		return false;
	a->figures.renames++;
	df_apply_note(a, o->id, o->path, &o->e, true);
	return true;
}

/* A folder is in the way of what is none: when it is not empty, both stay. */
static int clear_folder(struct df_apply *a, struct df_order *o)
{
	char path[DF_PATH];
	struct df_node n;

	if (o->e.type == DF_DIR || !df_index_find(a->index, o->path, &n) || n.entry.type != DF_DIR)
		return 0;
	int rc = df_root_remove_one(a->root, o->path);
	if (rc != UV_ENOTEMPTY)
		return rc;
	df_multi_insist(a->conf.tree, &a->claim, path);
	if (!*path)
		return UV_EEXIST;
	memcpy(o->path, path, sizeof(path));
	o->e.version.n = 0; /* a file of its own */
	a->origin = 0;
	return 0;
}

static int take_room(struct df_apply *a, struct df_order *o)
{
	int rc = df_multi_room(a->conf.tree, &a->claim);

	return rc == 0 ? clear_folder(a, o) : rc;
}

static int take(struct df_apply *a, struct df_order *o, enum df_frame_type type)
{
	if (type == DF_DELETE) {
		remove_one(a, o);
		return 0;
	}
	if (type == DF_ENTRY && o->e.type == DF_FILE) {
		if (!take_copy(a, o))
			df_apply_nak(a, o->id, DF_NAK_NOBASE, o->path);
		return 0;
	}
	int rc = take_room(a, o);
	if (rc != 0) {
		df_apply_fail(a, o->id, o->path, rc);
		return 0;
	}
	return type == DF_PUT ? df_apply_put(a, o) : df_apply_entry(a, o, false);
}

/* UV_ENOENT: it was there a moment ago. */
static int dress(struct df_apply *a, struct df_order *o)
{
	if (o->e.type == DF_GONE) {
		note_gone(a, o);
		return 0;
	}
	int rc = df_root_dress(a->root, o->path, &o->e);
	if (rc == 0)
		df_apply_note(a, o->id, o->path, &o->e, false);
	return rc;
}

/* What is on the disk may be another tree by now than we know. */
static enum df_verdict judge_and_dress(struct df_apply *a, struct df_order *o, bool content)
{
	enum df_verdict v = judge(a, o->path, &o->e, content);
	int rc = v == DF_DRESS ? dress(a, o) : 0;

	if (rc == UV_ENOENT || rc == UV_ENOTDIR || rc == UV_ELOOP) {
		rc = df_multi_way(a->conf.tree, o->path);
		v = judge(a, o->path, &o->e, content);
		rc = rc == 0 && v == DF_DRESS ? dress(a, o) : rc;
	}
	if (rc == 0)
		return v;
	df_apply_fail(a, o->id, o->path, rc);
	return DF_KEEP;
}

int df_apply_multi(struct df_apply *a, const struct df_frame *f, struct df_order *o)
{
	bool put = f->type == DF_PUT;

	if ((f->type == DF_DELETE) != (o->e.type == DF_GONE) || f->type == DF_TWIN)
		return ERR_PROTO;
	if (put && o->e.type == DF_FILE && (size_t)(o->r.end - o->r.p) != o->e.size)
		return ERR_PROTO;
	struct df_entry begun = o->e; /* it is judged once more when it has come */
	if (f->type == DF_BEGIN)
		return df_apply_begin(a, f, o, judge(a, o->path, &begun, false) == DF_KEEP);
	enum df_verdict v = judge_and_dress(a, o, put);
	return v == DF_TAKE ? take(a, o, (enum df_frame_type)f->type) : 0;
}

bool df_apply_takes_place(struct df_apply *a, struct df_stream_in *s, struct df_order *o)
{
	*o = (struct df_order){ .id = s->id, .seq = s->seq, .e = s->entry };
	memcpy(o->path, s->path, strlen(s->path) + 1);
	if (!a->conf.tree->multi)
		return true;
	if (judge_and_dress(a, o, true) != DF_TAKE)
		return false;
	int rc = take_room(a, o);
	if (rc != 0)
		df_apply_fail(a, o->id, o->path, rc);
	return rc == 0;
}
