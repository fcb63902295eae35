/* Numbers that redis answers, and times that schedules have. */
#include "roles/supervisor/sv_scale.h"

#include <string.h>

#include "roles/supervisor/sv_keys.h"
#include "roles/supervisor/sv_schedule.h"
#include "tests/lib/check.h"

Test(sv_scale, replies_of_redis)
{
	static const struct {
		const char *text;
		int what;
		int64_t number;
		size_t used;
	} cases[] = {
		{ ":12\r\n", SV_SCALE_NUMBER, 12, 5 },
		{ ":-1\r\n:2\r\n", SV_SCALE_NUMBER, -1, 5 },
		{ "$3\r\n123\r\n", SV_SCALE_NUMBER, 123, 9 },
		{ "$-1\r\n", SV_SCALE_NUMBER, 0, 5 },
		{ "+OK\r\n:1\r\n", SV_SCALE_TEXT, 0, 5 },
		{ "-ERR no\r\n", SV_SCALE_BAD, 0, 0 },
		{ "*1\r\n:1\r\n", SV_SCALE_BAD, 0, 0 },
		{ ":one\r\n", SV_SCALE_BAD, 0, 0 },
		{ ":\r\n", SV_SCALE_BAD, 0, 0 },
		{ ":1\n", SV_SCALE_BAD, 0, 0 },
		{ "\r\n", SV_SCALE_BAD, 0, 0 },
		{ "$3\r\nabc\r\n", SV_SCALE_BAD, 0, 0 },
		{ "$99999999999\r\n", SV_SCALE_BAD, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t number = 0;
		size_t used = 0, n = strlen(cases[i].text);
		check_int(sv_scale_reply(cases[i].text, n, &number, &used), cases[i].what);
		if (cases[i].what == SV_SCALE_BAD)
			continue;
		check_int(number, cases[i].number);
		check_int(used, cases[i].used);
		for (size_t cut = 0; cut < cases[i].used; cut++)
			check_int(sv_scale_reply(cases[i].text, cut, &number, &used),
				  SV_SCALE_MORE);
	}
}

Test(sv_schedule, intervals_count_from_the_last_start)
{
	struct sv_program_conf conf = { .interval = 1000 };
	struct sv_program p = { .conf = &conf };

	check_int(sv_schedule_next(&p, 5000, 0), 6000);
	check_int(sv_schedule_next(&p, 5000, 4500), 5500);
	check_int(sv_schedule_next(&p, 5000, 5000), 6000);
	check_int(sv_schedule_next(&p, 5000, 1000), 5001);
	check_int(sv_schedule_next(&p, 5000, 9000), 6000);
}
