/*
 * df_sync - troupe dfs sync SRC DST: one folder becomes as another one is, once.
 *
 *	each folder of SRC: its names, one after the other
 *	  the same size and time (or hash) --> only what else is different is made so
 *	  else --> a temporary file in DST, all its metadata, its place, by a rename
 *	  another name of a file that is there already --> a hard link
 *	its times last; with --delete, what SRC has not goes then
 *
 * Nothing is kept between two calls, and no daemon is asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/dfsd/df_attr.h"
#include "roles/dfsd/df_cli.h"
#include "roles/dfsd/df_hash.h"
#include "roles/dfsd/df_ignore.h"
#include "roles/dfsd/df_root.h"

enum { USAGE = 2, TRIES = 3, PIECE = 256 * 1024 };

struct sync {
	struct df_root from, to;
	struct df_ignore *ignore;
	bool remove, dry, checksum, verbose, json;
	void *inodes; /* of files with several names: tsearch(3) */
	struct df_seen old, now;
	uint64_t files, bytes, links, folders, others, removed, same, errors;
};

/* A file with several names, and the first of them. */
struct inode {
	uint64_t dev, ino;
	char path[];
};

static void fail(struct sync *s, const char *path, int rc)
{
	s->errors++;
	fprintf(stderr, "dfs sync: %s: %s\n", path, uv_strerror(rc));
}

static void tell(const struct sync *s, const char *what, const char *path)
{
	if (s->verbose || s->dry)
		printf("%s %s\n", what, path);
}

/* ---- files --------------------------------------------------------------------------------- */

static int hash_of(struct df_root *r, const char *path, uint8_t hash[DF_HASH])
{
	static uint8_t piece[PIECE];
	ssize_t n;
	int fd = df_root_read(r, path);

	if (fd < 0)
		return fd;
	struct df_hasher *h = df_hasher_new();
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		df_hasher_add(h, piece, (size_t)n);
	int rc = n < 0 ? uv_translate_sys_error(errno) : 0;
	df_hasher_get(h, hash);
	df_hasher_free(h);
	close(fd);
	return rc;
}

static bool has_same_content(struct sync *s, const char *path)
{
	uint8_t a[DF_HASH], b[DF_HASH];
	const struct df_entry *old = &s->old.entry, *now = &s->now.entry;

	if (!s->checksum || now->type != DF_FILE || old->type != DF_FILE)
		return df_entry_same_content(old, now);
	return old->size == now->size && hash_of(&s->from, path, a) == 0 &&
	       hash_of(&s->to, path, b) == 0 && memcmp(a, b, DF_HASH) == 0;
}

/* From one hole to the next one. */
static int copy_range(int from, int to, off_t at, off_t end)
{
	off_t out = at;

	while (at < end) {
		ssize_t n = copy_file_range(from, &at, to, &out, (size_t)(end - at), 0);
		if (n < 0)
			return uv_translate_sys_error(errno);
		if (n == 0)
			return 0; /* it is shorter by now */
	}
	return 0;
}

static int copy_content(int from, int to, off_t size)
{
	off_t at = 0;
	int rc = 0;

	while (rc == 0 && at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		off_t end = data < 0 ? size : lseek(from, data, SEEK_HOLE);
		data = data < 0 ? at : data;
		end = end < 0 || end > size ? size : end;
		rc = copy_range(from, to, data, end);
		at = end;
	}
	return rc != 0 || ftruncate(to, size) == 0 ? rc : uv_translate_sys_error(errno);
}

static bool is_still(int fd, const struct df_entry *e)
{
	struct df_entry now;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	df_entry_of_stat(&now, &st);
	return now.size == e->size && now.mtime == e->mtime;
}

