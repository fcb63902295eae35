#include "roles/dfsd/df_apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/dfsd/df_apply_in.h"
#include "roles/dfsd/df_blocks.h"

enum { STREAMS = 64 };

struct df_apply *df_apply_new(const struct df_apply_conf *conf)
{
	struct df_apply *a = mem_new(sizeof(*a));

	a->conf = *conf;
	a->index = conf->tree->index;
	a->root = &conf->tree->root;
	a->origin = conf->origin;
	list_init(&a->streams);
	df_part_trim(a->root);
	return a;
}

static void drop_stream(struct df_apply *a, struct df_stream_in *s)
{
	list_remove(&s->link);
	a->n_streams--;
	df_part_close(&s->part);
	free(s->bytes);
	free(s);
}

void df_apply_free(struct df_apply *a)
{
	struct list *it, *tmp;

	if (!a)
		return;
	list_each (it, tmp, &a->streams) {
		struct df_stream_in *s = container_of(it, struct df_stream_in, link);
		df_part_leave(&s->part);
		drop_stream(a, s);
	}
	df_set_clear(&a->astray);
	free(a->touched);
	free(a);
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static void answer(struct df_apply *a, enum df_frame_type type, const uint8_t *end)
{
	struct df_frame frame = { .type = (uint8_t)type, .share = a->conf.share };

	df_link_put(a->conf.link, frame, end);
}

void df_apply_nak(struct df_apply *a, df_id id, enum df_nak why, const char *text)
{
	uint8_t *p = df_link_room(a->conf.link, 3 * DF_NUMBER + strlen(text));
	struct df_bytes bytes = { text, strlen(text) };

	a->naks++;
	a->figures.naks++;
	p = df_put_number(df_put_number(p, id), (uint64_t)why);
	answer(a, DF_NAK, df_put_bytes(p, bytes));
}

void df_apply_fail(struct df_apply *a, df_id id, const char *path, int rc)
{
	char text[DF_PATH + 100];
	enum df_nak why = rc == UV_ENOSPC || rc == -EDQUOT                      ? DF_NAK_NOSPACE
			  : rc == UV_EACCES || rc == UV_EPERM || rc == UV_EROFS ? DF_NAK_PERM
										: DF_NAK_FAILED;

	snprintf(text, sizeof(text), "%.900s: %s", path, uv_strerror(rc));
	if (why != DF_NAK_NOSPACE)
		log_warn("it can't be written path=%s error=%s", path, uv_strerror(rc));
	df_apply_nak(a, id, why, text);
}

/* ---- the index ---------------------------------------------------------------------------------
 */

/* The folder of a path, with those above it; what was not known is noted as it is. */
static df_id folder_of(struct df_apply *a, const char *path, struct df_bytes *name)
{
	struct df_node n;
	df_id id = DF_ROOT;
	const char *slash;
	char upto[DF_PATH];

	for (const char *at = path; (slash = strchr(at, '/')); at = slash + 1) {
		struct df_bytes part = { at, (size_t)(slash - at) };
		bool known = df_index_child(a->index, id, part, &n);
		if (known && n.entry.type != DF_DIR)
			df_index_drop(a->index, n.id, true);
		if (!known || n.entry.type != DF_DIR) {
			memcpy(upto, path, (size_t)(slash - path));
			upto[slash - path] = '\0';
			if (df_root_look(a->root, upto, &a->seen) != 0)
				return DF_NOBODY;
			n = (struct df_node){ .parent = id,
					      .name = part,
					      .origin = a->conf.tree->multi ? 0 : a->conf.origin,
					      .dev = a->seen.dev,
					      .ino = a->seen.ino,
					      .entry = a->seen.entry };
			df_index_put(a->index, &n, true); /* without ctime: it is looked at again */
			if (a->conf.tree->on_folder)
				a->conf.tree->on_folder(a->conf.tree->data, n.id);
		}
		id = n.id;
	}
	slash = strrchr(path, '/');
	*name = (struct df_bytes){ slash ? slash + 1 : path, strlen(slash ? slash + 1 : path) };
	return id;
}

/* What is done in a folder changes its time, which is to be the peer's: that is mended at the end
 * of the turn. */
void df_apply_touch(struct df_apply *a, df_id folder)
{
	if (folder == DF_ROOT || folder == DF_NOBODY ||
	    (a->n_touched && a->touched[a->n_touched - 1] == folder))
		return;
	if ((a->n_touched & (a->n_touched - 1)) == 0)
		a->touched = mem_resize(a->touched,
					(a->n_touched ? 2 * a->n_touched : 1) * sizeof(df_id));
	a->touched[a->n_touched++] = folder;
}

static void mend(struct df_apply *a)
{
	char path[DF_PATH];
	struct df_node n;

	for (size_t i = 0; i < a->n_touched; i++) {
		if (!df_index_get(a->index, a->touched[i], &n) || !n.ctime ||
		    !df_index_path(a->index, n.id, path) ||
		    df_root_dress(a->root, path, &n.entry) != 0 ||
		    df_root_look(a->root, path, &a->seen) != 0)
			continue;
		n.ctime = a->seen.ctime;
		df_index_note(a->index, &n);
	}
	a->n_touched = 0;
}

/* One name of a file is another file now. Should its other names be that, too, the peer will say so
 * at once; if it can't (it is killed, or the link is cut), it is asked for them. */
static void want_twins(struct df_apply *a, const struct df_node *old)
{
	struct df_node n;
	df_id after = DF_NOBODY;

	while (df_index_twin(a->index, old->dev, old->ino, after, &n)) {
		after = n.id;
		if (n.id != old->id && n.their && n.peer == a->conf.origin)
			df_index_want(a->index, n.peer, n.their);
	}
}

static bool is_so(struct df_apply *a, const char *path, const struct df_entry *e)
{
	return df_root_look(a->root, path, &a->seen) == 0 && a->seen.entry.type == e->type &&
	       a->seen.entry.size == e->size;
}

/* What is at the path now is how the peer wanted what it calls `their`. */
void df_apply_note(struct df_apply *a, df_id their, const char *path, const struct df_entry *e,
		   bool content)
{
	struct df_bytes name;
	struct df_node n;
	df_id parent = folder_of(a, path, &name);

	if (parent == DF_NOBODY || !is_so(a, path, e))
		return; /* somebody was faster: his change is looked at, too */
	df_apply_touch(a, parent);
	bool known = df_index_child(a->index, parent, name, &n);
	if (known && (n.entry.type == DF_DIR) != (a->seen.entry.type == DF_DIR)) {
		df_index_drop(a->index, n.id, true);
		known = false;
	}
	if (!known)
		n = (struct df_node){ .parent = parent, .name = name };
	else if (n.entry.twin && n.ino != a->seen.ino)
		want_twins(a, &n);
	bool hashed = e->hashed || (!content && n.entry.hashed);
	uint8_t hash[DF_HASH];
	memcpy(hash, e->hashed ? e->hash : n.entry.hash, DF_HASH);
	n.entry = a->seen.entry;
	n.entry.hashed = hashed;
	memcpy(n.entry.hash, hash, DF_HASH);
	n.entry.version = e->version;
	n.entry.by = e->by;
	bool other = n.ino != a->seen.ino;
	if (a->conf.tree->multi)
		n.entry.twin = 0;
	n.dev = a->seen.dev;
	n.ino = a->seen.ino;
	n.ctime = a->seen.ctime;
	n.peer = a->conf.origin;
	n.origin = a->origin;
	n.their = their;
	n.racy = false;
	n.seen = a->conf.round;
	df_index_put(a->index, &n, content);
	df_index_have(a->index, n.peer, their);
	if (a->conf.tree->multi && a->seen.links > 1 && n.entry.type == DF_FILE)
		df_plan_twins(a->conf.tree, &n);
	if ((!known || other) && n.entry.type == DF_DIR && a->conf.tree->on_folder)
		a->conf.tree->on_folder(a->conf.tree->data, n.id);
	if (a->conf.on_changed)
		a->conf.on_changed(a->conf.data, path);
}

/* ---- what is asked -----------------------------------------------------------------------------
 */

bool df_apply_path(struct df_reader *r, char path[DF_PATH])
{
	struct df_bytes b = df_get_bytes(r, DF_PATH - 1);

	if (r->bad || !df_path_is_well(b))
		return false;
	memcpy(path, b.p, b.n);
	path[b.n] = '\0';
	return true;
}

static bool get_entry(struct df_order *o)
{
	size_t n = df_entry_get(&o->e, o->r.p, (size_t)(o->r.end - o->r.p));

	o->r.p += n;
	return n > 0;
}

static bool is_full(const struct df_apply *a, uint64_t bytes)
{
	struct statvfs v;

	return fstatvfs(a->root->fd, &v) == 0 &&
	       (uint64_t)v.f_bavail * v.f_frsize < a->conf.min_free + bytes;
}

static bool write_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t w = pwrite(fd, p, n, (off_t)at);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
		at += (uint64_t)w;
	}
	return true;
}

