#include "roles/dfsd/df_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/dfsd/df_table.h"
#include "roles/dfsd/df_version.h"

enum { SEQ, ID, GONE, LAST };

enum { FORGET = 10000 };

enum { KEY = 8 + DF_NAME };

struct df_index {
	struct df_tables t;
	uint8_t epoch[16];
	/* The number and the id given last: neither is ever given again. How many are gone. */
	uint64_t last[LAST];
	uint64_t count;
	const char *writer; /* our name, when several write; else NULL */
	uint64_t forgot;    /* up to that number */
	uint8_t *version;   /* room for one */
	uint8_t *row;
	size_t room;
	uint64_t (*lost)[2]; /* inodes that have a name less */
	size_t n_lost;
};

/* What a node's row begins with; its names and its entry follow. */
struct row {
	df_id parent, their;
	uint64_t seq, born, content, dev, ino;
	int64_t ctime;
	uint32_t origin, peer, seen;
	uint8_t name; /* bytes */
	uint8_t racy;
	uint8_t pad[2];
};

/* ---- rows ---------------------------------------------------------------------------------- */

static MDB_val place_key(uint8_t key[KEY], df_id parent, struct df_bytes name)
{
	uint64_t big = __builtin_bswap64(parent);

	assert(name.n <= DF_NAME);
	memcpy(key, &big, 8);
	if (name.n)
		memcpy(key + 8, name.p, name.n);
	return df_val(key, 8 + name.n);
}

static MDB_val inode_key(uint64_t key[2], uint64_t dev, uint64_t ino)
{
	key[0] = dev;
	key[1] = ino;
	return df_val(key, 16);
}

/* ---- open, close --------------------------------------------------------------------------- */

static void make_epoch(struct df_index *x)
{
	df_id root = DF_ROOT;
	struct row row = { .parent = DF_NOBODY };
	static const uint8_t nothing[8] = { 0, DF_DIR }; /* an entry of zeros */

	uv_random(NULL, NULL, x->epoch, sizeof(x->epoch), 0, NULL);
	df_put(&x->t, DF_META, df_val("epoch", 5), df_val(x->epoch, sizeof(x->epoch)));
	uint8_t bytes[sizeof(row) + 7];
	memcpy(bytes, &row, sizeof(row));
	memcpy(bytes + sizeof(row), nothing, 7);
	df_put(&x->t, DF_NODES, df_val(&root, sizeof(root)), df_val(bytes, sizeof(bytes)));
	x->last[ID] = DF_ROOT;
}

static void read_meta(struct df_index *x)
{
	MDB_val epoch, last;
	MDB_stat st;

	if (!df_get(&x->t, DF_META, df_val("epoch", 5), &epoch) ||
	    epoch.mv_size != sizeof(x->epoch) ||
	    !df_get(&x->t, DF_META, df_val("last", 4), &last) || last.mv_size != sizeof(x->last)) {
		make_epoch(x);
		return;
	}
	memcpy(x->epoch, epoch.mv_data, sizeof(x->epoch));
	memcpy(x->last, last.mv_data, sizeof(x->last));
	mdb_stat(x->t.txn, x->t.dbi[DF_NODES], &st);
	x->count = st.ms_entries - 1 - x->last[GONE];
}

int df_index_open(struct df_index **out, const char *state, size_t map, struct err *err)
{
	struct df_index *x = mem_new(sizeof(*x));
	int rc = df_tables_open(&x->t, state, map, err);

	if (rc != 0) {
		free(x);
		return rc;
	}
	read_meta(x);
	rc = df_index_commit(x, err);
	if (rc != 0) {
		df_index_close(x);
		return rc;
	}
	*out = x;
	return 0;
}

void df_index_close(struct df_index *x)
{
	if (!x)
		return;
	df_index_commit(x, NULL);
	df_tables_close(&x->t);
	free(x->row);
	free(x->lost);
	free(x->version);
	free(x);
}

const uint8_t *df_index_epoch(const struct df_index *x)
{
	return x->epoch;
}

