#include "core/base/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"

/* ---- lists ------------------------------------------------------------------- */

size_t words_count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static char **add(char **list, size_t count, char *word)
{
	list = mem_resize(list, (count + 2) * sizeof(*list));
	list[count] = word;
	list[count + 1] = NULL;
	return list;
}

char **words_add(char **list, const char *word)
{
	return add(list, words_count(list), mem_str(word));
}

char **words_put(char **list, const char *name_value)
{
	size_t len = strcspn(name_value, "=") + 1, i = 0;

	for (; list && list[i]; i++)
		if (strncmp(list[i], name_value, len) == 0) {
			free(list[i]);
			list[i] = mem_str(name_value);
			return list;
		}
	return add(list, i, mem_str(name_value));
}

char **words_put_all(char **list, char *const *more)
{
	for (; more && *more; more++)
		list = words_put(list, *more);
	return list;
}

char **words_copy(char *const *list)
{
	size_t n = words_count(list);
	char **copy = mem_new((n + 1) * sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = mem_str(list[i]);
	return copy;
}

bool words_equal(char *const *a, char *const *b)
{
	for (; a && *a && b && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !(a && *a) && !(b && *b);
}

void words_free(char **list)
{
	for (char **word = list; word && *word; word++)
		free(*word);
	free(list);
}

/* ---- a command --------------------------------------------------------------- */

struct split {
	const char *at;
	char **list;
	size_t count;
	char *word; /* room for the longest */
	size_t len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* at: behind the quote. false: it has no end. */
static bool take_quoted(struct split *s, char quote)
{
	for (; *s->at && *s->at != quote; s->at++) {
		if (quote == '"' && *s->at == '\\' && (s->at[1] == '"' || s->at[1] == '\\'))
			s->at++;
		s->word[s->len++] = *s->at;
	}
	return *s->at && s->at++;
}

static int take_word(struct split *s, struct err *err)
{
	s->len = 0;
	while (*s->at && !is_space(*s->at)) {
		char c = *s->at++;

		if ((c == '"' || c == '\'') && !take_quoted(s, c))
			return err_set(err, ERR_CONF, "a %c without its end", c);
		if (c == '"' || c == '\'')
			continue;
		if (c == '\\' && !*s->at)
			return err_set(err, ERR_CONF, "a \\ at the end");
		s->word[s->len++] = c == '\\' ? *s->at++ : c;
	}
	s->word[s->len] = '\0';
	s->list = add(s->list, s->count++, mem_str(s->word));
	return 0;
}

char **words_split(const char *text, struct err *err)
{
	struct split s = { .at = text, .list = mem_new(sizeof(char *)) };
	int rc = 0;

	s.word = mem_new(strlen(text) + 1);
	for (;;) {
		while (is_space(*s.at))
			s.at++;
		if (!*s.at || (rc = take_word(&s, err)) != 0)
			break;
	}
	free(s.word);
	if (!rc)
		return s.list;
	words_free(s.list);
	return NULL;
}

/* ---- an environment ----------------------------------------------------------- */

enum token {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_QUOTED,
	TOKEN_SIGN,
	TOKEN_OPEN /* a quote without end */
};

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_/.+-():", c));
}

static const char *skip_blank(const char *p)
{
	while (is_space(*p) || *p == '#')
		p += *p == '#' ? strcspn(p, "\n") : 1;
	return p;
}

/* Quotes begin only where a word might; inside one they are letters. */
static enum token next_token(const char **at, const char **start, size_t *len)
{
	const char *p = skip_blank(*at);
	enum token token = TOKEN_SIGN;

	*start = p;
	if (!*p) {
		token = TOKEN_END;
	} else if (*p == '"' || *p == '\'') {
		const char *end = strchr(p + 1, *p);
		token = end ? TOKEN_QUOTED : TOKEN_OPEN;
		p = end ? end + 1 : p;
	} else if (in_word(*p)) {
		token = TOKEN_WORD;
		while (in_word(*p) || *p == '"' || *p == '\'')
			p++;
	} else {
		p++;
	}
	*len = (size_t)(p - *start);
	*at = p;
	return token;
}

static char **put_pair(char **list, const char *name, size_t name_len, const char *value,
		       size_t value_len)
{
	char *line;

	while (value_len > 0 && (*value == '"' || *value == '\'')) {
		value++;
		value_len--;
	}
	while (value_len > 0 && (value[value_len - 1] == '"' || value[value_len - 1] == '\''))
		value_len--;
	if (asprintf(&line, "%.*s=%.*s", (int)name_len, name, (int)value_len, value) < 0)
		abort();
	list = words_put(list, line);
	free(line);
	return list;
}

/* One NAME=value and the sign after it. Returns 1, 0 at the end, or ERR_CONF. */
static int take_pair(const char **at, char ***list, struct err *err)
{
	const char *begin = *at, *name, *sign, *value, *separator;
	size_t name_len, len, value_len;
	enum token token = next_token(at, &name, &name_len);

	if (token == TOKEN_END)
		return 0;
	enum token equals = next_token(at, &sign, &len), what = next_token(at, &value, &value_len);
	if (token == TOKEN_OPEN || equals == TOKEN_OPEN || what == TOKEN_OPEN)
		return err_set(err, ERR_CONF, "a quote without its end");
	if (token != TOKEN_WORD || memchr(name, '"', name_len) || memchr(name, '\'', name_len) ||
	    equals != TOKEN_SIGN || *sign != '=' || what == TOKEN_END)
		return err_set(err, ERR_CONF,
			       "'%.40s' is not of the form NAME=\"value\",NAME=\"value\"",
			       skip_blank(begin));
	*list = put_pair(*list, name, name_len, value, value_len);
	token = next_token(at, &separator, &len);
	if (token != TOKEN_END && *separator != ',' && *separator != ';')
		return err_set(err, ERR_CONF,
			       "'%.40s' comes where a comma should be; a value with other than "
			       "letters, digits and _/.+-(): needs quotes",
			       separator);
	return 1;
}

char **words_env(const char *text, struct err *err)
{
	char **list = mem_new(sizeof(*list));
	int rc;

	while ((rc = take_pair(&text, &list, err)) > 0)
		;
	if (rc == 0)
		return list;
	words_free(list);
	return NULL;
}
