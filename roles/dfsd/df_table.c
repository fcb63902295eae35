#include "roles/dfsd/df_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "roles/dfsd/df_entry.h"

enum { BOOT = 36 };

static const struct {
	const char *name;
	unsigned flags;
} tables[DF_TABLES] = {
	[DF_NODES] = { "nodes", MDB_INTEGERKEY },
	[DF_NAMES] = { "names", 0 },
	[DF_TOMBS] = { "tombs", 0 },
	[DF_ORDER] = { "order", MDB_INTEGERKEY },
	[DF_INODES] = { "inodes", MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP },
	[DF_PEERS] = { "peers", 0 },
	[DF_META] = { "meta", 0 },
	[DF_THEIRS] = { "theirs", 0 },
	[DF_WANTS] = { "wants", 0 },
};

/* ---- rows ---------------------------------------------------------------------------------- */

MDB_val df_val(const void *p, size_t n)
{
	return (MDB_val){ n, (void *)(uintptr_t)p };
}

MDB_txn *df_tables_txn(struct df_tables *t)
{
	if (!t->txn && mdb_txn_begin(t->env, NULL, 0, &t->txn) != 0)
		t->txn = NULL;
	return t->txn;
}

bool df_get(struct df_tables *t, enum df_table of, MDB_val key, MDB_val *data)
{
	return df_tables_txn(t) && mdb_get(t->txn, t->dbi[of], &key, data) == 0;
}

static void keep_failure(struct df_tables *t, int rc, int but)
{
	t->dirty = true;
	if (rc != 0 && rc != but && !t->failed)
		t->failed = rc;
}

void df_put(struct df_tables *t, enum df_table of, MDB_val key, MDB_val data)
{
	bool open = df_tables_txn(t);

	keep_failure(t, open ? mdb_put(t->txn, t->dbi[of], &key, &data, 0) : MDB_BAD_TXN,
		     MDB_KEYEXIST);
}

void df_del(struct df_tables *t, enum df_table of, MDB_val key, MDB_val *data)
{
	bool open = df_tables_txn(t);

	keep_failure(t, open ? mdb_del(t->txn, t->dbi[of], &key, data) : MDB_BAD_TXN, MDB_NOTFOUND);
}

int df_tables_commit(struct df_tables *t, struct err *err)
{
	int rc = t->failed;

	if (!t->txn)
		return 0;
	if (rc == 0)
		rc = mdb_txn_commit(t->txn);
	else
		mdb_txn_abort(t->txn);
	t->txn = NULL;
	t->dirty = false;
	t->failed = 0;
	return rc == 0 ? 0
		       : err_set(err, rc > 0 ? uv_translate_sys_error(rc) : UV_ENOSPC,
				 "the index can't be written: %s", mdb_strerror(rc));
}

/* ---- open, close --------------------------------------------------------------------------- */

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

static int open_all(struct df_tables *t)
{
	if (!df_tables_txn(t))
		return MDB_BAD_TXN;
	for (int i = 0; i < DF_TABLES; i++) {
		int rc = mdb_dbi_open(t->txn, tables[i].name, tables[i].flags | MDB_CREATE,
				      &t->dbi[i]);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int open_env(struct df_tables *t, const char *state, size_t map)
{
	int rc = mdb_env_create(&t->env);

	if (rc == 0)
		rc = mdb_env_set_maxdbs(t->env, DF_TABLES);
	if (rc == 0)
		rc = mdb_env_set_mapsize(t->env, map);
	if (rc == 0)
		rc = mdb_env_open(t->env, state,
				  MDB_NOSYNC | MDB_NOTLS | MDB_NOMEMINIT | MDB_NOLOCK, 0600);
	return rc == 0 ? open_all(t) : rc;
}

static int lock(struct df_tables *t, const char *state, struct err *err)
{
	if (mkdir(state, 0700) == 0 || errno == EEXIST)
		t->lock = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->lock < 0)
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", state,
			       strerror(errno));
	if (flock(t->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return err_set(err, UV_EBUSY, "%s: another troupe works with it", state);
}

static int open_locked(struct df_tables *t, const char *state, size_t map, struct err *err)
{
	char boot[BOOT + 1];

	boot_id(boot);
	if (is_torn(state, boot)) {
		log_warn("the machine went down while the index was open, it is made anew path=%s",
			 state);
		remove_files(state);
	}
	int rc = mark_open(state, boot, err);
	if (rc != 0)
		return rc;
	rc = open_env(t, state, map);
	return rc == 0 ? 0
		       : err_set(err, rc > 0 ? uv_translate_sys_error(rc) : UV_EIO, "%s: %s", state,
				 mdb_strerror(rc));
}

int df_tables_open(struct df_tables *t, const char *state, size_t map, struct err *err)
{
	*t = (struct df_tables){ .lock = -1 };
	int rc = lock(t, state, err);
	if (rc == 0)
		rc = open_locked(t, state, map, err);
	if (rc != 0)
		df_tables_close(t);
	return rc;
}

static void close_env(struct df_tables *t)
{
	const char *state = NULL;
	char path[DF_PATH] = "";

	if (t->txn)
		mdb_txn_abort(t->txn);
	if (mdb_env_get_path(t->env, &state) == 0 && state) {
		mdb_env_sync(t->env, 1);
		snprintf(path, sizeof(path), "%s/open", state);
	}
	mdb_env_close(t->env);
	if (*path)
		unlink(path);
}

void df_tables_close(struct df_tables *t)
{
	if (t->env)
		close_env(t);
	if (t->lock >= 0)
		close(t->lock);
}
