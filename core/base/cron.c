#include "core/base/cron.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/zone.h"

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
	YEARS_MAX = 9, /* 29 February may be eight years away */
	TEXT_MAX = 500,
	FIELDS = 5,
};

enum field { IN_MINUTE, IN_HOUR, IN_DAY, IN_MONTH, IN_WEEKDAY };

struct cron {
	uint64_t bits[FIELDS];
	bool any[FIELDS]; /* begins with * */
	struct zone *zone;
};

/* ---- fields --------------------------------------------------------------------- */

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun",
					   "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const day_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static const struct {
	const char *name;
	int first, last;
	const char *const *names; /* of the numbers from first on */
	int name_count;
} fields[FIELDS] = {
	{ "minute", 0, 59, NULL, 0 },      { "hour", 0, 23, NULL, 0 },
	{ "day", 1, 31, NULL, 0 },         { "month", 1, 12, month_names, 12 },
	{ "weekday", 0, 7, day_names, 7 },
};

static bool take_value(const char **p, enum field f, int *out)
{
	if (isdigit((unsigned char)**p)) {
		*out = 0;
		while (isdigit((unsigned char)**p) && *out < 1000)
			*out = *out * 10 + (*(*p)++ - '0');
		return *out >= fields[f].first && *out <= fields[f].last;
	}
	for (int i = 0; i < fields[f].name_count; i++)
		if (strncasecmp(*p, fields[f].names[i], 3) == 0) {
			*p += 3;
			*out = fields[f].first + i;
			return true;
		}
	return false;
}

static bool take_step(const char **p, int *step)
{
	*step = 1;
	if (**p != '/')
		return true;
	(*p)++;
	*step = 0;
	while (isdigit((unsigned char)**p) && *step < 1000)
		*step = *step * 10 + (*(*p)++ - '0');
	return *step > 0;
}

/* One member of a list. */
static bool take_range(const char **p, enum field f, uint64_t *bits)
{
	int first = fields[f].first, last = fields[f].last, step;
	bool star = **p == '*' || **p == '?', range = star;

	if (star) {
		(*p)++;
	} else {
		if (!take_value(p, f, &first))
			return false;
		last = first;
		range = **p == '-';
		if (range && ((*p)++, !take_value(p, f, &last)))
			return false;
	}
	if (!range && **p == '/')
		last = fields[f].last; /* 5/15: from 5 on */
	if (!take_step(p, &step) || last < first)
		return false;
	for (int i = first; i <= last; i += step)
		*bits |= 1ULL << i;
	return true;
}

static int read_field(struct cron *c, enum field f, const char *word, struct err *err)
{
	const char *p = word;

	c->any[f] = *word == '*' || *word == '?';
	do {
		if (!take_range(&p, f, &c->bits[f]))
			return err_set(err, ERR_CONF, "'%.40s' is not a %s (%d to %d)", word,
				       fields[f].name, fields[f].first, fields[f].last);
	} while (*p++ == ',');
	if (p[-1] != '\0')
		return err_set(err, ERR_CONF, "'%.40s' is not a %s (%d to %d)", word,
			       fields[f].name, fields[f].first, fields[f].last);
	if (f == IN_WEEKDAY && c->bits[f] & 1 << 7)
		c->bits[f] |= 1;
	return 0;
}

