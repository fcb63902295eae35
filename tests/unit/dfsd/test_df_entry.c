/* Entries, numbers, extended attributes and paths: what goes out comes in, and what is cut or wrong
 * is refused. */
#include "roles/dfsd/df_entry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/check.h"

static struct df_bytes text(const char *s)
{
	return (struct df_bytes){ s, strlen(s) };
}

static void check_bytes(struct df_bytes got, struct df_bytes want)
{
	check_int(got.n, want.n);
	check_true(got.n == want.n && (!got.n || memcmp(got.p, want.p, got.n) == 0));
}

static void check_same(const struct df_entry *got, const struct df_entry *want)
{
	check_int(got->type, want->type);
	check_int(got->mode, want->mode);
	check_int(got->uid, want->uid);
	check_int(got->gid, want->gid);
	check_int(got->mtime, want->mtime);
	check_int(got->size, want->size);
	check_int(got->rdev, want->rdev);
	check_int(got->twin, want->twin);
	check_int(got->hashed, want->hashed);
	check_int(memcmp(got->hash, want->hash, DF_HASH), 0);
	check_bytes(got->user, want->user);
	check_bytes(got->group, want->group);
	check_bytes(got->target, want->target);
	check_bytes(got->xattrs, want->xattrs);
}

static const uint8_t two_xattrs[] = "\x05user\0\x02hi\x02x\0\x00";

static const struct df_entry entries[] = {
	{ .type = DF_GONE },
	{ .type = DF_DIR, .mode = 07777, .uid = UINT32_MAX, .gid = UINT32_MAX },
	{ .type = DF_FILE, .mtime = INT64_MIN, .size = INT64_MAX, .twin = UINT64_MAX },
	{ .type = DF_FILE, .mtime = INT64_MAX, .hashed = true, .hash = { 1, 2, [15] = 3 } },
	{ .type = DF_FILE, .mtime = -1, .user = { "root", 4 }, .group = { "wheel", 5 } },
	{ .type = DF_SYMLINK, .mode = 0777, .target = { "../a", 4 } },
	{ .type = DF_FILE, .xattrs = { two_xattrs, sizeof(two_xattrs) - 1 } },
	{ .type = DF_CHAR, .rdev = UINT64_MAX },
	{ .type = DF_BLOCK, .hashed = true, .rdev = 7, .twin = 9, .user = { "u", 1 } },
};

enum { ENTRIES = sizeof(entries) / sizeof(*entries) };

/* In memory that ends where they do. */
static size_t get_exact(struct df_entry *e, const uint8_t *p, size_t n, uint8_t **keep)
{
	*keep = malloc(n ? n : 1);
	memcpy(*keep, p, n);
	return df_entry_get(e, *keep, n);
}

Test(df_entry, what_is_put_is_got_and_a_part_of_it_is_nothing)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		uint8_t bytes[512], *keep;
		size_t n = (size_t)(df_entry_put(bytes, &entries[i]) - bytes);
		struct df_entry got;
		check_true(n <= df_entry_room(&entries[i]));
		check_int(get_exact(&got, bytes, n, &keep), n);
		check_same(&got, &entries[i]);
		free(keep);
		for (size_t cut = 0; cut < n; cut++) {
			check_int(get_exact(&got, bytes, cut, &keep), 0);
			free(keep);
		}
		bytes[n] = 0xff; /* what follows is not its */
		check_int(df_entry_get(&got, bytes, n + 1), n);
	}
}

