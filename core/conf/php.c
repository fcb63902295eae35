#include "core/conf/php.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"

enum { DEEP = 16, PATH_MOST = 256, TEXT_MOST = 64 * 1024, VALUES_MOST = 10000 };

struct reader {
	const char *from, *p;
	struct php_file *out;
	struct err *err;
};

static int wrong(struct reader *r, const char *what)
{
	int line = 1;

	for (const char *c = r->from; c < r->p; c++)
		line += *c == '\n';
	return err_set(r->err, ERR_CONF, "line %d: %s", line, what);
}

/* White space and comments. */
static void skip(struct reader *r)
{
	for (;;) {
		const char *end;
		r->p += strspn(r->p, " \t\r\n");
		if (*r->p == '#' || strncmp(r->p, "//", 2) == 0) {
			r->p += strcspn(r->p, "\n");
		} else if (strncmp(r->p, "/*", 2) == 0) {
			end = strstr(r->p + 2, "*/");
			r->p = end ? end + 2 : r->p + strlen(r->p);
		} else {
			return;
		}
	}
}

static bool is_word(const char *p, const char *word)
{
	size_t n = strlen(word);

	return strncasecmp(p, word, n) == 0 && !isalnum((unsigned char)p[n]) && p[n] != '_';
}

/* ---- texts ---------------------------------------------------------------------------- */

static char escaped(char c)
{
	static const char from[] = "ntrve0", to[] = "\n\t\r\v\033";
	const char *at = c ? strchr(from, c) : NULL;

	return at && c != '0' ? to[at - from] : c;
}

/* Behind its opening quote. *plain: nothing in it would be put in by PHP. */
static int read_text(struct reader *r, struct buf *to, bool *plain)
{
	char quote = r->p[-1];

	*plain = true;
	for (; *r->p && *r->p != quote; r->p++) {
		char c = *r->p;
		if (c == '$' && quote == '"')
			*plain = false;
		if (c == '\\' && r->p[1] && quote == '"')
			c = escaped(*++r->p);
		else if (c == '\\' && (r->p[1] == '\\' || r->p[1] == quote))
			c = *++r->p;
		if (buf_put(to, &c, 1) != 0)
			return wrong(r, "a text that is too long");
	}
	if (!*r->p)
		return wrong(r, "a text without end");
	r->p++;
	buf_put(to, "", 1);
	return 0;
}

/* To the comma or bracket that ends it, whatever stands there. */
static int skip_expression(struct reader *r)
{
	int deep = 0;

	for (; *r->p; r->p++) {
		struct buf text;
		bool plain;
		if (deep == 0 && strchr(",])", *r->p))
			return 0;
		deep += strchr("([{", *r->p) != NULL;
		deep -= strchr(")]}", *r->p) != NULL;
		if (*r->p != '\'' && *r->p != '"')
			continue;
		r->p++;
		buf_init(&text, TEXT_MOST);
		int rc = read_text(r, &text, &plain);
		buf_fini(&text);
		if (rc != 0)
			return rc;
		r->p--;
	}
	return wrong(r, "an array without end");
}

/* ---- values ----------------------------------------------------------------------------- */

static int add(struct reader *r, const char *path, const char *text, size_t n, bool literal)
{
	struct php_file *out = r->out;

	if (out->n == VALUES_MOST)
		return wrong(r, "too many values");
	if ((out->n & (out->n - 1)) == 0)
		out->values =
			mem_resize(out->values, (out->n ? out->n * 2 : 1) * sizeof(*out->values));
	struct php_value *v = &out->values[out->n++];
	*v = (struct php_value){ .path = mem_str(path), .literal = literal };
	v->text = mem_resize(NULL, n + 1);
	memcpy(v->text, text, n);
	v->text[n] = '\0';
	return 0;
}

static bool ends_here(struct reader *r)
{
	skip(r);
	return *r->p == ',' || *r->p == ']' || *r->p == ')' || *r->p == ';';
}

static size_t literal_size(const char *p)
{
	static const char *const words[] = { "true", "false", "null" };
	char *end;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_word(p, words[i]))
			return strlen(words[i]);
	if (!isdigit((unsigned char)*p) && *p != '-' && *p != '.')
		return 0;
	strtod(p, &end);
	return (size_t)(end - p);
}

/* 1000 * 60: a product of whole numbers, as people write times. false: it is none. */
static bool read_product(struct reader *r, char *text, size_t size)
{
	const char *p = r->p;
	long long product = 1;

	for (int factors = 1;; factors++) {
		char *end;
		long long n = isdigit((unsigned char)*p) ? strtoll(p, &end, 10) : 0;
		if (!isdigit((unsigned char)*p) || isalnum((unsigned char)*end) || *end == '.' ||
		    __builtin_mul_overflow(product, n, &product))
			return false;
		r->p = end;
		p = end + strspn(end, " \t");
		if (*p == '*') {
			p += 1 + strspn(p + 1, " \t");
			continue;
		}
		snprintf(text, size, "%lld", product);
		return factors > 1;
	}
}

