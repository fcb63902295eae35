/* A file that comes in pieces: what is left of it is gone on with, and pieces that can't be are
 * refused. */
#include "roles/dfsd/df_part.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "roles/dfsd/df_blocks.h"
#include "roles/dfsd/df_frame.h"
#include "roles/dfsd/df_hash.h"
#include "roles/dfsd/df_index.h"
#include "roles/dfsd/df_send.h"
#include "tests/lib/check.h"

enum { SIZE = 3 << 20 };

static struct df_root root;
static struct df_part part;
static char dir[64];
static uint8_t content[SIZE];
static const struct df_part_name name = { 1, 7, SIZE, 99 };

static void set_up(void)
{
	struct err err = { .text = "" };

	strcpy(dir, "/tmp/test_part.XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	cr_assert(df_root_open(&root, dir, &err) == 0, "%s", err.text);
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (uint8_t)(i >> 3);
}

static void tear_down(void)
{
	char command[100];

	df_root_close(&root);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	check_int(system(command), 0);
}

TestSuite(df_part, .init = set_up, .fini = tear_down);

static int take(enum df_frame_type type, uint64_t at, uint64_t from, uint64_t n)
{
	static uint8_t bytes[DF_PIECE + DF_COPY_MOST + 100];
	uint8_t *p = df_put_number(bytes, at);

	if (type == DF_DATA) {
		memcpy(p, content + at, n);
		p += n;
	} else {
		if (type == DF_COPY)
			p = df_put_number(p, from);
		p = df_put_number(p, n);
	}
	struct df_reader r = { bytes, p, false };
	return df_part_take(&part, (uint8_t)type, &r);
}

static int data(uint64_t from, uint64_t to)
{
	int rc = 0;

	for (; rc == 0 && from < to; from += DF_PIECE)
		rc = take(DF_DATA, from, 0, to - from < DF_PIECE ? to - from : DF_PIECE);
	return rc;
}

static bool is_all(void)
{
	uint8_t hash[DF_HASH];

	df_hash(content, SIZE, hash);
	return df_part_is(&part, hash);
}

static int temps(void)
{
	DIR *d = fdopendir(openat(root.tmp, ".", O_DIRECTORY | O_RDONLY));
	int n = -2;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

Test(df_part, what_is_left_is_gone_on_with)
{
	check_int(df_part_open(&part, &root, &name), 0);
	check_true(!part.resumed);
	check_int(data(0, 2 << 20), 0);
	df_part_leave(&part);
	check_int(temps(), 1);
	df_root_close(&root);
	struct err err = { .text = "" };
	check_int(df_root_open(&root, dir, &err), 0); /* a start leaves it, too */
	check_int(temps(), 1);
	check_int(df_part_open(&part, &root, &name), 0);
	check_true(part.resumed && part.at == 2 << 20);
	uint8_t have[64], hash[DF_HASH];
	struct df_reader r = { have, df_part_have(&part, have), false };
	check_int(df_get_number(&r), 2 << 20);
	df_hash(content, 2 << 20, hash);
	check_int(memcmp(r.p, hash, DF_HASH), 0);
	check_int(data(2 << 20, SIZE), 0);
	check_true(is_all());
	df_part_close(&part);
	check_int(temps(), 0);
}

Test(df_part, what_is_left_and_is_wrong_is_begun_anew)
{
	check_int(df_part_open(&part, &root, &name), 0);
	content[5] = 1;
	check_int(data(0, 2 << 20), 0);
	content[5] = 0;
	df_part_leave(&part);
	check_int(df_part_open(&part, &root, &name), 0);
	check_true(part.resumed);
	check_int(data(0, SIZE), 0);
	check_true(is_all());
	df_part_leave(&part);
	static const struct df_part_name other = { 2, 7, SIZE, 99 };
	check_int(df_part_open(&part, &root, &other), 0);
	check_true(!part.resumed); /* what another peer tells of is another file */
	df_part_leave(&part);
	check_int(temps(), 1); /* it was not worth it */
}

Test(df_part, pieces_that_cannot_be)
{
	static const struct {
		enum df_frame_type type;
		uint64_t at, from, n;
	} wrong[] = {
		{ DF_DATA, 1, 0, 1 },
		{ DF_DATA, 0, 0, DF_PIECE + 1 },
		{ DF_COPY, 0, 0, DF_COPY_MOST + 1 },
		{ DF_COPY, 0, UINT64_MAX, 1 },
		{ DF_COPY, 5, 0, 1 },
		{ DF_HOLE, 0, 0, SIZE + 1 },
		{ DF_HOLE, 0, 0, UINT64_MAX },
		{ DF_HOLE, UINT64_MAX, 0, 1 },
	};

	check_int(df_part_open(&part, &root, &name), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		check_int(take(wrong[i].type, wrong[i].at, wrong[i].from, wrong[i].n), ERR_PROTO);
	check_int(take(DF_COPY, 0, 0, 1), -ESTALE); /* there is nothing to copy from */
	check_int(part.size, SIZE);
	df_part_close(&part);
}

static void write_base(struct df_node *n, size_t size)
{
	struct df_seen seen;
	int fd = openat(root.fd, "base", O_CREAT | O_WRONLY | O_TRUNC, 0600);

	check_int(write(fd, content, size), size);
	close(fd);
	check_int(df_root_look(&root, "base", &seen), 0);
	*n = (struct df_node){ .ino = seen.ino, .entry = seen.entry };
}

Test(df_part, copies_and_holes)
{
	struct df_node n;

	check_int(df_part_open(&part, &root, &name), 0);
	write_base(&n, 1 << 20);
	n.entry.size++;
	check_true(!df_part_base(&part, "base", &n)); /* not what the index says */
	n.entry.size--;
	check_true(!df_part_base(&part, "nothing", &n));
	check_true(df_part_base(&part, "base", &n));
	memset(content + (1 << 20), 0, 1 << 20);
	check_int(take(DF_COPY, 0, 0, 1 << 20), 0);
	check_int(take(DF_HOLE, 1 << 20, 0, 1 << 20), 0);
	check_int(data(2 << 20, SIZE), 0);
	check_true(is_all());
	df_part_close(&part);
	check_int(df_part_open(&part, &root, &name), 0);
	check_true(df_part_base(&part, "base", &n));
	check_int(take(DF_COPY, 0, (1 << 20) - 5, 10), -ESTALE); /* it is shorter than that */
	df_part_close(&part);
}

Test(df_part, a_refused_one_is_counted_through)
{
	uint8_t bytes[] = { 0, 1, 2, 3 };
	struct df_reader r = { bytes, bytes + 4, false };

	check_int(df_part_open(&part, &root, &name), 0);
	check_int(df_part_skip(&part, DF_DATA, &r), 0);
	check_int(part.at, 3);
	r = (struct df_reader){ bytes, bytes + 4, false };
	check_int(df_part_skip(&part, DF_DATA, &r), ERR_PROTO);
	df_part_close(&part);
}

Test(df_part, only_some_are_left)
{
	char path[40];

	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "p%016d", i);
		int fd = openat(root.tmp, path, O_CREAT | O_WRONLY, 0600);
		struct timespec times[2] = { { 0, UTIME_NOW }, { time(NULL) - 100 + i, 0 } };
		check_int(futimens(fd, times), 0);
		close(fd);
	}
	df_part_trim(&root);
	check_int(temps(), 16);
	check_int(faccessat(root.tmp, "p0000000000000039", F_OK, 0), 0);
	struct timespec old[2] = { { 0, UTIME_NOW }, { time(NULL) - 100000, 0 } };
	check_int(utimensat(root.tmp, "p0000000000000039", old, 0), 0);
	df_part_trim(&root);
	check_int(temps(), 15);
}
