/*
 * The reader. inih splits lines; what it can't do is done around it:
 *
 *   - Debian's build tells its handler no line number, does not show a section
 *     without keys and cuts a section's name at 49 bytes, so next_line, which
 *     hands inih its lines, counts them and reads the [headers] itself;
 *   - a line without `=` ends inih's interest in later ones unless "no value"
 *     is allowed, so it is, and we complain;
 *   - comments after a value and quotes are ours (text.c): inih knows no quotes;
 *   - to inih any indented line goes on with the one above, even where all keys are indented, so
 *     a pair is held back until the next one shows that its value has ended.
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/item.h"
#include "core/conf/percent.h"
#include "core/conf/text.h"
#include "core/conf/value.h"

enum {
	LINE_MAX_BYTES = 64 * 1024,
	VALUE_MAX_BYTES = 1024 * 1024,
	INCLUDE_DEPTH = 8,
	INCLUDE_FILES = 1000,
	NAMES = 64
};

/* A pair whose value may go on. */
struct held {
	char *name; /* NULL: none */
	char *value;
	size_t indent;
	int line;
	int blanks; /* empty lines since */
};

/* One reading of one file. */
struct reading {
	struct conf *conf;
	struct conf_errors *errors;
	FILE *file;
	const char *name;
	int line;      /* of the last line read, from 1 */
	int at;        /* the line that a complaint is about */
	size_t indent; /* of the last line read */
	struct held held;
	int depth;         /* of includes */
	struct entry *now; /* the section that keys go to */
	bool in_include;   /* now is [include] */
	bool skipping;     /* now is a section that was complained about */
	bool cut;          /* the last line had no end yet */
	char *include;     /* patterns, comma or white space between them */
	int include_line;
};

#define complain(r, key, ...) conf_error_at((r)->errors, (r)->name, (r)->at, (key), __VA_ARGS__)
#define warn(r, key, ...)     conf_warn_at((r)->errors, (r)->name, (r)->at, (key), __VA_ARGS__)

static bool in_dialect(const struct reading *r)
{
	return r->now && r->now->item.section->dialect;
}

/* ---- [headers] ------------------------------------------------------------- */

static const char *near_section(const struct conf *conf, const char *kind)
{
	const char *names[NAMES] = { "include" };
	size_t n = 1;

	for (const struct conf_section *s = conf->sections; s->name && n < NAMES; s++)
		names[n++] = s->name;
	return conf_near(kind, names, n);
}

/* colon: it is written as [kind:name], the way of the dialect. */
static const struct conf_section *find_section(const struct reading *r, const char *kind,
					       bool colon)
{
	for (const struct conf_section *s = r->conf->sections; s->name; s++)
		if (strcmp(s->name, kind) == 0)
			return s;

	const char *near = near_section(r->conf, kind);
	if (near)
		complain(r, NULL, "[%.100s]: no such section, is [%s] meant?", kind, near);
	else
		complain(r, NULL, "[%.100s]: no such section", kind);
	conf_doubt(r->conf, r->errors, colon);
	return NULL;
}

static void enter(struct reading *r, const struct conf_section *section, const char *name)
{
	struct entry *entry = entry_of(conf_find(r->conf, section->name, name));

	if (!entry)
		entry = conf_add(r->conf, section, name);
	if (!entry->item.file) {
		entry->item.file = r->name;
		entry->item.line = r->at;
	}
	r->now = entry;
	r->skipping = false;
}

/* kind and name are the two words of [kind name] or [kind:name]. */
static void on_header(struct reading *r, const char *kind, const char *name, bool colon)
{
	r->now = NULL;
	r->skipping = true;
	r->in_include = strcmp(kind, "include") == 0;
	if (r->in_include)
		return;
	const struct conf_section *section = find_section(r, kind, colon);
	if (!section)
		return;
	if (section->named && !*name && !section->nameless)
		complain(r, NULL, "[%s]: needs a name, as in [%s NAME]", kind, kind);
	else if (!section->named && *name)
		complain(r, NULL, "[%s %.100s]: [%s] takes no name", kind, name, kind);
	else
		enter(r, section, name);
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
	char *kind = text_strip(line + 1);
	char *name = kind + strcspn(kind, " \t:");
	bool colon = *name == ':';
	if (*name)
		*name++ = '\0';
	on_header(r, kind, text_strip(name), colon);
}

/* ---- keys ------------------------------------------------------------------ */

