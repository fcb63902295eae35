#include "core/base/zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"

enum {
	FILE_MAX_BYTES = 1 << 20,
	HEAD = 44, /* bytes of a TZif header */
	DAY = 86400,
	TRANSITIONS_MAX = 20000,
};

/* When half of the year's change is. */
struct change {
	char kind; /* M: month week day, J: day without 29 February, 0: day with it */
	int month, week, day;
	int32_t time; /* seconds of the wall clock */
};

/* What goes on for ever. */
struct rule {
	bool given, has_dst;
	int32_t std, dst;
	struct change begin, end; /* of dst */
};

struct zone {
	int64_t *times;
	int32_t *offsets; /* from that time on */
	size_t count;
	int32_t first; /* before the first */
	struct rule rule;
};

/* ---- dates --------------------------------------------------------------------- */

/* Years begin in March here, so that a leap day is the last of its year. */
int64_t zone_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void zone_date(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = y + era * 400 + (*month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* ---- a rule ---------------------------------------------------------------------- */

static bool rule_name(const char **p)
{
	const char *from = *p;

	if (**p == '<') {
		const char *end = strchr(*p, '>');
		*p = end ? end + 1 : *p;
		return end;
	}
	while (isalpha((unsigned char)**p))
		(*p)++;
	return *p - from >= 3;
}

static bool rule_number(const char **p, int most, int *out)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	while (isdigit((unsigned char)**p) && n <= most)
		n = n * 10 + (*(*p)++ - '0');
	*out = n;
	return n <= most;
}

/* [+-]h[:m[:s]] */
static bool rule_time(const char **p, int32_t *out)
{
	int sign = **p == '-' ? -1 : 1, h, m = 0, s = 0;

	if (**p == '-' || **p == '+')
		(*p)++;
	if (!rule_number(p, 167, &h))
		return false;
	if (**p == ':' && ((*p)++, !rule_number(p, 59, &m)))
		return false;
	if (**p == ':' && ((*p)++, !rule_number(p, 59, &s)))
		return false;
	*out = sign * (h * 3600 + m * 60 + s);
	return true;
}

static bool rule_change(const char **p, struct change *c)
{
	bool good;

	c->time = 2 * 3600;
	c->kind = **p == 'M' || **p == 'J' ? *(*p)++ : '0';
	if (c->kind == 'M') {
		good = rule_number(p, 12, &c->month) && c->month >= 1 && *(*p)++ == '.';
		good = good && rule_number(p, 5, &c->week) && c->week >= 1 && *(*p)++ == '.';
		good = good && rule_number(p, 6, &c->day);
	} else {
		good = rule_number(p, 365, &c->day);
	}
	if (good && **p == '/')
		good = ((*p)++, rule_time(p, &c->time));
	return good;
}

static bool read_rule(const char *p, struct rule *r)
{
	int32_t west;

	if (!rule_name(&p) || !rule_time(&p, &west))
		return false;
	r->given = true;
	r->std = r->dst = -west;
	if (!*p)
		return true;
	if (!rule_name(&p))
		return false;
	r->has_dst = true;
	r->dst = r->std + 3600;
	if (*p && *p != ',') {
		if (!rule_time(&p, &west))
			return false;
		r->dst = -west;
	}
	const char *changes = *p == ',' ? p + 1 : "M3.2.0,M11.1.0"; /* as all others assume */
	return rule_change(&changes, &r->begin) && *changes++ == ',' &&
	       rule_change(&changes, &r->end) && *changes == '\0';
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The wall clock's time of a change in that year. */
static int64_t change_wall(const struct change *c, int64_t year)
{
	int64_t day;

	if (c->kind == 'J') {
		day = zone_days(year, 1, 1) + c->day - 1 + (is_leap(year) && c->day > 59);
	} else if (c->kind == '0') {
		day = zone_days(year, 1, 1) + c->day;
	} else {
		int64_t first = zone_days(year, c->month, 1);
		int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970 began on a Thursday */
		day = first + (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
		int64_t next = zone_days(year + (c->month == 12), c->month % 12 + 1, 1);
		while (day >= next)
			day -= 7;
	}
	return day * DAY + c->time;
}

static int32_t rule_offset(const struct rule *r, int64_t utc)
{
	int64_t year;
	int month, day;

	if (!r->has_dst)
		return r->std;
	zone_date(floor_div(utc + r->std, DAY), &year, &month, &day);
	int64_t begin = change_wall(&r->begin, year) - r->std;
	int64_t end = change_wall(&r->end, year) - r->dst;
	bool dst = begin < end ? utc >= begin && utc < end : utc >= begin || utc < end;
	return dst ? r->dst : r->std;
}

/* ---- a file ---------------------------------------------------------------------- */

struct bytes {
	const unsigned char *at;
	size_t left;
};

static const unsigned char *take(struct bytes *b, size_t n)
{
	const unsigned char *at = b->at;

	if (n > b->left)
		return NULL;
	b->at += n;
	b->left -= n;
	return at;
}

static int64_t number(const unsigned char *p, int size)
{
	uint64_t n = *p & 0x80 ? ~0ULL : 0;

	for (int i = 0; i < size; i++)
		n = n << 8 | p[i];
	return (int64_t)n;
}

struct counts {
	size_t isut, isstd, leap, time, type, chars;
	char version;
};

static bool read_head(struct bytes *b, struct counts *c)
{
	const unsigned char *p = take(b, HEAD);

	if (!p || memcmp(p, "TZif", 4) != 0)
		return false;
	c->version = (char)p[4];
	c->isut = (uint32_t)number(p + 20, 4);
	c->isstd = (uint32_t)number(p + 24, 4);
	c->leap = (uint32_t)number(p + 28, 4);
	c->time = (uint32_t)number(p + 32, 4);
	c->type = (uint32_t)number(p + 36, 4);
	c->chars = (uint32_t)number(p + 40, 4);
	return c->time <= TRANSITIONS_MAX && c->type >= 1 && c->type <= 256 &&
	       c->leap <= TRANSITIONS_MAX && c->chars <= FILE_MAX_BYTES && c->isut <= 256 &&
	       c->isstd <= 256;
}

static size_t body_size(const struct counts *c, size_t width)
{
	return c->time * (width + 1) + c->type * 6 + c->chars + c->leap * (width + 4) + c->isstd +
	       c->isut;
}

static bool read_body(struct bytes *b, const struct counts *c, int width, struct zone *z)
{
	const unsigned char *p = take(b, body_size(c, (size_t)width));

	if (!p)
		return false;
	const unsigned char *indexes = p + c->time * (size_t)width, *types = indexes + c->time;
	z->first = (int32_t)number(types, 4);
	z->times = mem_new((c->time + 1) * sizeof(*z->times));
	z->offsets = mem_new((c->time + 1) * sizeof(*z->offsets));
	for (size_t i = 0; i < c->time; i++) {
		if (indexes[i] >= c->type)
			return false;
		z->times[i] = number(p + i * (size_t)width, width);
		z->offsets[i] = (int32_t)number(types + indexes[i] * (size_t)6, 4);
	}
	z->count = c->time;
	return true;
}

/* "\nRULE\n" at the end. */
static bool read_footer(struct bytes *b, struct zone *z)
{
	const char *text = (const char *)b->at + 1;
	const char *end = b->left > 1 && *b->at == '\n' ? memchr(text, '\n', b->left - 1) : NULL;
	char rule[128];

	if (!end || end == text)
		return true;
	if (end - text >= (ptrdiff_t)sizeof(rule))
		return false;
	snprintf(rule, sizeof(rule), "%.*s", (int)(end - text), text);
	return read_rule(rule, &z->rule);
}

static bool read_file(struct bytes b, struct zone *z)
{
	struct counts c;

	if (!read_head(&b, &c))
		return false;
	if (c.version == 0)
		return read_body(&b, &c, 4, z);
	return take(&b, body_size(&c, 4)) && read_head(&b, &c) && read_body(&b, &c, 8, z) &&
	       read_footer(&b, z);
}

struct zone *zone_parse(const void *data, size_t size, struct err *err)
{
	struct zone *z = mem_new(sizeof(*z));
	bool file = size >= 4 && memcmp(data, "TZif", 4) == 0, good;
	char rule[128];

	snprintf(rule, sizeof(rule), "%.*s", (int)(size < 127 ? size : 127), (const char *)data);
	if (file)
		good = read_file((struct bytes){ data, size }, z);
	else
		good = read_rule(rule, &z->rule);
	if (good)
		return z;
	zone_free(z);
	err_set(err, ERR_CONF, file ? "a damaged file of a time zone" : "not a time zone");
	return NULL;
}

static struct zone *load_path(const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");

	if (!f) {
		err_set(err, ERR_CONF, "%s: %s", path, strerror(errno));
		return NULL;
	}
	char *data = mem_new(FILE_MAX_BYTES);
	size_t n = fread(data, 1, FILE_MAX_BYTES, f);
	fclose(f);
	struct zone *z = n >= 4 && memcmp(data, "TZif", 4) == 0 ? zone_parse(data, n, err) : NULL;
	if (!z)
		err_set(err, ERR_CONF, "%s: not a time zone", path);
	free(data);
	return z;
}

static struct zone *load_name(const char *name, struct err *err)
{
	const char *folder = getenv("TZDIR");
	char path[512];
	struct err why;

	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "/usr/share/zoneinfo", name);
	struct zone *z =
		*name && *name != '/' && *name != '.' && !strstr(name, "..") && strlen(name) < 200
			? load_path(path, &why)
			: NULL;
	if (!z)
		err_set(err, ERR_CONF, "'%.60s': no such time zone", name);
	return z;
}

struct zone *zone_load(const char *name, struct err *err)
{
	const char *tz = getenv("TZ");

	if (name && *name)
		return load_name(name, err);
	if (!tz) {
		struct zone *local = load_path("/etc/localtime", NULL);
		return local ? local : zone_parse("UTC0", 4, err);
	}
	tz += *tz == ':';
	if (*tz == '/')
		return load_path(tz, err);
	struct zone *z = *tz ? load_name(tz, NULL) : zone_parse("UTC0", 4, err);
	return z ? z : zone_parse(tz, strlen(tz), err);
}

void zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->times);
	free(z->offsets);
	free(z);
}

/* ---- there and back ---------------------------------------------------------------- */

/* How many changes were at that moment or before. */
static size_t passed(const struct zone *z, int64_t utc)
{
	size_t low = 0, high = z->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (z->times[middle] <= utc)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int32_t zone_offset(const struct zone *z, int64_t utc)
{
	size_t n = passed(z, utc);

	if (n == z->count && z->rule.given)
		return rule_offset(&z->rule, utc);
	return n ? z->offsets[n - 1] : z->first;
}

/* Between two moments a day around the wall's time at most one change is assumed. */
int64_t zone_moment(const struct zone *z, int64_t wall)
{
	int32_t before = zone_offset(z, wall - 2 * DAY), after = zone_offset(z, wall + 2 * DAY);
	int64_t early = wall - (before > after ? before : after);
	int64_t late = wall - (before > after ? after : before);

	if (early + zone_offset(z, early) == wall)
		return early;
	if (late + zone_offset(z, late) == wall)
		return late;
	while (early < late) { /* the first moment that shows more */
		int64_t middle = early + (late - early) / 2;
		if (middle + zone_offset(z, middle) > wall)
			late = middle;
		else
			early = middle + 1;
	}
	return late;
}
