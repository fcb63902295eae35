#include "roles/dfsd/df_send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "roles/dfsd/df_frame.h"
#include "roles/dfsd/df_hash.h"

enum { WINDOW = DF_PIECE + DF_BLOCK_SIZE, ZEROS = 65536 };

static const uint8_t zeros[ZEROS];

static void begin_anew(struct df_send *s)
{
	df_hasher_free(s->hasher);
	df_blocks_free(s->blocks);
	s->hasher = df_hasher_new();
	s->blocks = s->lists && s->size >= DF_BIG ? df_blocks_new() : NULL;
	s->at = s->there = 0;
}

void df_send_open(struct df_send *s, int fd, uint64_t size, struct df_lists *lists)
{
	*s = (struct df_send){ .fd = fd, .size = size, .lists = lists };
	begin_anew(s);
	s->waiting = size >= DF_BIG;
}

void df_send_close(struct df_send *s)
{
	close(s->fd);
	df_hasher_free(s->hasher);
	df_blocks_free(s->blocks);
	df_blocks_free(s->peer.of);
	free(s->window);
}

void df_send_have(struct df_send *s, uint64_t there, const uint8_t hash[DF_HASH],
		  const uint8_t base[DF_HASH])
{
	if (!s->waiting)
		return;
	s->waiting = false;
	s->there = there <= s->size ? there : 0;
	memcpy(s->there_hash, hash, DF_HASH);
	s->peer.of = s->lists ? df_lists_find(s->lists, base) : NULL;
	if (s->peer.of)
		s->window = mem_new(WINDOW);
}

static void pass(struct df_send *s, const uint8_t *p, size_t n)
{
	df_hasher_add(s->hasher, p, n);
	if (s->blocks)
		df_blocks_add(s->blocks, p, n);
	s->at += n;
}

static size_t read_at(const struct df_send *s, uint8_t *p, uint64_t n)
{
	ssize_t got;

	do
		got = pread(s->fd, p, n, (off_t)s->at);
	while (got < 0 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

/* The front that the peer has: read, not said. */
static struct df_send_piece read_front(struct df_send *s, uint8_t *data)
{
	uint8_t hash[DF_HASH];
	size_t n = read_at(s, data, at_most(s->there - s->at, DF_PIECE));

	if (!n)
		return (struct df_send_piece){ .kind = DF_SEND_OVER };
	pass(s, data, n);
	df_hasher_get(s->hasher, hash);
	if (s->at == s->there && memcmp(hash, s->there_hash, DF_HASH) != 0)
		begin_anew(s);
	return (struct df_send_piece){ .kind = DF_SEND_READ };
}

/* Bytes of the hole that begins here; where data is, its end is noted. */
static uint64_t hole(struct df_send *s)
{
	if (s->at < s->data_end)
		return 0;
	off_t data = lseek(s->fd, (off_t)s->at, SEEK_DATA);
	if (data < 0 && errno != ENXIO) { /* the file system can't say */
		s->data_end = s->size;
		return 0;
	}
	uint64_t from = data < 0 ? s->size : at_most((uint64_t)data, s->size);
	if (from > s->at)
		return at_most(from - s->at, DF_HOLE_MOST);
	off_t end = lseek(s->fd, (off_t)s->at, SEEK_HOLE);
	s->data_end = end > (off_t)s->at ? (uint64_t)end : s->size;
	return 0;
}

static struct df_send_piece pass_hole(struct df_send *s, uint64_t n)
{
	struct df_send_piece piece = { DF_SEND_HOLE, s->at, 0, n };

	for (uint64_t left = n; left;) {
		size_t some = at_most(left, ZEROS);
		pass(s, zeros, some);
		left -= some;
	}
	return piece;
}

static struct df_send_piece pass_match(struct df_send *s, uint8_t *data)
{
	size_t n = read_at(s, s->window, at_most(s->size - s->at, WINDOW));
	struct df_match m = df_blocks_match(&s->peer, s->at, (struct df_bytes){ s->window, n },
					    s->at + n == s->size);
	struct df_send_piece piece = { DF_SEND_DATA, s->at, 0, at_most(m.before, DF_PIECE) };

	if (!n)
		return (struct df_send_piece){ .kind = DF_SEND_OVER };
	if (!m.before)
		piece = (struct df_send_piece){ DF_SEND_COPY, s->at, m.from, m.n };
	else
		memcpy(data, s->window, piece.n);
	if (m.before || !s->blocks) {
		pass(s, s->window, piece.n);
		return piece;
	}
	df_hasher_add(s->hasher, s->window, piece.n);
	df_blocks_add_from(s->blocks, s->peer.of, m.from, (struct df_bytes){ s->window, piece.n });
	s->at += piece.n;
	return piece;
}

struct df_send_piece df_send_next(struct df_send *s, uint8_t *data)
{
	if (s->at < s->there)
		return read_front(s, data);
	if (s->at >= s->size)
		return (struct df_send_piece){ .kind = DF_SEND_OVER };
	uint64_t n = hole(s);
	if (n)
		return pass_hole(s, n);
	if (s->peer.of)
		return pass_match(s, data);
	struct df_send_piece piece = { DF_SEND_DATA, s->at, 0, 0 };
	piece.n = read_at(s, data, at_most(s->size - s->at, DF_PIECE));
	if (!piece.n)
		return (struct df_send_piece){ .kind = DF_SEND_OVER };
	pass(s, data, piece.n);
	return piece;
}

void df_send_end(struct df_send *s, uint8_t hash[DF_HASH], bool well)
{
	df_hasher_get(s->hasher, hash);
	if (!well || !s->blocks)
		return;
	df_lists_keep(s->lists, s->blocks, hash);
	s->blocks = NULL;
}
