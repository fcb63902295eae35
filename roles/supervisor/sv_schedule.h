/* sv_schedule - when a program with schedule or interval starts next. */
#pragma once

#include "roles/supervisor/sv_process.h"

enum { SV_SCHEDULE_NEVER = -1 };

bool sv_schedule_has(const struct sv_program *p);

/*
 * Milliseconds since 1970, by the clock that people see; after `now`. last: its last start, 0:
 * never. An interval counts from that, so one that was missed is due at once. SV_SCHEDULE_NEVER:
 * it has none.
 */
int64_t sv_schedule_next(const struct sv_program *p, int64_t now, int64_t last);