uint64_t df_index_last(const struct df_index *x)
{
	return x->last[SEQ];
}

uint64_t df_index_count(const struct df_index *x)
{
	return x->count;
}

bool df_index_is_dirty(const struct df_index *x)
{
	return x->t.dirty;
}

int df_index_commit(struct df_index *x, struct err *err)
{
	if (x->t.dirty)
		df_put(&x->t, DF_META, df_val("last", 4), df_val(x->last, sizeof(x->last)));
	int rc = df_tables_commit(&x->t, err);
	if (rc != 0) {
		x->forgot = 0;
		read_meta(x);
	}
	return rc;
}

/* ---- finding ------------------------------------------------------------------------------- */

static bool read_node(df_id id, MDB_val data, struct df_node *n)
{
	struct row row;
	const uint8_t *p = data.mv_data;

	if (data.mv_size < sizeof(row))
		return false;
	memcpy(&row, p, sizeof(row));
	p += sizeof(row);
	*n = (struct df_node){
		.id = id,
		.parent = row.parent,
		.seq = row.seq,
		.born = row.born,
		.content = row.content,
		.their = row.their,
		.dev = row.dev,
		.ino = row.ino,
		.ctime = row.ctime,
		.origin = row.origin,
		.peer = row.peer,
		.seen = row.seen,
		.racy = row.racy,
		.name = { p, row.name },
	};
	size_t before = sizeof(row) + row.name;
	return data.mv_size > before &&
	       df_entry_get(&n->entry, p + row.name, data.mv_size - before) > 0;
}

bool df_index_get(struct df_index *x, df_id id, struct df_node *n)
{
	MDB_val data;

	return df_get(&x->t, DF_NODES, df_val(&id, sizeof(id)), &data) && read_node(id, data, n);
}

static bool is_there(const struct df_node *n)
{
	return n->entry.type != DF_GONE;
}

/* What is gone, too. */
static bool child_or_gone(struct df_index *x, df_id parent, struct df_bytes name, struct df_node *n)
{
	uint8_t key[KEY];
	MDB_val data;
	df_id id;

	if (name.n > DF_NAME || !df_get(&x->t, DF_NAMES, place_key(key, parent, name), &data))
		return false;
	memcpy(&id, data.mv_data, sizeof(id));
	return df_index_get(x, id, n);
}

bool df_index_child(struct df_index *x, df_id parent, struct df_bytes name, struct df_node *n)
{
	return child_or_gone(x, parent, name, n) && is_there(n);
}

bool df_index_was(struct df_index *x, const char *path, struct df_node *n)
{
	if (!df_index_get(x, DF_ROOT, n))
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");
		if (!child_or_gone(x, n->id, (struct df_bytes){ path, len }, n))
			return false;
		path += len + (path[len] == '/');
	}
	return true;
}

bool df_index_find(struct df_index *x, const char *path, struct df_node *n)
{
	return df_index_was(x, path, n) && is_there(n);
}

/* From the end of the buffer to its front. */
static char *prepend(char *at, const char *path, struct df_bytes name)
{
	if ((size_t)(at - path) < name.n + 1)
		return NULL;
	at -= name.n;
	memcpy(at, name.p, name.n);
	return at;
}

bool df_index_place(struct df_index *x, df_id parent, struct df_bytes name, char path[DF_PATH])
{
	struct df_node n;
	char *at = &path[DF_PATH - 1];

	*at = '\0';
	at = prepend(at, path, name);
	while (at && parent != DF_ROOT) {
		if (!df_index_get(x, parent, &n))
			return false;
		*--at = '/';
		at = prepend(at, path, n.name);
		parent = n.parent;
	}
	if (at)
		memmove(path, at, (size_t)(path + DF_PATH - at));
	return at != NULL;
}

bool df_index_path(struct df_index *x, df_id id, char path[DF_PATH])
{
	struct df_node n;

	if (id == DF_ROOT) {
		*path = '\0';
		return true;
	}
	return df_index_get(x, id, &n) && df_index_place(x, n.parent, n.name, path);
}

