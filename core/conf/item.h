/*
 * item - what a loaded configuration is made of. Private to core/conf.
 *
 *	conf -> items, one for each section of the file, unnamed ones always
 *	          -> words, one for each key that the file has: as it stands there, and where
 */
#pragma once

#include <stdatomic.h>

#include "core/conf/conf.h"

struct word {
	const struct conf_key *key;
	char *text; /* what was stored, expanded (in a dialect: before that); NULL: the file doesn't
		     * have the key */
	const char *file;
	int line;
};

struct entry {
	struct conf_item item; /* what the world sees */
	char *name;
	size_t index;       /* in conf->entries */
	struct word *words; /* few of the many keys that there may be */
	size_t word_count;
};

/* An error that is a warning, should the file turn out to be another program's. */
struct doubt {
	size_t line; /* of the errors */
	bool always; /* also when there are sections of ours beside the other's */
};

struct conf {
	atomic_int holds;
	const struct conf_section *sections;
	struct entry **entries;
	size_t count;
	char **files; /* names that items and words point to */
	size_t file_count;
	struct doubt *doubts; /* of the loading */
	size_t doubt_count;
};

/* All unnamed sections, with their defaults. */
struct conf *conf_new(const struct conf_section *sections);

/* A new one at the end, with its defaults. */
struct entry *conf_add(struct conf *conf, const struct conf_section *section, const char *name);

/* As conf_error, for a place in a file. file NULL: nowhere. */
void conf_error_at(struct conf_errors *errors, const char *file, int line, const char *key,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void conf_warn_at(struct conf_errors *errors, const char *file, int line, const char *key,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static inline struct entry *entry_of(const struct conf_item *item)
{
	return (struct entry *)item;
}

/* The key of that name, or NULL. In a dialect, case does not matter. */
const struct conf_key *conf_key_find(const struct conf_section *section, const char *name);

/* What the file has for a key, or NULL. */
struct word *conf_word_find(const struct entry *entry, const struct conf_key *key);

/* The same, made when there is none. The pointer holds until the next is made. */
struct word *conf_word_make(struct entry *entry, const struct conf_key *key);

/* The last error is in doubt. */
void conf_doubt(struct conf *conf, const struct conf_errors *errors, bool always);

/* All is read: what was in doubt is an error, or a warning. */
void conf_settle(struct conf *conf, struct conf_errors *errors);
