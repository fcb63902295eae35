#include "roles/dfsd/df_index.h"

#include <assert.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"

enum table { NODES, NAMES, TOMBS, ORDER, INODES, PEERS, META, THEIRS, WANTS, TABLES };

enum { SEQ, ID };

enum { KEY = 8 + DF_NAME, BOOT = 36 };

struct df_index {
	MDB_env *env;
	MDB_txn *txn; /* NULL: none is open */
	MDB_dbi tables[TABLES];
	uint8_t epoch[16];
	uint64_t last[2]; /* the number and the id given last: neither is ever given again */
	uint64_t count;
	bool dirty;
	int failed; /* a write that did not go; told at the commit */
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

static const struct {
	const char *name;
	unsigned flags;
} tables[TABLES] = {
	[NODES] = { "nodes", MDB_INTEGERKEY },
	[NAMES] = { "names", 0 },
	[TOMBS] = { "tombs", 0 },
	[ORDER] = { "order", MDB_INTEGERKEY },
	[INODES] = { "inodes", MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP },
	[PEERS] = { "peers", 0 },
	[META] = { "meta", 0 },
	[THEIRS] = { "theirs", 0 },
	[WANTS] = { "wants", 0 },
};

/* ---- rows ---------------------------------------------------------------------------------- */

static MDB_val val(const void *p, size_t n)
{
	return (MDB_val){ n, (void *)(uintptr_t)p };
}

static MDB_txn *txn_of(struct df_index *x)
{
	if (!x->txn && mdb_txn_begin(x->env, NULL, 0, &x->txn) != 0)
		x->txn = NULL;
	return x->txn;
}

static bool get(struct df_index *x, enum table t, MDB_val key, MDB_val *data)
{
	return txn_of(x) && mdb_get(x->txn, x->tables[t], &key, data) == 0;
}

static void put(struct df_index *x, enum table t, MDB_val key, MDB_val data)
{
	int rc = txn_of(x) ? mdb_put(x->txn, x->tables[t], &key, &data, 0) : MDB_BAD_TXN;

	x->dirty = true;
	if (rc != 0 && rc != MDB_KEYEXIST && !x->failed)
		x->failed = rc;
}

static void del(struct df_index *x, enum table t, MDB_val key, MDB_val *data)
{
	int rc = txn_of(x) ? mdb_del(x->txn, x->tables[t], &key, data) : MDB_BAD_TXN;

	x->dirty = true;
	if (rc != 0 && rc != MDB_NOTFOUND && !x->failed)
		x->failed = rc;
}

static MDB_val place_key(uint8_t key[KEY], df_id parent, struct df_bytes name)
{
	uint64_t big = __builtin_bswap64(parent);

	assert(name.n <= DF_NAME);
	memcpy(key, &big, 8);
	if (name.n)
		memcpy(key + 8, name.p, name.n);
	return val(key, 8 + name.n);
}

static MDB_val inode_key(uint64_t key[2], uint64_t dev, uint64_t ino)
{
	key[0] = dev;
	key[1] = ino;
	return val(key, 16);
}

/* ---- open, close --------------------------------------------------------------------------- */

static int db_fail(struct err *err, const char *path, int rc)
{
	return err_set(err, rc > 0 ? uv_translate_sys_error(rc) : UV_EIO, "%s: %s", path,
		       mdb_strerror(rc));
}

static void boot_id(char id[BOOT + 1])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");

	id[0] = '\0';
	if (f && fread(id, 1, BOOT, f) == BOOT)
		id[BOOT] = '\0';
	else
		id[0] = '\0';
	if (f)
		fclose(f);
}

static int make_epoch(struct df_index *x)
{
	df_id root = DF_ROOT;
	struct row row = { .parent = DF_NOBODY };
	static const uint8_t nothing[8] = { 0, DF_DIR }; /* an entry of zeros */

	uv_random(NULL, NULL, x->epoch, sizeof(x->epoch), 0, NULL);
	put(x, META, val("epoch", 5), val(x->epoch, sizeof(x->epoch)));
	uint8_t bytes[sizeof(row) + 7];
	memcpy(bytes, &row, sizeof(row));
	memcpy(bytes + sizeof(row), nothing, 7);
	put(x, NODES, val(&root, sizeof(root)), val(bytes, sizeof(bytes)));
	x->last[ID] = DF_ROOT;
	return x->failed;
}

