#include "roles/jobd/jd_ladder.h"

int jd_ladder_step(int64_t delay)
{
	int step = -1;

	while (step + 1 < JD_LADDER_STEPS && jd_ladder_time(step + 1) <= delay)
		step++;
	return step;
}