Test(df_entry, what_no_entry_may_say_is_refused)
{
	static const struct {
		const char *what;
		struct df_bytes bytes;
	} cases[] = {
		{ "an unknown bit", { "\x80\x01\x02\0\0\0\0\0", 8 } },
		{ "an unknown type", { "\0\x08\0\0\0\0\0", 7 } },
		{ "a mode of too many bits", { "\0\x01\x80\x20\0\0\0\0", 8 } },
		{ "a user above 32 bits", { "\0\x01\0\x80\x80\x80\x80\x10\0\0\0", 11 } },
		{ "a negative size",
		  { "\0\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 16 } },
		{ "a number of 65 bits",
		  { "\0\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 16 } },
		{ "a link to nowhere", { "\0\x03\0\0\0\0\0", 7 } },
		{ "a file with a target",
		  { "\x08\x01\0\0\0\0\0\x01"
		    "a",
		    9 } },
		{ "a target with a 0",
		  { "\x08\x03\0\0\0\0\0\x02"
		    "a\0",
		    10 } },
		{ "attributes that are none", { "\x10\x01\0\0\0\0\0\x01\xff", 9 } },
		{ "a text longer than all", { "\x02\x01\0\0\0\0\0\x7f", 8 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct df_entry e;
		cr_expect(df_entry_get(&e, cases[i].bytes.p, cases[i].bytes.n) == 0, "%s",
			  cases[i].what);
	}
}

Test(df_entry, numbers_of_all_lengths)
{
	uint8_t bytes[DF_NUMBER];

	for (int bit = 0; bit < 64; bit++)
		for (int less = 0; less < 2; less++) {
			uint64_t n = ((uint64_t)1 << bit) - (uint64_t)less;
			uint8_t *end = df_put_number(bytes, n);
			struct df_reader r = { bytes, end, false };
			check_true(df_get_number(&r) == n && !r.bad && r.p == end);
			r = (struct df_reader){ bytes, end - 1, false };
			check_int(df_get_number(&r), 0);
			check_true(r.bad && r.p == r.end);
		}
}

Test(df_entry, the_same_content_and_the_same_rest)
{
	struct df_entry a = { .type = DF_FILE, .size = 5, .mtime = 7, .mode = 0644 }, b = a;

	check_true(df_entry_same_content(&a, &b) && df_entry_same_rest(&a, &b));
	b.mode = 0600;
	check_true(df_entry_same_content(&a, &b) && !df_entry_same_rest(&a, &b));
	b = a;
	b.hashed = true;
	check_true(df_entry_same_content(&a, &b));
	a.hashed = true;
	a.hash[0] = 1;
	check_true(!df_entry_same_content(&a, &b));
	b = a;
	b.mtime = 8;
	check_true(!df_entry_same_content(&a, &b) && !df_entry_same_rest(&a, &b));
	b = a;
	b.xattrs = text("x");
	check_true(df_entry_same_content(&a, &b) && !df_entry_same_rest(&a, &b));
	a = b = (struct df_entry){ .type = DF_SYMLINK, .target = { "x", 1 } };
	b.target.p = "y";
	check_true(!df_entry_same_content(&a, &b));
	b = (struct df_entry){ .type = DF_FIFO };
	check_true(!df_entry_same_content(&a, &b));
}

Test(df_entry, a_stat_becomes_an_entry)
{
	struct stat st = { .st_mode = S_IFREG | 04755, .st_nlink = 2, .st_ino = 33, .st_size = 9 };
	struct df_entry e;

	st.st_mtim = (struct timespec){ -2, 999999999 };
	df_entry_of_stat(&e, &st);
	check_int(e.type, DF_FILE);
	check_int(e.mode, 04755);
	check_int(e.size, 9);
	check_int(e.twin, 33);
	check_int(e.mtime, -1000000001);
	st.st_mode = S_IFDIR | 0755;
	df_entry_of_stat(&e, &st);
	check_true(e.type == DF_DIR && !e.twin && !e.size);
	st = (struct stat){ .st_mode = S_IFBLK, .st_nlink = 1, .st_rdev = 5 };
	df_entry_of_stat(&e, &st);
	check_true(e.type == DF_BLOCK && e.rdev == 5);
}

Test(df_entry, extended_attributes_one_by_one)
{
	struct df_bytes blob = { two_xattrs, sizeof(two_xattrs) - 1 };
	struct df_xattr x;
	size_t at = 0;

	check_true(df_xattrs_are_well(blob) && df_xattrs_are_well((struct df_bytes){ NULL, 0 }));
	check_true(df_xattr_next(blob, &at, &x));
	check_str(x.name, "user");
	check_bytes(x.value, text("hi"));
	check_true(df_xattr_next(blob, &at, &x));
	check_str(x.name, "x");
	check_int(x.value.n, 0);
	check_true(!df_xattr_next(blob, &at, &x));
	for (size_t cut = 1; cut < blob.n; cut++)
		check_int(df_xattrs_are_well((struct df_bytes){ blob.p, cut }), cut == 9);
	static const struct df_bytes wrong[] = {
		{ "\x01\0\0", 3 },   { "\0\0", 2 },        { "\x02xy\0", 4 },
		{ "\x03x\0y\0", 5 }, { "\x02x\0\x05", 4 },
	};
	check_true(df_xattrs_are_well(wrong[0])); /* the kernel refuses a name without a letter */
	for (size_t i = 1; i < sizeof(wrong) / sizeof(*wrong); i++)
		check_true(!df_xattrs_are_well(wrong[i]));
}

Test(df_entry, paths_that_stay_below)
{
	static const char *const well[] = { "a",     "a/b",  "...",      ".a",
					    "a/..b", "a./b", ".troupes", "\xff" };
	static const char *const wrong[] = { "",     "/",         "a/",        "/a",
					     "a//b", ".",         "..",        "a/../b",
					     "a/.",  "./a",       "../a",      ".troupe",
					     "a/..", "a/.troupe", ".troupe/x", "a//" };
	char longest[DF_NAME + 2];
	static char deep[DF_PATH + 1];

	for (size_t i = 0; i < sizeof(well) / sizeof(*well); i++)
		cr_expect(df_path_is_well(text(well[i])), "%s", well[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_expect(df_path_is_well(text(wrong[i])) == false, "%s", wrong[i]);
	check_true(!df_path_is_well((struct df_bytes){ "a\0b", 3 }));
	memset(longest, 'x', sizeof(longest));
	check_true(df_path_is_well((struct df_bytes){ longest, DF_NAME }));
	check_true(!df_path_is_well((struct df_bytes){ longest, DF_NAME + 1 }));
	for (int i = 0; i < DF_PATH; i++)
		deep[i] = i % 2 ? '/' : 'x';
	check_true(df_path_is_well((struct df_bytes){ deep, DF_PATH - 1 }));
	deep[DF_PATH - 1] = deep[DF_PATH] = 'x';
	check_true(!df_path_is_well((struct df_bytes){ deep, DF_PATH }));
}

Test(df_entry, a_path_in_another)
{
	check_true(df_path_is_in("a/b", "a") && df_path_is_in("a", "a") && df_path_is_in("a", ""));
	check_true(!df_path_is_in("ab", "a") && !df_path_is_in("a", "a/b"));
}
