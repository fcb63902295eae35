#include "core/net/http_decode.h"

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

int http_decode(const char *from, size_t n, char *to, bool plus)
{
	char *at = to;

	for (size_t i = 0; i < n; i++) {
		int high = 0, low = 0;
		if (from[i] != '%') {
			*at++ = plus && from[i] == '+' ? ' ' : from[i];
			continue;
		}
		if (n - i < 3 || (high = hex(from[i + 1])) < 0 || (low = hex(from[i + 2])) < 0 ||
		    !(high | low))
			return -1;
		*at++ = (char)(high << 4 | low);
		i += 2;
	}
	*at = '\0';
	return (int)(at - to);
}
