#include <string.h>

#include "core/conf/conf.h"

enum { WIDTH = 100 };

/* A comment of as many lines as it takes. */
static void comment(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strlen(text);

		if (n > WIDTH - 2) {
			n = WIDTH - 2;
			while (n > 1 && text[n] != ' ')
				n--;
		}
		fprintf(out, "; %.*s\n", (int)n, text);
		text += n;
		text += *text == ' ';
	}
}

static void words(FILE *out, const struct conf_key *key)
{
	fputs("; One of: ", out);
	for (const struct conf_word *w = key->words; w->name; w++)
		fprintf(out, "%s%s", w == key->words ? "" : ", ", w->name);
	fputs(".\n", out);
}

static void range(FILE *out, const struct conf_key *key)
{
	if (key->type == CONF_ENUM)
		words(out, key);
	if (key->min && key->max)
		fprintf(out, "; From %s to %s.\n", key->min, key->max);
	else if (key->min)
		fprintf(out, "; At least %s.\n", key->min);
	else if (key->max)
		fprintf(out, "; At most %s.\n", key->max);
}

static void key_reference(FILE *out, const struct conf_key *key)
{
	fputc('\n', out);
	comment(out, key->help ? key->help : "");
	range(out, key);
	if (key->flags & CONF_REQUIRED)
		fputs("; Required.\n", out);
	if (key->flags & CONF_RELOAD)
		fputs("; Taken over on reload.\n", out);
	if (key->dflt && *key->dflt)
		fprintf(out, ";%s = %s\n", key->name, key->dflt);
	else
		fprintf(out, ";%s =\n", key->name);
}

/* The table that a section's own rows go on with, or NULL. */
static const struct conf_key *shared_rows(const struct conf_section *section)
{
	const struct conf_key *key = section->keys;

	while (key->name)
		key++;
	return key->more;
}

/* An earlier section that has shown those rows. */
static const struct conf_section *shown_by(const struct conf_section *sections,
					   const struct conf_section *section)
{
	for (const struct conf_section *s = sections; s != section; s++)
		if (shared_rows(section) && shared_rows(s) == shared_rows(section))
			return s;
	return NULL;
}

static void keys_reference(FILE *out, const struct conf_section *sections,
			   const struct conf_section *section)
{
	const struct conf_section *twin = shown_by(sections, section);

	for (const struct conf_key *key = section->keys; key->name; key++)
		key_reference(out, key);
	if (twin)
		fprintf(out, "\n; And all other keys of [%s NAME].\n", twin->name);
	for (const struct conf_key *key = twin ? NULL : shared_rows(section); key;
	     key = conf_next_key(key))
		key_reference(out, key);
}

void conf_reference(FILE *out, const struct conf_section *sections)
{
	for (const struct conf_section *s = sections; s->name; s++) {
		if (s != sections)
			fputc('\n', out);
		fprintf(out, "%s[%s%s]\n", s->named ? ";" : "", s->name,
			s->named && !s->nameless ? " NAME" : "");
		if (s->help)
			comment(out, s->help);
		keys_reference(out, sections, s);
	}
}

void conf_reference_head(FILE *out)
{
	fputs("; Everything that a file of troupe may hold, with its defaults. Made by `make "
	      "reference`.\n"
	      ";\n"
	      "; Times have a unit (ms, s, m, h, d), sizes may have one (KiB, MiB, GiB). Lists "
	      "are\n"
	      "; comma separated. A `;` begins a comment at the start of a line and after a "
	      "space,\n"
	      "; but not in quotes. ${NAME} and ${NAME:-default} come from the environment; a\n"
	      "; password may be @/path/to/file. [server db1] and [server:db1] mean the same.\n"
	      "; One file may describe several roles. More files:\n"
	      ";\n"
	      ";[include]\n"
	      ";files = more.ini conf.d/*.ini\n"
	      "\n",
	      out);
}