int df_apply_way(struct df_apply *a, const char *path, int rc)
{
	if (rc != UV_ENOENT && rc != UV_ENOTDIR && rc != UV_ELOOP)
		return rc;
	rc = a->conf.tree->multi ? df_multi_way(a->conf.tree, path) : 0;
	return rc == 0 ? df_root_way(a->root, path) : rc;
}

static int put_once(struct df_apply *a, struct df_order *o, const uint8_t *p, size_t n)
{
	struct df_temp t;
	int rc = df_root_temp(a->root, &t);

	if (rc != 0)
		return rc;
	if (!write_all(t.fd, p, n, 0)) {
		rc = uv_translate_sys_error(errno);
		df_root_drop_temp(a->root, &t);
		return rc;
	}
	return df_root_place(a->root, &t, o->path, &o->e);
}

int df_apply_put(struct df_apply *a, struct df_order *o)
{
	size_t n = (size_t)(o->r.end - o->r.p);

	if (o->e.type != DF_FILE || n != o->e.size)
		return ERR_PROTO;
	int rc = a->conf.min_free && is_full(a, n) ? UV_ENOSPC : put_once(a, o, o->r.p, n);
	if (rc != 0 && df_apply_way(a, o->path, rc) == 0)
		rc = put_once(a, o, o->r.p, n);
	if (rc != 0) {
		df_apply_fail(a, o->id, o->path, rc);
		return 0;
	}
	a->figures.files++;
	a->figures.bytes += n;
	df_apply_note(a, o->id, o->path, &o->e, true);
	return 0;
}

