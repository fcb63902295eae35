#include "roles/sqlproxy/sp_words.h"

#include <string.h>
#include <strings.h>

#include <ctype.h>
#include <stdlib.h>

#include "core/base/mem.h"

/* Where the cutting is. */
struct cut {
	const char *at, *end;
	char *out; /* words are written one behind the other */
	const char *error;
};

static bool is_mark(char c)
{
	return c && strchr("=(),<>!", c);
}

static bool is_word(char c)
{
	return !isspace((unsigned char)c) && !is_mark(c) && c != ';' && c != '\'' && c != '"' &&
	       c != '`';
}

static bool begins(const struct cut *c, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(c->end - c->at) >= n && memcmp(c->at, with, n) == 0;
}

/* Goes past white space and comments. */
static void skip(struct cut *c)
{
	for (;;) {
		const char *stop = NULL;
		while (c->at < c->end && isspace((unsigned char)*c->at))
			c->at++;
		if (begins(c, "/*"))
			stop = "*/";
		else if (begins(c, "-- ") || begins(c, "#"))
			stop = "\n";
		if (!stop)
			return;
		const char *found = memmem(c->at, (size_t)(c->end - c->at), stop, strlen(stop));
		c->at = found ? found + strlen(stop) : c->end;
	}
}

static char unescaped(char c)
{
	return (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
}

/* '' and \' stand for '. LIKE's own \% and \_ stay as they are. */
static void quoted(struct cut *c)
{
	char quote = *c->at++;

	for (; c->at < c->end; c->at++) {
		bool more = c->at + 1 < c->end;
		if (*c->at == quote && !(more && c->at[1] == quote)) {
			c->at++;
			return;
		}
		if (*c->at == quote) {
			c->at++;
			*c->out++ = quote;
		} else if (*c->at == '\\' && more && !strchr("%_", c->at[1])) {
			*c->out++ = unescaped(*++c->at);
		} else {
			*c->out++ = *c->at;
		}
	}
	c->error = "a quote is not closed";
}

static void one_word(struct cut *c, struct sp_word_text *w)
{
	char first = *c->at;

	*w = (struct sp_word_text){ .text = c->out };
	if (first == '\'' || first == '"' || first == '`') {
		w->quoted = first != '`';
		quoted(c);
	} else if (is_mark(first)) {
		w->mark = first;
		*c->out++ = first;
		c->at++;
	} else {
		while (c->at < c->end && is_word(*c->at))
			*c->out++ = *c->at++;
	}
	*c->out++ = '\0';
}

bool sp_words_cut(struct sp_words *w, const char *text, size_t len, const char **error)
{
	struct cut c = { .at = text, .end = text + len };

	memset(w, 0, sizeof(*w));
	c.out = w->memory = mem_new(2 * len + 2);
	for (skip(&c); c.at < c.end && !c.error; skip(&c)) {
		if (*c.at == ';') {
			c.at++;
			skip(&c);
			if (c.at < c.end)
				c.error = "one command at a time";
		} else if (w->count == SP_WORDS_MAX) {
			c.error = "too many words";
		} else {
			one_word(&c, &w->list[w->count++]);
		}
	}
	*error = c.error;
	return !c.error;
}

void sp_words_fini(struct sp_words *w)
{
	free(w->memory);
	w->memory = NULL;
	w->count = w->at = 0;
}

const struct sp_word_text *sp_words_peek(const struct sp_words *w)
{
	return w->at < w->count ? &w->list[w->at] : NULL;
}

bool sp_words_accept(struct sp_words *w, const char *word)
{
	const struct sp_word_text *next = sp_words_peek(w);

	if (!next || next->quoted || next->mark || strcasecmp(next->text, word) != 0)
		return false;
	w->at++;
	return true;
}

bool sp_words_mark(struct sp_words *w, char mark)
{
	const struct sp_word_text *next = sp_words_peek(w);

	if (!next || next->mark != mark)
		return false;
	w->at++;
	return true;
}

const char *sp_words_take(struct sp_words *w)
{
	const struct sp_word_text *next = sp_words_peek(w);

	if (!next || next->mark)
		return NULL;
	w->at++;
	return next->text;
}

bool sp_words_ended(const struct sp_words *w)
{
	return w->at >= w->count;
}
