/*
 * sv_capture - what stands between <!--XSUPERVISOR:BEGIN--> and <!--XSUPERVISOR:END--> in a
 * stream, and the rest of it. The last bytes of a part that is too long are kept, as supervisord
 * does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

struct sv_capture {
	void *owner;
	void (*on_text)(struct sv_capture *c, char *data, size_t n);
	void (*on_part)(struct sv_capture *c, const char *data, size_t n);

	/* private */
	bool inside;
	size_t matched; /* bytes of the next tag */
	struct buf part;
};

/* most: bytes of a part, at least 1. Owner and callbacks are set before. */
void sv_capture_init(struct sv_capture *c, size_t most);
void sv_capture_fini(struct sv_capture *c);

/* Bytes that may be the beginning of a tag are kept back. */
void sv_capture_feed(struct sv_capture *c, char *data, size_t n);

/* No more comes: what was kept back is text. A part without its end is dropped. */
void sv_capture_end(struct sv_capture *c);