static bool next_of_inode(struct df_index *x, uint64_t dev, uint64_t ino, df_id after,
			  struct df_node *n)
{
	uint64_t inode[2];
	MDB_cursor *c;
	MDB_val key = inode_key(inode, dev, ino);
	df_id from = after + 1, id = DF_NOBODY;
	MDB_val data = df_val(&from, sizeof(from));

	if (!df_tables_txn(&x->t) || mdb_cursor_open(x->t.txn, x->t.dbi[DF_INODES], &c) != 0)
		return false;
	if (mdb_cursor_get(c, &key, &data, MDB_GET_BOTH_RANGE) == 0)
		memcpy(&id, data.mv_data, sizeof(id));
	mdb_cursor_close(c);
	return id != DF_NOBODY && df_index_get(x, id, n);
}

bool df_index_twin(struct df_index *x, uint64_t dev, uint64_t ino, df_id after, struct df_node *n)
{
	while (next_of_inode(x, dev, ino, after, n)) {
		if (is_there(n))
			return true;
		after = n->id;
	}
	return false;
}

bool df_index_like(struct df_index *x, const struct df_node *now, struct df_node *n)
{
	df_id after = DF_NOBODY;

	while (next_of_inode(x, now->dev, now->ino, after, n)) {
		after = n->id;
		if (n->id != now->id && n->entry.size == now->entry.size &&
		    n->entry.mtime == now->entry.mtime)
			return true;
	}
	return false;
}

static bool next_or_gone(struct df_index *x, df_id parent, struct df_bytes after, struct df_node *n)
{
	uint8_t bytes[KEY + 1];
	MDB_cursor *c;
	MDB_val key = place_key(bytes, parent, after), data;
	df_id id = DF_NOBODY;

	bytes[key.mv_size] = 0; /* the first that sorts behind it */
	key.mv_size += after.n > 0;
	if (!df_tables_txn(&x->t) || mdb_cursor_open(x->t.txn, x->t.dbi[DF_NAMES], &c) != 0)
		return false;
	if (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0 &&
	    memcmp(key.mv_data, bytes, 8) == 0)
		memcpy(&id, data.mv_data, sizeof(id));
	mdb_cursor_close(c);
	return id != DF_NOBODY && df_index_get(x, id, n);
}

bool df_index_next(struct df_index *x, df_id parent, struct df_bytes after, struct df_node *n)
{
	while (next_or_gone(x, parent, after, n)) {
		if (is_there(n))
			return true;
		after = n->name;
	}
	return false;
}

/* ---- changing ------------------------------------------------------------------------------ */

void df_index_share(struct df_index *x, const char *node)
{
	x->writer = node;
	x->version = mem_new(DF_VERSION);
}

static uint8_t *row_room(struct df_index *x, size_t n)
{
	if (n > x->room) {
		x->room = n < 1024 ? 1024 : n;
		x->row = mem_resize(x->row, x->room);
	}
	return x->row;
}

/* What n points at may be in the row that is written. */
static void write_node(struct df_index *x, const struct df_node *n)
{
	struct row row = {
		.parent = n->parent,
		.their = n->their,
		.seq = n->seq,
		.born = n->born,
		.content = n->content,
		.dev = n->dev,
		.ino = n->ino,
		.ctime = n->ctime,
		.origin = n->origin,
		.peer = n->peer,
		.seen = n->seen,
		.name = (uint8_t)n->name.n,
		.racy = n->racy,
	};
	size_t most = sizeof(row) + n->name.n + df_entry_room(&n->entry);
	uint8_t *p = row_room(x, most);

	memcpy(p, &row, sizeof(row));
	p += sizeof(row);
	memcpy(p, n->name.p, n->name.n);
	p = df_entry_put(p + n->name.n, &n->entry);
	df_put(&x->t, DF_NODES, df_val(&n->id, sizeof(n->id)),
	       df_val(x->row, (size_t)(p - x->row)));
}