/* It goes where the peer has it. */
static int move(struct df_apply *a, struct df_order *o, struct df_node *n)
{
	char path[DF_PATH];
	struct df_bytes name;
	df_id id = n->id, from = n->parent;

	if (!df_index_path(a->index, id, path))
		return UV_ENOENT;
	if (strcmp(path, o->path) == 0)
		return 0;
	if (df_path_is_in(o->path, path))
		return UV_EINVAL;
	int rc = df_root_rename(a->root, path, o->path);
	if (rc != 0 && df_root_way(a->root, o->path) == 0)
		rc = df_root_rename(a->root, path, o->path);
	if (rc != 0)
		return rc;
	df_id parent = folder_of(a, o->path, &name);
	if (parent == DF_NOBODY || !df_index_get(a->index, id, n))
		return UV_ENOENT;
	df_apply_touch(a, from);
	df_index_move(a->index, n, parent, name);
	a->figures.renames++;
	return 0;
}

/* Whether it is there, or elsewhere and goes there now. A file of the same content will do that the
 * peer has not told of. */
static bool is_there(struct df_apply *a, struct df_order *o)
{
	struct df_node n;

	if (df_index_of_peer(a->index, a->conf.origin, o->id, &n))
		return n.entry.type == o->e.type &&
		       (o->e.type == DF_DIR || df_entry_same_content(&n.entry, &o->e)) &&
		       move(a, o, &n) == 0;
	return o->e.type == DF_FILE && df_index_find(a->index, o->path, &n) &&
	       df_entry_same_content(&n.entry, &o->e) && !(n.entry.twin && !o->e.twin);
}

/* Only what is around its content is made so. */
static int do_offer(struct df_apply *a, struct df_order *o)
{
	int rc = is_there(a, o) ? df_root_dress(a->root, o->path, &o->e) : UV_ENOENT;

	if (rc == UV_ENOENT || rc == UV_ENOTDIR || rc == UV_ELOOP)
		df_apply_nak(a, o->id, DF_NAK_NOBASE, o->path);
	else if (rc != 0)
		df_apply_fail(a, o->id, o->path, rc);
	else
		df_apply_note(a, o->id, o->path, &o->e, false);
	return 0;
}

