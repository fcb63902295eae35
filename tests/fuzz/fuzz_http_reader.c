/* Feeds the reader of responses in pieces; all splits must agree, and small limits must hold. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/http_reader.h"
#include "core/net/http_url.h"

enum { HEAD = 64, BODY = 16, MUCH = 1 << 20 };

struct outcome {
	enum http_reader_state state;
	int status;
	bool cut;
	size_t size;
	char *body;
};

static struct outcome run(const char *text, size_t size, size_t step, size_t head, size_t body)
{
	struct http_reader *r = http_reader_new(head);
	struct outcome got = { 0 };

	http_reader_reset(r, body);
	for (size_t used = 0; used < size && got.state == HTTP_READER_MORE; used += step)
		got.state =
			http_reader_feed(r, text + used, size - used < step ? size - used : step);
	if (got.state == HTTP_READER_MORE)
		got.state = http_reader_feed(r, NULL, 0);
	assert(got.state != HTTP_READER_MORE);
	if (got.state == HTTP_READER_WHOLE) {
		const struct http_response *a = http_reader_response(r);
		assert(a->status >= 200 && a->size <= body && !(a->cut && a->keep_alive));
		assert(strlen(a->type) < sizeof(a->type) &&
		       http_retry_after(a->retry_after, 0) >= -1);
		got = (struct outcome){ got.state, a->status, a->cut, a->size,
					malloc(a->size + 1) };
		memcpy(got.body, a->body, a->size);
	} else {
		assert(*http_reader_reason(r));
	}
	http_reader_free(r);
	return got;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const char *text = (const char *)data;
	struct outcome whole = run(text, size, size + 1, MUCH, MUCH);
	struct outcome bytes = run(text, size, 1, MUCH, MUCH);
	struct outcome little = run(text, size, 7, HEAD, BODY);
	struct http_url url;
	char *copy = strndup(text, size);

	assert(whole.state == bytes.state && whole.status == bytes.status);
	assert(whole.size == bytes.size && whole.cut == bytes.cut);
	assert(!whole.size || memcmp(whole.body, bytes.body, whole.size) == 0);
	if (http_url_read(&url, copy, NULL) == 0)
		assert(url.target[0] == '/' && url.host[0] && url.addr.port >= 0);
	free(copy);
	free(whole.body);
	free(bytes.body);
	free(little.body);
	return 0;
}
