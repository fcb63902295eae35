#include "core/conf/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"

enum { FILE_MAX = 64 * 1024 };

/* A quote inside a word (don't) is a letter. */
static const char *quoted_end(const char *value, const char *p)
{
	if (*p != '"' && *p != '\'')
		return NULL;
	if (p > value && !isspace((unsigned char)p[-1]) && p[-1] != '=')
		return NULL;
	return strchr(p + 1, *p);
}

void text_cut(char *line, const char *marks)
{
	for (char *p = line; *p; p++) {
		const char *end = quoted_end(line, p);

		if (end) {
			p = line + (end - line);
		} else if (strchr(marks, *p) && (p == line || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

char *text_strip(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

char *text_bare(char *value)
{
	value = text_strip(value);

	size_t n = strlen(value);
	if (n < 2 || quoted_end(value, value) != value + n - 1)
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

/* What stands between ${ and }. NULL: not set, and no default. */
static const char *lookup(char *inside)
{
	char *dflt = strstr(inside, ":-");

	if (dflt)
		*dflt = '\0';
	const char *found = getenv(inside);
	if (dflt && (!found || !*found))
		return dflt + 2;
	return found;
}

/* Copies one ${...} to `out`; returns what follows it, or NULL and err. */
static const char *expand_one(const char *from, FILE *out, struct err *err)
{
	const char *end = strchr(from, '}');

	if (!end) {
		err_set(err, ERR_CONF, "${ without its }");
		return NULL;
	}
	char *inside = strndup(from + 2, (size_t)(end - from - 2));
	const char *found = lookup(inside);
	if (found)
		fputs(found, out);
	else
		err_set(err, ERR_CONF, "${%s} is not set in the environment", inside);
	free(inside);
	return found ? end + 1 : NULL;
}

char *text_expand(const char *value, struct err *err)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	while (value && *value) {
		if (strncmp(value, "$${", 3) == 0) {
			fputs("${", out);
			value += 3;
		} else if (strncmp(value, "${", 2) == 0) {
			value = expand_one(value, out, err);
		} else {
			fputc(*value++, out);
		}
	}
	fclose(out);
	if (value)
		return text;
	free(text);
	return NULL;
}

char *text_of_file(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");

	if (!file) {
		err_set(err, ERR_CONF, "%s: %s", path, strerror(errno));
		return NULL;
	}
	char *text = mem_new(FILE_MAX + 1);
	size_t n = fread(text, 1, FILE_MAX, file);
	bool bad = ferror(file), more = fgetc(file) != EOF;
	fclose(file);
	if (bad || more) {
		err_set(err, ERR_CONF, "%s: %s", path, bad ? "not readable" : "over 64 KiB");
		free(text);
		return NULL;
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		text[--n] = '\0';
	return text;
}
