/*
 * tail - pieces of a log for people far away, as supervisord's XML-RPC gives them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* What is read: a file, or, with path NULL, bytes in memory that are the last of `total`. */
struct tail {
	const char *path;
	const uint8_t *bytes;
	size_t n;
	uint64_t total; /* bytes that ever were there */
};

/*
 * readProcessLog: from offset on, length bytes, 0: to the end. A negative offset with length 0: the
 * last -offset bytes. At most what `into` still takes. Returns 0; UV_EINVAL for a negative offset
 * with a length, or a negative length ("BAD_ARGUMENTS"); a code when it can't be read ("FAILED").
 */
int tail_read(const struct tail *t, int64_t offset, int64_t length, struct buf *into);

/*
 * tailProcessLog: what came after *offset, at most length bytes: the last ones. *offset becomes the
 * end. *overflow: more than length bytes came. As there, the piece is the last `length` bytes
 * whenever anything came at all. A file that can't be read is empty.
 */
void tail_follow(const struct tail *t, int64_t *offset, int64_t length, bool *overflow,
		 struct buf *into);