static void set_order(struct df_index *x, uint64_t old, uint64_t seq, MDB_val what)
{
	if (old)
		df_del(&x->t, DF_ORDER, df_val(&old, sizeof(old)), NULL);
	if (seq)
		df_put(&x->t, DF_ORDER, df_val(&seq, sizeof(seq)), what);
}

/* The number of its content stays as long as that does: who has not passed it is told of it there,
 * whatever number the node has by then. */
static void take_from_order(struct df_index *x, uint64_t seq, uint64_t of_content, bool content)
{
	if (content || seq != of_content)
		set_order(x, seq, 0, df_val(NULL, 0));
	if (content && seq != of_content)
		set_order(x, of_content, 0, df_val(NULL, 0));
}

static MDB_val their_key(uint64_t key[2], uint32_t peer, df_id their)
{
	key[0] = peer;
	key[1] = __builtin_bswap64(their); /* so that they sort as numbers do */
	return df_val(key, 16);
}

/* A node that has lost its name to another one keeps it in its own row, where nobody looks. */
static void set_their(struct df_index *x, const struct df_node *old, const struct df_node *n)
{
	uint64_t key[2];
	MDB_val id;

	if (old && n && old->peer == n->peer && old->their == n->their)
		return;
	if (old && old->their &&
	    df_get(&x->t, DF_THEIRS, their_key(key, old->peer, old->their), &id) &&
	    memcmp(id.mv_data, &old->id, sizeof(old->id)) == 0)
		df_del(&x->t, DF_THEIRS, df_val(key, 16), NULL);
	if (n && n->their)
		df_put(&x->t, DF_THEIRS, their_key(key, n->peer, n->their),
		       df_val(&n->id, sizeof(n->id)));
}

bool df_index_of_peer(struct df_index *x, uint32_t peer, df_id their, struct df_node *n)
{
	uint64_t key[2];
	MDB_val data;
	df_id id;

	if (!their || !df_get(&x->t, DF_THEIRS, their_key(key, peer, their), &data))
		return false;
	memcpy(&id, data.mv_data, sizeof(id));
	return df_index_get(x, id, n);
}

static void set_inode(struct df_index *x, const struct df_node *old, const struct df_node *n)
{
	uint64_t key[2];

	if (old && n && old->dev == n->dev && old->ino == n->ino)
		return;
	if (old && old->ino) {
		MDB_val id = df_val(&old->id, sizeof(old->id));
		df_del(&x->t, DF_INODES, inode_key(key, old->dev, old->ino), &id);
	}
	if (n && n->ino)
		df_put(&x->t, DF_INODES, inode_key(key, n->dev, n->ino),
		       df_val(&n->id, sizeof(n->id)));
}

/* We have written to it once more. */
static void count_version(struct df_index *x, const struct df_node *old, struct df_node *n)
{
	uint64_t self;

	memcpy(&self, x->epoch, sizeof(self));
	struct df_bytes before = n->entry.version.n ? n->entry.version : old->entry.version;
	n->entry.version =
		(struct df_bytes){ x->version, df_version_count(x->version, before, self) };
	n->entry.by = (struct df_bytes){ x->writer, strlen(x->writer) };
}

/* What stood there is told of by its version, if not by its content. */
static bool find_old(struct df_index *x, struct df_node *n, struct df_node *old)
{
	if (n->id != DF_NOBODY)
		return df_index_get(x, n->id, old);
	if (!x->writer || !child_or_gone(x, n->parent, n->name, old))
		return false;
	n->id = old->id;
	return true;
}

static void count_nodes(struct df_index *x, bool was, bool known, bool is)
{
	x->count += (uint64_t)is - (uint64_t)was;
	x->last[GONE] += (uint64_t)!is - (uint64_t)(known && !was);
}

