/*
 * What the supervisor hears: a listener's answers, output with parts between tags, redis.
 * The first byte says where it is cut; what comes out must not depend on that.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "roles/supervisor/sv_capture.h"
#include "roles/supervisor/sv_ear.h"
#include "roles/supervisor/sv_scale.h"

enum { MOST = 64 };

static void hear(struct sv_ear *e, const char *text, size_t n, struct buf *said)
{
	enum sv_ear_said one;

	while ((one = sv_ear_hear(e, &text, &n)) != SV_EAR_NOTHING) {
		char c = (char)one;
		buf_put(said, &c, 1);
		if (one == SV_EAR_IS_READY)
			sv_ear_ask(e);
	}
	assert(n == 0);
}

static void listen_to(const char *text, size_t n, size_t cut, struct buf *said)
{
	struct sv_ear e = { SV_EAR_ACKNOWLEDGED };

	hear(&e, text, cut, said);
	hear(&e, text + cut, n - cut, said);
}

static void on_text(struct sv_capture *c, char *data, size_t n)
{
	buf_put(c->owner, data, n);
}

static void on_part(struct sv_capture *c, const char *data, size_t n)
{
	assert(n <= MOST);
	buf_put(c->owner, "[", 1);
	if (n)
		buf_put(c->owner, data, n);
}

static void capture(const char *text, size_t n, size_t cut, struct buf *out)
{
	struct sv_capture c = { .owner = out, .on_text = on_text, .on_part = on_part };
	char *copy = malloc(n + 1);

	memcpy(copy, text, n);
	sv_capture_init(&c, MOST);
	sv_capture_feed(&c, copy, cut);
	sv_capture_feed(&c, copy + cut, n - cut);
	sv_capture_end(&c);
	sv_capture_fini(&c);
	free(copy);
}

static void same(const struct buf *a, const struct buf *b)
{
	assert(buf_len(a) == buf_len(b));
	assert(!buf_len(a) || memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;

	if (size == 0)
		return 0;
	const char *text = (const char *)data + 1;
	size_t n = size - 1, at = n ? *data % (n + 1) : 0;
	int64_t number;
	size_t used = 0;
	if (sv_scale_reply(text, n, &number, &used) < SV_SCALE_BAD)
		assert(used <= n || sv_scale_reply(text, n, &number, &used) == SV_SCALE_MORE);
	for (int what = 0; what < 2; what++) {
		buf_init(&whole, 1 << 20);
		buf_init(&cut, 1 << 20);
		(what ? capture : listen_to)(text, n, 0, &whole);
		(what ? capture : listen_to)(text, n, at, &cut);
		same(&whole, &cut);
		buf_fini(&whole);
		buf_fini(&cut);
	}
	return 0;
}
