/*
 * A server's answer: fed whole, cut at every point and byte by byte it must read the same, and
 * never more than there is. The first two bytes choose the kind of answer and the capabilities.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "roles/sqlproxy/sp_packet.h"
#include "roles/sqlproxy/sp_scan.h"

struct outcome {
	size_t at;
	uint64_t marks, rows;
	bool bad, end;
};

/* What is fed stands alone, so that a byte read behind it is seen. */
static enum sp_scan_stop feed_copy(struct sp_scan *s, const uint8_t *data, size_t len, size_t *used)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	enum sp_scan_stop stop = sp_scan_feed(s, copy, len, used);
	assert(*used <= len);
	assert(stop != SP_SCAN_MARK || (s->mark_len >= SP_HEADER && s->mark_len <= len - *used));
	free(copy);
	return stop;
}

static struct outcome run(const uint8_t *data, size_t size, size_t cut, size_t step)
{
	static const uint64_t caps[] = { SP_CAP_DEPRECATE_EOF, SP_CAP_PROGRESS,
					 SP_CAP_CACHE_METADATA };
	struct outcome o = { 0 };
	struct sp_scan s;
	uint64_t agreed = 0;
	size_t have = cut, used;

	for (int i = 0; i < 3; i++)
		agreed |= data[1] >> i & 1 ? caps[i] : 0;
	sp_scan_start(&s, (enum sp_answer)(data[0] % (SP_ANSWER_PACKET + 1)), agreed);
	data += 2;
	size -= 2;
	have = have < size ? have : size;
	for (;;) {
		enum sp_scan_stop stop = SP_SCAN_MORE;
		while (!sp_scan_done(&s)) {
			stop = feed_copy(&s, data + o.at, have - o.at, &used);
			o.at += used;
			if (stop != SP_SCAN_MARK)
				break;
			o.marks = o.marks * 31 + s.mark + s.mark_len;
			o.at += s.mark_len;
		}
		o.bad = stop == SP_SCAN_BAD;
		o.end = sp_scan_done(&s);
		o.rows = s.rows;
		if (o.bad || o.end || have == size)
			return o;
		have = size - have > step ? have + step : size;
	}
}

static void same(struct outcome a, struct outcome b)
{
	assert(a.bad == b.bad && a.end == b.end && a.marks == b.marks && a.rows == b.rows);
	assert(a.at == b.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3 || size > 2048)
		return 0;
	struct outcome whole = run(data, size, size, 1);
	same(whole, run(data, size, 0, 1));
	for (size_t cut = 1; cut < size - 2; cut += 1 + size / 64)
		same(whole, run(data, size, cut, size));
	return 0;
}
