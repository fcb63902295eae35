/*
 * df_send - a file in pieces, as few as the peer needs.
 *
 *	BEGIN -> HAVE: so much of it is there, with that hash; I have a file of that hash
 *	      -> its front is read and compared -> from there on:
 *	         COPY what the peer's file has (df_blocks), HOLE, DATA -> END, with the hash of all
 */
#pragma once

#include "roles/dfsd/df_blocks.h"

enum {
	DF_HOLE_MOST = 16 << 20, /* bytes of a hole or a copy in one frame */
	DF_COPY_MOST = 1 << 20,
};

struct df_send {
	int fd;
	uint64_t size, at;
	bool waiting; /* for HAVE */
	struct df_hasher *hasher;
	struct df_lists *lists; /* NULL: none are kept */
	struct df_blocks *blocks;
	struct df_matcher peer; /* of: NULL, or what the peer has */
	uint64_t there;         /* so much of it, perhaps */
	uint8_t there_hash[DF_HASH];
	uint64_t data_end; /* there is a hole, or the end */
	uint8_t *window;
};

/* Takes the descriptor over. */
void df_send_open(struct df_send *s, int fd, uint64_t size, struct df_lists *lists);
void df_send_close(struct df_send *s);

/* What the peer has. */
void df_send_have(struct df_send *s, uint64_t there, const uint8_t hash[DF_HASH],
		  const uint8_t base[DF_HASH]);

enum df_send_kind { DF_SEND_OVER, DF_SEND_DATA, DF_SEND_COPY, DF_SEND_HOLE, DF_SEND_READ };

struct df_send_piece {
	enum df_send_kind kind;
	uint64_t at, from, n; /* from: of the peer's file */
};

/* The next one; data: room for DF_PIECE bytes. OVER: all of it, when at is the size; READ: there is
 * nothing to say of what was read. */
struct df_send_piece df_send_next(struct df_send *s, uint8_t *data);

/* The hash of all. well: it was sent, and a list of it is kept. */
void df_send_end(struct df_send *s, uint8_t hash[DF_HASH], bool well);
