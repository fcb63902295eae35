#include "core/conf/value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static const struct unit duration_units[] = {
	{ "ms", 1 },      { "s", 1000 },         { "m", 60 * 1000 },
	{ "h", 3600000 }, { "d", 24 * 3600000 }, { NULL, 0 },
};

static const struct unit size_units[] = {
	{ "B", 1 },         { "", 1 },          { "KiB", 1 << 10 },
	{ "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { NULL, 0 },
};

/* A dialect's own units come beside ours. */
static const struct unit other_duration_units[] = {
	{ "", 1000 },     { "ms", 1 },           { "s", 1000 }, { "m", 60 * 1000 },
	{ "h", 3600000 }, { "d", 24 * 3600000 }, { NULL, 0 },
};

static const struct unit other_size_units[] = {
	{ "", 1 },          { "B", 1 },        { "KB", 1 << 10 },  { "K", 1 << 10 },
	{ "KiB", 1 << 10 }, { "MB", 1 << 20 }, { "M", 1 << 20 },   { "MiB", 1 << 20 },
	{ "GB", 1 << 30 },  { "G", 1 << 30 },  { "GiB", 1 << 30 }, { NULL, 0 },
};

static const struct unit *units_of(enum conf_type type, bool dialect)
{
	switch (type) {
	case CONF_DURATION:
		return dialect ? other_duration_units : duration_units;
	case CONF_SIZE:
		return dialect ? other_size_units : size_units;
	default:
		return no_units;
	}
}

static void *member(const struct conf_key *key, const void *values)
{
	return (char *)values + key->offset;
}

static bool number(const char *word, const struct unit *units, int64_t *out)
{
	char *end;

	errno = 0;
	long long n = strtoll(word, &end, 10);
	if (end == word || errno == ERANGE)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	if (n == 0 && *end == '\0') {
		*out = 0;
		return true;
	}
	int (*compare)(const char *, const char *) =
		units == other_size_units ? strcasecmp : strcmp;
	for (; units->name; units++)
		if (compare(end, units->name) == 0)
			return !__builtin_mul_overflow((int64_t)n, units->factor, out);
	return false;
}

static const char *number_hint(enum conf_type type, bool dialect)
{
	switch (type) {
	case CONF_DURATION:
		return dialect ? "a time (seconds, or with its unit: ms, s, m, h or d)"
			       : "a time with its unit (ms, s, m, h or d)";
	case CONF_SIZE:
		return dialect ? "a size (KB, MB or GB)" : "a size (B, KiB, MiB or GiB)";
	default:
		return "a whole number";
	}
}

int conf_number(enum conf_type type, const char *word, int64_t *out, struct err *err)
{
	if (number(word, units_of(type, true), out))
		return 0;
	return err_set(err, ERR_CONF, "'%s' is not %s", word, number_hint(type, true));
}

static int store_number(const struct conf_key *key, const char *word, bool dialect, int64_t *at,
			struct err *err)
{
	const struct unit *units = units_of(key->type, dialect);
	int64_t n, limit;

	if (!number(word, units, &n))
		return err_set(err, ERR_CONF, "'%s' is not %s", word,
			       number_hint(key->type, dialect));
	if (key->min && number(key->min, units, &limit) && n < limit)
		return err_set(err, ERR_CONF, "'%s' is below %s", word, key->min);
	if (key->max && number(key->max, units, &limit) && n > limit)
		return err_set(err, ERR_CONF, "'%s' is above %s", word, key->max);
	*at = n;
	return 0;
}

static int store_bool(const char *word, bool *at, struct err *err)
{
	static const char *const yes[] = { "yes", "on", "true", "1" };
	static const char *const no[] = { "no", "off", "false", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		bool is_yes = strcasecmp(word, yes[i]) == 0;
		if (is_yes || strcasecmp(word, no[i]) == 0) {
			*at = is_yes;
			return 0;
		}
	}
	return err_set(err, ERR_CONF, "'%s' is not yes or no", word);
}

static int store_enum(const struct conf_key *key, const char *word, bool dialect, int *at,
		      struct err *err)
{
	char all[160] = "";

	for (const struct conf_word *w = key->words; w->name; w++) {
		size_t used = strlen(all);

		if ((dialect ? strcasecmp(w->name, word) : strcmp(w->name, word)) == 0) {
			*at = w->value;
			return 0;
		}
		snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", w->name);
	}
	return err_set(err, ERR_CONF, "'%s' is none of %s", word, all);
}

/* Most keys of most sections: one list for all of them. */
static char *no_members[1];

static void list_release(char **list)
{
	for (char **one = list; one && *one; one++)
		free(*one);
	if (list != no_members)
		free(list);
}

static char *trimmed(const char *from, size_t n)
{
	while (n > 0 && isspace((unsigned char)*from)) {
		from++;
		n--;
	}
	while (n > 0 && isspace((unsigned char)from[n - 1]))
		n--;
	char *copy = mem_new(n + 1);
	return memcpy(copy, from, n);
}

/* A default stays where the table has it. */
static void str_release(const struct conf_key *key, char *text)
{
	if (text != key->dflt)
		free(text);
}

/* Empty members are left out, so that a comma at the end does no harm. */
static char **list_of(const char *word)
{
	size_t count = 0;
	char **list = NULL;

	while (*word) {
		size_t n = strcspn(word, ",");
		char *one = trimmed(word, n);

		if (*one) {
			list = mem_resize(list, (count + 2) * sizeof(*list));
			list[count++] = one;
			list[count] = NULL;
		} else {
			free(one);
		}
		word += n + (word[n] == ',');
	}
	return list ? list : no_members;
}

int value_store(const struct conf_key *key, const char *word, bool dialect, void *values,
		struct err *err)
{
	void *at = member(key, values);

	switch (key->type) {
	case CONF_STR:
		str_release(key, *(char **)at);
		*(char **)at = word == key->dflt ? (char *)key->dflt : mem_str(word);
		return 0;
	case CONF_LIST:
		list_release(*(char ***)at);
		*(char ***)at = list_of(word);
		return 0;
	case CONF_BOOL:
		return store_bool(word, at, err);
	case CONF_ENUM:
		return store_enum(key, word, dialect, at, err);
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
		return store_number(key, word, dialect, at, err);
	}
	return ERR_CONF;
}

static bool str_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool list_equal(char *const *a, char *const *b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

bool value_equal(const struct conf_key *key, const void *a, const void *b)
{
	const void *x = member(key, a), *y = member(key, b);

	switch (key->type) {
	case CONF_STR:
		return str_equal(*(char *const *)x, *(char *const *)y);
	case CONF_LIST:
		return list_equal(*(char **const *)x, *(char **const *)y);
	case CONF_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case CONF_ENUM:
		return *(const int *)x == *(const int *)y;
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
	return false;
}

void value_release(const struct conf_key *key, void *values)
{
	void *at = member(key, values);

	if (key->type == CONF_STR)
		str_release(key, *(char **)at);
	else if (key->type == CONF_LIST)
		list_release(*(char ***)at);
	else
		return;
	*(void **)at = NULL;
}
