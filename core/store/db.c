#include "core/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/store/store.h"

enum { BUSY_MS = 5000 };

static int code_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return UV_ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return UV_EBUSY;
	case SQLITE_READONLY:
		return UV_EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return UV_EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return UV_EILSEQ;
	case SQLITE_TOOBIG:
		return UV_E2BIG;
	case SQLITE_CONSTRAINT:
		return UV_EEXIST;
	default:
		return UV_EIO;
	}
}

int db_fail(struct db *db, struct err *err)
{
	int rc = sqlite3_extended_errcode(db->handle);
	int os = sqlite3_system_errno(db->handle);
	int code = code_of(rc);

	if (code == UV_EILSEQ)
		return err_set(err, code, "the file is damaged: %s", sqlite3_errmsg(db->handle));
	if (os && (rc & 0xff) == SQLITE_IOERR)
		return err_set(err, code, "%s: %s (%d)", sqlite3_errmsg(db->handle), strerror(os),
			       rc);
	return err_set(err, code, "%s", sqlite3_errmsg(db->handle));
}

bool db_fault_is_logical(struct db *db)
{
	switch (sqlite3_errcode(db->handle)) {
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
	case SQLITE_RANGE:
	case SQLITE_MISUSE:
		return true;
	default:
		return false;
	}
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, err);
}

static sqlite3_stmt *prepared(struct db *db, sqlite3_stmt **s, const char *sql, struct err *err)
{
	if (*s)
		sqlite3_reset(*s);
	else if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL) !=
		 SQLITE_OK)
		db_fail(db, err);
	return *s;
}

static int step_once(struct db *db, sqlite3_stmt **s, const char *sql, struct err *err)
{
	if (!prepared(db, s, sql, err))
		return err ? err->code : UV_EIO;
	int rc = sqlite3_step(*s) == SQLITE_DONE ? 0 : db_fail(db, err);
	sqlite3_reset(*s);
	return rc;
}

int db_begin(struct db *db, struct err *err)
{
	return step_once(db, &db->begin, "BEGIN IMMEDIATE", err);
}

int db_commit(struct db *db, struct err *err)
{
	return step_once(db, &db->commit, "COMMIT", err);
}

static int number_of(struct db *db, const char *sql, int64_t *n, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK &&
				 sqlite3_step(s) == SQLITE_ROW
			 ? 0
			 : db_fail(db, err);

	if (rc == 0)
		*n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc;
}

struct sqlite3_stmt *db_stmt(struct db *db, int number, struct err *err)
{
	return prepared(db, &db->stmts[number], db->schema->statements[number], err);
}

static int set_up(struct db *db, struct err *err)
{
	sqlite3_stmt *s = NULL;
	bool wal = false;

	sqlite3_busy_timeout(db->handle, BUSY_MS);
	if (sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode=WAL", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		wal = strcmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
	int rc = sqlite3_finalize(s) == SQLITE_OK ? 0 : db_fail(db, err);
	if (rc == 0 && !wal)
		rc = err_set(err, UV_ENOTSUP, "this file system can't do it (WAL mode)");
	if (rc == 0)
		rc = db_exec(db,
			     "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
			     "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;",
			     err);
	return rc;
}

static int migrate(struct db *db, int from, struct err *err)
{
	char mark[96];
	int rc = db_begin(db, err);

	for (int i = from; rc == 0 && i < db->schema->version; i++)
		rc = db_exec(db, db->schema->migrations[i], err);
	if (rc == 0) {
		sqlite3_snprintf(sizeof(mark), mark,
				 "PRAGMA application_id=%d; PRAGMA user_version=%d",
				 db->schema->application, db->schema->version);
		rc = db_exec(db, mark, err);
	}
	if (rc == 0)
		rc = db_commit(db, err);
	if (rc != 0) {
		err_wrap(err, rc, "to version %d", db->schema->version);
		db_exec(db, "ROLLBACK", NULL);
	}
	return rc;
}

/* Looks before it touches: nothing is written to a file that is not ours. */
static int ours(struct db *db, bool *fresh, int64_t *version, struct err *err)
{
	int64_t application, objects;
	int rc = number_of(db, "PRAGMA application_id", &application, err);

	if (rc == 0)
		rc = number_of(db, "PRAGMA user_version", version, err);
	if (rc == 0)
		rc = number_of(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (rc != 0)
		return rc;
	*fresh = application == 0 && *version == 0 && objects == 0;
	if (!*fresh && application != db->schema->application)
		return err_set(err, UV_EINVAL, "another program's database");
	if (*version > db->schema->version)
		return err_set(
			err, UV_EINVAL,
			"made by a newer version of this program (schema %d, known here: %d)",
			(int)*version, db->schema->version);
	return 0;
}

static int enter(struct db *db, bool make, struct err *err)
{
	int64_t version = 0;
	bool fresh = false;
	int rc = ours(db, &fresh, &version, err);

	if (rc == 0 && !make && (fresh || version != db->schema->version))
		rc = err_set(err, UV_EINVAL, "not made yet");
	if (rc == 0)
		rc = set_up(db, err);
	if (rc == 0 && make && version < db->schema->version)
		rc = migrate(db, (int)version, err);
	return rc;
}

/* What SQLite would say of such a file is "file is not a database", or nothing at all. */
static int looks_like_one(const char *path, struct err *err)
{
	static const char magic[16] = "SQLite format 3";
	char head[16];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s", strerror(errno));
	ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, head, sizeof(head)) : -1;
	close(fd);
	if (n < 0)
		return err_set(err, UV_EINVAL, "no plain file");
	if (n > 0 && (n < (ssize_t)sizeof(head) || memcmp(head, magic, sizeof(magic)) != 0))
		return err_set(err, UV_EINVAL, "no SQLite database: move it away, or name another");
	return 0;
}

/* Or every allocation takes a lock to be counted. */
static void count_nothing(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_open(struct db *db, const char *path, const struct store_schema *schema, bool make,
	    struct err *err)
{
	static uv_once_t once = UV_ONCE_INIT;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (make ? SQLITE_OPEN_CREATE : 0);

	uv_once(&once, count_nothing);
	*db = (struct db){ .schema = schema };
	int rc = looks_like_one(path, err);
	if (rc != 0)
		return err_wrap(err, rc, "%s", path);
	db->stmts = mem_new((size_t)schema->n_statements * sizeof(struct sqlite3_stmt *));
	rc = sqlite3_open_v2(path, &db->handle, flags, NULL) == SQLITE_OK ? 0 : db_fail(db, err);
	if (rc == 0)
		rc = enter(db, make, err);
	if (rc == 0)
		return 0;
	db_close(db);
	return err_wrap(err, rc, "%s", path);
}

void db_close(struct db *db)
{
	for (int i = 0; db->stmts && i < db->schema->n_statements; i++)
		sqlite3_finalize(db->stmts[i]);
	sqlite3_finalize(db->begin);
	sqlite3_finalize(db->commit);
	free(db->stmts);
	sqlite3_close(db->handle);
	*db = (struct db){ .handle = NULL };
}

int db_checkpoint(struct db *db, bool cut, int *left, struct err *err)
{
	int all = 0, copied = 0;
	int mode = cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, &all, &copied);

	*left = all - copied;
	if (rc == SQLITE_OK || rc == SQLITE_BUSY)
		return 0;
	return db_fail(db, err);
}
