#include "roles/supervisor/sv_literal.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"

enum { DEPTH_MAX = 40, WORD_MAX = 200 };

struct reader {
	const char *at, *text;
	enum sv_language language;
	char *folder;
	FILE *notes;
	json_t *known; /* constants and variables */
	json_t *result;
	int depth;
	const char *bad; /* what is wrong; NULL: nothing */
	bool plain;      /* the value being read */
};

static json_t *value(struct reader *r);

/* ---- words --------------------------------------------------------------------- */

static int line_of(const struct reader *r, const char *at)
{
	int line = 1;

	for (const char *p = r->text; p < at; p++)
		line += *p == '\n';
	return line;
}

static const char *after_comment(const struct reader *r, const char *p)
{
	if (p[0] == '/' && p[1] == '*') {
		const char *end = strstr(p + 2, "*/");
		return end ? end + 2 : p + strlen(p);
	}
	if ((p[0] == '/' && p[1] == '/') || (p[0] == '#' && r->language == SV_PHP))
		return p + strcspn(p, "\n");
	return p;
}

static void skip(struct reader *r)
{
	for (;;) {
		while (isspace((unsigned char)*r->at))
			r->at++;
		const char *next = after_comment(r, r->at);
		if (next == r->at)
			return;
		r->at = next;
	}
}

static bool took(struct reader *r, const char *sign)
{
	size_t n = strlen(sign);

	skip(r);
	if (strncmp(r->at, sign, n) != 0)
		return false;
	r->at += n;
	return true;
}

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* A name, perhaps with dots (JS) or backslashes (PHP) in it. */
static bool take_name(struct reader *r, char out[WORD_MAX])
{
	size_t n = 0;

	skip(r);
	while (n < WORD_MAX - 1 &&
	       (in_name(r->at[n]) || (n > 0 && r->at[n] == (r->language == SV_JS ? '.' : '\\'))))
		n++;
	if (n == 0 || isdigit((unsigned char)*r->at))
		return false;
	memcpy(out, r->at, n);
	out[n] = '\0';
	r->at += n;
	return true;
}

static bool took_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	skip(r);
	if (strncasecmp(r->at, word, n) != 0 || in_name(r->at[n]))
		return false;
	r->at += n;
	return true;
}

static void fail(struct reader *r, const char *what)
{
	if (!r->bad)
		r->bad = what;
}

/* ---- strings --------------------------------------------------------------------- */

static char escaped(const struct reader *r, char quote, char c)
{
	static const char letters[] = "nrt0", meant[] = "\n\r\t";
	const char *found = strchr(letters, c);

	if (quote == '\'' && r->language == SV_PHP)
		return c;
	return found && c != '0' ? meant[found - letters] : c;
}

/* In '...' of PHP only \' and \\ are escapes. */
static bool is_escape(const struct reader *r, char quote)
{
	if (*r->at != '\\' || !r->at[1])
		return false;
	return !(quote == '\'' && r->language == SV_PHP) || r->at[1] == '\\' || r->at[1] == '\'';
}

/* "$x" and `${x}` are not plain. */
static bool is_inserted(const struct reader *r, char quote)
{
	if (r->language == SV_JS)
		return quote == '`' && r->at[0] == '$' && r->at[1] == '{';
	return quote == '"' && ((r->at[0] == '$' && (isalpha((unsigned char)r->at[1]) ||
						     r->at[1] == '{' || r->at[1] == '_')) ||
				(r->at[0] == '{' && r->at[1] == '$'));
}

static json_t *string(struct reader *r)
{
	char quote = *r->at++, *out = mem_new(strlen(r->at) + 1);
	size_t n = 0;

	while (*r->at && *r->at != quote) {
		bool escape = is_escape(r, quote);

		r->plain &= !is_inserted(r, quote);
		r->at += escape;
		out[n++] = escape ? escaped(r, quote, *r->at) : *r->at;
		r->at++;
	}
	if (*r->at)
		r->at++;
	else
		fail(r, "a string without its end");
	json_t *s = json_stringn(out, n); /* NULL: not UTF-8 */
	free(out);
	if (!s)
		fail(r, "a string that is not UTF-8");
	return s ? s : json_null();
}

/* ---- lists ------------------------------------------------------------------------ */

/* key => value, or value (which then has the next number). */
static void php_member(struct reader *r, json_t *object, json_t *array)
{
	json_t *first = value(r);
	char number[32];

	if (!took(r, "=>")) {
		snprintf(number, sizeof(number), "%zu", json_object_size(object));
		json_object_set(object, number, first);
		json_array_append_new(array, first);
		return;
	}
	json_t *second = value(r);
	if (json_is_string(first)) {
		json_object_set_new(object, json_string_value(first), second);
	} else if (json_is_integer(first)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(first));
		json_object_set(object, number, second);
		json_array_append_new(array, second);
	} else {
		json_decref(second);
	}
	json_decref(first);
}

