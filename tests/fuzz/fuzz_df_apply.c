/*
 * What a peer says, on a tree of a disk: whatever it is, nothing outside of the root is another
 * afterwards, and nothing half done is left.
 *
 *	input: type, flags, stream, form, length; form 0: the payload as it is; else it is made of
 *	a path that may lead through a link, an entry that is well, and the bytes as content
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "roles/dfsd/df_apply.h"
#include "roles/dfsd/df_hash.h"
#include "roles/dfsd/df_ignore.h"

static const char *const paths[] = {
	"a",    "a/b", "a/b/c", "door",          "door/x",       "door/new/y", "file",   "file/z",
	"kept", "b",   "up/x",  ".troupe/tmp/x", "../outside/x", "door2/x",    "a/door", "a/door/x"
};

static struct df_self self = { .security = DF_NONE };
static struct df_tree tree;
static char base[64];

static void in_base(char path[100], const char *name)
{
	snprintf(path, 100, "%s/%s", base, name);
}

static void write_file(const char *name, const char *text)
{
	char path[100];

	in_base(path, name);
	FILE *f = fopen(path, "w");
	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void empty(const char *name)
{
	char path[100];
	struct df_root r = { .fd = -1, .tmp = -1, .dir = -1 };
	struct dirent *e;

	in_base(path, name);
	DIR *d = opendir(path);
	assert(d);
	r.fd = dirfd(d);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			assert(df_root_remove(&r, e->d_name) == 0);
	closedir(d);
}

static void make_base(void)
{
	static const char *const folders[] = { "root", "outside", "state" };
	char path[100];

	umask(022);
	snprintf(base, sizeof(base), "%s/fuzz_df.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert(mkdtemp(base));
	for (int i = 0; i < 3; i++) {
		in_base(path, folders[i]);
		assert(mkdir(path, 0755) == 0);
	}
	write_file("outside/x", "mine");
	log_set_level(LOG_LEVEL_ERROR);
}

static void link_to(const char *target, const char *name)
{
	char path[100];

	in_base(path, name);
	assert(symlink(target, path) == 0);
}

static void open_tree(bool multi)
{
	struct err err = { .text = "" };
	char path[100];

	empty("root");
	empty("state");
	link_to("../outside", "root/door");
	link_to("/proc/self/cwd", "root/door2");
	link_to("..", "root/up");
	write_file("root/file", "text");
	in_base(path, "root");
	tree = (struct df_tree){ .root = { .owner = DF_OWNER_ID, .xattrs = true, .acls = true } };
	assert(df_root_open(&tree.root, path, &err) == 0);
	in_base(path, "state");
	assert(df_index_open(&tree.index, path, 1 << 24, &err) == 0);
	tree.multi = multi;
	if (multi)
		df_index_share(tree.index, "fuzzed");
	tree.ignore = df_ignore_new();
}

/* What a cut leaves is not counted. */
static int count(const char *name)
{
	char path[100];
	struct dirent *e;
	int n = 0;

	in_base(path, name);
	DIR *d = opendir(path);
	assert(d);
	while ((e = readdir(d)))
		n += strncmp(e->d_name, DF_PART_PREFIX, strlen(DF_PART_PREFIX)) != 0;
	closedir(d);
	return n - 2;
}

static void check_outside(void)
{
	char path[100], text[8] = "";
	struct stat st;

	assert(count("") == 3 && count("outside") == 1 && count("root/.troupe/tmp") == 0);
	in_base(path, "outside");
	assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == geteuid());
	in_base(path, "outside/x");
	assert(stat(path, &st) == 0 && st.st_size == 4 && st.st_nlink == 1);
	assert((st.st_mode & 07777) == 0644 && st.st_uid == geteuid() && st.st_mtime > 1500000000);
	FILE *f = fopen(path, "r");
	assert(f && fread(text, 1, 4, f) == 4 && strcmp(text, "mine") == 0 && fclose(f) == 0);
}

static bool on_done(void *data, uint64_t seq, bool all)
{
	(void)data, (void)seq, (void)all;
	return df_index_commit(tree.index, NULL) == 0;
}

