/* What PHP's serialize() might have written: what is read is JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "roles/jobd/jd_unserialize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_out out = { .p = NULL };
	struct err err = { .text = "" };
	struct json doc;

	if (jd_unserialize((const char *)data, size, 1 << 16, &out, &err) == 0 &&
	    json_read(&doc, out.p, out.n, &err) != 0)
		abort();
	json_out_fini(&out);
	return 0;
}
