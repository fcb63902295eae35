/*
 * The reader. inih splits lines; what it can't do is done around it:
 *
 *   - Debian's build tells its handler no line number, does not show a section
 *     without keys and cuts a section's name at 49 bytes, so next_line, which
 *     hands inih its lines, counts them and reads the [headers] itself;
 *   - a line without `=` ends inih's interest in later ones unless "no value"
 *     is allowed, so it is, and we complain;
 *   - comments after a value and quotes are ours (text.c): inih knows no quotes.
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/item.h"
#include "core/conf/text.h"
#include "core/conf/value.h"

enum { LINE_MAX_BYTES = 64 * 1024, INCLUDE_DEPTH = 8, INCLUDE_FILES = 1000, NAMES = 64 };

/* One reading of one file. */
struct reading {
	struct conf *conf;
	struct conf_errors *errors;
	FILE *file;
	const char *name;
	int line;          /* of the last line read, from 1 */
	int depth;         /* of includes */
	struct entry *now; /* the section that keys go to */
	bool in_include;   /* now is [include] */
	bool skipping;     /* now is a section that was complained about */
	bool cut;          /* the last line had no end yet */
	char *include;     /* patterns, comma or white space between them */
	int include_line;
};

#define complain(r, key, ...) conf_error_at((r)->errors, (r)->name, (r)->line, (key), __VA_ARGS__)

/* ---- [headers] ------------------------------------------------------------- */

static const char *near_section(const struct conf *conf, const char *kind)
{
	const char *names[NAMES] = { "include" };
	size_t n = 1;

	for (const struct conf_section *s = conf->sections; s->name && n < NAMES; s++)
		names[n++] = s->name;
	return conf_near(kind, names, n);
}

static const struct conf_section *find_section(const struct reading *r, const char *kind)
{
	for (const struct conf_section *s = r->conf->sections; s->name; s++)
		if (strcmp(s->name, kind) == 0)
			return s;

	const char *near = near_section(r->conf, kind);
	if (near)
		complain(r, NULL, "[%.100s]: no such section, is [%s] meant?", kind, near);
	else
		complain(r, NULL, "[%.100s]: no such section", kind);
	return NULL;
}

static void enter(struct reading *r, const struct conf_section *section, const char *name)
{
	struct entry *entry = entry_of(conf_find(r->conf, section->name, name));

	if (!entry)
		entry = conf_add(r->conf, section, name);
	if (!entry->item.file) {
		entry->item.file = r->name;
		entry->item.line = r->line;
	}
	r->now = entry;
	r->skipping = false;
}

/* kind and name are the two words of [kind name] or [kind:name]. */
static void on_header(struct reading *r, const char *kind, const char *name)
{
	r->now = NULL;
	r->skipping = true;
	r->in_include = strcmp(kind, "include") == 0;
	if (r->in_include)
		return;
	const struct conf_section *section = find_section(r, kind);
	if (!section)
		return;
	if (section->named && !*name)
		complain(r, NULL, "[%s]: needs a name, as in [%s NAME]", kind, kind);
	else if (!section->named && *name)
		complain(r, NULL, "[%s %.100s]: [%s] takes no name", kind, name, kind);
	else
		enter(r, section, name);
}