static int read_scalar(struct reader *r, const char *path)
{
	const char *from = r->p;
	char product[32];

	if (read_product(r, product, sizeof(product)) && ends_here(r))
		return add(r, path, product, strlen(product), true);
	r->p = from;
	size_t n = literal_size(from);
	bool plain = n > 0;
	struct buf text;
	int rc = 0;

	buf_init(&text, TEXT_MOST);
	if (*from == '\'' || *from == '"') {
		r->p++;
		rc = read_text(r, &text, &plain);
	} else {
		r->p += n;
		buf_put(&text, from, n);
		buf_put(&text, "", 1);
	}
	const char *behind = r->p;
	if (rc == 0 && plain && ends_here(r)) {
		rc = add(r, path, (const char *)buf_data(&text), buf_len(&text) - 1, true);
	} else if (rc == 0) {
		r->p = behind;
		rc = skip_expression(r);
		for (behind = r->p; behind > from && isspace((unsigned char)behind[-1]);)
			behind--;
		if (rc == 0)
			rc = add(r, path, from, (size_t)(behind - from), false);
	}
	buf_fini(&text);
	return rc;
}

static int read_value(struct reader *r, const char *path, int deep);

/* A key, up to behind its arrow; without one it is a value, and the reader stays where it was. */
static int read_key(struct reader *r, char *key, size_t size, long *next)
{
	const char *from = r->p;
	struct buf text;
	bool plain = true;
	int rc = 0;

	buf_init(&text, TEXT_MOST);
	if (*r->p == '\'' || *r->p == '"') {
		r->p++;
		rc = read_text(r, &text, &plain);
	} else {
		size_t n = strspn(r->p, "0123456789");
		r->p += n;
		buf_put(&text, from, n);
		buf_put(&text, "", 1);
	}
	skip(r);
	if (rc == 0 && strncmp(r->p, "=>", 2) == 0) {
		r->p += 2;
		snprintf(key, size, "%s", (const char *)buf_data(&text));
	} else if (rc == 0) {
		r->p = from;
		snprintf(key, size, "%ld", (*next)++);
	}
	buf_fini(&text);
	return rc;
}

/* Behind its opening bracket. */
static int read_array(struct reader *r, char close, const char *path, int deep)
{
	char key[PATH_MOST / 2], below[PATH_MOST];
	long next = 0;

	for (;;) {
		skip(r);
		if (*r->p == close) {
			r->p++;
			return 0;
		}
		if (!*r->p)
			return wrong(r, "an array without end");
		int rc = read_key(r, key, sizeof(key), &next);
		if (rc != 0)
			return rc;
		int n = snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", key);
		if (n >= (int)sizeof(below))
			return wrong(r, "a key that is too long");
		rc = read_value(r, below, deep + 1);
		if (rc != 0)
			return rc;
		skip(r);
		if (*r->p == ',')
			r->p++;
		else if (*r->p != close)
			return wrong(r, "no comma");
	}
}

static int read_value(struct reader *r, const char *path, int deep)
{
	if (deep > DEEP)
		return wrong(r, "too deep");
	skip(r);
	if (*r->p == '[') {
		r->p++;
		return read_array(r, ']', path, deep);
	}
	if (is_word(r->p, "array")) {
		const char *word = r->p;
		r->p += 5;
		skip(r);
		if (*r->p++ == '(')
			return read_array(r, ')', path, deep);
		r->p = word;
	}
	if (deep == 0)
		return wrong(r, "it returns no array");
	return read_scalar(r, path);
}

/* ---- a file ------------------------------------------------------------------------------- */

/* Up to behind the first `return` that is no part of a comment or a text. */
static int find_return(struct reader *r)
{
	while (*r->p) {
		skip(r);
		if (is_word(r->p, "return")) {
			r->p += 6;
			return 0;
		}
		if (*r->p == '\'' || *r->p == '"') {
			struct buf text;
			bool plain;
			r->p++;
			buf_init(&text, TEXT_MOST);
			int rc = read_text(r, &text, &plain);
			buf_fini(&text);
			if (rc != 0)
				return rc;
		} else if (isalnum((unsigned char)*r->p) || *r->p == '_') {
			while (isalnum((unsigned char)*r->p) || *r->p == '_')
				r->p++;
		} else if (*r->p) {
			r->p++;
		}
	}
	return wrong(r, "it returns nothing");
}

/* return $config = [...]; */
static void skip_variable(struct reader *r)
{
	const char *from = r->p;

	skip(r);
	if (*r->p == '$') {
		for (r->p++; isalnum((unsigned char)*r->p) || *r->p == '_';)
			r->p++;
		skip(r);
		if (*r->p == '=' && r->p[1] != '=') {
			r->p++;
			return;
		}
	}
	r->p = from;
}

int php_read(struct php_file *p, const char *text, struct err *err)
{
	struct reader r = { .from = text, .p = text, .out = p, .err = err };

	*p = (struct php_file){ .n = 0 };
	if (strncasecmp(text, "<?php", 5) != 0)
		return wrong(&r, "it is no PHP file");
	r.p += 5;
	int rc = find_return(&r);
	if (rc == 0)
		skip_variable(&r);
	return rc == 0 ? read_value(&r, "", 0) : rc;
}

void php_fini(struct php_file *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->values[i].path);
		free(p->values[i].text);
	}
	free(p->values);
}
