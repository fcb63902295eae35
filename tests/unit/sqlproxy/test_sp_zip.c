#include "roles/sqlproxy/sp_zip.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

enum { TEXT = 3000 };

static uint8_t text[TEXT];

static void fill(uint8_t *to, size_t len, bool random)
{
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		to[i] = random ? (uint8_t)(x >> 24) : (uint8_t)("abcdefgh"[x >> 30] + (i >> 9));
	}
}

/* Compresses in two packets; the caller frees it. */
static struct buf packed(const uint8_t *data, size_t len)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf out;

	buf_init(&out, 1 << 26);
	check_int(sp_zip_out(z, data, len / 3, &out), 0);
	check_int(sp_zip_out(z, data + len / 3, len - len / 3, &out), 0);
	sp_zip_free(z);
	return out;
}

/* Feeds it cut at `cut`, into a buf of `ceiling` that is emptied whenever it is full. */
static void check_unpack(const struct buf *in, size_t cut, size_t ceiling, size_t want)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf plain, all;
	size_t at = 0, len = buf_len(in);

	buf_init(&plain, ceiling);
	buf_init(&all, 1 << 26);
	for (bool full = true; at < len || full;) {
		size_t n = at < cut ? cut - at : len - at;
		int used = sp_zip_take(z, buf_data(in) + at, n, &plain);
		cr_assert(used >= 0, "cut %zu ceiling %zu: %s", cut, ceiling, err_name(used));
		at += (size_t)used;
		full = buf_len(&plain) == ceiling;
		cr_assert(full || (size_t)used == n, "cut %zu: %d of %zu taken", cut, used, n);
		if (buf_len(&plain) > 0)
			buf_put(&all, buf_data(&plain), buf_len(&plain));
		buf_take(&plain, buf_len(&plain));
	}
	cr_assert(buf_len(&all) == want && memcmp(buf_data(&all), text, want) == 0,
		  "cut %zu ceiling %zu", cut, ceiling);
	buf_fini(&plain);
	buf_fini(&all);
	sp_zip_free(z);
}

Test(sp_zip, gives_back_what_it_packed_whatever_the_cuts)
{
	static const size_t lens[] = { 3, 60, 149, 150, 151, TEXT };

	for (int random = 0; random < 2; random++) {
		fill(text, TEXT, random);
		for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
			struct buf in = packed(text, lens[i]);
			for (size_t cut = 0; cut <= buf_len(&in); cut++)
				check_unpack(&in, cut, 1 << 20, lens[i]);
			check_unpack(&in, 0, 1, lens[i]);
			check_unpack(&in, 20, 100, lens[i]);
			buf_fini(&in);
		}
	}
}

Test(sp_zip, packs_megabytes)
{
	size_t len = (17u << 20) + 5;
	uint8_t *data = malloc(len);
	struct sp_zip *z = sp_zip_new(1);
	struct buf plain;

	fill(data, len, false);
	struct buf in = packed(data, len);
	cr_expect(buf_len(&in) < len / 2);
	buf_init(&plain, 1 << 26);
	check_int(sp_zip_in(z, buf_data(&in), buf_len(&in), &plain), 0);
	cr_expect(buf_len(&plain) == len && memcmp(buf_data(&plain), data, len) == 0);
	buf_fini(&in);
	buf_fini(&plain);
	sp_zip_free(z);
	free(data);
}

Test(sp_zip, counts_on_from_the_peer_and_from_0_after_a_reset)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf out, plain;
	static const uint8_t stored[] = { 1, 0, 0, 7, 0, 0, 0, 'x', 0, 0, 0, 8, 0, 0, 0 };

	buf_init(&out, 1000);
	buf_init(&plain, 1000);
	check_int(sp_zip_take(z, stored, sizeof stored, &plain), sizeof stored);
	check_int(buf_len(&plain), 1);
	sp_zip_out(z, (const uint8_t *)"ab", 2, &out);
	check_int(buf_data(&out)[3], 9);
	sp_zip_reset(z);
	sp_zip_out(z, (const uint8_t *)"c", 1, &out);
	check_int(buf_data(&out)[9 + 3], 0);
	cr_expect(memcmp(buf_data(&out) + 9, "\1\0\0\0\0\0\0c", 8) == 0);
	buf_fini(&out);
	buf_fini(&plain);
	sp_zip_free(z);
}

/* Feeds a packet with a changed byte, byte by byte and whole. */
static int unpack_changed(const struct buf *in, size_t at, uint8_t to, size_t keep)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf plain;
	uint8_t *copy = malloc(keep + 1);
	int rc = 0;

	memcpy(copy, buf_data(in), keep);
	copy[keep] = 0;
	copy[at] = to;
	buf_init(&plain, 1 << 20);
	for (size_t i = 0; i < keep && rc >= 0; i++)
		rc = sp_zip_take(z, copy + i, 1, &plain);
	buf_fini(&plain);
	sp_zip_free(z);
	z = sp_zip_new(6);
	int whole = sp_zip_take(z, copy, keep, &plain);
	cr_expect(whole < 0 ? rc < 0 : rc >= 0, "byte %zu = %d: %d whole, %d in bytes", at, to,
		  whole, rc);
	buf_fini(&plain);
	sp_zip_free(z);
	free(copy);
	return whole;
}

Test(sp_zip, refuses_lies)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf in, tiny;

	fill(text, TEXT, false);
	buf_init(&in, 1 << 20);
	sp_zip_out(z, text, 500, &in);
	size_t len = buf_len(&in);
	cr_assert(len > 7 && len < 256 + 7);
	check_int(unpack_changed(&in, 3, 99, len), (int)len);    /* any number */
	check_int(unpack_changed(&in, 4, 0xf5, len), ERR_PROTO); /* one plain byte more */
	check_int(unpack_changed(&in, 4, 0xf3, len), ERR_PROTO); /* one less */
	check_int(unpack_changed(&in, 6, 0xff, len), ERR_PROTO); /* 16 MB more */
	check_int(unpack_changed(&in, 0, (uint8_t)(len - 8), len),
		  ERR_PROTO); /* one packed byte less */
	check_int(unpack_changed(&in, 0, (uint8_t)(len - 6), len + 1), ERR_PROTO); /* one more */
	check_int(unpack_changed(&in, 0, 0, len), ERR_PROTO);
	check_int(unpack_changed(&in, 7, 0, len), ERR_PROTO);             /* zlib's own head */
	check_int(unpack_changed(&in, len - 1, text[0], len), ERR_PROTO); /* its checksum */

	buf_init(&tiny, 499);
	check_int(sp_zip_in(z, buf_data(&in), len, &tiny), ERR_LIMIT);
	buf_fini(&tiny);
	buf_fini(&in);

	buf_init(&tiny, 20);
	check_int(sp_zip_out(z, text, 500, &tiny), ERR_LIMIT);
	check_int(sp_zip_out(z, text, 14, &tiny), ERR_LIMIT);
	check_int(sp_zip_out(z, text, 13, &tiny), 0);
	check_int(sp_zip_out(z, text, 1, &tiny), ERR_LIMIT);
	buf_fini(&tiny);
	sp_zip_free(z);
	sp_zip_free(NULL);
}