static char *strip(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* line: a copy, from its '[' on. */
static void read_header(struct reading *r, char *line)
{
	char *end = strchr(line, ']');
	const char *rest = end ? end + 1 + strspn(end + 1, " \t\r\n") : "";

	if (!end || (*rest && *rest != ';' && *rest != '#')) {
		complain(r, NULL, "not a line of the form [section] or [section name]");
		r->now = NULL;
		r->in_include = false;
		r->skipping = true;
		return;
	}
	*end = '\0';
	char *kind = strip(line + 1);
	char *name = kind + strcspn(kind, " \t:");
	if (*name)
		*name++ = '\0';
	on_header(r, kind, strip(name));
}

/* ---- keys ------------------------------------------------------------------ */

static void no_such_key(struct reading *r, const struct conf_section *section, const char *name)
{
	const char *names[256];
	size_t n = 0;

	for (const struct conf_key *key = section->keys; key->name && n < 256; key++)
		names[n++] = key->name;

	const char *near = conf_near(name, names, n);
	if (near)
		complain(r, name, "no such key in [%s], is %s meant?", section->name, near);
	else
		complain(r, name, "no such key in [%s]", section->name);
}

/* The word that is stored: expanded, or a file's. The caller's to free; NULL and err on failure. */
static char *meant(const struct conf_key *key, char *value, struct err *err)
{
	char *word = text_expand(text_bare(value), err);

	if (!word || !(key->flags & CONF_SECRET) || strncmp(word, "@/", 2) != 0)
		return word;
	char *text = text_of_file(word + 1, err);
	free(word);
	return text;
}

static void set_key(struct reading *r, const struct conf_key *key, struct word *word, char *value)
{
	struct err err = { 0 };

	if (word->file) {
		complain(r, key->name, "given twice, first at %s:%d", word->file, word->line);
		return;
	}
	word->file = r->name;
	word->line = r->line;
	char *text = meant(key, value, &err);
	if (!text || value_store(key, text, r->now->item.values, &err) != 0) {
		complain(r, key->name, "%s", err.text);
		free(text);
		return;
	}
	word->text = text;
}

static void add_include(struct reading *r, const char *name, char *value)
{
	if (strcmp(name, "files") != 0) {
		complain(r, name, "no such key in [include], is files meant?");
	} else if (r->include) {
		complain(r, name, "given twice, first at %s:%d", r->name, r->include_line);
	} else {
		r->include = mem_str(text_bare(value));
		r->include_line = r->line;
	}
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;

	(void)section; /* cut at 49 bytes: r->now is the truth */
	if (!value) {
		complain(r, NULL, "not a line of the form key = value: %.60s", name);
	} else if (r->in_include) {
		add_include(r, name, (char *)value);
	} else if (r->now) {
		int i = conf_key_index(r->now->item.section, name);
		if (i < 0)
			no_such_key(r, r->now->item.section, name);
		else
			set_key(r, &r->now->item.section->keys[i], &r->now->words[i],
				(char *)value);
	} else if (!r->skipping) {
		complain(r, name, "stands before the first [section]");
	}
	return 1;
}

/* ---- lines ----------------------------------------------------------------- */

/* The rest of a line that was cut is dropped. */
static bool drop_rest(struct reading *r, char *into, int size)
{
	while (r->cut) {
		if (!fgets(into, size, r->file))
			return false;
		r->cut = !strchr(into, '\n') && !feof(r->file);
	}
	return true;
}

static char *next_line(char *into, int size, void *stream)
{
	struct reading *r = stream;

	if (!drop_rest(r, into, size) || !fgets(into, size, r->file))
		return NULL;
	r->line++;
	r->cut = !strchr(into, '\n') && !feof(r->file);
	if (r->cut) {
		complain(r, NULL, "a line over 64 KiB, or a zero byte in it");
		*into = '\0';
	}
	const char *start = into + strspn(into, " \t\r\n\xef\xbb\xbf");
	if (*start == '[') {
		char *copy = mem_str(start);
		read_header(r, copy);
		free(copy);
		strcpy(into, "[-]\n"); /* for inih, which would complain about a long one */
	}
	return into;
}

static void set_up_inih(void)
{
	ini_use_stack = false; /* its default cuts a line at 200 bytes, without a word */
	ini_max_line = LINE_MAX_BYTES;
	ini_initial_alloc = LINE_MAX_BYTES; /* so that one call of next_line is one line */
	ini_allow_realloc = false;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_no_value = true;
	ini_stop_on_first_error = false;
}

/* ---- files ----------------------------------------------------------------- */

static void read_file(const struct reading *from, const char *path);

/* Relative to the folder of the file that includes. */
static char *beside(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (*pattern == '/' || !slash)
		return mem_str(pattern);
	if (asprintf(&path, "%.*s%s", (int)(slash - file + 1), file, pattern) < 0)
		abort();
	return path;
}

static void include_pattern(struct reading *r, const char *pattern)
{
	char *path = beside(r->name, pattern);
	glob_t found = { 0 };
	int rc = glob(path, 0, NULL, &found);

	r->line = r->include_line;
	if (rc == GLOB_NOMATCH && !strpbrk(pattern, "*?["))
		complain(r, "files", "%s: no such file", path);
	else if (rc != 0 && rc != GLOB_NOMATCH)
		complain(r, "files", "%s: cannot be read", path);
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
		read_file(r, found.gl_pathv[i]);
	globfree(&found);
	free(path);
}

static void read_included(struct reading *r)
{
	char *save, *rest = r->include;

	if (!rest)
		return;
	for (char *one; (one = strtok_r(rest, ", \t\n", &save)); rest = NULL)
		include_pattern(r, one);
	free(r->include);
}

static const char *keep_name(struct conf *conf, const char *name)
{
	conf->files = mem_resize(conf->files, (conf->file_count + 1) * sizeof(char *));
	return conf->files[conf->file_count++] = mem_str(name);
}

/* Takes over `file`. */
static void read_stream(struct reading *r, FILE *file, const char *name)
{
	r->file = file;
	r->name = keep_name(r->conf, name);
	set_up_inih();
	ini_parse_stream(next_line, r, on_pair, r);
	fclose(file);
	read_included(r);
}

static void read_file(const struct reading *from, const char *path)
{
	struct reading r = { .conf = from->conf, .errors = from->errors, .depth = from->depth + 1 };

	if (r.depth > INCLUDE_DEPTH || r.conf->file_count >= INCLUDE_FILES) {
		complain(from, "files", "%s: includes are nested too deep, or in a ring", path);
		return;
	}
	FILE *file = fopen(path, "re");
	if (file)
		read_stream(&r, file, path);
	else
		conf_error_at(r.errors, from->name, from->line, NULL, "%s: %s", path,
			      strerror(errno));
}

static void check_required(const struct conf *conf, struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct entry *entry = conf->entries[i];
		const struct conf_section *section = entry->item.section;

		for (size_t k = 0; entry->item.file && section->keys[k].name; k++)
			if (section->keys[k].flags & CONF_REQUIRED && !entry->words[k].file)
				conf_error(errors, &entry->item, section->keys[k].name,
					   "[%s%s%s] must set it", section->name,
					   section->named ? " " : "", entry->name);
	}
}

int conf_load(const char *path, const struct conf_section *sections, struct conf **out,
	      struct conf_errors *errors)
{
	struct reading none = { .conf = conf_new(sections), .errors = errors };
	size_t before = errors->count;

	if (path)
		read_file(&none, path);
	check_required(none.conf, errors);
	*out = none.conf;
	return errors->count > before ? ERR_CONF : 0;
}

int conf_parse(const char *text, const char *name, const struct conf_section *sections,
	       struct conf **out, struct conf_errors *errors)
{
	struct reading r = { .conf = conf_new(sections), .errors = errors };
	FILE *file = fmemopen((void *)(*text ? text : "\n"), *text ? strlen(text) : 1, "r");
	size_t before = errors->count;

	read_stream(&r, file, name);
	check_required(r.conf, errors);
	*out = r.conf;
	return errors->count > before ? ERR_CONF : 0;
}
