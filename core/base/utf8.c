#include "core/base/utf8.h"

size_t utf8_length(const unsigned char *p, size_t room)
{
	static const unsigned char least[] = { 0, 0, 0x80, 0xa0, 0x90 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n < 2)
		return n;
	if (p[0] > 0xf4 || n > room)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 || p[0] == 0xf0) && p[1] < least[n])
		return 0;
	if ((p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool utf8_is(const void *text, size_t n)
{
	const unsigned char *p = text;
	size_t len = 1;

	for (; n && len; p += len, n -= len)
		len = utf8_length(p, n);
	return len != 0;
}

void utf8_mend(void *text, size_t n)
{
	for (unsigned char *p = text; n;) {
		size_t len = utf8_length(p, n);
		if (!len) {
			*p = '?';
			len = 1;
		}
		p += len;
		n -= len;
	}
}
