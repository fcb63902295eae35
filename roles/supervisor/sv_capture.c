#include "roles/supervisor/sv_capture.h"

#include <string.h>

static const char *const tags[] = { "<!--XSUPERVISOR:BEGIN-->", "<!--XSUPERVISOR:END-->" };

void sv_capture_init(struct sv_capture *c, size_t most)
{
	c->inside = false;
	c->matched = 0;
	buf_init(&c->part, most);
}

void sv_capture_fini(struct sv_capture *c)
{
	buf_fini(&c->part);
}

static void keep(struct sv_capture *c, const char *data, size_t n)
{
	size_t most = c->part.max, over;

	if (n > most) {
		data += n - most;
		n = most;
	}
	over = buf_len(&c->part) + n;
	if (over > most)
		buf_take(&c->part, over - most);
	buf_put(&c->part, data, n);
}

static void put(struct sv_capture *c, char *data, size_t n)
{
	if (n > 0 && c->inside)
		keep(c, data, n);
	else if (n > 0)
		c->on_text(c, data, n);
}

/* The beginning of a tag that is none. */
static void put_matched(struct sv_capture *c)
{
	char copy[sizeof("<!--XSUPERVISOR:BEGIN-->")];
	size_t n = c->matched;

	memcpy(copy, tags[c->inside], n);
	c->matched = 0;
	put(c, copy, n);
}

static void turn(struct sv_capture *c)
{
	c->matched = 0;
	c->inside = !c->inside;
	if (c->inside)
		return;
	c->on_part(c, (const char *)buf_data(&c->part), buf_len(&c->part));
	buf_fini(&c->part);
}

/* '<' stands only at the beginning of a tag, so that no other place is to be tried again. */
void sv_capture_feed(struct sv_capture *c, char *data, size_t n)
{
	size_t done = 0, i = 0;

	while (i < n) {
		const char *tag = tags[c->inside];
		if (c->matched == 0) {
			char *next = memchr(data + i, '<', n - i);
			i = next ? (size_t)(next - data) : n;
			if (!next)
				break;
			put(c, data + done, i - done);
			done = i;
		}
		if (data[i] != tag[c->matched]) {
			put_matched(c);
			done = i;
			continue;
		}
		i++;
		done = i;
		if (!tag[++c->matched])
			turn(c);
	}
	put(c, data + done, n - done);
}

void sv_capture_end(struct sv_capture *c)
{
	if (!c->inside)
		put_matched(c);
	c->matched = 0;
}
