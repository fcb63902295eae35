#include "core/proc/limits.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"

static const struct {
	const char *name;
	int resource;
} names[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

/* name: "nofile" or "rlimit_nofile". Returns RLIMIT_..., or -1. */
static int resource_of(const char *name)
{
	if (strncmp(name, "rlimit_", 7) == 0)
		name += 7;
	for (int i = 0; i < NAMES; i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].resource;
	return -1;
}

const char *limits_name(int resource)
{
	for (int i = 0; i < NAMES; i++)
		if (names[i].resource == resource)
			return names[i].name;
	return NULL;
}

/* "512M", "512MiB", "65536". */
static bool read_number(const char *text, rlim_t *value)
{
	static const char units[] = "KMGT";
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	unsigned long long n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	int shift = unit ? (int)(unit - units + 1) * 10 : 0;
	end += unit ? 1 : 0;
	if (unit && (strcasecmp(end, "B") == 0 || strcasecmp(end, "iB") == 0))
		end += strlen(end);
	*value = (rlim_t)n << shift;
	return *end == '\0' && *value >> shift == n && *value != RLIM_INFINITY;
}

static bool read_value(const char *text, rlim_t *value)
{
	*value = RLIM_INFINITY;
	return strcasecmp(text, "unlimited") == 0 || strcasecmp(text, "infinity") == 0 ||
	       read_number(text, value);
}

int limits_parse(struct limit *l, const char *name, const char *value, struct err *err)
{
	struct limit got = { .resource = resource_of(name) };
	char soft[64];
	const char *colon = strchr(value, ':');
	size_t n = colon ? (size_t)(colon - value) : strlen(value);

	if (got.resource < 0)
		return err_set(err, ERR_CONF, "%s is no resource limit", name);
	if (n >= sizeof(soft))
		return err_set(err, ERR_CONF, "%s: a number is expected", name);
	memcpy(soft, value, n);
	soft[n] = '\0';
	if (!read_value(soft, &got.value.rlim_cur) ||
	    !read_value(colon ? colon + 1 : soft, &got.value.rlim_max))
		return err_set(err, ERR_CONF,
			       "%s: a number, unlimited, or soft:hard is expected, not %s", name,
			       value);
	if (got.value.rlim_cur > got.value.rlim_max)
		return err_set(err, ERR_CONF, "%s: the soft limit is above the hard one", name);
	*l = got;
	return 0;
}