static int read_meta(struct df_index *x)
{
	MDB_val epoch;
	MDB_stat st;

	if (!get(x, META, val("epoch", 5), &epoch) || epoch.mv_size != sizeof(x->epoch))
		return make_epoch(x);
	memcpy(x->epoch, epoch.mv_data, sizeof(x->epoch));
	MDB_val last;
	if (!get(x, META, val("last", 4), &last) || last.mv_size != sizeof(x->last))
		return make_epoch(x);
	memcpy(x->last, last.mv_data, sizeof(x->last));
	mdb_stat(x->txn, x->tables[NODES], &st);
	x->count = st.ms_entries - 1;
	return 0;
}

static int open_tables(struct df_index *x)
{
	if (!txn_of(x))
		return MDB_BAD_TXN;
	for (int i = 0; i < TABLES; i++) {
		int rc = mdb_dbi_open(x->txn, tables[i].name, tables[i].flags | MDB_CREATE,
				      &x->tables[i]);
		if (rc != 0)
			return rc;
	}
	return read_meta(x);
}

/* Whether it was open when the machine went down: pages may be missing in it. */
static bool is_torn(const char *state, const char *boot)
{
	char path[DF_PATH], then[BOOT + 1] = "";

	snprintf(path, sizeof(path), "%s/open", state);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	size_t n = fread(then, 1, BOOT, f);
	fclose(f);
	return n != BOOT || strcmp(then, boot) != 0;
}

static int mark_open(const char *state, const char *boot, struct err *err)
{
	char path[DF_PATH];

	snprintf(path, sizeof(path), "%s/open", state);
	FILE *f = fopen(path, "w");
	if (!f || fputs(boot, f) < 0 || fclose(f) != 0)
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
	return 0;
}

static void remove_files(const char *state)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	char path[DF_PATH];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", state, files[i]);
		unlink(path);
	}
}

int df_index_open(struct df_index **out, const char *state, size_t map, struct err *err)
{
	char boot[BOOT + 1];
	struct df_index *x = mem_new(sizeof(*x));

	boot_id(boot);
	if (mkdir(state, 0700) != 0 && errno != EEXIST) {
		free(x);
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", state,
			       strerror(errno));
	}
	if (is_torn(state, boot)) {
		log_warn("the machine went down while the index was open, it is made anew path=%s",
			 state);
		remove_files(state);
	}
	int rc = mark_open(state, boot, err);
	if (rc != 0) {
		free(x);
		return rc;
	}
	rc = mdb_env_create(&x->env);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(x->env, TABLES);
	if (rc == 0)
		rc = mdb_env_set_mapsize(x->env, map);
	if (rc == 0)
		rc = mdb_env_open(x->env, state, MDB_NOSYNC | MDB_NOTLS | MDB_NOMEMINIT, 0600);
	if (rc == 0)
		rc = open_tables(x);
	if (rc == 0)
		rc = df_index_commit(x, NULL);
	if (rc != 0) {
		df_index_close(x);
		return db_fail(err, state, rc);
	}
	*out = x;
	return 0;
}

void df_index_close(struct df_index *x)
{
	const char *state = NULL;
	char path[DF_PATH] = "";

	if (!x)
		return;
	if (x->txn)
		df_index_commit(x, NULL);
	if (x->env && mdb_env_get_path(x->env, &state) == 0 && state) {
		mdb_env_sync(x->env, 1);
		snprintf(path, sizeof(path), "%s/open", state);
	}
	if (x->env)
		mdb_env_close(x->env);
	if (*path)
		unlink(path);
	free(x->row);
	free(x->lost);
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
	return x->dirty;
}

int df_index_commit(struct df_index *x, struct err *err)
{
	int rc = x->failed;

	if (!x->txn)
		return 0;
	if (rc == 0 && x->dirty)
		put(x, META, val("last", 4), val(x->last, sizeof(x->last)));
	rc = x->failed;
	if (rc == 0) {
		rc = mdb_txn_commit(x->txn);
		x->txn = NULL;
	} else {
		mdb_txn_abort(x->txn);
		x->txn = NULL;
	}
	x->dirty = false;
	x->failed = 0;
	if (rc != 0 && txn_of(x))
		read_meta(x);
	return rc == 0 ? 0
		       : err_set(err, rc > 0 ? uv_translate_sys_error(rc) : UV_ENOSPC,
				 "the index can't be written: %s", mdb_strerror(rc));
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

	return get(x, NODES, val(&id, sizeof(id)), &data) && read_node(id, data, n);
}