int df_apply_entry(struct df_apply *a, struct df_order *o, bool offer)
{
	if (offer)
		return do_offer(a, o);
	if (o->e.type == DF_FILE)
		return ERR_PROTO;
	if (o->e.type >= DF_FIFO && !a->conf.tree->specials) {
		log_warn("it is not wanted here (specials) path=%s", o->path);
		df_apply_nak(a, o->id, DF_NAK_REFUSED, o->path);
		return 0;
	}
	if (o->e.type == DF_DIR)
		is_there(a, o);
	int rc = df_root_make(a->root, o->path, &o->e);
	if (rc != 0 && df_apply_way(a, o->path, rc) == 0)
		rc = df_root_make(a->root, o->path, &o->e);
	if (rc != 0)
		df_apply_fail(a, o->id, o->path, rc);
	else
		df_apply_note(a, o->id, o->path, &o->e, o->e.type != DF_DIR);
	return 0;
}

static int do_delete(struct df_apply *a, struct df_order *o)
{
	struct df_node n;
	int rc = df_root_remove(a->root, o->path);

	if (rc != 0) {
		df_apply_fail(a, o->id, o->path, rc);
		return 0;
	}
	if (df_index_find(a->index, o->path, &n)) {
		df_apply_touch(a, n.parent);
		a->figures.deleted += df_index_drop(a->index, n.id, true);
	}
	if (a->conf.on_changed)
		a->conf.on_changed(a->conf.data, o->path);
	return 0;
}

/* The other has the same content and is to be the same file. */
static int do_twin(struct df_apply *a, struct df_order *o)
{
	df_id other = df_get_number(&o->r);
	char path[DF_PATH];
	struct df_node n;

	if (o->e.type != DF_FILE || o->r.bad)
		return ERR_PROTO;
	if (!df_index_of_peer(a->index, a->conf.origin, other, &n) || n.entry.type != DF_FILE ||
	    !df_entry_same_content(&n.entry, &o->e) || !df_index_path(a->index, n.id, path)) {
		df_apply_nak(a, o->id, DF_NAK_NOBASE, o->path);
		return 0;
	}
	int rc = df_root_twin(a->root, path, o->path);
	if (rc != 0 && df_root_way(a->root, o->path) == 0)
		rc = df_root_twin(a->root, path, o->path);
	if (rc != 0) {
		df_apply_nak(a, o->id, rc == UV_ENOENT ? DF_NAK_NOBASE : DF_NAK_NOLINK, o->path);
		return 0;
	}
	df_apply_note(a, o->id, o->path, &o->e, true);
	df_apply_note(a, other, path, &o->e, false); /* it has a name more */
	return 0;
}

/* ---- streams -----------------------------------------------------------------------------------
 */

static struct df_stream_in *stream_of(struct df_apply *a, uint32_t number)
{
	for (struct list *it = a->streams.next; it != &a->streams; it = it->next) {
		struct df_stream_in *s = container_of(it, struct df_stream_in, link);
		if (s->number == number)
			return s;
	}
	return NULL;
}

static bool is_coming(const struct df_apply *a, df_id id)
{
	for (const struct list *it = a->streams.next; it != &a->streams; it = it->next)
		if (container_of(it, struct df_stream_in, link)->id == id)
			return true;
	return false;
}

/* What is there of it, and what is there in its place: parts of that may be parts of it. */
static void say_have(struct df_apply *a, struct df_stream_in *s)
{
	struct df_frame frame = { .type = DF_HAVE, .share = a->conf.share, .stream = s->number };
	uint8_t *p = df_link_room(a->conf.link, DF_NUMBER + 2 * DF_HASH);
	char path[DF_PATH];
	struct df_node n;

	p = df_part_have(&s->part, p);
	bool known = (df_index_of_peer(a->index, a->conf.origin, s->id, &n) ||
		      df_index_find(a->index, s->path, &n)) &&
		     n.entry.type == DF_FILE && n.entry.hashed && !df_set_has(&a->astray, s->id);
	memset(p, 0, DF_HASH);
	if (!s->broken && known && df_index_path(a->index, n.id, path) &&
	    df_part_base(&s->part, path, &n))
		memcpy(p, n.entry.hash, DF_HASH);
	df_link_put(a->conf.link, frame, p + DF_HASH);
}

/* What comes of it is passed over. */
static void pass_over(struct df_apply *a, struct df_stream_in *s)
{
	s->broken = true;
	df_root_drop_temp(a->root, &s->part.temp);
}

static void refuse_stream(struct df_apply *a, struct df_stream_in *s, int rc)
{
	pass_over(a, s);
	if (rc == -ESTALE) {
		df_set_add(&a->astray, s->id);
		df_apply_nak(a, s->id, DF_NAK_NOBASE, s->path);
	} else {
		df_apply_fail(a, s->id, s->path, rc);
	}
}