static void on_guard(void *data, uint64_t nodes)
{
	(void)data, (void)nodes;
}

/* A payload as a feed would make it, more or less. */
static size_t make(uint8_t *out, const uint8_t *p, size_t n, uint8_t type)
{
	uint8_t *at = out;
	const char *path = paths[n > 0 ? p[0] % (sizeof(paths) / sizeof(*paths)) : 0];
	struct df_bytes name = { path, strlen(path) };
	struct df_entry e = { .type = n > 1 ? (enum df_type)(p[1] % 8) : DF_FILE, .mode = 0700 };

	if (type == DF_DATA) {
		at = df_put_number(at, n > 0 ? p[0] : 0);
	} else if (type == DF_COPY || type == DF_HOLE) {
		for (size_t i = 0; i < 3; i++)
			at = df_put_number(at, n > i ? (uint64_t)p[i] << (p[i] & 15) : 0);
	} else if (type == DF_END) {
		df_hash(n > 4 ? p + 4 : p, n > 4 ? n - 4 : 0, at);
		return DF_HASH;
	} else {
		at = df_put_number(at, n > 2 ? p[2] : 1);
		at = df_put_number(at, n > 3 ? p[3] % 8 : 1);
		at = df_put_bytes(at, name);
	}
	size_t used = n < 4 ? n : 4;
	e.size = e.type == DF_FILE ? n - used : 0;
	if (type == DF_BEGIN && n > 5 && p[4] & 1)
		e.size = (uint64_t)p[5] << 16;
	e.mtime = n > 3 ? p[3] : 0;
	if (e.type == DF_SYMLINK)
		e.target = (struct df_bytes){ "../outside", 10 };
	uint64_t version[4] = { 1, n > 2 ? 1 + p[2] % 3 : 1, 2, n > 3 ? 1 + p[3] % 3 : 1 };
	if (tree.multi)
		e.version = (struct df_bytes){ version, n > 1 && p[1] & 8 ? 32 : 16 };
	if (tree.multi && type == DF_DELETE)
		e.type = DF_GONE;
	if (e.type == DF_GONE)
		e.size = 0;
	if (type == DF_PUT || type == DF_ENTRY || type == DF_TWIN || type == DF_BEGIN ||
	    (tree.multi && type == DF_DELETE))
		at = df_entry_put(at, &e);
	memcpy(at, p + used, n - used);
	return (size_t)(at - out) + n - used;
}

static bool feed(struct df_apply *a, const uint8_t **data, size_t *size)
{
	static uint8_t payload[8192];
	const uint8_t *p = *data;

	if (*size < 5)
		return false;
	size_t n = p[4] < *size - 5 ? p[4] : *size - 5;
	struct df_frame f = { .type = p[0] % 27, .flags = p[1] % 4, .stream = p[2] % 4 };
	f.n = p[3] ? make(payload, p + 5, n, f.type) : n;
	uint8_t *exact = malloc(f.n + 1);
	memcpy(exact, p[3] ? payload : p + 5, f.n);
	f.p = exact;
	int rc = df_apply_frame(a, &f);
	assert(rc == 0 || rc == ERR_PROTO);
	free(exact);
	if (p[3] & 2)
		df_apply_turn(a);
	*data += 5 + n;
	*size -= 5 + n;
	return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct df_link link = { .self = &self, .state = DF_DOWN };

	if (!*base)
		make_base();
	open_tree(size & 2);
	struct df_apply *a = df_apply_new(&(struct df_apply_conf){
		.tree = &tree,
		.link = &link,
		.origin = 1,
		.round = 1,
		.whole = size & 1,
		.on_done = on_done,
		.on_guard = on_guard,
	});
	while (feed(a, &data, &size))
		continue;
	df_apply_turn(a);
	df_apply_free(a);
	check_outside();
	df_index_close(tree.index);
	df_root_close(&tree.root);
	df_ignore_free(tree.ignore);
	free(link.out);
	return 0;
}
