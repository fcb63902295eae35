#include "roles/dfsd/df_multi.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/log/log.h"
#include "roles/dfsd/df_hash.h"

enum { TRIES = 100, STAMP = 24, PIECE = 64 * 1024 };

/* ---- what is there ------------------------------------------------------------------------- */

/* The folder of a path as far as it is there, and the name in it. */
static bool folder_of(struct df_tree *t, const char *path, struct df_node *folder,
		      struct df_bytes *name)
{
	char above[DF_PATH];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	memcpy(above, path, n);
	above[n] = '\0';
	*name = (struct df_bytes){ slash ? slash + 1 : path, strlen(slash ? slash + 1 : path) };
	return df_index_find(t->index, above, folder) && folder->entry.type == DF_DIR;
}

static void look(struct df_tree *t, const char *path)
{
	struct df_node folder;
	struct df_bytes name;
	uint64_t nodes = 0;

	if (folder_of(t, path, &folder, &name) &&
	    df_plan_place(t, folder.id, name, false) == DF_PLAN_GONE)
		df_plan_gone(t, folder.id, name, &nodes);
}

static bool hash_file(struct df_tree *t, const char *path, uint8_t hash[DF_HASH])
{
	static uint8_t piece[PIECE];
	int fd = df_root_read(&t->root, path);
	ssize_t n = -1;

	if (fd < 0)
		return false;
	struct df_hasher *h = df_hasher_new();
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		df_hasher_add(h, piece, (size_t)n);
	df_hasher_get(h, hash);
	df_hasher_free(h);
	close(fd);
	return n == 0;
}

/* By its bytes, where both are at hand. */
static bool is_alike(struct df_tree *t, const struct df_claim *c, const struct df_node *ours)
{
	const struct df_entry *e = c->e;
	uint8_t hash[DF_HASH];

	if (e->type != DF_FILE || ours->entry.type != DF_FILE || !c->content)
		return df_entry_same_content(e, &ours->entry);
	return e->size == ours->entry.size && e->hashed && hash_file(t, c->path, hash) &&
	       memcmp(hash, e->hash, DF_HASH) == 0;
}

/* ---- whose it is to be ----------------------------------------------------------------------- */

