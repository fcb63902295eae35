/*
 * df_frame - TDFS/1, the bytes between two nodes.
 *
 *	u32 length | u8 type | u8 flags | u16 share | u32 stream | u32 xxh32(payload) | payload
 *
 * All little endian; the checksum is 0 under TLS, which has better ones. A payload has up to 1 MiB,
 * a piece of a file in it up to 256 KiB. Within payloads numbers and texts are as in df_entry.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DF_FRAME_HEAD = 16,
	DF_FRAME_MOST = 1 << 20,
	DF_PIECE = 256 * 1024, /* of a file, in one frame */
	DF_SMALL = 128 * 1024, /* files up to that go in one */
};

/* What follows the type, in order. path: text; seq, id: numbers, of the sender's index: what is
 * told of a node has its id, so that the receiver knows it wherever it stands there. */
enum df_frame_type {
	DF_HELLO = 1,   /* "TDFS", lowest, highest version: bytes; id 16; name; clock; nonce 32 */
	DF_AUTH = 2,    /* 32 bytes */
	DF_SHARE = 3,   /* name, roles, epoch 16, last seq, your epoch 16, your seq, nodes, mode */
	DF_ENTRY = 5,   /* seq, id, path, entry: all but the content of a file. Of multi, with
			 * DF_OFFER: where it stood, or nothing */
	DF_PUT = 6,     /* seq, id, path, entry, content to the end */
	DF_BEGIN = 7,   /* seq, id, path, entry; the content follows in the stream */
	DF_DATA = 8,    /* offset, bytes to the end */
	DF_END = 9,     /* hash 16 */
	DF_COPY = 10,   /* offset, offset in what the receiver has, bytes */
	DF_HOLE = 11,   /* offset, bytes */
	DF_DELETE = 12, /* seq, id (0), path. Of multi: with the id, and an entry */
	DF_TWIN = 15,   /* seq, id, path, entry, the other's id: a hard link */
	DF_MARK = 18,   /* seq: all up to it was said; how many NAKs were heard by then */
	DF_SWEEP = 19,  /* nothing: all that there is was said */
	DF_ACK = 20,    /* seq: all up to it is done */
	DF_NAK = 21,    /* id, code, text */
	DF_WANT = 22,   /* id: say it once more */
	DF_PING = 23,   /* nothing, or what is to come back as a DF_PONG */
	DF_PONG = 24,
	DF_HAVE = 16, /* of a stream of DF_BIG bytes: so many are there; their hash 16; that of the
		       * file that is there, 16, or zeros */
	DF_NOTHING = 25, /* id: what was wanted is not there any more */
	DF_ERROR = 26,   /* text; the connection ends */
	DF_PAUSE = 27,   /* nothing: no more of it is wanted; with DF_RESUME: it is, again */
};

enum df_flag {
	DF_ABORT = 1, /* of END: forget the stream */
	DF_OFFER = 2, /* of ENTRY: one that is there perhaps, or elsewhere; NAK NOBASE: it is not */
	DF_RESUME = 4, /* of PAUSE */
};

enum df_nak {
	DF_NAK_NOBASE = 1, /* it is to be said whole */
	DF_NAK_NOLINK,     /* the same; a second name can't be made */
	DF_NAK_NOSPACE,
	DF_NAK_PERM,
	DF_NAK_REFUSED, /* it is not wanted here, now or later */
	DF_NAK_FAILED,
};

struct df_frame {
	uint8_t type, flags;
	uint16_t share;
	uint32_t stream;
	const uint8_t *p;
	size_t n;
};

/* The head for a payload. checked: with its checksum. */
void df_frame_head(uint8_t head[DF_FRAME_HEAD], const struct df_frame *f, bool checked);

/* Bytes of the frame at the front; 0: not all of it is there; ERR_PROTO: that is none. */
long df_frame_get(const uint8_t *p, size_t n, struct df_frame *f, bool checked);