bool df_index_child(struct df_index *x, df_id parent, struct df_bytes name, struct df_node *n)
{
	uint8_t key[KEY];
	MDB_val data;
	df_id id;

	if (name.n > DF_NAME || !get(x, NAMES, place_key(key, parent, name), &data))
		return false;
	memcpy(&id, data.mv_data, sizeof(id));
	return df_index_get(x, id, n);
}

bool df_index_find(struct df_index *x, const char *path, struct df_node *n)
{
	if (!df_index_get(x, DF_ROOT, n))
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");
		if (!df_index_child(x, n->id, (struct df_bytes){ path, len }, n))
			return false;
		path += len + (path[len] == '/');
	}
	return true;
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

bool df_index_twin(struct df_index *x, uint64_t dev, uint64_t ino, df_id after, struct df_node *n)
{
	uint64_t inode[2];
	MDB_cursor *c;
	MDB_val key = inode_key(inode, dev, ino);
	df_id from = after + 1, id = DF_NOBODY;
	MDB_val data = val(&from, sizeof(from));

	if (!txn_of(x) || mdb_cursor_open(x->txn, x->tables[INODES], &c) != 0)
		return false;
	if (mdb_cursor_get(c, &key, &data, MDB_GET_BOTH_RANGE) == 0)
		memcpy(&id, data.mv_data, sizeof(id));
	mdb_cursor_close(c);
	return id != DF_NOBODY && df_index_get(x, id, n);
}

bool df_index_next(struct df_index *x, df_id parent, struct df_bytes after, struct df_node *n)
{
	uint8_t bytes[KEY + 1];
	MDB_cursor *c;
	MDB_val key = place_key(bytes, parent, after), data;
	df_id id = DF_NOBODY;

	bytes[key.mv_size] = 0; /* the first that sorts behind it */
	key.mv_size += after.n > 0;
	if (!txn_of(x) || mdb_cursor_open(x->txn, x->tables[NAMES], &c) != 0)
		return false;
	if (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0 &&
	    memcmp(key.mv_data, bytes, 8) == 0)
		memcpy(&id, data.mv_data, sizeof(id));
	mdb_cursor_close(c);
	return id != DF_NOBODY && df_index_get(x, id, n);
}

/* ---- changing ------------------------------------------------------------------------------ */

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
	put(x, NODES, val(&n->id, sizeof(n->id)), val(x->row, (size_t)(p - x->row)));
}

static void set_order(struct df_index *x, uint64_t old, uint64_t seq, MDB_val what)
{
	if (old)
		del(x, ORDER, val(&old, sizeof(old)), NULL);
	if (seq)
		put(x, ORDER, val(&seq, sizeof(seq)), what);
}

/* The number of its content stays as long as that does: who has not passed it is told of it there,
 * whatever number the node has by then. */
static void take_from_order(struct df_index *x, uint64_t seq, uint64_t of_content, bool content)
{
	if (content || seq != of_content)
		set_order(x, seq, 0, val(NULL, 0));
	if (content && seq != of_content)
		set_order(x, of_content, 0, val(NULL, 0));
}

static MDB_val their_key(uint64_t key[2], uint32_t peer, df_id their)
{
	key[0] = peer;
	key[1] = __builtin_bswap64(their); /* so that they sort as numbers do */
	return val(key, 16);
}

/* A node that has lost its name to another one keeps it in its own row, where nobody looks. */
static void set_their(struct df_index *x, const struct df_node *old, const struct df_node *n)
{
	uint64_t key[2];
	MDB_val id;

	if (old && n && old->peer == n->peer && old->their == n->their)
		return;
	if (old && old->their && get(x, THEIRS, their_key(key, old->peer, old->their), &id) &&
	    memcmp(id.mv_data, &old->id, sizeof(old->id)) == 0)
		del(x, THEIRS, val(key, 16), NULL);
	if (n && n->their)
		put(x, THEIRS, their_key(key, n->peer, n->their), val(&n->id, sizeof(n->id)));
}

