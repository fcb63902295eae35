#include "core/log/line.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TAIL = 8 }; /* kept free for the end of a cut line */

static void put(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof(l->text) - TAIL - l->len;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void end(struct line *l, const char *tail)
{
	size_t n = strlen(tail);

	memcpy(l->text + l->len, tail, n + 1);
	l->len += n;
}

static void put_time(struct line *l, const struct timespec *when)
{
	struct tm tm;
	char text[32];

	gmtime_r(&when->tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	put(l, "%s.%03ldZ", text, when->tv_nsec / 1000000);
}

static void put_plain(struct line *l, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			put(l, "\\x%02x", c);
		else
			put(l, "%c", c);
	}
}

/* Bytes of the UTF-8 sequence at s, 0 when it is none. Surrogates pass; readers of logs cope. */
static size_t utf8_len(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;

	if ((c >= 0x80 && c < 0xc2) || c > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void put_quoted(struct line *l, const char *text, size_t size)
{
	const char *stop = text + size;

	put(l, "\"");
	while (text < stop) {
		unsigned char c = (unsigned char)*text;
		size_t n = utf8_len(text);

		if (c == '"' || c == '\\')
			put(l, "\\%c", c);
		else if (n == 0 || c < 0x20 || c == 0x7f)
			put(l, "\\u%04x", c);
		else
			put(l, "%.*s", (int)n, text);
		text += n ? n : 1;
	}
	put(l, "\"");
}

/* The length of a key that stands at s before its `=`, else 0. */
static size_t key_len(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.");

	return n && islower((unsigned char)*s) && s[n] == '=' ? n : 0;
}

/* Where the key=value words at the end of a message begin; the end when there are none. */
static const char *pairs_of(const char *message)
{
	for (const char *p = message; (p = strchr(p, ' ')); p++)
		if (key_len(p + 1))
			return p;
	return message + strlen(message);
}

static void put_pairs(struct line *l, const char *p)
{
	while (*p) {
		p += strspn(p, " ");
		size_t key = key_len(p);
		if (key)
			put(l, ",\"%.*s\":", (int)key, p);
		else if (*p)
			put(l, ",\"more\":");
		p += key ? key + 1 : 0;
		const char *quote = *p == '"' ? strchr(p + 1, '"') : NULL;
		size_t n = quote ? (size_t)(quote - p - 1) : strcspn(p, " ");
		if (key || n)
			put_quoted(l, quote ? p + 1 : p, n);
		p += quote ? n + 2 : n;
	}
}

void line_as_text(struct line *l, const struct event *e)
{
	l->len = 0;
	put_time(l, &e->when);
	put(l, " %s %s[%d] ", e->level, e->tag, e->pid);
	put_plain(l, e->message);
	end(l, "\n");
}

void line_as_message(struct line *l, const struct event *e)
{
	l->len = 0;
	put_plain(l, e->message);
	end(l, "\n");
}

void line_as_json(struct line *l, const struct event *e)
{
	const char *pairs = pairs_of(e->message);

	l->len = 0;
	put(l, "{\"time\":\"");
	put_time(l, &e->when);
	put(l, "\",\"level\":\"%s\",\"role\":\"%s\",\"pid\":%d,\"message\":", e->level, e->tag,
	    e->pid);
	put_quoted(l, e->message, (size_t)(pairs - e->message));
	put_pairs(l, pairs);
	end(l, "}\n");
}