static int order_of(struct df_bytes a, struct df_bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* The same for whoever asks. */
static bool is_later(const struct df_entry *a, const struct df_entry *b)
{
	if (a->mtime != b->mtime)
		return a->mtime > b->mtime;
	int order = order_of(a->by, b->by);
	return (order ? order : order_of(a->version, b->version)) > 0;
}

static void keep_bytes(struct df_bytes *b, void *room)
{
	if (b->n)
		memcpy(room, b->p, b->n);
	b->p = room;
}

/* Both versions in one, and all else of the later one. */
static void unite(struct df_claim *c, const struct df_node *ours)
{
	static uint8_t merged[DF_VERSION]; /* it may be the second time */
	size_t n = df_version_merge(merged, c->e->version, ours->entry.version);

	memcpy(c->version, merged, n);
	c->e->version = (struct df_bytes){ c->version, n };
	c->both = true;
}

static enum df_verdict judge_alike(struct df_claim *c, const struct df_node *ours)
{
	bool later = is_later(c->e, &ours->entry);

	unite(c, ours);
	if (later)
		return DF_DRESS;
	struct df_bytes version = c->e->version;
	*c->e = ours->entry;
	c->e->version = version;
	return DF_DRESS;
}

/* Neither knew of the other. */
static enum df_verdict judge_apart(struct df_claim *c, const struct df_node *ours, bool alike)
{
	enum df_type mine = ours->entry.type, theirs = c->e->type;

	if (alike || (mine == DF_DIR && theirs == DF_DIR))
		return judge_alike(c, ours);
	if (theirs == DF_GONE || mine == DF_DIR)
		return DF_KEEP;
	if (mine != DF_GONE && theirs != DF_DIR && !is_later(c->e, &ours->entry))
		return DF_KEEP;
	c->lost = mine != DF_GONE;
	unite(c, ours);
	return DF_TAKE;
}

enum df_verdict df_multi_judge(struct df_tree *t, struct df_claim *c)
{
	struct df_node ours;
	enum df_verdict v = DF_TAKE;

	c->both = c->lost = false;
	if (!df_index_find(t->index, c->path, &ours) || ours.entry.type != DF_DIR)
		look(t, c->path); /* a folder's time is not mended yet, perhaps */
	if (!df_index_was(t->index, c->path, &ours))
		return c->e->type == DF_GONE ? DF_KEEP : DF_TAKE;
	enum df_age age = df_version_compare(c->e->version, ours.entry.version);
	if (age == DF_SAME || age == DF_OLDER)
		return DF_KEEP;
	bool alike = is_alike(t, c, &ours);
	if (age == DF_APART)
		v = judge_apart(c, &ours, alike);
	else if (alike)
		v = DF_DRESS;
	keep_bytes(&c->e->by, c->by);
	return v;
}

/* ---- conflicts ------------------------------------------------------------------------------- */

/* NAME.conflict-20261122-143055-NODE.EXT, of `e`; nth: when that is taken. */
static void conflict_name(const char *path, const struct df_entry *e, int nth, char out[DF_PATH])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	char stamp[STAMP], tail[DF_NAME + 1], more[12] = "";
	time_t at = (time_t)(e->mtime / 1000000000);
	struct tm tm;

	if (!dot || dot == name || strlen(dot) > DF_NAME / 2)
		dot = name + strlen(name);
	gmtime_r(&at, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	if (nth > 1)
		snprintf(more, sizeof(more), "-%d", nth);
	int n = snprintf(tail, sizeof(tail), ".conflict-%s-%.*s%s%s", stamp, (int)e->by.n,
			 e->by.n ? (const char *)e->by.p : "", more, dot);
	size_t stem = (size_t)(dot - name), most = DF_NAME - (size_t)n;
	if (stem > most) /* no half of a character */
		for (stem = most; stem > 1 && (name[stem] & 0xc0) == 0x80;)
			stem--;
	snprintf(out, DF_PATH, "%.*s%s", (int)(name - path + (long)stem), path, tail);
}

/* A place for it that is free. */
static bool find_name(struct df_tree *t, const char *path, const struct df_entry *e,
		      char out[DF_PATH])
{
	for (int nth = 1; nth <= TRIES; nth++) {
		conflict_name(path, e, nth, out);
		if (df_root_look(&t->root, out, &t->seen) == UV_ENOENT)
			return true;
	}
	return false;
}

/* The same was put aside before, by us or by another node. */
static bool is_aside(struct df_tree *t, const char *path, const struct df_node *ours,
		     const char *aside)
{
	uint8_t a[DF_HASH], b[DF_HASH];

	return ours->entry.type == DF_FILE && df_root_look(&t->root, aside, &t->seen) == 0 &&
	       t->seen.entry.type == DF_FILE && t->seen.entry.size == ours->entry.size &&
	       hash_file(t, path, a) && hash_file(t, aside, b) && memcmp(a, b, DF_HASH) == 0;
}

static int put_aside(struct df_tree *t, const char *path, const struct df_node *ours)
{
	char aside[DF_PATH];

	conflict_name(path, &ours->entry, 1, aside);
	if (is_aside(t, path, ours, aside))
		return df_root_remove(&t->root, path);
	if (!find_name(t, path, &ours->entry, aside))
		return UV_EEXIST;
	int rc = df_root_rename(&t->root, path, aside);
	if (rc != 0)
		return rc;
	t->conflicts++;
	log_warn("two nodes have written to it, the earlier one is put aside path=%s as=%s", path,
		 aside);
	look(t, aside);
	return 0;
}

int df_multi_way(struct df_tree *t, const char *path)
{
	char way[DF_PATH];
	struct df_node n;
	int rc = 0;

	for (const char *slash = strchr(path, '/'); slash && rc == 0;
	     slash = strchr(slash + 1, '/')) {
		memcpy(way, path, (size_t)(slash - path));
		way[slash - path] = '\0';
		look(t, way);
		if (!df_index_find(t->index, way, &n) || n.entry.type == DF_DIR)
			continue;
		rc = put_aside(t, way, &n);
		look(t, way);
	}
	return rc;
}

int df_multi_room(struct df_tree *t, const struct df_claim *c)
{
	struct df_node n;

	return c->lost && df_index_find(t->index, c->path, &n) ? put_aside(t, c->path, &n) : 0;
}

void df_multi_insist(struct df_tree *t, const struct df_claim *c, char path[DF_PATH])
{
	static uint8_t version[DF_VERSION];
	struct df_node n;

	*path = '\0';
	if (c->e->type != DF_GONE && c->e->type != DF_DIR)
		find_name(t, c->path, c->e, path);
	if (!df_index_find(t->index, c->path, &n))
		return;
	n.entry.version.n = df_version_merge(version, c->e->version, n.entry.version);
	n.entry.version.p = version;
	n.origin = 0;
	df_index_put(t->index, &n, false);
}
