/*
 * cron - when something is due: five fields as in crontab, in a time zone.
 *
 *	minute hour day month weekday [ZONE]	0 3 * * mon-fri Europe/Berlin
 *	@yearly @monthly @weekly @daily @hourly [ZONE]
 *
 * A field is *, a number, a range, a list of them, each with a step: 1-5,10-20/2. Months and
 * weekdays may be names (jan, sun); 0 and 7 are Sunday. Where both day and weekday are given, one
 * of them is enough.
 *
 * When clocks are changed, what is due at fixed hours is due once: in an hour that is skipped,
 * right after it; in one that comes twice, the first time. What has * for its hour goes by time
 * that really passes.
 */
#pragma once

#include <stdint.h>

struct cron;
struct err;

enum { CRON_NEVER = -1 };

/* NULL and one sentence: a text that is not one, a zone that there is not, a day that never is. */
struct cron *cron_new(const char *text, struct err *err);
void cron_free(struct cron *c);

/* The first moment after that one, both in seconds since 1970; or CRON_NEVER. */
int64_t cron_next(const struct cron *c, int64_t after);
