/*
 * sv_times - starts programs by `schedule` and `interval`.
 *
 * Each process has its next start, by the clock that people see; a timerfd waits for the nearest
 * one, and tells at once when that clock is set. One that is put forward starts what it passed,
 * once; one that is put back starts nothing twice, and only by hours (SV_TIMES_BACK) are schedules
 * reckoned anew. An interval is time that passes: it moves with the clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/net/poller.h"

struct sv;
struct sv_proc;

enum { SV_TIMES_BACK = 3 * 3600 * 1000 };

/* Part of struct sv. */
struct sv_times {
	uv_timer_t timer; /* for what is due already */
	struct poller_item clock;
	int64_t apart; /* the wall's clock from that since boot, at the last look, ms */
	bool looked;
};

/* Returns 0 or a code. */
int sv_times_open(struct sv *sv);
void sv_times_close(struct sv *sv);

/* Processes came, or have other schedules. */
void sv_times_look(struct sv *sv);

/* It moved: one that waits for its end may start. */
void sv_times_moved(struct sv_proc *p);
