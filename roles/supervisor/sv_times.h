/*
 * sv_times - starts programs by `schedule` and `interval`.
 *
 * Each process has its next start, by the clock that people see. One timer looks at the nearest
 * one, and once a minute in any case: so a clock that is put forward starts what it passed, once,
 * and one that is put back starts nothing twice. Only when it is put back by hours (SV_TIMES_BACK)
 * are the next starts reckoned anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct sv;
struct sv_proc;

enum { SV_TIMES_BACK = 3 * 3600 * 1000 };

/* Part of struct sv. */
struct sv_times {
	uv_timer_t timer;
	int64_t looked; /* wall clock, ms; 0: not yet */
};

void sv_times_open(struct sv *sv);
void sv_times_close(struct sv *sv);

/* Processes came, or have other schedules. */
void sv_times_look(struct sv *sv);

/* It moved: one that waits for its end may start. */
void sv_times_moved(struct sv_proc *p);
