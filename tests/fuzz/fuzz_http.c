/* Feeds the HTTP parser in pieces, message after message; all splits must agree. */
#include <assert.h>
#include <string.h>

#include "core/net/http_parse.h"

struct outcome {
	int messages;
	int status;
	size_t bodies;
};

static struct outcome run(const char *text, size_t size, size_t step)
{
	static const struct http_limits limits = { .head = 512, .fields = 8, .body = 256 };
	struct http_parser *p = http_parser_new(&limits);
	struct outcome got = { 0 };

	for (size_t used = 0; used < size && !got.status;) {
		size_t n = step < size - used ? step : size - used;

		used += http_parser_feed(p, text + used, n);
		got.status = http_parser_status(p);
		if (http_parser_state(p) != HTTP_WHOLE)
			continue;
		got.messages++;
		got.bodies += http_parser_message(p)->body_len;
		http_parser_reset(p);
	}
	http_parser_free(p);
	return got;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct outcome whole = run((const char *)data, size, size);
	struct outcome bytes = run((const char *)data, size, 1);

	assert(whole.messages == bytes.messages && whole.bodies == bytes.bodies);
	assert(!whole.status == !bytes.status);
	return 0;
}
