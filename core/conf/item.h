/*
 * item - what a loaded configuration is made of. Private to core/conf.
 *
 *	conf -> items, one for each section of the file, unnamed ones always
 *	          -> words, one for each key: as the file has it, and where
 */
#pragma once

#include <stdatomic.h>

#include "core/conf/conf.h"

struct word {
	char *text; /* what was stored, expanded (in a dialect: before that); NULL: the file doesn't
		     * have the key */
	const char *file;
	int line;
};

struct entry {
	struct conf_item item; /* what the world sees */
	char *name;
	size_t index;       /* in conf->entries */
	struct word *words; /* by the place of the key in its table */
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

/* The place of a key in its table, or -1. In a dialect, case does not matter. */
int conf_key_index(const struct conf_section *section, const char *key);

/* The key at a place that conf_key_index gave. */
const struct conf_key *conf_key_at(const struct conf_section *section, int index);

/* The last error is in doubt. */
void conf_doubt(struct conf *conf, const struct conf_errors *errors, bool always);

/* All is read: what was in doubt is an error, or a warning. */
void conf_settle(struct conf *conf, struct conf_errors *errors);