static int copy_once(struct sync *s, const char *path)
{
	const struct df_entry *e = &s->now.entry;
	struct df_temp t;
	int fd = df_root_read(&s->from, path);
	int rc = fd < 0 ? fd : df_root_temp(&s->to, &t);

	if (rc == 0) {
		rc = copy_content(fd, t.fd, (off_t)e->size);
		if (rc == 0 && !is_still(fd, e))
			rc = UV_EAGAIN;
		if (rc == 0)
			rc = df_root_place(&s->to, &t, path, e);
		else
			df_root_drop_temp(&s->to, &t);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* One that is written to meanwhile is read again. */
static int copy_file(struct sync *s, const char *path)
{
	int rc = UV_EAGAIN;

	for (int i = 0; i < TRIES && rc == UV_EAGAIN; i++) {
		if (i && (rc = df_root_look(&s->from, path, &s->now)) != 0)
			return rc;
		rc = copy_once(s, path);
	}
	if (rc != 0)
		return rc;
	s->files++;
	s->bytes += s->now.entry.size;
	return 0;
}

/* ---- hard links ------------------------------------------------------------------------------ */

static int by_inode(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

/* Where the same file was before, NULL: nowhere. */
static const char *first_name(struct sync *s, const char *path)
{
	if (s->now.links < 2 || s->now.entry.type == DF_DIR)
		return NULL;
	struct inode *one = mem_new(sizeof(*one) + strlen(path) + 1);
	one->dev = s->now.dev;
	one->ino = s->now.ino;
	strcpy(one->path, path);
	struct inode **found = tsearch(one, &s->inodes, by_inode);
	if (*found == one)
		return NULL;
	free(one);
	return (*found)->path;
}

static int join(struct sync *s, const char *first, const char *path, bool there)
{
	struct df_seen *seen = &s->old;
	uint64_t dev = seen->dev, ino = seen->ino;

	if (there && df_root_is(&s->to, first, dev, ino)) {
		s->same++;
		return 0;
	}
	tell(s, "link", path);
	s->links++;
	return s->dry ? 0 : df_root_twin(&s->to, first, path);
}

/* ---- one path ---------------------------------------------------------------------------------
 */

static int make_so(struct sync *s, const char *path, bool there)
{
	const struct df_entry *old = &s->old.entry, *now = &s->now.entry;
	struct df_entry same = *old;

	same.twin = now->twin;
	if (there && old->type == now->type && now->type != DF_DIR && has_same_content(s, path)) {
		s->same++;
		if (df_entry_same_rest(&same, now))
			return 0;
		tell(s, "attributes", path);
		return s->dry ? 0 : df_root_dress(&s->to, path, now);
	}
	if (there && old->type == DF_DIR && now->type != DF_DIR && !s->remove)
		return UV_EISDIR;
	if (now->type == DF_DIR && there && old->type == DF_DIR)
		return 0;
	tell(s, now->type == DF_DIR ? "folder" : "copy", path);
	s->folders += now->type == DF_DIR;
	s->others += now->type != DF_DIR && now->type != DF_FILE;
	if (s->dry) {
		s->files += now->type == DF_FILE;
		s->bytes += now->size;
		return 0;
	}
	return now->type == DF_FILE ? copy_file(s, path) : df_root_make(&s->to, path, now);
}

static void sync_folder(struct sync *s, const char *path);

static bool is_left_out(const struct sync *s, const char *path, bool folder)
{
	return df_path_is_in(path, ".troupe") || df_ignore_has(s->ignore, path, folder);
}

static void sync_path(struct sync *s, const char *path)
{
	int rc = df_root_look(&s->from, path, &s->now);
	enum df_type type = s->now.entry.type;

	if (rc == UV_ENOENT || rc == UV_ENOTDIR)
		return; /* it was there a moment ago */
	if (rc == 0 && (type == DF_SOCKET || is_left_out(s, path, type == DF_DIR)))
		return;
	bool there = rc == 0 && df_root_look(&s->to, path, &s->old) == 0;
	const char *first = rc == 0 ? first_name(s, path) : NULL;
	if (rc == 0)
		rc = first ? join(s, first, path, there) : make_so(s, path, there);
	if (rc != 0)
		fail(s, path, rc);
	else if (type == DF_DIR)
		sync_folder(s, path);
}

/* ---- a folder -------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* NULL at the end. What can't be read has no names: that is an error. */
static char **names_in(struct sync *s, struct df_root *r, const char *path, size_t *n)
{
	char **names = mem_new(sizeof(char *));
	struct dirent *e;
	DIR *d;
	int rc = df_root_list(r, path, &d);

	*n = 0;
	if (rc != 0 && !(s->dry && r == &s->to)) {
		fail(s, *path ? path : ".", rc);
		free(names);
		return NULL;
	}
	while (rc == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		names = mem_resize(names, (*n + 2) * sizeof(char *));
		names[(*n)++] = mem_str(e->d_name);
		names[*n] = NULL;
	}
	if (rc == 0)
		closedir(d);
	qsort(names, *n, sizeof(char *), by_bytes);
	return names;
}

static void free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
}

static bool join_path(char out[DF_PATH], const char *folder, const char *name)
{
	int n = snprintf(out, DF_PATH, "%s%s%s", folder, *folder ? "/" : "", name);

	return n > 0 && n < DF_PATH;
}

static void remove_path(struct sync *s, const char *path)
{
	int rc = df_root_look(&s->to, path, &s->old);

	if (rc != 0 || is_left_out(s, path, s->old.entry.type == DF_DIR))
		return;
	tell(s, "remove", path);
	rc = s->dry ? 0 : df_root_remove(&s->to, path);
	s->removed += rc == 0;
	if (rc != 0)
		fail(s, path, rc);
}

static void remove_rest(struct sync *s, const char *folder, char **keep, size_t n)
{
	char path[DF_PATH];
	size_t m;
	char **names = names_in(s, &s->to, folder, &m);

	for (size_t i = 0; names && i < m; i++)
		if (!bsearch(&names[i], keep, n, sizeof(char *), by_bytes) &&
		    join_path(path, folder, names[i]))
			remove_path(s, path);
	free_names(names);
}

static void dress_folder(struct sync *s, const char *folder)
{
	int rc = df_root_look(&s->from, folder, &s->now);

	if (rc == 0)
		rc = df_root_look(&s->to, folder, &s->old);
	if (rc == 0 && !df_entry_same_rest(&s->old.entry, &s->now.entry))
		rc = df_root_dress(&s->to, folder, &s->now.entry);
	if (rc != 0)
		fail(s, folder, rc);
}

static void sync_folder(struct sync *s, const char *folder)
{
	char *path = mem_new(DF_PATH);
	size_t n;
	char **names = names_in(s, &s->from, folder, &n);

	for (size_t i = 0; names && i < n; i++) {
		if (join_path(path, folder, names[i]))
			sync_path(s, path);
		else
			fail(s, names[i], UV_ENAMETOOLONG);
	}
	if (names && s->remove)
		remove_rest(s, folder, names, n);
	if (names && *folder && !s->dry)
		dress_folder(s, folder);
	free_names(names);
	free(path);
}

/* ---- the command -------------------------------------------------------------------------------
 */

static const char usage[] =
	"usage: troupe dfs sync [OPTION] ... SRC DST\n"
	"The folder DST becomes as the folder SRC is: content, times, modes, owners, links, "
	"extended\n"
	"attributes. What DST has besides stays, unless:\n"
	"  --delete          it goes; what is in the way, too\n"
	"  -n, --dry-run     only says what would be done\n"
	"  -c, --checksum    reads files of the same size, whatever their times\n"
	"  -i, --ignore RULE what is left out, in gitignore's syntax; also SRC/.dfsignore\n"
	"  -v, --verbose     says each path\n"
	"  --json            the figures as JSON\n"
	"Exit status: 0 ok, 1 something failed, 2 usage.\n";

static bool take_options(struct sync *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "delete", no_argument, NULL, 'd' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "checksum", no_argument, NULL, 'c' },
		{ "ignore", required_argument, NULL, 'i' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "nci:v", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			s->remove = true;
			break;
		case 'n':
			s->dry = true;
			break;
		case 'c':
			s->checksum = true;
			break;
		case 'i':
			df_ignore_add(s->ignore, optarg);
			break;
		case 'v':
			s->verbose = true;
			break;
		case 'j':
			s->json = true;
			break;
		default:
			return false;
		}
	}
	return argc - optind == 2;
}