/* A list when no key is a word, else an object. */
static json_t *php_array(struct reader *r, const char *end)
{
	json_t *object = json_object(), *array = json_array();

	while (!r->bad && !took(r, end)) {
		php_member(r, object, array);
		if (!took(r, ",") && !r->bad) {
			if (!took(r, end))
				fail(r, "a comma or the end of an array is missing");
			break;
		}
	}
	bool list = json_object_size(object) == json_array_size(array);
	json_decref(list ? object : array);
	return list ? array : object;
}

static json_t *js_array(struct reader *r)
{
	json_t *array = json_array();

	while (!r->bad && !took(r, "]")) {
		json_array_append_new(array, value(r));
		if (!took(r, ",") && !r->bad) {
			if (!took(r, "]"))
				fail(r, "a comma or ] is missing");
			break;
		}
	}
	return array;
}

static void js_member(struct reader *r, json_t *object)
{
	char key[WORD_MAX] = "";

	skip(r);
	if (*r->at == '"' || *r->at == '\'') {
		json_t *word = string(r);
		snprintf(key, sizeof(key), "%s",
			 json_is_string(word) ? json_string_value(word) : "");
		json_decref(word);
	} else if (isdigit((unsigned char)*r->at)) {
		size_t n = strspn(r->at, "0123456789");
		snprintf(key, sizeof(key), "%.*s", (int)n, r->at);
		r->at += n;
	} else if (!take_name(r, key)) {
		fail(r, "not a key");
		return;
	}
	if (!took(r, ":"))
		fail(r, "a : is missing after a key");
	else
		json_object_set_new(object, key, value(r));
}

static json_t *js_object(struct reader *r)
{
	json_t *object = json_object();

	while (!r->bad && !took(r, "}")) {
		js_member(r, object);
		if (!took(r, ",") && !r->bad) {
			if (!took(r, "}"))
				fail(r, "a comma or } is missing");
			break;
		}
	}
	return object;
}

/* ---- what is not plain --------------------------------------------------------------- */

/* To the end of the expression: a comma, or what closes the list around it. */
static void skip_expression(struct reader *r)
{
	int open = 0;

	for (; *r->at; r->at++) {
		skip(r);
		if (*r->at == '"' || *r->at == '\'' || *r->at == '`') {
			json_decref(string(r));
			r->at--;
		} else if (*r->at && strchr("([{", *r->at)) {
			open++;
		} else if (*r->at && strchr(")]}", *r->at)) {
			if (open-- == 0)
				return;
		} else if (open == 0 && (*r->at == ',' || *r->at == ';')) {
			return;
		}
		if (!*r->at)
			return;
	}
}

static void note(struct reader *r, const char *from)
{
	if (r->notes)
		fprintf(r->notes, "; not carried over, line %d: %.*s (not a plain value)\n",
			line_of(r, from), (int)strcspn(from, "\r\n"), from);
}

/* ---- values --------------------------------------------------------------------------- */

static json_t *number(struct reader *r)
{
	char *end, *end_of_real;
	long long n = strtoll(r->at, &end, 0);
	double real = strtod(r->at, &end_of_real);
	bool whole = end >= end_of_real;

	r->at = whole ? end : end_of_real;
	return whole ? json_integer(n) : json_real(real);
}

static json_t *named(struct reader *r, const char *name)
{
	json_t *known = json_object_get(r->known, name);

	if (strcasecmp(name, "true") == 0 || strcasecmp(name, "false") == 0)
		return json_boolean(strcasecmp(name, "true") == 0);
	if (strcasecmp(name, "null") == 0 || strcmp(name, "undefined") == 0)
		return json_null();
	if (strcmp(name, r->language == SV_PHP ? "__DIR__" : "__dirname") == 0)
		return json_string(r->folder);
	if (known)
		return json_incref(known);
	r->plain = false;
	return json_null();
}

static json_t *word(struct reader *r)
{
	char name[WORD_MAX];

	if (r->language == SV_PHP && took_word(r, "array") && took(r, "("))
		return php_array(r, ")");
	if (take_name(r, name))
		return named(r, name);
	if (!*r->at)
		fail(r, "the file ends in a value");
	else
		r->plain = false;
	return json_null();
}

static json_t *atom(struct reader *r)
{
	skip(r);
	if (*r->at == '"' || *r->at == '\'' || *r->at == '`')
		return string(r);
	if (isdigit((unsigned char)*r->at) ||
	    ((*r->at == '-' || *r->at == '+') && isdigit((unsigned char)r->at[1])))
		return number(r);
	if (took(r, "["))
		return r->language == SV_PHP ? php_array(r, "]") : js_array(r);
	if (r->language == SV_JS && took(r, "{"))
		return js_object(r);
	return word(r);
}