/* passed: what comes of it is passed over. */
int df_apply_begin(struct df_apply *a, const struct df_frame *f, struct df_order *o, bool passed)
{
	struct df_part_name name = { a->conf.origin, o->id, o->e.size, o->e.mtime };

	if (o->e.type != DF_FILE || a->n_streams >= STREAMS || stream_of(a, f->stream) ||
	    is_coming(a, o->id))
		return ERR_PROTO;
	size_t n = df_entry_room(&o->e);
	struct df_stream_in *s = mem_new(sizeof(*s) + strlen(o->path) + 1);
	s->number = f->stream;
	s->seq = o->seq;
	s->id = o->id;
	s->bytes = mem_new(n);
	df_entry_get(&s->entry, s->bytes, (size_t)(df_entry_put(s->bytes, &o->e) - s->bytes));
	memcpy(s->path, o->path, strlen(o->path));
	list_append(&a->streams, &s->link);
	a->n_streams++;
	int rc = df_part_open(&s->part, a->root, &name);
	if (rc == 0 && a->conf.min_free && is_full(a, o->e.size - s->part.at))
		rc = UV_ENOSPC;
	if (rc != 0)
		refuse_stream(a, s, rc);
	else if (passed)
		pass_over(a, s);
	if (o->e.size >= DF_BIG)
		say_have(a, s);
	return 0;
}

static int do_piece(struct df_apply *a, const struct df_frame *f)
{
	struct df_reader r = { f->p, f->p + f->n, false };
	struct df_stream_in *s = stream_of(a, f->stream);

	if (!s)
		return ERR_PROTO;
	if (s->broken)
		return df_part_skip(&s->part, f->type, &r);
	int rc = df_part_take(&s->part, f->type, &r);
	if (rc == ERR_PROTO)
		return rc;
	if (rc != 0)
		refuse_stream(a, s, rc);
	else if (f->type == DF_DATA)
		a->figures.bytes += (size_t)(r.end - r.p);
	return 0;
}

/* ---- the end of a stream ------------------------------------------------------------------- */

static void place_stream(struct df_apply *a, struct df_stream_in *s)
{
	static struct df_order o; /* its path is long */

	if (!df_apply_takes_place(a, s, &o))
		return;
	int rc = df_apply_way(a, o.path, UV_ENOENT);
	if (rc == 0)
		rc = df_root_place(a->root, &s->part.temp, o.path, &o.e);
	if (rc != 0) {
		df_apply_fail(a, s->id, s->path, rc);
		return;
	}
	a->figures.files++;
	df_apply_note(a, o.id, o.path, &o.e, true);
}

static int do_end(struct df_apply *a, const struct df_frame *f)
{
	struct df_stream_in *s = stream_of(a, f->stream);

	if (!s || f->n != DF_HASH)
		return ERR_PROTO;
	if (!(f->flags & DF_ABORT) && !s->broken) {
		memcpy(s->entry.hash, f->p, DF_HASH);
		s->entry.hashed = true;
		if (df_part_is(&s->part, f->p))
			place_stream(a, s);
		else
			refuse_stream(a, s, -ESTALE);
	}
	drop_stream(a, s);
	return 0;
}

/* ---- all that there is was said ----------------------------------------------------------------
 */

struct walk {
	struct df_apply *a;
	df_id *ids;
	size_t n;
	uint64_t nodes;
};

/* What was not met in this round; in a folder of that kind nothing is looked at. */
static void find_unmet(struct walk *w, df_id id)
{
	struct df_node n;
	char name[DF_NAME];
	struct df_bytes after = { name, 0 };

	while (df_index_next(w->a->index, id, after, &n)) {
		after.n = n.name.n;
		memcpy(name, n.name.p, n.name.n);
		if (n.seen == w->a->conf.round) {
			if (n.entry.type == DF_DIR)
				find_unmet(w, n.id);
			continue;
		}
		if ((w->n & (w->n - 1)) == 0)
			w->ids = mem_resize(w->ids, (w->n ? 2 * w->n : 1) * sizeof(df_id));
		w->ids[w->n++] = n.id;
	}
}

