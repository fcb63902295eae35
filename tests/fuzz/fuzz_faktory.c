/* A job of Faktory's: read as it is pushed, and written as a worker gets it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "roles/jobd/jd_faktory_private.h"

static void write_it(const uint8_t *data, size_t size, int attempt, const char *ext_id)
{
	struct work_job job = {
		.id = 1,
		.topic = "q",
		.ext_id = ext_id,
		.payload = data,
		.size = size,
		.attempt = attempt,
	};
	struct json doc;
	size_t n = 0;
	char *text = jd_fk_job_write(&job, &n);

	assert(text && json_read(&doc, text, n, NULL) == 0 && doc.kind == JSON_OBJECT);
	assert(json_get(&doc, "args").kind == JSON_ARRAY);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { .text = "" };
	struct jd_fk_job job = { .jid = NULL };
	const char *at = (const char *)data, *end = at + size;
	struct json doc;
	size_t n, words = 0;

	while (jd_fk_word(&at, end, &n))
		words += n;
	assert(words <= size);
	write_it(data, size, 1, NULL);
	write_it(data, size, 2, "own-name");
	if (json_read(&doc, (const char *)data, size, NULL) != 0)
		return 0;
	if (jd_fk_job_parse(&doc, &job, &err)) {
		assert(job.spec.topic && job.spec.type && strlen(job.spec.ext_id) >= 8);
		assert(job.spec.prio >= 0 && job.spec.prio <= 255 && job.spec.max_attempts > 0);
		assert(job.spec.expires >= 0 && job.spec.run_at >= 0 && job.spec.uniq_ttl >= 0);
	} else {
		assert(*err.text);
	}
	jd_fk_job_fini(&job);
	return 0;
}