void df_index_put(struct df_index *x, struct df_node *n, bool content)
{
	struct df_node old = { .id = DF_NOBODY };
	uint8_t key[KEY];
	bool known = find_old(x, n, &old), was = known && is_there(&old);

	n->seq = ++x->last[SEQ];
	if (!known)
		n->id = ++x->last[ID];
	if (!was)
		n->born = n->seq;
	content |= !was;
	if (content)
		n->content = n->seq;
	if (x->writer && n->origin == 0)
		count_version(x, &old, n);
	count_nodes(x, was, known, is_there(n));
	MDB_val place = place_key(key, n->parent, n->name);
	write_node(x, n); /* first: it may point into rows */
	if (!known)
		df_put(&x->t, DF_NAMES, place, df_val(&n->id, sizeof(n->id)));
	set_inode(x, known ? &old : NULL, n);
	set_their(x, known ? &old : NULL, n);
	take_from_order(x, old.seq, old.content, content);
	set_order(x, 0, n->seq, df_val(&n->id, sizeof(n->id)));
}

void df_index_note(struct df_index *x, const struct df_node *n)
{
	struct df_node old, now = *n;
	bool known = df_index_get(x, n->id, &old);

	if (known && !now.entry.version.n) {
		now.entry.version = old.entry.version;
		now.entry.by = old.entry.by;
	}
	write_node(x, &now);
	set_inode(x, known ? &old : NULL, n);
}

struct df_tomb df_index_tomb(struct df_index *x, df_id parent, struct df_bytes name)
{
	struct df_tomb tomb = { .seq = 0 };
	uint8_t key[KEY];
	MDB_val data;

	if (df_get(&x->t, DF_TOMBS, place_key(key, parent, name), &data))
		memcpy(&tomb, data.mv_data, sizeof(tomb));
	return tomb;
}

static void bury(struct df_index *x, df_id parent, struct df_bytes name, df_id moved)
{
	uint8_t key[KEY];
	uint64_t old = df_index_tomb(x, parent, name).seq;
	struct df_tomb tomb = { ++x->last[SEQ], moved };
	MDB_val place = place_key(key, parent, name);

	df_put(&x->t, DF_TOMBS, place, df_val(&tomb, sizeof(tomb)));
	set_order(x, old, tomb.seq, place);
}

/* What goes is written before what was there is dropped, as it may have stood within that. */
void df_index_move(struct df_index *x, struct df_node *n, df_id parent, struct df_bytes name)
{
	uint8_t key[KEY], own[DF_NAME], old_name[DF_NAME];
	struct df_node there, above;
	df_id from = n->parent;
	struct df_bytes from_name = { old_name, n->name.n };
	bool taken = df_index_child(x, parent, name, &there) && there.id != n->id;
	bool folder = taken && there.entry.type == DF_DIR;

	memcpy(old_name, n->name.p, n->name.n);
	memcpy(own, name.p, name.n);
	name.p = own;
	df_del(&x->t, DF_NAMES, place_key(key, from, from_name), NULL);
	df_index_get(x, n->id, n); /* the rows have moved */
	uint64_t before = n->seq;
	n->parent = parent;
	n->name = name;
	n->seq = ++x->last[SEQ];
	write_node(x, n);
	if (taken)
		df_index_drop(x, there.id, folder);
	df_put(&x->t, DF_NAMES, place_key(key, parent, name), df_val(&n->id, sizeof(n->id)));
	take_from_order(x, before, n->content, false);
	set_order(x, 0, n->seq, df_val(&n->id, sizeof(n->id)));
	if (df_index_get(x, from, &above))
		bury(x, from, from_name, n->id);
	df_index_get(x, n->id, n);
}

/* The tombs of a folder that is gone itself. */
static void drop_tombs(struct df_index *x, df_id parent)
{
	uint8_t bytes[KEY];
	MDB_cursor *c;
	MDB_val key = place_key(bytes, parent, (struct df_bytes){ NULL, 0 }), data;
	uint64_t seq;

	if (!df_tables_txn(&x->t) || mdb_cursor_open(x->t.txn, x->t.dbi[DF_TOMBS], &c) != 0)
		return;
	while (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0 &&
	       memcmp(key.mv_data, bytes, 8) == 0) {
		memcpy(&seq, data.mv_data, sizeof(seq));
		set_order(x, seq, 0, data);
		if (mdb_cursor_del(c, 0) != 0)
			break;
		key = df_val(bytes, 8);
	}
	mdb_cursor_close(c);
}

