/* Frames: what is cut is not there yet, what is whole is the same when it is made again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "roles/dfsd/df_frame.h"

static void again(const struct df_frame *f, const uint8_t *bytes)
{
	uint8_t head[DF_FRAME_HEAD];

	df_frame_head(head, f, true);
	assert(memcmp(head, bytes, sizeof(head)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct df_frame f = { .p = data, .n = size };
	uint8_t *exact = malloc(size + DF_FRAME_HEAD);

	memcpy(exact, data, size);
	for (int checked = 0; checked < 2; checked++) {
		long n = df_frame_get(exact, size, &f, checked);
		assert(n == ERR_PROTO || (n >= 0 && (size_t)n <= size));
		if (n <= 0)
			continue;
		assert(f.p == exact + DF_FRAME_HEAD && f.n == (size_t)n - DF_FRAME_HEAD);
		assert(df_frame_get(exact, (size_t)n - 1, &f, checked) == 0);
		if (checked)
			again(&f, exact);
	}
	f = (struct df_frame){
		.type = 1, .share = 2, .stream = 3, .p = exact + DF_FRAME_HEAD, .n = size
	};
	memcpy(exact + DF_FRAME_HEAD, data, size);
	df_frame_head(exact, &f, true);
	assert(df_frame_get(exact, size + DF_FRAME_HEAD, &f, true) == (long)size + DF_FRAME_HEAD);
	free(exact);
	return 0;
}
