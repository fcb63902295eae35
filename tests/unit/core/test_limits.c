#include "core/proc/limits.h"

#include <string.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

Test(limits, are_read_as_people_write_them)
{
	static const struct {
		const char *name, *value;
		int resource;
		rlim_t soft, hard;
	} cases[] = {
		{ "rlimit_nofile", "65536", RLIMIT_NOFILE, 65536, 65536 },
		{ "nofile", "10:20", RLIMIT_NOFILE, 10, 20 },
		{ "core", "unlimited", RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY },
		{ "core", "0:unlimited", RLIMIT_CORE, 0, RLIM_INFINITY },
		{ "as", "512M", RLIMIT_AS, 512ul << 20, 512ul << 20 },
		{ "as", "1KiB:2GB", RLIMIT_AS, 1024, 2ul << 30 },
		{ "cpu", "infinity", RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limit l;
		check_int(limits_parse(&l, cases[i].name, cases[i].value, NULL), 0);
		check_int(l.resource, cases[i].resource);
		check_int(l.value.rlim_cur, cases[i].soft);
		check_int(l.value.rlim_max, cases[i].hard);
	}
}

Test(limits, are_refused_with_a_reason)
{
	static const struct {
		const char *name, *value, *text;
	} cases[] = {
		{ "rlimit_files", "1", "rlimit_files is no resource limit" },
		{ "nofile", "", "a number, unlimited" },
		{ "nofile", "-1", "a number, unlimited" },
		{ "nofile", "10x", "a number, unlimited" },
		{ "nofile", "10:", "a number, unlimited" },
		{ "nofile", "1:2:3", "a number, unlimited" },
		{ "nofile", "99999999999T", "a number, unlimited" },
		{ "nofile", "20:10", "the soft limit is above the hard one" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limit l = { .resource = -7 };
		struct err err;
		check_int(limits_parse(&l, cases[i].name, cases[i].value, &err), ERR_CONF);
		cr_expect(strstr(err.text, cases[i].text) != NULL, "%s", err.text);
		check_int(l.resource, -7);
	}
	check_str(limits_name(RLIMIT_NOFILE), "nofile");
	check_true(limits_name(99) == NULL);
}
