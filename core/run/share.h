/*
 * share - how a busy thread shares the cores with those that it wakes.
 *
 *	normal   it is run as soon as there is something to do, whoever has the core
 *	batch    it waits for the core to be free, and does at once all that came meanwhile
 *
 * Between many clients and a server that run on the same machine, batch (SCHED_BATCH) can save a
 * third of the CPU: nobody is switched out for each message. A lone client only waits longer: he is
 * known by events that come one by one. And where programs that compute keep all cores busy, all
 * wait a thousand times longer. No counter of the kernel tells that, so it is tried: for a moment
 * batch, for a moment normal again, and what got more done stays. That is repeated when the load
 * changes, and else less and less often.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct share {
	bool batch;
	bool allowed; /* false: the kernel said no, and all stays as it is */
	uint8_t phase;
	uint64_t since, done, crowd; /* of the window that runs: ms, counts at its begin */
	uint64_t rates[3]; /* of the last windows, per second: before, with the other way, after */
	uint64_t chosen;   /* the rate when the choice was made */
	uint64_t next, pause; /* ms: when it is tried again, and how long after that */
};

/* On the thread itself. */
void share_init(struct share *s);

/* On the thread itself, some times a second. now: ms. done: work so far, in whatever unit.
 * crowd: events so far that did not come alone. */
void share_tick(struct share *s, uint64_t now, uint64_t done, uint64_t crowd);
