#include "core/api/moment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Exactly n digits. */
static bool number(const char **at, int n, int *out)
{
	*out = 0;
	for (; n > 0; n--, ++*at) {
		if (**at < '0' || **at > '9')
			return false;
		*out = *out * 10 + (**at - '0');
	}
	return true;
}

static bool letter(const char **at, const char *of)
{
	if (!**at || !strchr(of, **at))
		return false;
	++*at;
	return true;
}

static bool read_date(const char **at, struct tm *tm)
{
	if (!number(at, 4, &tm->tm_year) || !letter(at, "-") || !number(at, 2, &tm->tm_mon) ||
	    !letter(at, "-") || !number(at, 2, &tm->tm_mday) || !letter(at, "Tt ") ||
	    !number(at, 2, &tm->tm_hour) || !letter(at, ":") || !number(at, 2, &tm->tm_min) ||
	    !letter(at, ":") || !number(at, 2, &tm->tm_sec))
		return false;
	if (tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > 31 ||
	    tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return true;
}

static int read_fraction(const char **at)
{
	int ms = 0, unit = 100;

	if (**at != '.')
		return 0;
	for (++*at; **at >= '0' && **at <= '9'; ++*at, unit /= 10)
		ms += (**at - '0') * unit;
	return ms;
}

/* Minutes east of Greenwich; false: no zone. */
static bool read_zone(const char **at, int *minutes)
{
	int hours = 0, rest = 0, sign = **at == '-' ? -1 : 1;

	*minutes = 0;
	if (letter(at, "Zz"))
		return true;
	if (!letter(at, "+-") || !number(at, 2, &hours) || !letter(at, ":") ||
	    !number(at, 2, &rest) || hours > 23 || rest > 59)
		return false;
	*minutes = sign * (hours * 60 + rest);
	return true;
}

int64_t api_moment_read(const char *text)
{
	size_t n = strlen(text);
	struct tm tm = { .tm_isdst = 0 };
	int zone, day;

	if (n && n < 19 && strspn(text, "0123456789") == n)
		return strtoll(text, NULL, 10);
	if (!read_date(&text, &tm))
		return -1;
	int ms = read_fraction(&text);
	if (!read_zone(&text, &zone) || *text)
		return -1;
	day = tm.tm_mday;
	int64_t s = timegm(&tm);
	if (tm.tm_mday != day) /* the 31st of a month of 30 days */
		return -1;
	s -= zone * 60;
	return s < 0 ? -1 : s * 1000 + ms;
}
