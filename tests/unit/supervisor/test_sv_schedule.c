/* Times that schedules have. */
#include "roles/supervisor/sv_schedule.h"

#include "roles/supervisor/sv_keys.h"
#include "tests/lib/check.h"

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