static void note_lost(struct df_index *x, const uint64_t inode[2])
{
	MDB_val other;

	if (!inode[1] || !df_get(&x->t, DF_INODES, df_val(inode, 16), &other))
		return;
	if ((x->n_lost & (x->n_lost - 1)) == 0)
		x->lost = mem_resize(x->lost, (x->n_lost ? 2 * x->n_lost : 1) * sizeof(*x->lost));
	memcpy(x->lost[x->n_lost++], inode, 16);
}

bool df_index_take_lost(struct df_index *x, uint64_t inode[2])
{
	if (!x->n_lost)
		return false;
	memcpy(inode, x->lost[--x->n_lost], 16);
	return true;
}

static void drop_one(struct df_index *x, const struct df_node *n)
{
	uint8_t key[KEY];
	df_id id = n->id;

	if (n->entry.type == DF_DIR)
		drop_tombs(x, id);
	take_from_order(x, n->seq, n->content, true);
	struct df_node now;
	if (df_index_get(x, id, &now)) {
		uint64_t inode[2] = { now.dev, now.ino };
		MDB_val what = df_val(&id, sizeof(id)),
			place = place_key(key, now.parent, now.name);
		df_del(&x->t, DF_NAMES, place, NULL);
		if (inode[1])
			df_del(&x->t, DF_INODES, df_val(inode, 16), &what);
		if (inode[1] && n->entry.type == DF_FILE)
			note_lost(x, inode);
		set_their(x, &now, NULL);
	}
	df_del(&x->t, DF_NODES, df_val(&id, sizeof(id)), NULL);
}

/* It is gone, which is told with a version of its own. */
static void end_one(struct df_index *x, struct df_node *n)
{
	uint64_t inode[2] = { n->dev, n->ino };
	bool file = n->entry.type == DF_FILE;

	n->entry = (struct df_entry){ .type = DF_GONE,
				      .mtime = n->entry.mtime,
				      .size = n->entry.size };
	n->origin = 0;
	df_index_put(x, n, true);
	if (file)
		note_lost(x, inode);
}

/* Each with all that is in it, what is in it first. */
static uint64_t drop_all(struct df_index *x, struct df_node *n)
{
	static const struct df_bytes first = { NULL, 0 };
	struct df_node child;
	uint64_t dropped = 0;
	df_id top = n->id;

	for (;;) { /* always the first child of the deepest folder */
		if (n->entry.type == DF_DIR && df_index_next(x, n->id, first, &child)) {
			*n = child;
			continue;
		}
		df_id above = n->parent;
		bool last = n->id == top;
		if (x->writer) {
			end_one(x, n);
		} else {
			drop_one(x, n);
			x->count--;
		}
		dropped++;
		if (last || !df_index_get(x, above, n))
			return dropped;
	}
}

uint64_t df_index_drop(struct df_index *x, df_id id, bool tomb)
{
	uint8_t name[DF_NAME];
	struct df_node n;

	if (!df_index_get(x, id, &n) || !is_there(&n))
		return 0;
	struct df_bytes place = { name, n.name.n };
	df_id parent = n.parent;
	memcpy(name, n.name.p, n.name.n);
	uint64_t dropped = drop_all(x, &n);
	if (tomb && !x->writer)
		bury(x, parent, place, DF_NOBODY);
	return dropped;
}

/* ---- the order ----------------------------------------------------------------------------- */

bool df_index_after(struct df_index *x, uint64_t seq, struct df_change *ch)
{
	MDB_cursor *c;
	uint64_t from = seq + 1;
	MDB_val key = df_val(&from, sizeof(from)), data;

	if (!df_tables_txn(&x->t) || mdb_cursor_open(x->t.txn, x->t.dbi[DF_ORDER], &c) != 0)
		return false;
	bool found = mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0;
	mdb_cursor_close(c);
	if (!found)
		return false;
	*ch = (struct df_change){ .id = DF_NOBODY };
	memcpy(&ch->seq, key.mv_data, sizeof(ch->seq));
	if (data.mv_size == sizeof(df_id)) {
		memcpy(&ch->id, data.mv_data, sizeof(ch->id));
	} else {
		uint64_t big;
		memcpy(&big, data.mv_data, sizeof(big));
		ch->parent = __builtin_bswap64(big);
		ch->name = (struct df_bytes){ (uint8_t *)data.mv_data + 8, data.mv_size - 8 };
	}
	return true;
}

