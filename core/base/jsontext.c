#include "core/base/jsontext.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/utf8.h"

/* ---- checking ---------------------------------------------------------------------- */

struct scan {
	const char *begin, *p, *end;
	const char *wrong; /* what */
	uint64_t objects;  /* a bit for each depth: it is one */
	int depth;
};

static bool bad(struct scan *s, const char *what)
{
	if (!s->wrong)
		s->wrong = what;
	return false;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static int hex4(const char *p, const char *end)
{
	int n = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return -1;
		n = n << 4 | digit;
	}
	return n;
}

/* At the u. */
static bool scan_unicode(struct scan *s)
{
	int n = hex4(s->p + 1, s->end);

	if (n < 0)
		return bad(s, "\\u without four digits");
	s->p += 5;
	if (n >= 0xdc00 && n < 0xe000)
		return bad(s, "half of a surrogate pair");
	if (n < 0xd800 || n >= 0xdc00)
		return true;
	int low = s->end - s->p > 2 && s->p[0] == '\\' && s->p[1] == 'u' ? hex4(s->p + 2, s->end)
									 : -1;
	if (low < 0xdc00 || low >= 0xe000)
		return bad(s, "half of a surrogate pair");
	s->p += 6;
	return true;
}

static bool scan_escape(struct scan *s)
{
	if (++s->p == s->end)
		return bad(s, "a string without its end");
	if (*s->p == 'u')
		return scan_unicode(s);
	if (!strchr("\"\\/bfnrt", *s->p) || !*s->p)
		return bad(s, "no such escape");
	s->p++;
	return true;
}

/* Whether one of eight bytes is a control character, a quote, a backslash, or not ASCII: below what
 * is taken from it, or above 0x7f. */
static bool stops(uint64_t w)
{
	static const uint64_t each = 0x0101010101010101u;

	return ((w - each * 0x20) | ((w ^ each * '"') - each) | ((w ^ each * '\\') - each) | w) &
	       each * 0x80;
}

/* Most of most texts, by eight. */
static const char *over_plain(const char *p, const char *end)
{
	for (uint64_t w; end - p >= (ptrdiff_t)sizeof(w); p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		if (stops(w))
			break;
	}
	while (p < end && (signed char)*p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Not ASCII, or what must not be there. */
static bool scan_other(struct scan *s)
{
	if ((unsigned char)*s->p < 0x20)
		return bad(s, "a control character in a string");
	size_t n = utf8_length((const unsigned char *)s->p, (size_t)(s->end - s->p));
	s->p += n;
	return n > 0 || bad(s, "not UTF-8");
}

static bool scan_string(struct scan *s)
{
	s->p++;
	while ((s->p = over_plain(s->p, s->end)) < s->end) {
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (!(*s->p == '\\' ? scan_escape(s) : scan_other(s)))
			return false;
	}
	return bad(s, "a string without its end");
}

static bool scan_digits(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from || bad(s, "a number without digits");
}

static bool scan_number(struct scan *s)
{
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!scan_digits(s))
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!scan_digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!scan_digits(s))
			return false;
	}
	return true;
}

static bool scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return bad(s, "not a value");
	s->p += n;
	return true;
}

static enum json_kind kind_of(char c)
{
	switch (c) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
		return JSON_TRUE;
	case 'f':
		return JSON_FALSE;
	case 'n':
		return JSON_NULL;
	default:
		return (c >= '0' && c <= '9') || c == '-' ? JSON_NUMBER : JSON_NONE;
	}
}

static bool open_one(struct scan *s, bool object)
{
	if (s->depth == JSON_DEPTH)
		return bad(s, "too deep");
	s->objects = s->objects << 1 | object;
	s->depth++;
	s->p++;
	return true;
}

static bool scan_scalar(struct scan *s)
{
	switch (kind_of(*s->p)) {
	case JSON_STRING:
		return scan_string(s);
	case JSON_NUMBER:
		return scan_number(s);
	case JSON_TRUE:
		return scan_word(s, "true");
	case JSON_FALSE:
		return scan_word(s, "false");
	case JSON_NULL:
		return scan_word(s, "null");
	default:
		return bad(s, "not a value");
	}
}

static bool at(struct scan *s, char c)
{
	s->p = skip_space(s->p, s->end);
	return s->p < s->end && *s->p == c;
}

/* A name and its colon. */
static bool scan_key(struct scan *s)
{
	if (!at(s, '"'))
		return bad(s, "a name is missing");
	if (!scan_string(s))
		return false;
	if (!at(s, ':'))
		return bad(s, "a colon is missing");
	s->p++;
	return true;
}