static void no_such_key(struct reading *r, const struct conf_section *section, const char *name)
{
	const char *names[256];
	size_t n = 0;

	for (const struct conf_key *k = conf_first_key(section); k && n < 256; k = conf_next_key(k))
		names[n++] = k->name;

	const char *near = conf_near(name, names, n);
	char hint[80] = "";
	if (near)
		snprintf(hint, sizeof(hint), ", is %s meant?", near);
	if (section->dialect)
		warn(r, name, "no such key in [%s]%s", section->name, hint);
	else
		complain(r, name, "no such key in [%s]%s", section->name, hint);
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
	word->line = r->at;
	char *text = meant(key, value, &err);
	if (!text || value_store(key, text, false, r->now->item.values, &err) != 0) {
		complain(r, key->name, "%s", err.text);
		free(text);
		return;
	}
	word->text = text;
}

/* As it stands: what it means is found out when all is read. */
static void set_raw(struct reading *r, const struct conf_key *key, struct word *word, char *value)
{
	if (word->file)
		warn(r, key->name, "given again, in place of %s:%d", word->file, word->line);
	word->file = r->name;
	word->line = r->at;
	free(word->text);
	word->text = mem_str(text_strip(value));
}

static void add_include(struct reading *r, const char *name, char *value)
{
	if (strcasecmp(name, "files") != 0) {
		complain(r, name, "no such key in [include], is files meant?");
		conf_doubt(r->conf, r->errors, true);
		return;
	}
	if (r->include) {
		complain(r, name, "given twice, first at %s:%d", r->name, r->include_line);
		conf_doubt(r->conf, r->errors, true);
	}
	free(r->include);
	r->include = mem_str(text_bare(value));
	r->include_line = r->at;
}

static void take_pair(struct reading *r, const char *name, char *value)
{
	if (r->in_include) {
		add_include(r, name, value);
	} else if (r->now) {
		const struct conf_section *section = r->now->item.section;
		const struct conf_key *key = conf_key_find(section, name);
		if (!key)
			no_such_key(r, section, name);
		else if (section->dialect)
			set_raw(r, key, conf_word_make(r->now, key), value);
		else
			set_key(r, key, conf_word_make(r->now, key), value);
	} else if (!r->skipping) {
		complain(r, name, "stands before the first [section]");
	}
}

/* The pair before is complete. */
static void let_go(struct reading *r)
{
	struct held pair = r->held;

	if (!pair.name)
		return;
	r->held = (struct held){ 0 };
	r->at = pair.line;
	take_pair(r, pair.name, pair.value);
	r->at = r->line;
	free(pair.name);
	free(pair.value);
}

static const char *comment_marks(const struct reading *r)
{
	return in_dialect(r) ? ";#" : ";";
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;

	(void)section; /* cut at 49 bytes: r->now is the truth */
	let_go(r);
	if (!value && !r->skipping)
		complain(r, NULL, "not a line of the form key = value: %.60s", name);
	if (!value)
		return 1;
	r->held = (struct held){
		.name = mem_str(name), .value = mem_str(value), .indent = r->indent, .line = r->line
	};
	text_cut(r->held.value, comment_marks(r));
	return 1;
}

/* ---- lines that go on ------------------------------------------------------- */

/* Of a section of ours, where a key may stand at any depth. */
static bool looks_like_pair(const char *line)
{
	size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	const char *sign = line + n + strspn(line + n, " \t");

	return n > 0 && (*sign == '=' || (*sign == ':' && strncmp(sign, "://", 3) != 0));
}

static void append(struct reading *r, const char *line)
{
	char *more = mem_str(line), *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	text_cut(more, comment_marks(r));
	fputs(text_strip(r->held.value), out);
	for (int i = 0; i <= r->held.blanks; i++)
		fputc('\n', out);
	fputs(text_strip(more), out);
	fclose(out);
	free(r->held.value);
	free(more);
	r->held.value = text;
	r->held.blanks = 0;
}

