/* A file that keeps what it said it keeps: on a real disk, on a full one, with foreign files. */
#include "core/store/store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"

enum { PUT, GONE, FIND, ALL, WRONG };

static const char *const migrations[] = {
	"CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB) STRICT",
	"ALTER TABLE t ADD COLUMN note TEXT",
};
static const char *const statements[] = {
	[PUT] = "INSERT INTO t(id, body, note) VALUES(?1, ?2, ?3)",
	[GONE] = "DELETE FROM t WHERE id = ?1",
	[FIND] = "SELECT id, note FROM t WHERE id = ?1",
	[ALL] = "SELECT id, body, note FROM t ORDER BY id",
	[WRONG] = "INSERT INTO t(id, body) VALUES(?1, 'text is no blob')",
};
static const struct store_schema schema = { 0x7e57, 2, migrations, statements, 5 };

static uv_loop_t loop;
static struct store *store;
static char dir[64];
static char path[80];
static int healths;
static enum store_health last_health;
static char last_why[300];

static void on_health(void *data, enum store_health health, const char *why)
{
	(void)data;
	healths++;
	last_health = health;
	snprintf(last_why, sizeof(last_why), "%s", why);
}

static int open_store(const struct store_schema *sc, struct err *err)
{
	struct store_conf conf = { .path = path, .schema = sc, .on_health = on_health };

	return store_open(&store, &loop, &conf, err);
}

static void opened(void)
{
	struct err err = { .text = "" };

	cr_assert(open_store(&schema, &err) == 0, "%s", err.text);
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_store.XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.db", dir);
	uv_loop_init(&loop);
}

static void set_true(void *data)
{
	*(bool *)data = true;
}

static void closed(void)
{
	bool done = false;

	store_close(store, set_true, &done);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert(done);
}

