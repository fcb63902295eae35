/* Blocks of a content, found in another one wherever they are. */
#include "roles/dfsd/df_blocks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "roles/dfsd/df_hash.h"
#include "tests/lib/check.h"

enum { B = DF_BLOCK_SIZE, BASE = 6 * B + 1000, NEW = 9 * B };

static uint8_t base[BASE], new[NEW];

static void fill(uint8_t *p, size_t n, uint64_t dice)
{
	for (size_t i = 0; i < n; i++) {
		dice = dice * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(dice >> 56);
	}
}

/* In pieces of that size. */
static struct df_blocks *list_of(const uint8_t *p, size_t n, size_t step)
{
	struct df_blocks *b = df_blocks_new();

	for (size_t at = 0; at < n; at += step)
		df_blocks_add(b, p + at, n - at < step ? n - at : step);
	return b;
}

/* Puts the new content together as a peer would that has the base, through a window of that size;
 * returns the bytes that it has to be told. */
static size_t told(struct df_matcher *m, size_t n, size_t window)
{
	size_t at = 0, bytes = 0;

	while (at < n) {
		size_t len = n - at < window ? n - at : window;
		struct df_match f =
			df_blocks_match(m, at, (struct df_bytes){ new + at, len }, at + len == n);
		cr_assert(f.before + f.n > 0 && f.before + f.n <= len);
		cr_assert(f.from + f.n <= BASE);
		cr_assert(memcmp(base + f.from, new + at + f.before, f.n) == 0);
		bytes += f.before;
		at += f.before + f.n;
	}
	return bytes;
}

Test(df_blocks, what_is_new_is_told_whatever_was_done_to_it)
{
	static const struct {
		const char *what;
		size_t n;
		struct {
			size_t from, n;
		} parts[3]; /* of the base, with 10 bytes of others between them */
		size_t most;
	} cases[] = {
		{ "the same", BASE, { { 0, BASE } }, 1000 },
		{ "one inserted",
		  BASE + 10,
		  { { 0, 2 * B + 5 }, { 2 * B + 5, BASE - 2 * B - 5 } },
		  B + 1010 },
		{ "at the front", BASE + 10, { { 0, 0 }, { 0, BASE } }, 1010 },
		{ "a part is gone", 5 * B + 10, { { 0, B }, { 2 * B, 4 * B } }, 10 },
		{ "other order", 6 * B + 20, { { 4 * B, 2 * B }, { 0, B }, { B, 3 * B } }, 20 },
		{ "nothing of it", 7 * B, { { 0, 10 } }, 7 * B },
		{ "too small", 100, { { 0, 100 } }, 100 },
		{ "nothing", 0, { { 0, 0 } }, 0 },
	};

	fill(base, BASE, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t window = 2 * B; window <= 4 * B; window += B + 77) {
			struct df_matcher m = { .of = list_of(base, BASE, window) };
			fill(new, NEW, 2);
			size_t at = 0;
			for (int k = 0; k < 3; k++, at += 10) {
				memcpy(new + at, base + cases[i].parts[k].from,
				       cases[i].parts[k].n);
				at += cases[i].parts[k].n;
			}
			size_t bytes = told(&m, cases[i].n, window);
			cr_expect(bytes <= cases[i].most, "%s: %zu", cases[i].what, bytes);
			df_blocks_free(m.of);
		}
}

/* The weak sum is the same for all of these; what is told is right, and it ends. */
Test(df_blocks, content_that_fools_the_weak_sum)
{
	alarm(60);
	memset(base, 5, BASE);
	memset(new, 5, NEW);
	struct df_matcher m = { .of = list_of(base, BASE, 1000) };
	check_true(told(&m, NEW, 3 * B) < B);
	for (size_t i = 0; i + 4 < NEW; i += 1009) { /* +1 -2 +1 changes neither sum */
		new[i]++;
		new[i + 1] -= 2;
		new[i + 2]++;
	}
	check_true(told(&m, NEW, 3 * B) <= NEW);
	check_true(m.misses > 0);
	df_blocks_free(m.of);
}

Test(df_blocks, how_it_came_is_all_the_same)
{
	static const size_t steps[] = { 1, 7, 4096, B - 1, B, B + 1, 3 * B };

	fill(base, BASE, 3);
	memcpy(new, base, BASE);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct df_matcher m = { .of = list_of(base, BASE, steps[i]) };
		check_int(told(&m, BASE, 3 * B), 1000);
		df_blocks_free(m.of);
	}
}

/* A list that is made from another one is as good as one that is made from the bytes. */
Test(df_blocks, blocks_of_another_list)
{
	fill(base, BASE, 6);
	memcpy(new, base, BASE);
	for (size_t before = 0; before <= B; before += B / 2) {
		struct df_blocks *old = list_of(base, BASE, B), *b = list_of(base, before, B);
		struct df_matcher m = { .of = b };
		df_blocks_add_from(b, old, 2 * B, (struct df_bytes){ base + 2 * B, 3 * B });
		memcpy(new, base, before);
		memcpy(new + before, base + 2 * B, 3 * B);
		size_t bytes = 0;
		for (size_t at = 0; at < before + 3 * B;) {
			struct df_bytes left = { new + at, before + 3 * B - at };
			struct df_match f = df_blocks_match(&m, at, left, true);
			bytes += f.before;
			at += f.before + f.n;
		}
		check_int(bytes, before % B);
		df_blocks_free(old);
		df_blocks_free(b);
	}
}

static void keep(struct df_lists *l, uint8_t name)
{
	uint8_t hash[DF_HASH] = { name };

	df_lists_keep(l, list_of(base, BASE, B), hash);
}

static struct df_blocks *found(struct df_lists *l, uint8_t name)
{
	uint8_t hash[DF_HASH] = { name };

	return df_lists_find(l, hash);
}

Test(df_blocks, the_lists_used_last_are_kept)
{
	struct df_lists l;

	fill(base, BASE, 4);
	memcpy(new, base, BASE);
	df_lists_init(&l, SIZE_MAX);
	keep(&l, 1);
	size_t one = l.bytes;
	keep(&l, 1); /* in place of it */
	check_int(l.bytes, one);
	l.most = 3 * one;
	keep(&l, 2);
	keep(&l, 3);
	struct df_matcher m = { .of = found(&l, 1) };
	cr_assert(m.of != NULL);
	keep(&l, 4);
	keep(&l, 5);
	check_int(l.bytes, 3 * one);
	check_true(!found(&l, 2) && !found(&l, 3) && !found(&l, 9));
	df_lists_fini(&l);
	check_int(told(&m, BASE, 2 * B), 1000); /* who uses one still has it */
	df_blocks_free(m.of);
	df_blocks_free(NULL);
}