/* Whether the line belongs to the value above it; then it is taken. */
static bool goes_on(struct reading *r, const char *line)
{
	const char *start = line + strspn(line, " \t");

	if (!r->held.name || strlen(r->held.value) > VALUE_MAX_BYTES)
		return false;
	if (start[strspn(start, "\r\n")] == '\0') {
		r->held.blanks++;
		return true;
	}
	if ((size_t)(start - line) <= r->held.indent || *start == ';' || *start == '#')
		return false;
	if (!in_dialect(r) && !r->in_include && (*start == '[' || looks_like_pair(start)))
		return false;
	append(r, start);
	return true;
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
	r->at = ++r->line;
	r->cut = !strchr(into, '\n') && !feof(r->file);
	if (r->cut) {
		complain(r, NULL, "a line over 64 KiB, or a zero byte in it");
		*into = '\0';
	}
	r->indent = strspn(into, " \t");
	const char *start = into + strspn(into, " \t\r\n\xef\xbb\xbf");
	if (goes_on(r, into)) {
		strcpy(into, "\n");
	} else if (*start == '[') {
		let_go(r);
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

char *conf_here(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder, *cwd = getcwd(NULL, 0);
	int rc;

	if (*file == '/')
		rc = asprintf(&folder, "%.*s", slash == file ? 1 : (int)(slash - file), file);
	else if (slash)
		rc = asprintf(&folder, "%s/%.*s", cwd ? cwd : ".", (int)(slash - file), file);
	else
		rc = asprintf(&folder, "%s", cwd ? cwd : ".");
	if (rc < 0)
		abort();
	free(cwd);
	return folder;
}

static void include_pattern(struct reading *r, const char *pattern)
{
	char *path = beside(r->name, pattern);
	glob_t found = { 0 };
	int rc = glob(path, 0, NULL, &found);

	r->at = r->include_line;
	if (rc == GLOB_NOMATCH && !strpbrk(pattern, "*?[")) {
		complain(r, "files", "%s: no such file", path);
		conf_doubt(r->conf, r->errors, true);
	} else if (rc != 0 && rc != GLOB_NOMATCH)
		complain(r, "files", "%s: cannot be read", path);
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
		read_file(r, found.gl_pathv[i]);
	globfree(&found);
	free(path);
}

/* %(here)s and the like. The caller's to free; NULL after a complaint. */
static char *include_patterns(struct reading *r)
{
	char *here = conf_here(r->name);
	const struct percent_name names[] = { { "here", here },
					      { "host_node_name", percent_node() } };
	const struct percent with = { .names = names, .count = 2, .envs = { environ } };
	struct err err;

	char *patterns = percent_expand(r->include, &with, &err);
	free(here);
	r->at = r->include_line;
	if (!patterns)
		complain(r, "files", "%s", err.text);
	return patterns;
}

static void read_included(struct reading *r)
{
	char *save, *patterns = r->include ? include_patterns(r) : NULL, *rest = patterns;

	if (patterns)
		for (char *one; (one = strtok_r(rest, ", \t\r\n", &save)); rest = NULL)
			include_pattern(r, one);
	free(patterns);
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
	let_go(r);
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
		conf_error_at(r.errors, from->name, from->at, NULL, "%s: %s", path,
			      strerror(errno));
}

static void check_required(const struct conf *conf, struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct entry *entry = conf->entries[i];
		const struct conf_section *section = entry->item.section;
		const struct conf_key *key = entry->item.file ? conf_first_key(section) : NULL;

		for (; key; key = conf_next_key(key))
			if (key->flags & CONF_REQUIRED && !conf_word_find(entry, key))
				conf_error(errors, &entry->item, key->name, "[%s%s%s] must set it",
					   section->name, *entry->name ? " " : "", entry->name);
	}
}

/* ---- what a dialect's words mean --------------------------------------------- */

static char *translate(const struct conf *conf, const struct conf_item *item,
		       const struct conf_key *key, const char *raw, struct err *err)
{
	char *word = item->section->dialect->expand(conf, item, key, raw, err);

	if (!word || !(key->flags & CONF_SECRET) || strncmp(word, "@/", 2) != 0)
		return word;
	char *text = text_of_file(word + 1, err);
	free(word);
	return text;
}

static void translate_entry(const struct conf *conf, struct entry *entry,
			    struct conf_errors *errors)
{
	const struct conf_item *item = &entry->item;

	for (size_t i = 0; i < entry->word_count; i++) {
		const struct conf_key *key = entry->words[i].key;
		struct err err = { 0 };

		if (!entry->words[i].text)
			continue;
		char *word = translate(conf, item, key, entry->words[i].text, &err);
		if (!word || value_store(key, word, true, item->values, &err) != 0) {
			conf_error(errors, item, key->name, "%s", err.text);
			free(entry->words[i].text);
			entry->words[i].text = NULL;
		}
		free(word);
	}
}

static int finish(struct conf *conf, struct conf_errors *errors, size_t errors_before)
{
	conf_settle(conf, errors);
	for (size_t i = 0; i < conf->count; i++)
		if (conf->entries[i]->item.section->dialect)
			translate_entry(conf, conf->entries[i], errors);
	check_required(conf, errors);
	return errors->count > errors_before ? ERR_CONF : 0;
}

int conf_load(const char *path, const struct conf_section *sections, struct conf **out,
	      struct conf_errors *errors)
{
	struct reading none = { .conf = conf_new(sections), .errors = errors };
	size_t before = errors->count;

	if (path)
		read_file(&none, path);
	*out = none.conf;
	return finish(none.conf, errors, before);
}

int conf_parse(const char *text, const char *name, const struct conf_section *sections,
	       struct conf **out, struct conf_errors *errors)
{
	struct reading r = { .conf = conf_new(sections), .errors = errors };
	FILE *file = fmemopen((void *)(*text ? text : "\n"), *text ? strlen(text) : 1, "r");
	size_t before = errors->count;

	read_stream(&r, file, name);
	*out = r.conf;
	return finish(r.conf, errors, before);
}