static void end(void)
{
	char command[128];

	cr_expect(uv_loop_close(&loop) == 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect(system(command) == 0);
}

struct answer {
	bool came;
	int status, rows;
	int64_t first;
	char note[16];
};

static void on_done(struct store_unit *u, int status)
{
	struct answer *a = u->data;

	a->came = true;
	a->status = status;
	a->rows = u->rows;
	if (u->rows) {
		a->first = u->cells[0].n;
		const struct store_value *last = &u->cells[u->rows * u->columns - 1];
		if (last->type == STORE_TEXT)
			snprintf(a->note, sizeof(a->note), "%s", (const char *)last->p);
	}
}

static void put(struct store_unit *u, int64_t id, const void *body, size_t n, const char *note)
{
	store_stmt(u, PUT);
	store_int(u, id);
	store_blob(u, body, n);
	store_text(u, note);
}

static struct store_unit *unit_for(struct answer *a)
{
	struct store_unit *u = store_unit();

	*a = (struct answer){ .came = false };
	u->data = a;
	return u;
}

static struct answer put_one(int64_t id, int flags)
{
	struct answer a;
	struct store_unit *u = unit_for(&a);

	put(u, id, "body", 4, "note");
	store_commit(store, u, STORE_FSYNC, flags, on_done);
	while (!a.came)
		uv_run(&loop, UV_RUN_NOWAIT);
	return a;
}

static int count_row(void *data, const struct store_value *cells)
{
	(void)cells;
	++*(int *)data;
	return 0;
}

static int rows_in_file(void)
{
	struct err err = { .text = "" };
	int n = 0;

	cr_assert(store_scan(store, ALL, count_row, &n, &err) == 0, "%s", err.text);
	return n;
}

Test(store, keeps_units_in_their_order_and_over_a_restart)
{
	struct answer a[100], r;

	begin();
	opened();
	for (int i = 0; i < 100; i++) {
		struct store_unit *u = unit_for(&a[i]);
		put(u, i, "body", 4, i % 2 ? "odd" : NULL);
		if (i) { /* it was there already */
			store_stmt(u, GONE);
			store_int(u, i - 1);
		}
		store_commit(store, u, i % 3 ? STORE_OS : STORE_FSYNC, 0, on_done);
	}
	for (int i = 0; i < 100; i++) {
		while (!a[i].came)
			uv_run(&loop, UV_RUN_NOWAIT);
		cr_expect(a[i].status == 0);
	}
	struct store_figures f;
	store_figures(store, &f);
	cr_expect(f.units == 100 && f.commits < 50, "%lu units in %lu commits", f.units, f.commits);
	closed();
	opened();
	cr_expect(rows_in_file() == 1);
	struct store_unit *u = unit_for(&r);
	store_stmt(u, ALL);
	store_read(store, u, on_done);
	while (!r.came)
		uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect(r.status == 0 && r.rows == 1 && r.first == 99);
	cr_expect_str_eq(r.note, "odd");
	closed();
	end();
}

static void commit_one(struct answer *a, int64_t id)
{
	struct store_unit *u = unit_for(a);

	put(u, id, "body", 4, NULL);
	store_commit(store, u, STORE_FSYNC, 0, on_done);
}

Test(store, units_that_gather_are_handed_over_together)
{
	struct store_conf conf = { .path = path, .schema = &schema, .gather = 3 };
	struct store_figures f;
	struct answer a[6];

	begin();
	cr_assert(store_open(&store, &loop, &conf, NULL) == 0);
	for (int i = 0; i < 5; i++)
		commit_one(&a[i], i);
	while (!a[2].came)
		uv_run(&loop, UV_RUN_NOWAIT);
	store_figures(store, &f);
	cr_expect(f.commits == 1 && f.units == 3, "%lu units in %lu commits", f.units, f.commits);
	store_hand_over(store);
	while (!a[4].came)
		uv_run(&loop, UV_RUN_NOWAIT);
	store_figures(store, &f);
	cr_expect(f.commits == 2 && f.units == 5, "%lu units in %lu commits", f.units, f.commits);
	commit_one(&a[5], 5);
	closed(); /* hands over what is left */
	cr_expect(a[5].came && a[5].status == 0);
	opened();
	cr_expect(rows_in_file() == 6);
	closed();
	end();
}

Test(store, a_guard_that_finds_a_row_ends_its_unit)
{
	struct answer a;

	begin();
	opened();
	put_one(7, 0);
	struct store_unit *u = unit_for(&a);
	store_guard(u, FIND);
	store_int(u, 8);
	put(u, 8, NULL, 0, NULL);
	store_guard(u, FIND);
	store_int(u, 7);
	put(u, 9, NULL, 0, NULL);
	store_commit(store, u, STORE_FSYNC, 0, on_done);
	while (!a.came)
		uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect(a.status == 0 && a.rows == 1 && a.first == 7);
	cr_expect(rows_in_file() == 2);
	closed();
	end();
}

Test(store, a_wrong_unit_fails_alone)
{
	struct answer a[3];

	begin();
	opened();
	for (int i = 0; i < 3; i++) {
		struct store_unit *u = unit_for(&a[i]);
		put(u, 10 + i, NULL, 0, NULL);
		if (i == 1) {
			store_stmt(u, WRONG);
			store_int(u, 20);
		}
		store_commit(store, u, STORE_FSYNC, i == 1 ? STORE_MUST : 0, on_done);
	}
	for (int i = 0; i < 3; i++)
		while (!a[i].came)
			uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect(a[0].status == 0 && a[1].status == UV_EEXIST && a[2].status == 0);
	cr_expect(rows_in_file() == 2, "the wrong one has left nothing");
	cr_expect(healths == 0);
	closed();
	end();
}

static void write_file(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	cr_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void refused(const struct store_schema *sc, const char *word)
{
	struct err err = { .text = "" };

	cr_expect(open_store(sc, &err) != 0, "%s", word);
	cr_expect(strstr(err.text, word) && strstr(err.text, path), "%s: %s", word, err.text);
}

Test(store, refuses_what_is_not_its_own)
{
	static const struct store_schema foreign = { 0x1234, 1, migrations, statements, 1 };
	static const struct store_schema older = { 0x7e57, 1, migrations, statements, 1 };
	struct stat before, after;

	begin();
	write_file("hello, this is a text file\n", 27);
	stat(path, &before);
	refused(&schema, "no SQLite database");
	stat(path, &after);
	cr_expect(before.st_size == after.st_size && before.st_mtime == after.st_mtime);
	unlink(path);
	mkdir(path, 0700);
	refused(&schema, "no plain file");
	rmdir(path);
	opened();
	put_one(1, 0);
	refused(&schema, "in use by process");
	closed();
	refused(&foreign, "another program's");
	refused(&older, "newer version");
	opened();
	cr_expect(rows_in_file() == 1);
	closed();
	end();
}

Test(store, migrates_an_older_file)
{
	static const char *const old_statements[] = { "INSERT INTO t(id) VALUES(?1)" };
	static const struct store_schema old = { 0x7e57, 1, migrations, old_statements, 1 };
	struct answer a;

	begin();
	cr_assert(open_store(&old, NULL) == 0);
	struct store_unit *u = unit_for(&a);
	store_stmt(u, 0);
	store_int(u, 5);
	store_commit(store, u, STORE_FSYNC, 0, on_done);
	while (!a.came)
		uv_run(&loop, UV_RUN_NOWAIT);
	closed();
	opened();
	cr_expect(put_one(6, 0).status == 0);
	cr_expect(rows_in_file() == 2);
	closed();
	end();
}

Test(store, says_that_a_file_is_damaged)
{
	struct err err = { .text = "" };
	char noise[4096] = "";

	begin();
	opened();
	for (int i = 0; i < 400; i++) {
		struct answer a;
		struct store_unit *u = unit_for(&a);
		put(u, i, noise, sizeof(noise) / 2, "note");
		store_commit(store, u, STORE_OS, 0, on_done);
		while (!a.came)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect(store_check(store, &err) == 0, "%s", err.text);
	closed();
	memset(noise, 0xa5, sizeof(noise));
	int fd = open(path, O_WRONLY);
	for (int page = 2; page < 60; page++)
		cr_assert(pwrite(fd, noise, sizeof(noise), page * 4096) == sizeof(noise));
	close(fd);
	opened();
	int n = 0;
	cr_expect(store_scan(store, ALL, count_row, &n, &err) == UV_EILSEQ);
	cr_expect(strstr(err.text, "damaged"), "%s", err.text);
	cr_expect(store_check(store, &err) == UV_EILSEQ);
	cr_expect(strstr(err.text, "damaged"), "%s", err.text);
	closed();
	end();
}

static void fill(const char *name, bool full)
{
	char file[96], block[4096] = "x";

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	unlink(file);
	if (!full)
		return;
	int fd = open(file, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

/* In a mount namespace of its own, so that nothing stays mounted whatever happens. */
Test(store, a_full_disk_stops_what_is_new_and_keeps_what_has_happened)
{
	begin();
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, "") != 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=4m") != 0) {
		end();
		cr_skip_test("no right to mount");
	}
	opened();
	cr_expect(put_one(1, 0).status == 0);
	fill("filler", true);
	int id = 2, status;
	while ((status = put_one(id, 0).status) == 0) /* what room the log has */
		cr_assert(++id < 10000);
	cr_expect(status == UV_ENOSPC, "%s", uv_strerror(status));
	cr_expect(last_health == STORE_FAILING && strstr(last_why, "full"), "%s", last_why);
	cr_expect(put_one(id + 1, 0).status < 0);

	struct answer a;
	struct store_unit *u = unit_for(&a);
	store_stmt(u, GONE);
	store_int(u, 1);
	store_commit(store, u, STORE_FSYNC, STORE_MUST, on_done);
	cr_expect(put_one(id + 2, 0).status < 0);
	cr_expect(!a.came, "it is held");
	fill("filler", false);
	while (!a.came)
		uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect(a.status == 0);
	cr_expect(last_health == STORE_WELL);
	cr_expect(put_one(id + 3, 0).status == 0);
	cr_expect(rows_in_file() == id - 2 + 1, "1 is gone, those from 2 on, and the last");
	closed();
	umount(dir);
	end();
}

Test(store, the_log_is_copied_behind_a_busy_writer)
{
	struct store_conf conf = { .path = path, .schema = &schema, .checkpoint_bytes = 1 << 18 };
	struct store_figures f;
	char body[1000] = "";

	begin();
	cr_assert(store_open(&store, &loop, &conf, NULL) == 0);
	for (int i = 0; i < 5000;) {
		struct answer a[50];
		for (int k = 0; k < 50; k++, i++) {
			struct store_unit *u = unit_for(&a[k]);
			put(u, i, body, sizeof(body), NULL);
			store_commit(store, u, STORE_OS, 0, on_done);
		}
		for (int k = 0; k < 50; k++)
			while (!a[k].came)
				uv_run(&loop, UV_RUN_NOWAIT);
	}
	store_figures(store, &f);
	cr_expect(f.checkpoints > 1, "%lu", f.checkpoints);
	cr_expect(f.log_bytes < 3 << 20, "%lu bytes of log", f.log_bytes);
	struct stat st;
	char log[96];
	snprintf(log, sizeof(log), "%s-wal", path);
	cr_expect(stat(log, &st) == 0 && st.st_size < 3 << 20, "%ld", (long)st.st_size);
	cr_expect(rows_in_file() == 5000);
	closed();
	end();
}
