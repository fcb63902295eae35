#include "roles/jobd/jd_tags.h"

#include <assert.h>

void jd_tags_init(struct jd_tags *t)
{
	list_init(&t->all);
	list_init(&t->over);
}

void jd_tags_put(struct jd_tags *t, struct jd_tag *tag, uint64_t number)
{
	tag->tag = number;
	list_init(&tag->over);
	list_append(&t->all, &tag->place);
}

void jd_tags_over(struct jd_tags *t, struct jd_tag *tag)
{
	assert(jd_tags_is_in(tag) && list_empty(&tag->over));
	list_append(&t->over, &tag->over);
}

void jd_tags_drop(struct jd_tag *tag)
{
	list_remove(&tag->place);
	list_remove(&tag->over);
}

static void take_out(struct jd_tag *tag, void (*done)(void *data, struct jd_tag *tag), void *data)
{
	jd_tags_drop(tag);
	done(data, tag);
}

void jd_tags_flush(struct jd_tags *t, void (*say)(void *data, uint64_t tag, bool multiple),
		   void (*done)(void *data, struct jd_tag *tag), void *data)
{
	uint64_t last = 0;
	int n = 0;

	while (!list_empty(&t->all)) {
		struct jd_tag *tag = container_of(t->all.next, struct jd_tag, place);
		if (list_empty(&tag->over))
			break;
		last = tag->tag;
		n++;
		take_out(tag, done, data);
	}
	if (n)
		say(data, last, n > 1);
	while (!list_empty(&t->over)) {
		struct jd_tag *tag = container_of(t->over.next, struct jd_tag, over);
		say(data, tag->tag, false);
		take_out(tag, done, data);
	}
}