/* Behind a value: closes what ends there, and stands before the next value, or at the end of all.
 */
static bool scan_after(struct scan *s)
{
	while (s->depth) {
		bool object = s->objects & 1;

		if (at(s, object ? '}' : ']')) {
			s->p++;
			s->depth--;
			s->objects >>= 1;
			continue;
		}
		if (!at(s, ','))
			return bad(s, "a comma or the end is missing");
		s->p++;
		return !object || scan_key(s);
	}
	return true;
}

/* At a value: goes into it, or over it. *over: over. */
static bool scan_value(struct scan *s, bool *over)
{
	*over = true;
	s->p = skip_space(s->p, s->end);
	if (s->p == s->end)
		return bad(s, "a value is missing");
	if (*s->p != '{' && *s->p != '[')
		return scan_scalar(s);
	bool object = *s->p == '{';
	if (!open_one(s, object))
		return false;
	if (at(s, object ? '}' : ']'))
		return true; /* scan_after closes it */
	*over = false;
	return !object || scan_key(s);
}

static bool scan_all(struct scan *s)
{
	do {
		bool over;
		if (!scan_value(s, &over))
			return false;
		if (over && !scan_after(s))
			return false;
		if (over && !s->depth)
			break;
	} while (true);
	s->p = skip_space(s->p, s->end);
	return s->p == s->end || bad(s, "more behind the value");
}

int json_read(struct json *out, const char *text, size_t n, struct err *err)
{
	struct scan s = { .begin = text, .p = text, .end = text + n };

	static_assert(JSON_DEPTH <= 64, "a bit for each");
	if (!scan_all(&s))
		return err_set(err, ERR_PROTO, "not JSON at byte %zu: %s", (size_t)(s.p - s.begin),
			       s.wrong);
	const char *from = skip_space(text, s.end), *to = s.end;
	while (to > from && strchr(" \n\t\r", to[-1]))
		to--;
	*out = (struct json){ kind_of(*from), from, (size_t)(to - from) };
	return 0;
}

/* ---- walking in what was checked ------------------------------------------------------ */

static const char *after_string(const char *p)
{
	size_t slashes;

	do { /* a quote behind an odd number of them is one of the text */
		p = rawmemchr(p + 1, '"');
		slashes = 0;
		while (p[-1 - (ptrdiff_t)slashes] == '\\')
			slashes++;
	} while (slashes % 2);
	return p + 1;
}

static const char *after_value(const char *p)
{
	int depth = 0;

	do {
		if (*p == '"') {
			p = after_string(p);
			continue;
		}
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		p++;
		if (!depth && kind_of(p[-1]) != JSON_NONE)
			while ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || *p == '.' ||
			       *p == 'E' || *p == '+' || *p == '-')
				p++;
	} while (depth);
	return p;
}

static const char *over_space(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

struct json_at json_begin(const struct json *v)
{
	bool goes = v->kind == JSON_OBJECT || v->kind == JSON_ARRAY;

	return (struct json_at){ goes ? v->p + 1 : NULL };
}

bool json_element(struct json_at *it, struct json *value)
{
	if (!it->p)
		return false;
	const char *p = over_space(it->p);
	if (*p == ',')
		p = over_space(p + 1);
	if (*p == ']' || *p == '}')
		return false;
	it->p = *p == '"' ? after_string(p) : after_value(p);
	*value = (struct json){ kind_of(*p), p, (size_t)(it->p - p) };
	return true;
}

bool json_member(struct json_at *it, struct json *key, struct json *value)
{
	if (!json_element(it, key))
		return false;
	it->p = over_space(it->p) + 1; /* the colon */
	return json_element(it, value);
}

struct json json_get(const struct json *v, const char *name)
{
	struct json key, value, found = { .kind = JSON_NONE };

	if (v->kind != JSON_OBJECT)
		return found;
	for (struct json_at it = json_begin(v); json_member(&it, &key, &value);)
		if (json_is(&key, name))
			found = value;
	return found;
}

bool json_is(const struct json *s, const char *word)
{
	size_t n = strlen(word);

	if (s->kind != JSON_STRING)
		return false;
	if (!memchr(s->p, '\\', s->n))
		return s->n == n + 2 && memcmp(s->p + 1, word, n) == 0;
	size_t m;
	char *text = json_unquoted(s, &m);
	bool same = m == n && memcmp(text, word, n) == 0;
	free(text);
	return same;
}

static char *put_utf8(char *to, int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* p: behind the backslash. */
static const char *unescape(const char *p, const char *end, char **to)
{
	static const char names[] = "bfnrt", bytes[] = "\b\f\n\r\t";
	const char *found = strchr(names, *p);

	if (*p != 'u') {
		*(*to)++ = found ? bytes[found - names] : *p;
		return p + 1;
	}
	int c = hex4(p + 1, end);
	p += 5;
	if (c >= 0xd800 && c < 0xdc00) {
		c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 2, end) - 0xdc00);
		p += 6;
	}
	*to = put_utf8(*to, c);
	return p;
}

