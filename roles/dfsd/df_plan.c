#include "roles/dfsd/df_plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/dfsd/df_ignore.h"

static const int64_t TICK = 20 * 1000 * 1000; /* ns, and more than that of any kernel */

/* Its time is that of the last tick of the clock, which may not be over. */
static bool is_racy(const struct df_seen *s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t age = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - s->ctime;
	return age > -TICK && age < TICK;
}

static bool is_the_same(const struct df_node *n, const struct df_seen *s)
{
	return n->dev == s->dev && n->ino == s->ino && n->ctime == s->ctime &&
	       n->entry.type == s->entry.type && n->entry.size == s->entry.size &&
	       n->entry.mtime == s->entry.mtime;
}

/* What a peer told of, and is not so any more. */
static void want(struct df_tree *t, const struct df_node *n)
{
	if (!t->on_want || !n->their)
		return;
	df_index_want(t->index, n->peer, n->their);
	t->on_want(t->data);
}

static bool is_left_out(const struct df_tree *t, const char *path, const struct df_seen *s)
{
	switch (s->entry.type) {
	case DF_SOCKET:
		return true;
	case DF_FIFO:
	case DF_CHAR:
	case DF_BLOCK:
		if (!t->specials)
			return true;
		break;
	case DF_FILE:
		if (t->max_file && s->entry.size > t->max_file)
			return true;
		break;
	default:
		break;
	}
	return t->ignore && df_ignore_has(t->ignore, path, s->entry.type == DF_DIR);
}

/* ---- what is another by now ------------------------------------------------------------------ */

static void take_over(struct df_node *n, const struct df_seen *s, bool same_content)
{
	uint8_t hash[DF_HASH];
	bool hashed = n->entry.hashed && same_content;

	memcpy(hash, n->entry.hash, DF_HASH);
	n->entry = s->entry;
	n->entry.hashed = hashed;
	memcpy(n->entry.hash, hash, DF_HASH);
	n->dev = s->dev;
	n->ino = s->ino;
	n->ctime = s->ctime;
	n->racy |= is_racy(s);
}

static void tell_names(struct df_tree *t, const uint64_t inode[2], df_id but, bool lost)
{
	struct df_node n;
	df_id after = DF_NOBODY;

	while (t->on_twin && df_index_twin(t->index, inode[0], inode[1], after, &n)) {
		after = n.id;
		if (n.id != but)
			t->on_twin(t->data, &n, lost);
	}
}

void df_plan_twins(struct df_tree *t, const struct df_node *n)
{
	tell_names(t, (uint64_t[2]){ n->dev, n->ino }, n->id, false);
}

/* Of all that was dropped by now. */
static void tell_lost(struct df_tree *t)
{
	uint64_t inode[2];

	while (df_index_take_lost(t->index, inode))
		tell_names(t, inode, DF_NOBODY, true);
}

/* What no size and no time tells of: its other names have another content, too. */
static void change_twins(struct df_tree *t, const struct df_seen *s, df_id id)
{
	struct df_node n;
	df_id after = DF_NOBODY;

	while (s->links > 1 && df_index_twin(t->index, s->dev, s->ino, after, &n)) {
		after = n.id;
		if (n.id == id)
			continue;
		n.origin = 0;
		df_index_put(t->index, &n, true);
	}
}

static enum df_planned changed(struct df_tree *t, struct df_node *n, const struct df_seen *s)
{
	bool content = !df_entry_same_content(&n->entry, &s->entry);
	bool rest = !df_entry_same_rest(&n->entry, &s->entry);
	bool racy = n->racy && t->written && n->entry.type == DF_FILE;

	n->racy &= !t->written;
	take_over(n, s, !content && !racy);
	if (!content && !rest && !racy) {
		df_index_note(t->index, n);
		return DF_PLAN_SAME;
	}
	want(t, n);
	n->origin = 0;
	df_index_put(t->index, n, content || racy);
	if (s->entry.type != DF_FILE || s->links < 2)
		return DF_PLAN_CHANGED;
	if (content || rest)
		df_plan_twins(t, n);
	else
		change_twins(t, s, n->id);
	return DF_PLAN_CHANGED;
}

/* ---- what was not there ---------------------------------------------------------------------- */

static bool is_still_there(struct df_tree *t, const struct df_node *n)
{
	char path[DF_PATH];

	return df_index_path(t->index, n->id, path) && df_root_is(&t->root, path, n->dev, n->ino);
}

/* The node that stood elsewhere with this inode, and does no more. */
static bool find_moved(struct df_tree *t, const struct df_seen *s, struct df_node *n)
{
	df_id after = DF_NOBODY;

	while (df_index_twin(t->index, s->dev, s->ino, after, n)) {
		after = n->id;
		if (n->entry.type == s->entry.type &&
		    (s->entry.type != DF_FILE || df_entry_same_content(&n->entry, &s->entry)) &&
		    !is_still_there(t, n))
			return df_index_get(t->index, after, n);
	}
	return false;
}

/* Whether a folder is, or is in, another one. */
static bool is_in(struct df_tree *t, df_id id, df_id above)
{
	struct df_node n;

	while (id != DF_ROOT && id != above && df_index_get(t->index, id, &n))
		id = n.parent;
	return id == above;
}

static enum df_planned appeared(struct df_tree *t, df_id parent, struct df_bytes name,
				struct df_node *there, bool known)
{
	struct df_seen *s = &t->seen;
	struct df_node n;

