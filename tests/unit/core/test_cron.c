/* Zones against the C library's, and schedules where clocks change. */
#include "core/base/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/zone.h"
#include "tests/lib/check.h"

Test(zone, agrees_with_the_c_library)
{
	static const char *const names[] = { "UTC",
					     "Europe/Berlin",
					     "America/New_York",
					     "America/St_Johns",
					     "Australia/Lord_Howe",
					     "Australia/Sydney",
					     "Asia/Kolkata",
					     "Pacific/Apia",
					     "Africa/Casablanca",
					     "America/Sao_Paulo",
					     "Europe/Dublin",
					     "Asia/Tehran" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct err err = { 0 };
		struct zone *z = zone_load(names[i], &err);
		check_str(err.text, "");
		cr_assert(z != NULL);
		setenv("TZ", names[i], 1);
		tzset();
		int wrong = 0;
		for (int64_t t = -2000000000; t < 5000000000; t += 3600 * 31 + 1) {
			time_t at = (time_t)t;
			struct tm tm;
			localtime_r(&at, &tm);
			wrong += tm.tm_gmtoff != zone_offset(z, t);
		}
		check_int(wrong, 0);
		zone_free(z);
	}
}

Test(zone, reads_rules)
{
	static const struct {
		const char *rule;
		int64_t utc;
		int32_t want;
	} cases[] = {
		{ "UTC0", 0, 0 },
		{ "IST-5:30", 0, 19800 },
		{ "<-03>3", 0, -10800 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000 - 1, 3600 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 7200 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1792890000 - 1, 7200 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1792890000, 3600 },
		{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 1767225600, 39600 },
		{ "XST0XDT,J60/0,300/0", 1772323200 - 1, 0 },
		{ "XST0XDT,J60/0,300/0", 1772323200, 3600 },
		{ "EST5EDT", 1782000000, -14400 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zone *z = zone_parse(cases[i].rule, strlen(cases[i].rule), NULL);
		cr_assert(z != NULL);
		check_int(zone_offset(z, cases[i].utc), cases[i].want);
		zone_free(z);
	}
	static const char *const bad[] = {
		"", "X", "CET", "CET-1CEST,M13.1.0,M1.1.0", "CET-1CEST,M3", "TZif2", "CET-999"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_true(zone_parse(bad[i], strlen(bad[i]), NULL) == NULL);
	check_true(zone_load("../etc/passwd", NULL) == NULL);
	check_true(zone_load("No/Where", NULL) == NULL);
}

Test(zone, dates_go_there_and_back)
{
	for (int64_t days = -800000; days < 800000; days += 97) {
		int64_t year;
		int month, day;
		zone_date(days, &year, &month, &day);
		check_int(zone_days(year, month, day), days);
	}
	check_int(zone_days(1970, 1, 1), 0);
	check_int(zone_days(2000, 2, 29), 11016);
}

/* "2026-03-29 02:30", as UTC. */
static int64_t at(const char *text)
{
	int year, month, day, hour, minute;

	cr_assert(sscanf(text, "%d-%d-%d %d:%d", &year, &month, &day, &hour, &minute) == 5);
	return zone_days(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

static void text_of(int64_t t, char out[32])
{
	time_t then = (time_t)t;
	struct tm tm;

	gmtime_r(&then, &tm);
	strftime(out, 32, "%Y-%m-%d %H:%M", &tm);
}

/* All moments are UTC. */
Test(cron, knows_what_is_next)
{
	static const struct {
		const char *text, *after, *want[4];
	} cases[] = {
		{ "* * * * * UTC", "2026-01-01 00:00", { "2026-01-01 00:01", "2026-01-01 00:02" } },
		{ "*/20 * * * * UTC",
		  "2026-01-01 00:00",
		  { "2026-01-01 00:20", "2026-01-01 00:40", "2026-01-01 01:00" } },
		{ "5/20 * * * * UTC",
		  "2026-01-01 00:25",
		  { "2026-01-01 00:45", "2026-01-01 01:05" } },
		{ "0 0 * * * UTC", "2026-12-31 00:00", { "2027-01-01 00:00" } },
		{ "@daily UTC", "2026-12-31 00:00", { "2027-01-01 00:00" } },
		{ "@hourly UTC", "2026-12-31 23:10", { "2027-01-01 00:00" } },
		{ "@monthly UTC", "2026-12-31 00:00", { "2027-01-01 00:00", "2027-02-01 00:00" } },
		{ "@yearly UTC", "2026-12-31 00:00", { "2027-01-01 00:00", "2028-01-01 00:00" } },
		{ "0 12 29 feb * UTC",
		  "2026-01-01 00:00",
		  { "2028-02-29 12:00", "2032-02-29 12:00" } },
		{ "*/30 * 29 2 * UTC",
		  "2097-01-01 00:00",
		  { "2104-02-29 00:00", "2104-02-29 00:30" } },
		{ "0 9 * * mon-fri UTC",
		  "2026-05-01 09:00",
		  { "2026-05-04 09:00", "2026-05-05 09:00" } },
		{ "0 9 * * 7 UTC", "2026-05-01 09:00", { "2026-05-03 09:00" } },
		{ "0 9 13 * 5 UTC",
		  "2026-03-01 00:00",
		  { "2026-03-06 09:00", "2026-03-13 09:00" } },
		{ "15,45 8-10/2 * * * UTC",
		  "2026-01-01 08:15",
		  { "2026-01-01 08:45", "2026-01-01 10:15" } },
		/* Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00 */
		{ "30 2 * * * Europe/Berlin",
		  "2026-03-28 00:00",
		  { "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30" } },
		{ "30 2 * * * Europe/Berlin",
		  "2026-10-24 12:00",
		  { "2026-10-25 00:30", "2026-10-26 01:30" } },
		{ "0,30 1-3 29 3 * Europe/Berlin",
		  "2026-03-29 00:00",
		  { "2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30" } },
		{ "30 * * * * Europe/Berlin",
		  "2026-03-29 00:00",
		  { "2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30" } },
		{ "30 * * * * Europe/Berlin",
		  "2026-10-25 00:00",
		  { "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30" } },
		{ "0 3 * * * Europe/Berlin",
		  "2026-03-28 12:00",
		  { "2026-03-29 01:00", "2026-03-30 01:00" } },
		{ "15 2 * * * Australia/Lord_Howe",
		  "2026-10-03 00:00",
		  { "2026-10-03 15:30", "2026-10-04 15:15" } },
		{ "0 12 30 12 * Pacific/Apia",
		  "2011-01-01 00:00",
		  { "2011-12-30 10:00", "2012-12-29 22:00" } },
		{ "0 0 * * * America/Sao_Paulo",
		  "2018-11-03 12:00",
		  { "2018-11-04 03:00", "2018-11-05 02:00" } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		struct cron *c = cron_new(cases[i].text, &err);
		check_str(err.text, "");
		cr_assert(c != NULL);
		int64_t t = at(cases[i].after);
		for (int k = 0; k < 4 && cases[i].want[k]; k++) {
			char got[32];
			t = cron_next(c, t);
			text_of(t, got);
			check_str(got, cases[i].want[k]);
		}
		cron_free(c);
	}
}

Test(cron, says_what_is_wrong)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "",
		  "has 0 words; there must be minute, hour, day, month, weekday and perhaps a time "
		  "zone" },
		{ "60 * * * *", "'60' is not a minute (0 to 59)" },
		{ "* 1-x * * *", "'1-x' is not a hour (0 to 23)" },
		{ "* 5-1 * * *", "'5-1' is not a hour (0 to 23)" },
		{ "*/0 * * * *", "'*/0' is not a minute (0 to 59)" },
		{ "1,, * * * *", "'1,,' is not a minute (0 to 59)" },
		{ "* * * foo *", "'foo' is not a month (1 to 12)" },
		{ "* * 0 * *", "'0' is not a day (1 to 31)" },
		{ "0 0 31 feb *", "there is no such day" },
		{ "@often", "'@often' is none of @hourly, @daily, @weekly, @monthly, @yearly" },
		{ "0 0 * * * Berlin", "'Berlin': no such time zone" },
		{ "0 0 * * * UTC x",
		  "has 7 words; there must be minute, hour, day, month, weekday and "
		  "perhaps a time zone" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		check_true(cron_new(cases[i].text, &err) == NULL);
		check_str(err.text, cases[i].want);
	}
}