static char *as_text(const json_t *v)
{
	char *text;

	if (json_is_string(v))
		return mem_str(json_string_value(v));
	if (!json_is_integer(v))
		return mem_str("");
	if (asprintf(&text, "%lld", (long long)json_integer_value(v)) < 0)
		abort();
	return text;
}

static json_t *joined(json_t *a, json_t *b)
{
	char *x = as_text(a), *y = as_text(b), *both;

	if (asprintf(&both, "%s%s", x, y) < 0)
		abort();
	json_t *s = json_string(both);
	free(both);
	free(x);
	free(y);
	json_decref(a);
	json_decref(b);
	return s;
}

/* What may stand after a whole value. */
static bool at_end(struct reader *r)
{
	skip(r);
	return !*r->at || strchr(",;)]}", *r->at) || strncmp(r->at, "=>", 2) == 0 ||
	       strncmp(r->at, "?>", 2) == 0;
}

static json_t *value(struct reader *r)
{
	bool outer = r->plain;
	const char *from = (skip(r), r->at);

	if (++r->depth > DEPTH_MAX) {
		fail(r, "nested too deep");
		return json_null();
	}
	r->plain = true;
	json_t *v = atom(r);
	while (!r->bad && r->plain && !at_end(r) && took(r, r->language == SV_PHP ? "." : "+"))
		v = joined(v, atom(r));
	if (!r->bad && (!r->plain || (!at_end(r) && r->depth > 1))) {
		r->at = from;
		skip_expression(r);
		note(r, from);
		json_decref(v);
		v = json_null();
	}
	r->depth--;
	r->plain = outer;
	return v;
}

/* ---- statements -------------------------------------------------------------------------- */

static void define(struct reader *r)
{
	json_t *name = took(r, "(") ? value(r) : json_null();

	if (took(r, ",")) {
		json_t *v = value(r);
		if (json_is_string(name))
			json_object_set(r->known, json_string_value(name), v);
		json_decref(v);
	}
	json_decref(name);
}

static void remember(struct reader *r, const char *name)
{
	json_t *v = value(r);

	json_object_set(r->known, name, v);
	json_decref(r->result); /* the last one counts, if none is returned */
	r->result = v;
}

/* Past the rest, whatever it is. */
static void end_statement(struct reader *r)
{
	while (*r->at && *r->at != ';' && !(r->language == SV_JS && *r->at == '\n')) {
		skip_expression(r);
		if (*r->at && *r->at != ';')
			r->at++;
	}
	if (*r->at)
		r->at++;
}

static bool is_result(const struct reader *r, const char *name)
{
	if (r->language == SV_PHP)
		return strcasecmp(name, "return") == 0;
	return strcmp(name, "module.exports") == 0 || strcmp(name, "exports.default") == 0 ||
	       strcmp(name, "default") == 0;
}

static bool is_declaration(const char *name)
{
	return strcmp(name, "const") == 0 || strcmp(name, "let") == 0 || strcmp(name, "var") == 0 ||
	       strcmp(name, "export") == 0;
}

/* `return $config = [...]` is the same as `return [...]`. */
static void take_result(struct reader *r)
{
	const char *before = (skip(r), r->at);
	char name[WORD_MAX];

	if (r->language == SV_JS)
		took(r, "=");
	else if (!(*r->at == '$' && take_name(r, name) && took(r, "=")))
		r->at = before;
	json_decref(r->result);
	r->result = value(r);
}

/* One statement. true: it was the one that gives the result. */
static bool statement(struct reader *r)
{
	char name[WORD_MAX];

	while (take_name(r, name) && is_declaration(name))
		;
	if (is_result(r, name)) {
		take_result(r);
		return true;
	}
	if (r->language == SV_PHP && strcasecmp(name, "define") == 0)
		define(r);
	else if (took(r, "="))
		remember(r, name);
	end_statement(r);
	return false;
}

static void read_all(struct reader *r)
{
	const char *start = r->language == SV_PHP ? strstr(r->text, "<?php") : NULL;

	r->at = start ? start + 5 : r->text;
	skip(r);
	if (r->language == SV_JS && (*r->at == '{' || *r->at == '[')) {
		r->result = value(r); /* JSON, with comments perhaps */
		return;
	}
	while (!r->bad && *r->at) {
		const char *before = r->at;

		if (statement(r))
			return;
		skip(r);
		r->at += r->at == before; /* a sign that begins no statement */
	}
}

json_t *sv_literal_read(const char *text, enum sv_language language, const char *file, FILE *notes,
			struct err *err)
{
	struct reader r = { .text = text,
			    .at = text,
			    .language = language,
			    .folder = conf_here(file),
			    .notes = notes,
			    .known = json_object(),
			    .plain = true };

	read_all(&r);
	json_decref(r.known);
	free(r.folder);
	if (!r.bad && r.result)
		return r.result;
	err_set(err, ERR_CONF, "%s:%d: %s", file, line_of(&r, r.at),
		r.bad ? r.bad : "returns nothing");
	json_decref(r.result);
	return NULL;
}
