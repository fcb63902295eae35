#include "core/work/ident.h"

#include <string.h>

static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const int64_t epoch = 1577836800000; /* 2020-01-01 */

uint64_t ident_next(uint64_t last, int64_t wall)
{
	uint64_t first = wall > epoch ? (uint64_t)(wall - epoch) << 20 : 1;

	return first > last ? first : last + 1;
}

int64_t ident_time(uint64_t id)
{
	return (int64_t)(id >> 20) + epoch;
}

void ident_write(uint64_t id, char text[IDENT_LEN + 1])
{
	for (int i = IDENT_LEN; i-- > 0; id >>= 5)
		text[i] = letters[id & 31];
	text[IDENT_LEN] = '\0';
}

bool ident_read(const char *text, uint64_t *id)
{
	uint64_t n = 0;

	for (int i = 0; i < IDENT_LEN; i++) {
		char c = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32) : text[i];
		const char *at = c ? strchr(letters, c) : NULL;
		if (!at)
			return false;
		n = n << 5 | (uint64_t)(at - letters);
	}
	if (text[IDENT_LEN] || n >> 63)
		return false;
	*id = n;
	return true;
}
