#include "core/proc/ansi.h"

#include <string.h>

enum { TEXT, ESCAPE, MIDDLE, CONTROL, STRING, STRING_ESCAPE };

static uint8_t after_escape(unsigned char c)
{
	switch (c) {
	case '[':
		return CONTROL;
	case ']': /* titles and links; and other strings that end alike */
	case 'P':
	case '^':
	case '_':
	case 'X':
		return STRING;
	default:
		return c >= 0x20 && c <= 0x2f ? MIDDLE : TEXT;
	}
}

static uint8_t next_state(uint8_t state, unsigned char c)
{
	switch (state) {
	case ESCAPE:
		return after_escape(c);
	case MIDDLE:
		return c >= 0x20 && c <= 0x2f ? MIDDLE : TEXT;
	case CONTROL:
		return c >= 0x20 && c <= 0x3f ? CONTROL : TEXT;
	case STRING_ESCAPE:
		return c == '\\' ? TEXT : STRING;
	default: /* one that never ends, ends with its line */
		return c == '\a' || c == '\n' ? TEXT : c == '\033' ? STRING_ESCAPE : STRING;
	}
}

size_t ansi_strip(char *data, size_t n, uint8_t *state)
{
	char *from = data, *end = data + n, *to = data;

	while (from < end) {
		if (*state != TEXT) {
			*state = next_state(*state, (unsigned char)*from);
			if (*from == '\n') {
				*state = TEXT;
				*to++ = '\n';
			}
			from++;
			continue;
		}
		char *esc = memchr(from, '\033', (size_t)(end - from));
		size_t text = (size_t)((esc ? esc : end) - from);
		if (to != from)
			memmove(to, from, text);
		to += text;
		from += text;
		if (esc) {
			*state = ESCAPE;
			from++;
		}
	}
	return (size_t)(to - data);
}