bool df_index_of_peer(struct df_index *x, uint32_t peer, df_id their, struct df_node *n)
{
	uint64_t key[2];
	MDB_val data;
	df_id id;

	if (!their || !get(x, THEIRS, their_key(key, peer, their), &data))
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
		MDB_val id = val(&old->id, sizeof(old->id));
		del(x, INODES, inode_key(key, old->dev, old->ino), &id);
	}
	if (n && n->ino)
		put(x, INODES, inode_key(key, n->dev, n->ino), val(&n->id, sizeof(n->id)));
}

void df_index_put(struct df_index *x, struct df_node *n, bool content)
{
	struct df_node old = { .id = DF_NOBODY };
	uint8_t key[KEY];
	bool known = n->id != DF_NOBODY && df_index_get(x, n->id, &old);

	n->seq = ++x->last[SEQ];
	if (!known) {
		n->id = ++x->last[ID];
		n->born = n->seq;
		x->count++;
	}
	if (content || !known)
		n->content = n->seq;
	MDB_val place = place_key(key, n->parent, n->name);
	write_node(x, n); /* first: it may point into rows */
	if (!known)
		put(x, NAMES, place, val(&n->id, sizeof(n->id)));
	set_inode(x, known ? &old : NULL, n);
	set_their(x, known ? &old : NULL, n);
	take_from_order(x, old.seq, old.content, content);
	set_order(x, 0, n->seq, val(&n->id, sizeof(n->id)));
}

void df_index_note(struct df_index *x, const struct df_node *n)
{
	struct df_node old;
	bool known = df_index_get(x, n->id, &old);

	write_node(x, n);
	set_inode(x, known ? &old : NULL, n);
}

struct df_tomb df_index_tomb(struct df_index *x, df_id parent, struct df_bytes name)
{
	struct df_tomb tomb = { .seq = 0 };
	uint8_t key[KEY];
	MDB_val data;

	if (get(x, TOMBS, place_key(key, parent, name), &data))
		memcpy(&tomb, data.mv_data, sizeof(tomb));
	return tomb;
}

static void bury(struct df_index *x, df_id parent, struct df_bytes name, df_id moved)
{
	uint8_t key[KEY];
	uint64_t old = df_index_tomb(x, parent, name).seq;
	struct df_tomb tomb = { ++x->last[SEQ], moved };
	MDB_val place = place_key(key, parent, name);

	put(x, TOMBS, place, val(&tomb, sizeof(tomb)));
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
	del(x, NAMES, place_key(key, from, from_name), NULL);
	df_index_get(x, n->id, n); /* the rows have moved */
	uint64_t before = n->seq;
	n->parent = parent;
	n->name = name;
	n->seq = ++x->last[SEQ];
	write_node(x, n);
	if (taken)
		df_index_drop(x, there.id, folder);
	put(x, NAMES, place_key(key, parent, name), val(&n->id, sizeof(n->id)));
	take_from_order(x, before, n->content, false);
	set_order(x, 0, n->seq, val(&n->id, sizeof(n->id)));
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

	if (!txn_of(x) || mdb_cursor_open(x->txn, x->tables[TOMBS], &c) != 0)
		return;
	while (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0 &&
	       memcmp(key.mv_data, bytes, 8) == 0) {
		memcpy(&seq, data.mv_data, sizeof(seq));
		set_order(x, seq, 0, data);
		if (mdb_cursor_del(c, 0) != 0)
			break;
		key = val(bytes, 8);
	}
	mdb_cursor_close(c);
}

static void note_lost(struct df_index *x, const uint64_t inode[2])
{
	MDB_val other;

	if (!get(x, INODES, val(inode, 16), &other))
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
		MDB_val what = val(&id, sizeof(id)), place = place_key(key, now.parent, now.name);
		del(x, NAMES, place, NULL);
		if (inode[1])
			del(x, INODES, val(inode, 16), &what);
		if (inode[1] && n->entry.type == DF_FILE)
			note_lost(x, inode);
		set_their(x, &now, NULL);
	}
	del(x, NODES, val(&id, sizeof(id)), NULL);
	x->count--;
}

