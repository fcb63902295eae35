/*
 * The bytes as packets: whole, cut in two, and into a buffer of a few bytes, they must end the
 * same; the bytes as text: packed and unpacked they are the same again.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "roles/sqlproxy/sp_zip.h"

enum { CEILING = 1 << 16, NARROW = 5 };

/* Takes it all, into `all` by way of a narrow buffer. Returns 0 or an error; stops when all is
 * full. */
static int unpack(const uint8_t *data, size_t size, size_t cut, struct buf *all)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf plain;
	size_t at = 0;
	int n = 0;

	buf_init(&plain, NARROW);
	for (bool full = true; n >= 0 && (at < size || full);) {
		size_t len = at < cut ? cut - at : size - at;
		n = sp_zip_take(z, data + at, len, &plain);
		at += n > 0 ? (size_t)n : 0;
		full = buf_len(&plain) == NARROW;
		if (buf_len(&plain) > 0 && buf_put(all, buf_data(&plain), buf_len(&plain)) != 0)
			break;
		buf_take(&plain, buf_len(&plain));
	}
	buf_fini(&plain);
	sp_zip_free(z);
	return n < 0 ? n : 0;
}

static bool same(const struct buf *a, const uint8_t *data, size_t len)
{
	return buf_len(a) == len && (len == 0 || memcmp(buf_data(a), data, len) == 0);
}

static void check_packets(const uint8_t *data, size_t size)
{
	struct sp_zip *z = sp_zip_new(6);
	struct buf whole, parts;

	buf_init(&whole, CEILING);
	buf_init(&parts, CEILING);
	int n = sp_zip_take(z, data, size, &whole);
	assert(n <= (int)size);
	if (buf_len(&whole) < CEILING) {
		int rc = unpack(data, size, size / 2, &parts);
		assert((rc < 0) == (n < 0));
		assert(n < 0 || same(&parts, whole.mem, buf_len(&whole)));
	}
	buf_fini(&whole);
	buf_fini(&parts);
	sp_zip_free(z);
}

static void check_text(const uint8_t *data, size_t size)
{
	struct sp_zip *z = sp_zip_new(1);
	struct buf packed, plain;

	buf_init(&packed, CEILING);
	buf_init(&plain, CEILING);
	assert(sp_zip_out(z, data, size, &packed) == 0);
	assert(unpack(buf_data(&packed), buf_len(&packed), 0, &plain) == 0);
	assert(same(&plain, data, size));
	buf_fini(&packed);
	buf_fini(&plain);
	sp_zip_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_packets(data, size);
	check_text(data, size);
	return 0;
}
