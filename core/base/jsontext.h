/*
 * jsontext - JSON (RFC 8259): read in place, and written. There is no tree.
 *
 * A text is checked once, as a whole: grammar, UTF-8, surrogates in pairs, depth. From then on its
 * parts are looked at where they stand, so that a value can be handed on as it came, whatever
 * digits its numbers have.
 *
 *	struct json doc, key, value;
 *	if (json_read(&doc, text, n, &err) == 0 && doc.kind == JSON_OBJECT)
 *		for (struct json_at at = json_begin(&doc); json_member(&at, &key, &value);)
 *			if (json_is(&key, "topic"))
 *				topic = json_unquoted(&value, &size);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { JSON_DEPTH = 64 };

enum json_kind {
	JSON_NONE, /* nothing was found */
	JSON_OBJECT,
	JSON_ARRAY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

/* A value's text, with its quotes or brackets; it points into what was read. */
struct json {
	enum json_kind kind;
	const char *p;
	size_t n;
};

/* 0; or ERR_PROTO, and a sentence with the place. *out is untouched then. */
int json_read(struct json *out, const char *text, size_t n, struct err *err);

struct json_at {
	const char *p;
};

/* Of an object or array that was read: */
struct json_at json_begin(const struct json *v);
bool json_member(struct json_at *at, struct json *key, struct json *value);
bool json_element(struct json_at *at, struct json *value);

/* The last member of that name; kind JSON_NONE when there is none, or v is no object. */
struct json json_get(const struct json *v, const char *name);

/* Whether a string is that word. */
bool json_is(const struct json *string, const char *word);

/* What a string says: the caller's to free, with a 0 behind its *n bytes; it may have others. n may
 * be NULL. NULL: it is no string. */
char *json_unquoted(const struct json *v, size_t *n);

/* false: it is no whole number, or does not fit. */
bool json_int(const struct json *v, int64_t *out);

/* ---- writing ------------------------------------------------------------------- */

/* Bytes that grow; born zeroed. p: n bytes, and a 0 behind them once something was put. */
struct json_out {
	char *p;
	size_t n, cap;
};

void json_put(struct json_out *o, const void *p, size_t n);
void json_puts(struct json_out *o, const char *s);
void json_put_int(struct json_out *o, int64_t number);
void json_printf(struct json_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* In quotes. What is not UTF-8 becomes U+FFFD. NULL: null. */
void json_put_text(struct json_out *o, const char *s);
void json_put_string(struct json_out *o, const void *p, size_t n);
void json_out_fini(struct json_out *o);