static const struct {
	const char *name, *fields;
} macros[] = {
	{ "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
	{ "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
	{ "@hourly", "0 * * * *" },
};

/* Puts a macro's fields in its place. */
static int unfold(const char *text, char out[TEXT_MAX], struct err *err)
{
	size_t n = strcspn(text, " \t");

	if (strlen(text) >= TEXT_MAX - 20)
		return err_set(err, ERR_CONF, "a schedule over %d bytes", TEXT_MAX - 20);
	if (*text != '@') {
		snprintf(out, TEXT_MAX, "%s", text);
		return 0;
	}
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		if (strlen(macros[i].name) == n && strncasecmp(macros[i].name, text, n) == 0) {
			snprintf(out, TEXT_MAX, "%s %s", macros[i].fields, text + n);
			return 0;
		}
	return err_set(err, ERR_CONF,
		       "'%.*s' is none of @hourly, @daily, @weekly, @monthly, @yearly",
		       (int)(n < 40 ? n : 40), text);
}

static int read_all(struct cron *c, char *text, struct err *err)
{
	char *words[FIELDS + 2], *save;
	int n = 0, rc = 0;

	for (char *word = strtok_r(text, " \t\r\n", &save); word && n < FIELDS + 2;
	     word = strtok_r(NULL, " \t\r\n", &save))
		words[n++] = word;
	if (n < FIELDS || n > FIELDS + 1)
		return err_set(err, ERR_CONF,
			       "has %d words; there must be minute, hour, day, month, weekday and "
			       "perhaps a time zone",
			       n);
	for (int f = 0; f < FIELDS && !rc; f++)
		rc = read_field(c, (enum field)f, words[f], err);
	if (!rc && !(c->zone = zone_load(n > FIELDS ? words[FIELDS] : NULL, err)))
		rc = ERR_CONF;
	return rc;
}

struct cron *cron_new(const char *text, struct err *err)
{
	struct cron *c = mem_new(sizeof(*c));
	char fields_text[TEXT_MAX];
	int rc = unfold(text + strspn(text, " \t"), fields_text, err);

	if (!rc)
		rc = read_all(c, fields_text, err);
	if (!rc && cron_next(c, (int64_t)time(NULL)) == CRON_NEVER)
		rc = err_set(err, ERR_CONF, "there is no such day");
	if (!rc)
		return c;
	cron_free(c);
	return NULL;
}

void cron_free(struct cron *c)
{
	if (!c)
		return;
	zone_free(c->zone);
	free(c);
}

/* ---- the next time ------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static bool has(const struct cron *c, enum field f, int64_t value)
{
	return c->bits[f] >> value & 1;
}

/* Whether anything may be due on that day. */
static bool day_matches(const struct cron *c, int64_t days, bool *month_matches)
{
	int64_t year;
	int month, day;

	zone_date(days, &year, &month, &day);
	bool in_day = has(c, IN_DAY, day), in_week = has(c, IN_WEEKDAY, ((days + 4) % 7 + 7) % 7);
	*month_matches = has(c, IN_MONTH, month);
	if (!c->any[IN_DAY] && !c->any[IN_WEEKDAY])
		return *month_matches && (in_day || in_week);
	return *month_matches && in_day && in_week;
}

/* The wall clock's first minute, from `wall` on, that matches; a multiple of a minute. */
static int64_t next_wall(const struct cron *c, int64_t wall, int64_t last)
{
	while (wall <= last) {
		int64_t days = floor_div(wall, DAY), of_day = wall - days * DAY;
		bool month;

		if (!day_matches(c, days, &month))
			wall = (days + 1) * DAY;
		else if (!has(c, IN_HOUR, of_day / HOUR))
			wall = days * DAY + (of_day / HOUR + 1) * HOUR;
		else if (!has(c, IN_MINUTE, of_day % HOUR / MINUTE))
			wall += MINUTE;
		else
			return wall;
	}
	return CRON_NEVER;
}

/* Fixed hours: every time of the wall clock is met once, wherever that is. */
static int64_t next_fixed(const struct cron *c, int64_t after, int64_t last)
{
	int64_t shown = after + zone_offset(c->zone, after);
	int64_t wall = floor_div(shown, MINUTE) * MINUTE - DAY - HOUR; /* a gap may be a day long */

	while ((wall = next_wall(c, wall, last)) != CRON_NEVER) {
		int64_t moment = zone_moment(c->zone, wall);
		if (moment > after)
			return moment;
		wall += MINUTE;
	}
	return CRON_NEVER;
}

/* Any hour: what the clock shows as time passes. */
static int64_t next_passing(const struct cron *c, int64_t after, int64_t last)
{
	int64_t t = (floor_div(after, MINUTE) + 1) * MINUTE;

	while (t <= last) {
		int32_t offset = zone_offset(c->zone, t);
		int64_t wall = floor_div(t + offset, MINUTE) * MINUTE;
		int64_t found = next_wall(c, wall, wall + DAY);
		int64_t then = (found == CRON_NEVER ? wall + DAY : found) - offset;
		then = then < t ? t : then; /* an offset of odd seconds */

		if (zone_offset(c->zone, then) == offset) {
			if (found != CRON_NEVER)
				return then;
			t = then;
		} else if (found == wall) {
			return t;
		} else {
			t += MINUTE; /* the clock is changed before: minute by minute */
		}
	}
	return CRON_NEVER;
}

int64_t cron_next(const struct cron *c, int64_t after)
{
	int64_t last = after + YEARS_MAX * 366LL * DAY;

	return c->any[IN_HOUR] ? next_passing(c, after, last) : next_fixed(c, after, last);
}
