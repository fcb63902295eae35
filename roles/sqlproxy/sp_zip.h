/*
 * sp_zip - MySQL's compressed protocol (zlib): packets inside packets.
 *
 *	3 bytes length as sent | 1 byte sequence | 3 bytes length before compression, 0: stored
 *
 * A stream of plain packets is cut into compressed ones anywhere. The compressed ones have numbers
 * of their own: one count for both directions, from 0 in every command, so that an answer goes
 * on where the question ended. A peer's number is taken over, not checked: servers have got
 * theirs wrong (MySQL 8.0.24's farewell to idle connections).
 *
 * Bytes are inflated as they come, and between packets nothing is held: an idle connection
 * costs this struct and no more (some 150 bytes).
 *
 * Source: MySQL's "Client/Server Protocol, Compression".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct sp_zip;

/* level: 1..9. */
struct sp_zip *sp_zip_new(int level);
void sp_zip_free(struct sp_zip *z);

/*
 * Takes compressed bytes as they come, appends plain ones to `plain`. Returns how many bytes it
 * took, or ERR_PROTO for a packet that lies about its lengths or does not inflate.
 *
 * When `plain` is full it stops, and there may be more to come even if all bytes were taken:
 * make room, and call again with the rest, if only with none. So the ceiling of `plain` may be
 * far below the 16 MB that one packet can hold.
 */
int sp_zip_take(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain);

/*
 * The same for a `plain` that is large enough for all: returns 0, ERR_PROTO, or ERR_LIMIT when it
 * was not; then bytes are lost, and the connection with them.
 */
int sp_zip_in(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain);

/*
 * Compresses plain bytes; short ones (under 50) and those that would not shrink are stored.
 * Returns 0, or ERR_LIMIT when `packed` has no room: then part of the bytes may be in it, and the
 * connection is lost.
 */
int sp_zip_out(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *packed);

/* A new command begins: the count is 0 again. */
void sp_zip_reset(struct sp_zip *z);
