/*
 * jd_tags - the deliveries of a channel, in the order in which they came, and which are over.
 *
 *	3 4 5 6 7 8		over: 3 4 5 and 7
 *	`---'   '		acknowledged: 5 and all before it; 7
 *
 * One acknowledgement for all that are over up to the first that is not; one each for the others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"

struct jd_tag {
	struct list place; /* in the order of arrival */
	struct list over;  /* empty: not over */
	uint64_t tag;
};

struct jd_tags {
	struct list all, over;
};

void jd_tags_init(struct jd_tags *t);

/* Tags only grow. */
void jd_tags_put(struct jd_tags *t, struct jd_tag *tag, uint64_t number);

/* It is to be acknowledged by the next flush. */
void jd_tags_over(struct jd_tags *t, struct jd_tag *tag);

/* It is none of theirs any more: it was given back, or the channel is gone. */
void jd_tags_drop(struct jd_tag *tag);

static inline bool jd_tags_is_in(const struct jd_tag *tag)
{
	return !list_empty(&tag->place);
}

/* say: to the server; done: of each that was acknowledged: it is none of theirs then. */
void jd_tags_flush(struct jd_tags *t, void (*say)(void *data, uint64_t tag, bool multiple),
		   void (*done)(void *data, struct jd_tag *tag), void *data);