	if (!t->multi && s->ino && find_moved(t, s, &n) && !is_in(t, parent, n.id)) {
		want(t, &n);
		df_index_move(t->index, &n, parent, name);
		want(t, &n);
		tell_lost(t);
		changed(t, &n, s);
		if (s->entry.type == DF_DIR && t->on_folder)
			t->on_folder(t->data, n.id);
		return DF_PLAN_CHANGED;
	}
	bool replaced = known && there->entry.type != DF_DIR && s->entry.type != DF_DIR;
	if (known)
		want(t, there);
	if (known && !replaced)
		df_index_drop(t->index, there->id, true);
	n = replaced ? *there : (struct df_node){ .parent = parent, .name = name };
	n.origin = 0;
	n.racy = false;
	take_over(&n, s, false);
	df_index_put(t->index, &n, true);
	tell_lost(t);
	if (replaced)
		tell_names(t, (uint64_t[2]){ there->dev, there->ino }, n.id, true);
	if (s->links > 1 && s->entry.type == DF_FILE)
		df_plan_twins(t, &n);
	if (s->entry.type == DF_DIR && t->on_folder)
		t->on_folder(t->data, n.id);
	return DF_PLAN_CHANGED;
}

/* Its path; false: there is nothing to be said of it (its folder is gone, it is too deep, or ours).
 */
static bool is_ours(struct df_tree *t, df_id parent, struct df_bytes name, char path[DF_PATH])
{
	return name.n > 0 && name.n <= DF_NAME && df_index_place(t->index, parent, name, path) &&
	       !df_path_is_in(path, ".troupe");
}

static bool is_the_same_inode(const struct df_node *n, const struct df_seen *s)
{
	return n->ino == s->ino && n->dev == s->dev && n->entry.type == s->entry.type;
}

/* Something is there. */
static enum df_planned compare(struct df_tree *t, df_id parent, struct df_bytes name)
{
	struct df_node n;
	bool known = df_index_child(t->index, parent, name, &n);

	if (known && is_the_same(&n, &t->seen) && !(n.racy && t->written))
		return DF_PLAN_SAME;
	if (known && is_the_same_inode(&n, &t->seen))
		return changed(t, &n, &t->seen);
	return appeared(t, parent, name, &n, known);
}

enum df_planned df_plan_place(struct df_tree *t, df_id parent, struct df_bytes name, bool written)
{
	char path[DF_PATH], own[DF_NAME];
	struct df_node n;

	if (!is_ours(t, parent, name, path))
		return DF_PLAN_SAME;
	memcpy(own, name.p, name.n);
	name.p = own;
	t->written = written && !t->on_want;
	int rc = df_root_look(&t->root, path, &t->seen);
	if (t->multi)
		t->seen.entry.twin = 0; /* a name is a file */
	if (rc == UV_ENOTDIR)
		return DF_PLAN_ASTRAY;
	if (rc != 0 && rc != UV_ENOENT) {
		t->errors++;
		log_warn("it can't be looked at path=%s error=%s", path, uv_strerror(rc));
		return DF_PLAN_FAILED;
	}
	if (rc == 0 && !is_left_out(t, path, &t->seen))
		return compare(t, parent, name);
	return df_index_child(t->index, parent, name, &n) ? DF_PLAN_GONE : DF_PLAN_SAME;
}

bool df_plan_gone(struct df_tree *t, df_id parent, struct df_bytes name, uint64_t *nodes)
{
	char path[DF_PATH];
	struct df_node n;

	if (!df_index_child(t->index, parent, name, &n) || !df_index_path(t->index, n.id, path))
		return false;
	int rc = df_root_look(&t->root, path, &t->seen);
	if (rc != UV_ENOENT && rc != UV_ENOTDIR && !(rc == 0 && is_left_out(t, path, &t->seen)))
		return false;
	want(t, &n);
	*nodes += df_index_drop(t->index, n.id, true);
	tell_lost(t);
	return true;
}

/* ---- a folder -------------------------------------------------------------------------------- */

struct names {
	char **names;
	size_t n;
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add(struct names *all, const char *name)
{
	if ((all->n & (all->n - 1)) == 0)
		all->names = mem_resize(all->names, (all->n ? 2 * all->n : 1) * sizeof(char *));
	all->names[all->n++] = mem_str(name);
}

static int read_names(struct df_tree *t, df_id id, struct names *all)
{
	char path[DF_PATH];
	struct dirent *e;
	DIR *d;

	if (!df_index_path(t->index, id, path))
		return UV_ENOENT;
	int rc = df_root_list(&t->root, path, &d);
	if (rc != 0)
		return rc;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !(id == DF_ROOT && strcmp(e->d_name, ".troupe") == 0))
			add(all, e->d_name);
	closedir(d);
	if (all->n)
		qsort(all->names, all->n, sizeof(char *), by_bytes);
	return 0;
}

int df_plan_names(struct df_tree *t, df_id id,
		  void (*each)(void *data, df_id id, struct df_bytes name), void *data)
{
	struct names all = { NULL, 0 };
	struct df_bytes after = { NULL, 0 };
	char last[DF_NAME + 1], *key = last;
	struct df_node n;
	int rc = read_names(t, id, &all);

	for (size_t i = 0; i < all.n; i++)
		each(data, id, (struct df_bytes){ all.names[i], strlen(all.names[i]) });
	while (rc == 0 && df_index_next(t->index, id, after, &n)) {
		memcpy(last, n.name.p, n.name.n);
		last[n.name.n] = '\0';
		after = (struct df_bytes){ last, n.name.n };
		if (!all.n || !bsearch(&key, all.names, all.n, sizeof(char *), by_bytes))
			each(data, id, after);
	}
	for (size_t i = 0; i < all.n; i++)
		free(all.names[i]);
	free(all.names);
	return rc;
}
