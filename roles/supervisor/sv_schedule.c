#include "roles/supervisor/sv_schedule.h"

#include "core/base/cron.h"

bool sv_schedule_has(const struct sv_program *p)
{
	return p->cron || p->conf->interval > 0;
}

static int64_t next_of_interval(int64_t interval, int64_t now, int64_t last)
{
	if (last <= 0 || last > now) /* the clock was put back */
		return now + interval;
	return last + interval > now ? last + interval : now + 1;
}

int64_t sv_schedule_next(const struct sv_program *p, int64_t now, int64_t last)
{
	if (p->conf->interval > 0)
		return next_of_interval(p->conf->interval, now, last);
	int64_t next = p->cron ? cron_next(p->cron, now / 1000) : CRON_NEVER;
	return next == CRON_NEVER ? SV_SCHEDULE_NEVER : next * 1000;
}