static void do_sweep(struct df_apply *a)
{
	struct walk w = { .a = a };
	struct df_order o;

	if (!a->conf.whole || a->swept)
		return;
	a->swept = true;
	a->acked = 0; /* told once more, for good */
	if (a->conf.keeps)
		return;
	find_unmet(&w, DF_ROOT);
	if (a->conf.max_delete && w.n > a->conf.max_delete) {
		a->conf.on_guard(a->conf.data, w.n);
		w.n = 0;
	}
	for (size_t i = 0; i < w.n; i++)
		if (df_index_path(a->index, w.ids[i], o.path))
			do_delete(a, &o);
	free(w.ids);
}

/* ---- frames ------------------------------------------------------------------------------------
 */

static int on_mark(struct df_apply *a, const struct df_frame *f)
{
	struct df_reader r = { f->p, f->p + f->n, false };
	uint64_t seq = df_get_number(&r), naks = df_get_number(&r);

	if (r.bad)
		return ERR_PROTO;
	a->mark = seq;
	a->mark_naks = naks;
	a->marked = true;
	return 0;
}

/* The peer has it, too: what is there stays until its content has come. */
static void meet(struct df_apply *a, const char *path)
{
	struct df_node n;

	if (!a->conf.whole || !df_index_find(a->index, path, &n) || n.seen == a->conf.round)
		return;
	n.seen = a->conf.round;
	df_index_note(a->index, &n);
}

static int on_none(struct df_apply *a, const struct df_frame *f)
{
	struct df_reader r = { f->p, f->p + f->n, false };
	df_id id = df_get_number(&r);

	if (r.bad)
		return ERR_PROTO;
	df_index_have(a->index, a->conf.origin, id);
	return 0;
}

static int on_order(struct df_apply *a, const struct df_frame *f)
{
	static struct df_order o; /* its path is long */

	o.r = (struct df_reader){ f->p, f->p + f->n, false };
	o.seq = df_get_number(&o.r);
	o.id = df_get_number(&o.r);
	if (!df_apply_path(&o.r, o.path))
		return ERR_PROTO;
	bool multi = a->conf.tree->multi;
	if (f->type == DF_DELETE && !multi)
		return do_delete(a, &o);
	if (!get_entry(&o) || o.id == DF_NOBODY || (o.e.type == DF_GONE && !multi))
		return ERR_PROTO;
	if (multi)
		return df_apply_multi(a, f, &o);
	meet(a, o.path);
	if (f->type == DF_TWIN)
		return do_twin(a, &o);
	if (f->type == DF_PUT)
		return df_apply_put(a, &o);
	return f->type == DF_BEGIN ? df_apply_begin(a, f, &o, false)
				   : df_apply_entry(a, &o, f->flags & DF_OFFER);
}

int df_apply_frame(struct df_apply *a, const struct df_frame *f)
{
	a->figures.ops++;
	switch (f->type) {
	case DF_ENTRY:
	case DF_PUT:
	case DF_BEGIN:
	case DF_DELETE:
	case DF_TWIN:
		return on_order(a, f);
	case DF_DATA:
	case DF_COPY:
	case DF_HOLE:
		return do_piece(a, f);
	case DF_END:
		return do_end(a, f);
	case DF_MARK:
		return on_mark(a, f);
	case DF_NOTHING:
		return on_none(a, f);
	case DF_SWEEP:
		do_sweep(a);
		return 0;
	default:
		return ERR_PROTO;
	}
}

void df_apply_turn(struct df_apply *a)
{
	uint64_t done = a->mark, lost[2];

	mend(a);
	while (df_index_take_lost(a->index, lost)) /* it writes by no other name */
		continue;
	df_root_forget(a->root);
	if (!a->marked || a->mark_naks != a->naks)
		return;
	for (struct list *it = a->streams.next; it != &a->streams; it = it->next) {
		struct df_stream_in *s = container_of(it, struct df_stream_in, link);
		done = s->seq - 1 < done ? s->seq - 1 : done;
	}
	if (done <= a->acked || !a->conf.on_done(a->conf.data, done, !a->conf.whole || a->swept))
		return;
	a->acked = done;
	uint8_t *p = df_link_room(a->conf.link, DF_NUMBER);
	answer(a, DF_ACK, df_put_number(p, done));
}

bool df_apply_is_done(const struct df_apply *a)
{
	return a->n_streams == 0 && (!a->marked || a->acked >= a->mark) &&
	       (!a->conf.whole || a->swept);
}

void df_apply_figures(const struct df_apply *a, struct df_apply_figures *figures)
{
	*figures = a->figures;
}