/* A folder stays as long as something was in it. */
static void forget_one(struct df_index *x, const struct df_change *c)
{
	static const struct df_bytes first = { NULL, 0 };
	struct df_node n, child;
	uint8_t key[KEY];

	if (c->id == DF_NOBODY) {
		MDB_val place = place_key(key, c->parent, c->name);
		df_del(&x->t, DF_TOMBS, place, NULL);
		set_order(x, c->seq, 0, place);
	} else if (df_index_get(x, c->id, &n) && !is_there(&n) &&
		   !next_or_gone(x, n.id, first, &child)) {
		drop_one(x, &n);
		x->last[GONE]--;
	}
}

void df_index_forget(struct df_index *x, uint64_t upto)
{
	struct df_change c;

	for (int i = 0; i < FORGET && df_index_after(x, x->forgot, &c) && c.seq <= upto; i++) {
		forget_one(x, &c);
		x->forgot = c.seq;
	}
}

/* ---- peers --------------------------------------------------------------------------------- */

void df_index_peer(struct df_index *x, const char *name, struct df_known *k)
{
	MDB_val data;
	MDB_stat st;

	*k = (struct df_known){ .origin = 0 };
	if (df_get(&x->t, DF_PEERS, df_val(name, strlen(name)), &data) &&
	    data.mv_size == sizeof(*k)) {
		memcpy(k, data.mv_data, sizeof(*k));
		return;
	}
	if (df_tables_txn(&x->t) && mdb_stat(x->t.txn, x->t.dbi[DF_PEERS], &st) == 0)
		k->origin = (uint32_t)st.ms_entries + 1;
	df_index_set_peer(x, name, k);
}

void df_index_set_peer(struct df_index *x, const char *name, const struct df_known *k)
{
	df_put(&x->t, DF_PEERS, df_val(name, strlen(name)), df_val(k, sizeof(*k)));
}

void df_index_forget_peer(struct df_index *x, uint32_t peer)
{
	uint64_t bytes[2];
	MDB_cursor *c;
	MDB_val key = their_key(bytes, peer, 0), data;

	if (!df_tables_txn(&x->t) || mdb_cursor_open(x->t.txn, x->t.dbi[DF_THEIRS], &c) != 0)
		return;
	while (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0 &&
	       memcmp(key.mv_data, bytes, 8) == 0) {
		x->t.dirty = true;
		if (mdb_cursor_del(c, 0) != 0)
			break;
		key = df_val(bytes, 16);
	}
	mdb_cursor_close(c);
}

void df_index_want(struct df_index *x, uint32_t peer, df_id their)
{
	uint64_t key[2];

	df_put(&x->t, DF_WANTS, their_key(key, peer, their), df_val("", 0));
}

void df_index_have(struct df_index *x, uint32_t peer, df_id their)
{
	uint64_t key[2];
	MDB_val data;

	if (df_get(&x->t, DF_WANTS, their_key(key, peer, their), &data))
		df_del(&x->t, DF_WANTS, df_val(key, 16), NULL);
}

bool df_index_next_want(struct df_index *x, uint32_t peer, df_id *their)
{
	uint64_t bytes[2], found[2] = { 0, 0 };
	MDB_cursor *c;
	MDB_val key = their_key(bytes, peer, *their + 1), data;

	if (!df_tables_txn(&x->t) || mdb_cursor_open(x->t.txn, x->t.dbi[DF_WANTS], &c) != 0)
		return false;
	if (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0)
		memcpy(found, key.mv_data, sizeof(found));
	mdb_cursor_close(c);
	*their = __builtin_bswap64(found[1]);
	return found[0] == bytes[0] && found[1] != 0;
}
