/* Writes values so that the reader of supervisord's files reads them back as they were. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/words.h"
#include "roles/supervisor/sv_import.h"
#include "roles/supervisor/sv_keys.h"
#include "roles/supervisor/sv_setup.h"

char *sv_import_name(const char *name)
{
	char *copy = mem_str(*name ? name : "app");

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p <= ' ' || strchr(":/[];#,%\"'", *p))
			*p = '_';
	return copy;
}

void sv_import_section(FILE *out, const char *kind, const char *name)
{
	fprintf(out, "\n[%s%s%s]\n", kind, *name ? ":" : "", name);
}

/* What the text is once it was written and read; NULL: not at all. The caller's to free. */
static char *read_back(const char *key, const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *ini, *found = NULL;

	if (asprintf(&ini, "[program:x]\n%s = %s\n", key, text) < 0)
		abort();
	conf_parse(ini, "x", sv_sections, &conf, &errors);
	const struct conf_item *item = conf_find(conf, "program", "x");
	const struct conf_key *row = conf_first_key(item->section);
	while (row && strcmp(row->name, key) != 0)
		row = conf_next_key(row);
	if (row)
		found = mem_str(conf_text(item, row));
	conf_free(conf);
	conf_errors_fini(&errors);
	free(ini);
	return found;
}

static void put_line(FILE *out, const char *key, const char *text)
{
	char *back = read_back(key, text);
	bool other_section = !back; /* a key of [supervisord] and so on: plain words */

	if (strpbrk(text, "\r\n") || (!other_section && strcmp(back, text) != 0))
		fprintf(out, "; not carried over: %s (no line can hold its value)\n", key);
	else
		fprintf(out, "%s = %s\n", key, text);
	free(back);
}

static void put_doubled(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '%')
			fputc('%', to);
		fputc(*text, to);
	}
}

void sv_import_text(FILE *out, const char *key, const char *value)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	put_doubled(to, value);
	fclose(to);
	put_line(out, key, text);
	free(text);
}

void sv_import_number(FILE *out, const char *key, long long n, const char *unit)
{
	fprintf(out, "%s = %lld%s\n", key, n, unit);
}

static bool is_plain_word(const char *word)
{
	for (const char *p = word; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_@%+=:,./-()", *p))
			return false;
	return *word;
}

/* %(name)s of ours stays; any other % is doubled by the caller. */
static void put_word(FILE *to, const char *word)
{
	const char *rest = word;

	if (is_plain_word(word)) {
		fputs(word, to);
	} else if (!strchr(word, '\'')) {
		fprintf(to, "'%s'", word);
	} else if (!strpbrk(word, "\"\\")) {
		fprintf(to, "\"%s\"", word);
	} else {
		for (const char *quote; (quote = strchr(rest, '\'')); rest = quote + 1)
			fprintf(to, "'%.*s'\"'\"", (int)(quote - rest), rest);
		fprintf(to, "'%s'", rest);
	}
}

void sv_import_command(FILE *out, const char *key, char *const *words)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (char *const *word = words; *word; word++) {
		if (word != words)
			fputc(' ', to);
		put_word(to, *word);
	}
	fclose(to);
	put_line(out, key, text);
	free(text);
}

/* Whether words_env reads it back. */
static bool fits(const char *value, char quote)
{
	size_t n = strlen(value);

	return !strchr(value, quote) && !strpbrk(value, "\r\n") &&
	       !(n && (strchr("'\"", value[0]) || strchr("'\"", value[n - 1])));
}

void sv_import_env(FILE *out, char *const *lines)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (char *const *line = lines; *line; line++) {
		const char *value = strchr(*line, '=') + 1;
		char quote = fits(value, '"') ? '"' : '\'';

		if (fits(value, quote))
			fprintf(to, "%s%.*s%c%s%c", ftell(to) ? "," : "", (int)(value - *line),
				*line, quote, value, quote);
		else
			fprintf(out, "; not carried over: %.*s (a value that cannot be quoted)\n",
				(int)(value - *line - 1), *line);
	}
	fclose(to);
	if (*text)
		put_line(out, "environment", text);
	free(text);
}

void sv_import_left(FILE *out, const char *what, const json_t *value, const char *why)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	fprintf(out, "; not carried over: %s%s%.300s (%s)\n", what, text ? " = " : "",
		text ? text : "", why);
	free(text);
}

char *sv_import_string(const json_t *v)
{
	char *text;

	if (json_is_string(v))
		return mem_str(json_string_value(v));
	if (!json_is_integer(v))
		return NULL;
	if (asprintf(&text, "%lld", (long long)json_integer_value(v)) < 0)
		abort();
	return text;
}

json_t *sv_import_take(json_t *object, const char *key)
{
	json_t *value = json_incref(json_object_get(object, key));

	json_object_del(object, key);
	return value;
}
