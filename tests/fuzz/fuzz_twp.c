/* Feeds both sides' readers of TWP/1: all splits agree, and what is said again is read as before.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/pool/twp.h"

enum { BODY = 300 };

static void within(struct twp_word w, struct twp_word data)
{
	assert(!w.at || (w.at >= data.at && w.at + w.n <= data.at + data.n));
}

static void look(const struct twp_frame *f, struct twp_word data)
{
	char text[TWP_LINE];

	within(f->id, data);
	within(f->topic, data);
	within(f->text, data);
	within(f->body, data);
	for (int i = 0; i < f->n_opts; i++) {
		within(f->opts[i].key, data);
		within(f->opts[i].value, data);
		long n = twp_decode(f->opts[i].value, text, sizeof(text));
		assert(n < 0 || strlen(text) == (size_t)n);
	}
}

/* An option that goes out and comes in again is the same. */
static void echo(const struct twp_frame *f)
{
	static struct twp_line l;
	struct twp_frame again;
	const char *why;
	char text[256], back[256];

	if (!f->n_opts || twp_decode(f->opts[0].value, text, sizeof(text)) < 0)
		return;
	twp_begin(&l, TWP_READY);
	twp_put_number(&l, f->number);
	twp_put_opt(&l, "x", text);
	twp_end(&l);
	if (f->number < 0)
		return;
	assert(twp_read(&again, TWP_WORKER, (struct twp_word){ l.text, l.n }, BODY, &why) ==
	       (long)l.n);
	assert(twp_decode(twp_opt(&again, "x"), back, sizeof(back)) >= 0);
	assert(strcmp(text, back) == 0 && again.number == f->number);
}

static int frames(enum twp_side from, struct twp_word data)
{
	struct twp_frame f;
	const char *why = NULL;
	int n = 0;

	for (long used; data.n && (used = twp_read(&f, from, data, BODY, &why)) != 0; n++) {
		if (used < 0) {
			assert(used == ERR_PROTO && why);
			return ~n;
		}
		assert((size_t)used <= data.n);
		struct twp_word one = { data.at, (size_t)used };
		look(&f, one);
		echo(&f);
		struct twp_word part = { data.at, (size_t)used - 1 };
		assert(twp_read(&f, from, part, BODY, &why) == 0);
		assert(!f.need || f.need == (size_t)used);
		data.at += used;
		data.n -= (size_t)used;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *copy = malloc(size + 1); /* so that a look behind its end is seen */

	memcpy(copy, data, size);
	char *exact = realloc(copy, size ? size : 1);
	frames(TWP_MANAGER, (struct twp_word){ exact, size });
	frames(TWP_WORKER, (struct twp_word){ exact, size });
	free(exact);
	return 0;
}