char *json_unquoted(const struct json *v, size_t *n)
{
	if (v->kind != JSON_STRING)
		return NULL;
	char *text = mem_resize(NULL, v->n), *to = text;
	const char *p = v->p + 1, *end = v->p + v->n - 1;
	while (p < end) {
		const char *next = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((next ? next : end) - p);
		memcpy(to, p, plain);
		to += plain;
		p = next ? unescape(next + 1, end, &to) : end;
	}
	*to = '\0';
	if (n)
		*n = (size_t)(to - text);
	return text;
}

bool json_int(const struct json *v, int64_t *out)
{
	bool negative = v->kind == JSON_NUMBER && *v->p == '-';
	uint64_t n = 0, most = (uint64_t)INT64_MAX + negative;

	if (v->kind != JSON_NUMBER)
		return false;
	for (size_t i = negative; i < v->n; i++) {
		unsigned digit = (unsigned)(v->p[i] - '0');
		if (digit > 9 || n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* ---- writing ---------------------------------------------------------------------------- */

enum { PRINTED = 127 };

static char *room(struct json_out *o, size_t n)
{
	if (o->n + n + 1 > o->cap) {
		o->cap = (o->n + n + 1) * 2;
		o->p = mem_resize(o->p, o->cap);
	}
	return o->p + o->n;
}

void json_put(struct json_out *o, const void *p, size_t n)
{
	char *to = room(o, n);

	if (n)
		memcpy(to, p, n);
	to[n] = '\0';
	o->n += n;
}

void json_puts(struct json_out *o, const char *s)
{
	json_put(o, s, strlen(s));
}

void json_put_int(struct json_out *o, int64_t number)
{
	char digits[20];
	size_t n = 0;
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (number < 0)
		digits[sizeof(digits) - ++n] = '-';
	json_put(o, digits + sizeof(digits) - n, n);
}

/* Most fit into what there is; what doesn't is written again. */
void json_printf(struct json_out *o, const char *fmt, ...)
{
	va_list args, again;

	va_start(args, fmt);
	va_copy(again, args);
	char *to = room(o, PRINTED);
	size_t n = (size_t)vsnprintf(to, PRINTED + 1, fmt, args);
	va_end(args);
	if (n > PRINTED)
		vsnprintf(room(o, n), n + 1, fmt, again);
	va_end(again);
	o->n += n;
}

static size_t plain_run(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* One character that does not stand for itself, or is not ASCII; returns its bytes. */
static size_t put_special(struct json_out *o, const unsigned char *p, size_t n)
{
	static const char names[] = "bfnrt", bytes[] = "\b\f\n\r\t";
	const char *found = *p ? strchr(bytes, *p) : NULL;

	if (*p == '"' || *p == '\\') {
		json_put(o, (char[]){ '\\', (char)*p }, 2);
	} else if (found) {
		json_put(o, (char[]){ '\\', names[found - bytes] }, 2);
	} else if (*p < 0x20 || *p == 0x7f) {
		json_printf(o, "\\u%04x", *p);
	} else {
		size_t len = utf8_length(p, n);
		json_put(o, len ? (const void *)p : "\xef\xbf\xbd", len ? len : 3);
		return len ? len : 1;
	}
	return 1;
}

void json_put_string(struct json_out *o, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	json_put(o, "\"", 1);
	while (n) {
		size_t plain = plain_run(p, n);
		json_put(o, p, plain);
		p += plain;
		n -= plain;
		if (!n)
			break;
		size_t len = put_special(o, p, n);
		p += len;
		n -= len;
	}
	json_put(o, "\"", 1);
}

void json_put_text(struct json_out *o, const char *s)
{
	if (s)
		json_put_string(o, s, strlen(s));
	else
		json_puts(o, "null");
}

void json_out_fini(struct json_out *o)
{
	free(o->p);
	*o = (struct json_out){ NULL, 0, 0 };
}
