/*
 * sp_zip - MySQL's compressed protocol (zlib): packets inside packets.
 *
 *	3 bytes length as sent | 1 byte sequence | 3 bytes length before compression, 0: stored
 *
 * A stream of plain packets is cut into compressed ones anywhere; both ends count their
 * compressed packets from 0 in every command, apart from the plain packets' own numbers.
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
 * Takes compressed bytes as they come, appends plain ones to `plain`. Returns 0, ERR_PROTO for a
 * packet that lies about its lengths or does not inflate, ERR_LIMIT when `plain` is full.
 */
int sp_zip_in(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *plain);

/* Compresses plain bytes; short ones (under 50) are stored. Returns 0 or ERR_LIMIT. */
int sp_zip_out(struct sp_zip *z, const uint8_t *data, size_t len, struct buf *packed);

/* A new command has begun: both counters are 0 again. */
void sp_zip_reset(struct sp_zip *z);
