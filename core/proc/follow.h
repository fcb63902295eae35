/*
 * follow - a reader of an output who may be slow: a tap with a buffer that has a ceiling.
 *
 * He never holds up the log: what doesn't fit is left out and counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/proc/output.h"

struct follow;

/* There are bytes in `buf` where there were none, or the output has ended. */
typedef void (*follow_on_bytes)(struct follow *f);

struct follow {
	void *owner;
	struct buf buf;  /* take from it with buf_take */
	uint64_t missed; /* bytes left out so far */
	bool ended;

	/* private */
	struct output_tap tap;
	follow_on_bytes on_bytes;
};

/* max: bytes of the buffer. Nothing is allocated before the first bytes. */
void follow_start(struct follow *f, struct output *o, size_t max, follow_on_bytes on_bytes);
void follow_stop(struct follow *f);
