#include "core/proc/follow.h"

static void on_bytes(struct output_tap *t, const void *data, size_t n)
{
	struct follow *f = t->owner;
	size_t had = buf_len(&f->buf), room = f->buf.max - had;
	size_t some = n < room ? n : room;

	f->ended = n == 0;
	buf_put(&f->buf, data, some);
	f->missed += n - some;
	if (had == 0 || f->ended)
		f->on_bytes(f);
}

void follow_start(struct follow *f, struct output *o, size_t max, follow_on_bytes on_more)
{
	*f = (struct follow){ .owner = f->owner, .on_bytes = on_more };
	buf_init(&f->buf, max);
	output_tap(o, &f->tap, on_bytes, f);
}

void follow_stop(struct follow *f)
{
	output_untap(&f->tap);
	buf_fini(&f->buf);
}
