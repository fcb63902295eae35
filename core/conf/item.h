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
	char *text; /* what was stored, expanded; NULL: the file doesn't have the key */
	const char *file;
	int line;
};

struct entry {
	struct conf_item item; /* what the world sees */
	char *name;
	struct word *words; /* by the place of the key in its table */
};

struct conf {
	atomic_int holds;
	const struct conf_section *sections;
	struct entry **entries;
	size_t count;
	char **files; /* names that items and words point to */
	size_t file_count;
};

/* All unnamed sections, with their defaults. */
struct conf *conf_new(const struct conf_section *sections);

/* A new one at the end, with its defaults. */
struct entry *conf_add(struct conf *conf, const struct conf_section *section, const char *name);

/* As conf_error, for a place in a file. file NULL: nowhere. */
void conf_error_at(struct conf_errors *errors, const char *file, int line, const char *key,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static inline struct entry *entry_of(const struct conf_item *item)
{
	return (struct entry *)item;
}

/* The place of a key in its table, or -1. */
int conf_key_index(const struct conf_section *section, const char *key);