uint64_t df_index_drop(struct df_index *x, df_id id, bool tomb)
{
	static const struct df_bytes first = { NULL, 0 };
	uint8_t name[DF_NAME];
	struct df_node n, child;
	uint64_t dropped = 0;
	df_id top = id;

	if (!df_index_get(x, id, &n))
		return 0;
	struct df_bytes place = { name, n.name.n };
	df_id parent = n.parent;
	memcpy(name, n.name.p, n.name.n);
	for (;;) { /* always the first child of the deepest folder */
		if (n.entry.type == DF_DIR && df_index_next(x, n.id, first, &child)) {
			n = child;
			continue;
		}
		df_id above = n.parent;
		bool last = n.id == top;
		drop_one(x, &n);
		dropped++;
		if (last || !df_index_get(x, above, &n))
			break;
	}
	if (tomb)
		bury(x, parent, place, DF_NOBODY);
	return dropped;
}

/* ---- the order ----------------------------------------------------------------------------- */

bool df_index_after(struct df_index *x, uint64_t seq, struct df_change *ch)
{
	MDB_cursor *c;
	uint64_t from = seq + 1;
	MDB_val key = val(&from, sizeof(from)), data;

	if (!txn_of(x) || mdb_cursor_open(x->txn, x->tables[ORDER], &c) != 0)
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

void df_index_forget_tombs(struct df_index *x, uint64_t upto)
{
	struct df_change c = { .seq = 0 };

	while (df_index_after(x, c.seq, &c) && c.seq <= upto) {
		if (c.id != DF_NOBODY)
			continue;
		uint8_t key[KEY];
		MDB_val place = place_key(key, c.parent, c.name);
		del(x, TOMBS, place, NULL);
		set_order(x, c.seq, 0, place);
	}
}

/* ---- peers --------------------------------------------------------------------------------- */

void df_index_peer(struct df_index *x, const char *name, struct df_known *k)
{
	MDB_val data;
	MDB_stat st;

	*k = (struct df_known){ .origin = 0 };
	if (get(x, PEERS, val(name, strlen(name)), &data) && data.mv_size == sizeof(*k)) {
		memcpy(k, data.mv_data, sizeof(*k));
		return;
	}
	if (txn_of(x) && mdb_stat(x->txn, x->tables[PEERS], &st) == 0)
		k->origin = (uint32_t)st.ms_entries + 1;
	df_index_set_peer(x, name, k);
}

void df_index_set_peer(struct df_index *x, const char *name, const struct df_known *k)
{
	put(x, PEERS, val(name, strlen(name)), val(k, sizeof(*k)));
}

void df_index_forget_peer(struct df_index *x, uint32_t peer)
{
	uint64_t bytes[2];
	MDB_cursor *c;
	MDB_val key = their_key(bytes, peer, 0), data;

	if (!txn_of(x) || mdb_cursor_open(x->txn, x->tables[THEIRS], &c) != 0)
		return;
	while (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0 &&
	       memcmp(key.mv_data, bytes, 8) == 0) {
		x->dirty = true;
		if (mdb_cursor_del(c, 0) != 0)
			break;
		key = val(bytes, 16);
	}
	mdb_cursor_close(c);
}

void df_index_want(struct df_index *x, uint32_t peer, df_id their)
{
	uint64_t key[2];

	put(x, WANTS, their_key(key, peer, their), val("", 0));
}

void df_index_have(struct df_index *x, uint32_t peer, df_id their)
{
	uint64_t key[2];
	MDB_val data;

	if (get(x, WANTS, their_key(key, peer, their), &data))
		del(x, WANTS, val(key, 16), NULL);
}

bool df_index_next_want(struct df_index *x, uint32_t peer, df_id *their)
{
	uint64_t bytes[2], found[2] = { 0, 0 };
	MDB_cursor *c;
	MDB_val key = their_key(bytes, peer, *their + 1), data;

	if (!txn_of(x) || mdb_cursor_open(x->txn, x->tables[WANTS], &c) != 0)
		return false;
	if (mdb_cursor_get(c, &key, &data, MDB_SET_RANGE) == 0)
		memcpy(found, key.mv_data, sizeof(found));
	mdb_cursor_close(c);
	*their = __builtin_bswap64(found[1]);
	return found[0] == bytes[0] && found[1] != 0;
}