static void show(const struct sync *s, double seconds)
{
	if (s->json)
		printf("{\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"links\":%" PRIu64
		       ",\"folders\":%" PRIu64 ",\"others\":%" PRIu64 ",\"removed\":%" PRIu64
		       ",\"same\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"seconds\":%.3f}\n",
		       s->files, s->bytes, s->links, s->folders, s->others, s->removed, s->same,
		       s->errors, seconds);
	else
		printf("%" PRIu64 " files of %" PRIu64 " bytes copied, %" PRIu64 " links, %" PRIu64
		       " folders, %" PRIu64 " others, %" PRIu64 " removed, %" PRIu64
		       " as they were, %" PRIu64 " errors in %.2f s\n",
		       s->files, s->bytes, s->links, s->folders, s->others, s->removed, s->same,
		       s->errors, seconds);
}

static int run(struct sync *s, const char *from, const char *to, struct err *err)
{
	struct timespec a, b;
	int rc = df_root_open_to_read(&s->from, from, err);

	if (rc == 0 && !s->dry && mkdir(to, 0755) != 0 && errno != EEXIST)
		rc = err_set(err, uv_translate_sys_error(errno), "%s: %s", to, strerror(errno));
	if (rc == 0)
		rc = s->dry ? df_root_open_to_read(&s->to, to, err) : df_root_open(&s->to, to, err);
	if (rc == 0)
		rc = df_ignore_read(s->ignore, s->from.fd, ".dfsignore", err);
	if (rc != 0)
		return rc;
	clock_gettime(CLOCK_MONOTONIC, &a);
	sync_folder(s, "");
	clock_gettime(CLOCK_MONOTONIC, &b);
	show(s, (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	return 0;
}

int df_cli_sync(int argc, char **argv)
{
	struct sync s = { .ignore = df_ignore_new() };
	struct err err = { .text = "" };

	s.from.fd = s.from.tmp = s.from.dir = s.to.fd = s.to.tmp = s.to.dir = -1;
	s.from.xattrs = s.from.acls = s.to.xattrs = s.to.acls = true;
	if (!take_options(&s, argc, argv)) {
		fputs(usage, stderr);
		df_ignore_free(s.ignore);
		return USAGE;
	}
	int rc = run(&s, argv[optind], argv[optind + 1], &err);
	if (rc != 0)
		fprintf(stderr, "dfs sync: %s\n", err.text);
	tdestroy(s.inodes, free);
	df_ignore_free(s.ignore);
	df_root_close(&s.from);
	if (s.to.tmp >= 0)
		df_root_leave(&s.to);
	df_root_close(&s.to);
	return rc != 0 || s.errors ? 1 : 0;
}
