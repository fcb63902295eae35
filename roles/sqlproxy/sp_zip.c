#include "roles/sqlproxy/sp_zip.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "core/base/err.h"
#include "core/base/mem.h"

enum {
	HEAD = 7,
	STORE_BELOW = 50,
	CHUNK = 1 << 18, /* plain bytes in a packet of ours, at most */
	STEP = 1
	       << 16, /* plain bytes made at a time: what a peer claims is not allocated at once */
};

struct sp_zip {
	int level;
	uint8_t seq; /* the next packet's number */
	uint8_t head[HEAD];
	size_t head_len;
	size_t packed_left; /* bytes of the packet still to come */
	size_t plain_left;  /* bytes that they still have to make */
	bool inflating;     /* `in` is open */
	z_stream in;
};

struct sp_zip *sp_zip_new(int level)
{
	struct sp_zip *z = mem_new(sizeof *z);

	assert(level >= 1 && level <= 9);
	z->level = level;
	return z;
}

static void close_in(struct sp_zip *z)
{
	if (z->inflating)
		inflateEnd(&z->in);
	z->inflating = false;
}

void sp_zip_free(struct sp_zip *z)
{
	if (!z)
		return;
	close_in(z);
	free(z);
}

void sp_zip_reset(struct sp_zip *z)
{
	z->seq = 0;
}

/* ---- in */

static size_t u24(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
}

/* Takes what there is of a header. Returns the bytes taken, or ERR_PROTO. */
static int take_head(struct sp_zip *z, const uint8_t *data, size_t len)
{
	size_t n = HEAD - z->head_len;

	n = n < len ? n : len;
	memcpy(z->head + z->head_len, data, n);
	z->head_len += n;
	if (z->head_len < HEAD)
		return (int)n;
	z->packed_left = u24(z->head);
	z->plain_left = u24(z->head + 4);
	z->seq = (uint8_t)(z->head[3] + 1);
	if (z->plain_left > 0) {
		memset(&z->in, 0, sizeof z->in);
		if (z->packed_left == 0 || inflateInit(&z->in) != Z_OK)
			return ERR_PROTO;
		z->inflating = true;
	} else if (z->packed_left == 0) {
		z->head_len = 0;
	}
	return (int)n;
}

static int take_stored(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain)
{
	size_t n = z->packed_left < len ? z->packed_left : len, room;
	uint8_t *to = n > 0 ? buf_room(plain, n, &room) : NULL;

	if (!to)
		return 0;
	memcpy(to, data, room);
	buf_commit(plain, room);
	z->packed_left -= room;
	if (z->packed_left == 0)
		z->head_len = 0;
	return (int)room;
}

/*
 * One call of inflate, from data into `to`. When all plain bytes are there, the end mark may still
 * be missing: then there must be no byte more.
 */
static int inflate_some(struct sp_zip *z, const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
	uint8_t surplus = 0;
	bool all = z->plain_left == 0;

	z->in.next_in = (uint8_t *)(uintptr_t)data;
	z->in.avail_in = (uInt)len;
	z->in.next_out = all ? &surplus : to;
	z->in.avail_out = all ? 1 : (uInt)room;
	int rc = inflate(&z->in, Z_SYNC_FLUSH);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return ERR_PROTO;
	if (all && z->in.avail_out == 0)
		return ERR_PROTO;
	return rc == Z_STREAM_END;
}

/* Has the packet come to a right end, to a wrong one, or to none yet? Returns 1, ERR_PROTO, 0. */
static int packet_end(struct sp_zip *z, bool stream_end, bool full)
{
	if (stream_end)
		return z->packed_left == 0 && z->plain_left == 0 ? 1 : ERR_PROTO;
	return z->packed_left == 0 && !full ? ERR_PROTO : 0;
}

