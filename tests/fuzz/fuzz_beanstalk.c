/* Feeds the reader of beanstalkd's lines: what is cut short is not there yet, names are names. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "roles/jobd/jd_beanstalk_parse.h"

static void look(const struct jd_bs_command *c, const char *data, size_t n)
{
	assert(c->verb < JD_BS_VERBS);
	if (c->verb >= JD_BS_UNKNOWN || !c->name)
		return;
	assert(c->name >= data && c->name + c->name_n <= data + n - 2);
	assert(c->name_n >= 1 && c->name_n <= JD_BS_TUBE && *c->name != '-');
	assert(!memchr(c->name, ' ', c->name_n) && !memchr(c->name, '\r', c->name_n));
}

/* All of its lines; bodies are read as lines, which is worse than what the listener does. */
static void lines(const char *data, size_t n)
{
	struct jd_bs_command c, again;
	bool skipping = false, ended;

	while (n) {
		size_t used = skipping ? jd_bs_skip(data, n, &ended) : jd_bs_parse(&c, data, n);
		assert(used <= n);
		if (!used)
			break;
		if (skipping) {
			skipping = !ended;
		} else {
			look(&c, data, used);
			skipping = c.verb == JD_BS_TOO_LONG;
			assert(skipping || memcmp(data + used - 2, "\r\n", 2) == 0);
			for (size_t cut = 0; cut < used && !skipping; cut++)
				assert(jd_bs_parse(&again, data, cut) == 0);
		}
		data += used;
		n -= used;
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *exact = malloc(size ? size : 1); /* so that a look behind its end is seen */

	memcpy(exact, data, size);
	lines(exact, size);
	free(exact);
	return 0;
}
