/*
 * care - looking at the file as a whole: check, copy, compact.
 *
 * A check and a copy read a state of the file that stays as it was, on a connection and a thread of
 * their own, beside the writer. A compaction writes the file anew, so the writer does it itself,
 * between two transactions.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/store/private.h"

struct care {
	uv_work_t work;
	struct list link;
	struct store *store;
	enum store_care what;
	char *path;
	void (*done)(void *data, int status, const char *why);
	void *data;
	struct err err;
};

/* ---- a copy --------------------------------------------------------------------- */

static int on_disk(const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	int rc = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	return rc == 0 ? 0 : err_set(err, rc, "%s: %s", path, strerror(-rc));
}

static int folder_on_disk(const char *path, struct err *err)
{
	char *folder = mem_str(path), *slash = strrchr(folder, '/');

	if (slash)
		slash[slash == folder] = '\0';
	int rc = on_disk(slash ? folder : ".", O_RDONLY | O_DIRECTORY, err);
	free(folder);
	return rc;
}

static int vacuum_into(struct db *db, const char *path, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(db->handle, "VACUUM INTO ?1", -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_DONE)
		rc = db_fail(db, err);
	sqlite3_finalize(stmt);
	return rc;
}

/* Under a name of its own until it is whole. */
static int backup(struct care *c)
{
	char part[4096];
	struct db db;

	if ((size_t)snprintf(part, sizeof(part), "%s.part", c->path) >= sizeof(part))
		return err_set(&c->err, UV_ENAMETOOLONG, "%s: the name is too long", c->path);
	int rc = db_open(&db, c->store->path, c->store->conf.schema, false, &c->err);
	if (rc != 0)
		return rc;
	unlink(part);
	rc = vacuum_into(&db, part, &c->err);
	db_close(&db);
	if (rc == 0)
		rc = on_disk(part, O_RDONLY, &c->err);
	if (rc == 0 && link(part, c->path) != 0)
		rc = err_set(&c->err, uv_translate_sys_error(errno), "%s: %s", c->path,
			     strerror(errno));
	unlink(part);
	return rc == 0 ? folder_on_disk(c->path, &c->err) : rc;
}

static void on_work(uv_work_t *work)
{
	struct care *c = work->data;

	c->err.code = c->what == STORE_BACKUP ? backup(c) : store_check(c->store, &c->err);
}

/* ---- answers ---------------------------------------------------------------------- */

static void finish(struct care *c)
{
	struct store *s = c->store;

	c->done(c->data, c->err.code, c->err.code ? c->err.text : NULL);
	free(c->path);
	free(c);
	s->under_way--;
}

static void on_worked(uv_work_t *work, int status)
{
	struct care *c = work->data;
	struct store *s = c->store;

	(void)status;
	finish(c);
	if (!s->under_way && !s->closing)
		poller_unref(&s->bell);
	store_settle(s);
}

void care_answer(struct store *s)
{
	struct list done, *it, *tmp;

	list_init(&done);
	uv_mutex_lock(&s->lock);
	list_move_all(&done, &s->cared);
	uv_mutex_unlock(&s->lock);
	list_each (it, tmp, &done)
		finish(container_of(it, struct care, link));
}

/* ---- the writer's ------------------------------------------------------------------- */

void care_compact(struct store *s)
{
	struct list asked, *it, *tmp;

	list_init(&asked);
	uv_mutex_lock(&s->lock);
	list_move_all(&asked, &s->cares);
	uv_mutex_unlock(&s->lock);
	if (list_empty(&asked))
		return;
	list_each (it, tmp, &asked) {
		struct care *c = container_of(it, struct care, link);
		c->err.code = db_exec(&s->writing, "VACUUM", &c->err);
	}
	s->dirty = true; /* all of it is in the log now */
	uv_mutex_lock(&s->lock);
	list_move_all(&s->cared, &asked);
	uv_mutex_unlock(&s->lock);
	store_ring(s);
}

void store_look_after(struct store *s, enum store_care what, const char *path,
		      void (*done)(void *data, int status, const char *why), void *data)
{
	struct care *c = mem_new(sizeof(*c));

	c->store = s;
	c->what = what;
	c->path = mem_str(path);
	c->done = done;
	c->data = data;
	c->work.data = c;
	if (s->under_way++ == 0)
		poller_ref(&s->bell);
	if (what != STORE_COMPACT) {
		uv_queue_work(s->loop, &c->work, on_work, on_worked);
		return;
	}
	uv_mutex_lock(&s->lock);
	list_append(&s->cares, &c->link);
	uv_cond_signal(&s->wake_writer);
	uv_mutex_unlock(&s->lock);
}
