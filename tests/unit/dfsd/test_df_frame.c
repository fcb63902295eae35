/* Frames at every cut, and damaged ones. */
#include "roles/dfsd/df_frame.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

enum { PAYLOAD = 37 };

static size_t make(uint8_t *p, bool checked)
{
	struct df_frame f = { .type = DF_PUT, .flags = DF_OFFER, .share = 0xbeef, .stream = 77 };

	for (int i = 0; i < PAYLOAD; i++)
		p[DF_FRAME_HEAD + i] = (uint8_t)i;
	f.p = p + DF_FRAME_HEAD;
	f.n = PAYLOAD;
	df_frame_head(p, &f, checked);
	return DF_FRAME_HEAD + PAYLOAD;
}

Test(df_frame, one_at_every_cut)
{
	uint8_t bytes[DF_FRAME_HEAD + PAYLOAD];
	struct df_frame f;

	for (int checked = 0; checked < 2; checked++) {
		size_t n = make(bytes, checked);
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *part = malloc(cut ? cut : 1);
			memcpy(part, bytes, cut);
			check_int(df_frame_get(part, cut, &f, checked), 0);
			free(part);
		}
		check_int(df_frame_get(bytes, n, &f, checked), n);
		check_true(f.type == DF_PUT && f.flags == DF_OFFER && f.share == 0xbeef);
		check_true(f.stream == 77 && f.n == PAYLOAD && f.p == bytes + DF_FRAME_HEAD);
	}
}

Test(df_frame, each_damaged_byte_of_a_payload_is_seen)
{
	uint8_t bytes[DF_FRAME_HEAD + PAYLOAD];
	struct df_frame f;
	size_t n = make(bytes, true);

	for (size_t i = 12; i < n; i++) {
		bytes[i] ^= 0x10;
		check_int(df_frame_get(bytes, n, &f, true), ERR_PROTO);
		bytes[i] ^= 0x10;
	}
	check_int(df_frame_get(bytes, n, &f, true), n);
}

Test(df_frame, the_longest_and_one_byte_more)
{
	uint8_t head[DF_FRAME_HEAD] = { 0, 0, 0x10, 0, DF_DATA };
	struct df_frame f;

	check_int(df_frame_get(head, sizeof(head), &f, false), 0);
	head[0] = 1;
	check_int(df_frame_get(head, sizeof(head), &f, false), ERR_PROTO);
	memset(head, 0, sizeof(head));
	check_int(df_frame_get(head, sizeof(head), &f, false), DF_FRAME_HEAD);
	check_int(f.n, 0);
}