static int take_deflated(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain)
{
	size_t n = z->packed_left < len ? z->packed_left : len, room = 0;
	size_t want = z->plain_left < STEP ? z->plain_left : STEP;
	uint8_t *to = want > 0 ? buf_room(plain, want, &room) : NULL;

	if (want > 0 && !to)
		return 0;
	int rc = inflate_some(z, data, n, to, room);
	if (rc < 0)
		return rc;
	size_t taken = n - z->in.avail_in;
	if (to) {
		size_t made = room - z->in.avail_out;
		buf_commit(plain, made);
		z->plain_left -= made;
	}
	z->packed_left -= taken;
	rc = packet_end(z, rc == 1, to && z->in.avail_out == 0);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		close_in(z);
		z->head_len = 0;
	}
	return (int)taken;
}

static int take_some(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain)
{
	if (z->head_len < HEAD)
		return take_head(z, data, len);
	if (z->inflating)
		return take_deflated(z, data, len, plain);
	return take_stored(z, data, len, plain);
}

int sp_zip_take(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain)
{
	size_t used = 0;

	assert(data && len <= INT_MAX);
	for (;;) {
		size_t before = buf_len(plain);
		bool open = z->inflating;
		int n = take_some(z, data + used, len - used, plain);
		if (n < 0)
			return n;
		used += (size_t)n;
		if (n == 0 && buf_len(plain) == before && open == z->inflating)
			return (int)used;
	}
}

int sp_zip_in(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain)
{
	int n = sp_zip_take(z, data, len, plain);

	if (n < 0)
		return n;
	bool held = z->inflating && z->packed_left == 0; /* inflate has what no call would fetch */
	return (size_t)n < len || held ? ERR_LIMIT : 0;
}

/* ---- out */

static void put_head(uint8_t *p, size_t packed, uint8_t seq, size_t plain)
{
	for (int i = 0; i < 3; i++) {
		p[i] = (uint8_t)(packed >> (8 * i));
		p[4 + i] = (uint8_t)(plain >> (8 * i));
	}
	p[3] = seq;
}

/* A window no larger than the data: most packets are short, and zlib clears its tables each time.
 */
static int window_bits(size_t len)
{
	int bits = 9;

	while (bits < 15 && ((size_t)1 << bits) < len)
		bits++;
	return bits;
}

/* Returns the compressed length, or 0 when it would not be under `most`. */
static size_t deflate_into(int level, const uint8_t *data, size_t len, uint8_t *to, size_t most)
{
	z_stream out = { 0 };
	int bits = window_bits(len);

	if (deflateInit2(&out, level, Z_DEFLATED, bits, bits - 7, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	out.next_in = (uint8_t *)(uintptr_t)data;
	out.avail_in = (uInt)len;
	out.next_out = to;
	out.avail_out = (uInt)most;
	size_t n = deflate(&out, Z_FINISH) == Z_STREAM_END ? most - out.avail_out : 0;
	deflateEnd(&out);
	return n;
}

static int out_packet(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *packed)
{
	size_t room, packed_len = 0;
	uint8_t *to = buf_room(packed, HEAD + len, &room);

	if (!to || room <= HEAD)
		return ERR_LIMIT;
	if (len >= STORE_BELOW)
		packed_len = deflate_into(z->level, data, len, to + HEAD, room - HEAD);
	if (packed_len > 0 && packed_len < len) {
		put_head(to, packed_len, z->seq++, len);
		buf_commit(packed, HEAD + packed_len);
		return 0;
	}
	if (room < HEAD + len)
		return ERR_LIMIT;
	put_head(to, len, z->seq++, 0);
	memcpy(to + HEAD, data, len);
	buf_commit(packed, HEAD + len);
	return 0;
}

int sp_zip_out(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *packed)
{
	while (len > 0) {
		size_t n = len < CHUNK ? len : CHUNK;
		int rc = out_packet(z, data, n, packed);
		if (rc != 0)
			return rc;
		data += n;
		len -= n;
	}
	return 0;
}
