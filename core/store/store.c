#include "core/store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/store/private.h"
#include "core/store/unit.h"

/* ---- one process at a time --------------------------------------------------- */

/*
 * A file of its own: SQLite's own locks (fcntl) are gone as soon as this process closes any other
 * descriptor of the database.
 */
static int take_lock(const char *path, struct err *err)
{
	char name[4096], pid[16] = "";

	snprintf(name, sizeof(name), "%s-lock", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
		close(fd);
		return err_set(err, UV_EBUSY, "%s: in use by process %s", path,
			       n > 0 ? pid : "unknown");
	}
	int n = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	/* For people; a full disk is told by what comes next. */
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		return fd;
	return fd;
}

/* A new file that the disk has but its directory has not is lost with the power. */
static void sync_directory(const char *path)
{
	char *dir = mem_str(path);
	char *slash = strrchr(dir, '/');

	if (slash)
		slash[slash == dir] = '\0';
	int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

/* ---- answers ------------------------------------------------------------------ */

void store_ring(struct store *s)
{
	static const uint64_t one = 1;

	while (write(s->bell.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void store_answer(struct store *s, struct list *units)
{
	uv_mutex_lock(&s->lock);
	bool first = list_empty(&s->out);
	list_move_all(&s->out, units);
	uv_mutex_unlock(&s->lock);
	if (first)
		store_ring(s);
}

static void tell_health(struct store *s)
{
	char why[sizeof(s->why)];

	uv_mutex_lock(&s->lock);
	enum store_health health = s->health;
	bool changed = health != s->told;
	s->told = health;
	snprintf(why, sizeof(why), "%s", s->why);
	uv_mutex_unlock(&s->lock);
	if (changed && s->conf.on_health)
		s->conf.on_health(s->conf.data, health, why);
}

static void on_bell_closed(struct poller_item *i)
{
	struct store *s = container_of(i, struct store, bell);
	void (*done)(void *) = s->on_closed;
	void *data = s->closed_data;

	uv_mutex_destroy(&s->lock);
	uv_cond_destroy(&s->wake_writer);
	uv_cond_destroy(&s->wake_reader);
	uv_cond_destroy(&s->wake_keeper);
	free(s->path);
	free(s);
	if (done)
		done(data);
}

static void close_files(struct store *s)
{
	db_close(&s->reading);
	db_close(&s->copying);
	db_close(&s->writing);
	close(s->lock_fd);
}

void store_settle(struct store *s)
{
	if (!s->closing || s->under_way || s->bell.closed)
		return;
	uv_mutex_lock(&s->lock);
	s->stop = true;
	uv_cond_signal(&s->wake_writer);
	uv_cond_signal(&s->wake_reader);
	uv_cond_signal(&s->wake_keeper);
	uv_mutex_unlock(&s->lock);
	uv_thread_join(&s->writer);
	uv_thread_join(&s->reader);
	uv_thread_join(&s->keeper);
	close_files(s);
	poller_close(&s->bell, on_bell_closed);
}

/* Each ring is an edge of its own: the counter need not be read. */
static void on_bell(struct poller_item *i, unsigned events)
{
	struct store *s = container_of(i, struct store, bell);
	struct list units, *it, *tmp;

	(void)events;
	poller_crowded(i);
	tell_health(s);
	list_init(&units);
	uv_mutex_lock(&s->lock);
	list_move_all(&units, &s->out);
	uv_mutex_unlock(&s->lock);
	list_each (it, tmp, &units) {
		struct store_unit *u = container_of(it, struct store_unit, link);
		if (u->done)
			u->done(u, u->status);
		store_drop(u);
		s->under_way--;
	}
	care_answer(s);
	if (!s->under_way && !s->closing)
		poller_unref(&s->bell);
	store_settle(s);
}

/* ---- open, close --------------------------------------------------------------- */

static int open_files(struct store *s, struct err *err)
{
	s->lock_fd = take_lock(s->path, err);
	if (s->lock_fd < 0)
		return s->lock_fd;
	int rc = db_open(&s->writing, s->path, s->conf.schema, true, err);
	if (rc == 0)
		rc = db_open(&s->reading, s->path, s->conf.schema, false, err);
	if (rc == 0)
		rc = db_open(&s->copying, s->path, s->conf.schema, false, err);
	if (rc == 0) {
		sync_directory(s->path);
		return 0;
	}
	if (s->reading.handle)
		db_close(&s->reading);
	if (s->writing.handle)
		db_close(&s->writing);
	close(s->lock_fd);
	return rc;
}

static void start_thread(uv_thread_t *t, void (*run)(void *), struct store *s)
{
	int rc = uv_thread_create(t, run, s);

	assert(rc == 0); /* without threads nothing of this process would work */
	(void)rc;
}

int store_open(struct store **out, uv_loop_t *loop, const struct store_conf *conf, struct err *err)
{
	struct store *s = mem_new(sizeof(*s));

	s->loop = loop;
	s->conf = *conf;
	s->conf.max_ops = conf->max_ops ? conf->max_ops : 512;
	s->conf.max_bytes = conf->max_bytes ? conf->max_bytes : 1 << 20;
	s->conf.checkpoint_bytes = conf->checkpoint_bytes ? conf->checkpoint_bytes : 8 << 20;
	s->path = mem_str(conf->path);
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int rc = fd < 0 ? err_set(err, -errno, "eventfd: %s", strerror(errno)) : open_files(s, err);
	if (rc == 0 && (rc = poller_open(&s->bell, loop, fd, EPOLLIN | EPOLLET, on_bell)) != 0)
		close_files(s);
	if (rc != 0) {
		if (fd >= 0)
			close(fd);
		free(s->path);
		free(s);
		return rc;
	}
	list_init(&s->fresh);
	list_init(&s->in);
	list_init(&s->out);
	list_init(&s->queries);
	list_init(&s->work);
	list_init(&s->cares);
	list_init(&s->cared);
	s->sync_now = STORE_FSYNC;
	uv_mutex_init(&s->lock);
	uv_cond_init(&s->wake_writer);
	uv_cond_init(&s->wake_reader);
	uv_cond_init(&s->wake_keeper);
	poller_unref(&s->bell);
	start_thread(&s->writer, writer_run, s);
	start_thread(&s->reader, reader_run, s);
	start_thread(&s->keeper, keeper_run, s);
	*out = s;
	return 0;
}

void store_close(struct store *s, void (*done)(void *data), void *data)
{
	s->on_closed = done;
	s->closed_data = data;
	s->closing = true;
	poller_ref(&s->bell);
	store_hand_over(s);
	uv_mutex_lock(&s->lock);
	s->last = true; /* a store that fails tries once more, then gives up what it holds */
	uv_cond_signal(&s->wake_writer);
	uv_mutex_unlock(&s->lock);
	store_ring(s);
}

/* ---- in ------------------------------------------------------------------------- */

static void one_more(struct store *s)
{
	assert(!s->closing);
	if (s->under_way++ == 0) /* the loop lives for answers, not for an idle store */
		poller_ref(&s->bell);
}

void store_hand_over(struct store *s)
{
	if (s->n_fresh == 0)
		return;
	uv_mutex_lock(&s->lock);
	bool was_empty = list_empty(&s->in);
	list_move_all(&s->in, &s->fresh);
	s->n_in += s->n_fresh;
	bool enough = s->wanted ? s->n_in >= s->wanted : was_empty;
	uv_mutex_unlock(&s->lock);
	s->n_fresh = 0;
	if (enough)
		uv_cond_signal(&s->wake_writer);
}

void store_commit(struct store *s, struct store_unit *u, enum store_sync sync, int flags,
		  store_done done)
{
	u->sync = (uint8_t)sync;
	u->flags = (uint8_t)flags;
	u->done = done;
	one_more(s);
	list_append(&s->fresh, &u->link);
	if (++s->n_fresh >= s->conf.gather)
		store_hand_over(s);
}

void store_read(struct store *s, struct store_unit *u, store_done done)
{
	u->done = done;
	one_more(s);
	uv_mutex_lock(&s->lock);
	list_append(&s->queries, &u->link);
	uv_cond_signal(&s->wake_reader);
	uv_mutex_unlock(&s->lock);
}

/* ---- in the caller's thread ------------------------------------------------------ */

static int scan_rows(struct db *db, sqlite3_stmt *stmt,
		     int (*row)(void *data, const struct store_value *cells), void *data,
		     struct err *err)
{
	struct store_value cells[32];
	int n = sqlite3_column_count(stmt), rc;

	assert(n <= 32);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (int i = 0; i < n; i++)
			cells[i] = cell_read(stmt, i);
		rc = row(data, cells);
		if (rc != 0)
			return rc;
	}
	return rc == SQLITE_DONE ? 0 : db_fail(db, err);
}

int store_scan(struct store *s, int statement,
	       int (*row)(void *data, const struct store_value *cells), void *data, struct err *err)
{
	struct db db;
	int rc = db_open(&db, s->path, s->conf.schema, false, err);

	if (rc != 0)
		return rc;
	sqlite3_stmt *stmt = db_stmt(&db, statement, err);
	rc = stmt ? scan_rows(&db, stmt, row, data, err) : db_fail(&db, err);
	db_close(&db);
	return rc;
}

int store_check(struct store *s, struct err *err)
{
	struct db db;
	sqlite3_stmt *stmt = NULL;
	int rc = db_open(&db, s->path, s->conf.schema, false, err);

	if (rc != 0)
		return rc;
	if (sqlite3_prepare_v2(db.handle, "PRAGMA integrity_check(1)", -1, &stmt, NULL) !=
		    SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		rc = db_fail(&db, err);
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		rc = err_set(err, UV_EILSEQ, "%s: the file is damaged: %s", s->path,
			     sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	db_close(&db);
	return rc;
}

void store_figures(struct store *s, struct store_figures *f)
{
	*f = (struct store_figures){
		.health = (enum store_health)__atomic_load_n(&s->health, __ATOMIC_RELAXED),
		.commits = count_get(&s->commits),
		.units = count_get(&s->units),
		.failures = count_get(&s->failures),
		.checkpoints = count_get(&s->checkpoints),
		.log_bytes = store_log_bytes(s),
		.commit_us = &s->commit_us,
		.batch = &s->batch,
	};
}
