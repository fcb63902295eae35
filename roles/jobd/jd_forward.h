/*
 * jd_forward - topics that are only written: what is submitted to us goes to a source's queue.
 *
 *	submitted --> kept here --> put: a window of them is under way --> the queue elsewhere has
 *it
 *
 * It is kept here first, with its delay, until the other side has said that it has it: a producer
 * does not wait for a server that is away. An answer that does not come leaves a job that may be
 * there twice.
 */
#pragma once

#include <stdbool.h>

#include "core/work/work.h"

struct jd_forward {
	struct work *work;
	struct work_taker *taker; /* NULL: no topic is only written */
	int under_way;
	bool may; /* the other side takes them */
	bool closed;
	void (*put)(void *data, struct work_job *job); /* jd_forward_over follows */
	void (*flush)(void *data); /* what was put goes out; in the loop, once for several */
	void *data;
};

/* topics: to NULL; put, flush and data are set. */
void jd_forward_open(struct jd_forward *f, struct work *work, char *const *topics);

/* From now on, or no longer. */
void jd_forward_may(struct jd_forward *f, bool may);

enum jd_forward_end {
	JD_FORWARD_THERE,
	JD_FORWARD_DUPLICATE, /* nothing was added: one like it was there */
	JD_FORWARD_REFUSED,   /* to be tried again, more and more slowly */
	JD_FORWARD_LOST,      /* it may be there or not */
};

void jd_forward_over(struct jd_forward *f, struct work_job *job, enum jd_forward_end how,
		     const char *why);

/* engine_goes: nothing is said to it any more; what is under way is there again at its next start.
 * Else none may be under way. */
void jd_forward_close(struct jd_forward *f, bool engine_goes);
