/*
 * share - how a busy thread shares the cores with those that it wakes.
 *
 *	normal   it is run as soon as there is something to do, whoever has the core
 *	batch    it waits for the core to be free, and does at once all that came meanwhile
 *
 * Between a client and a server that run on the same machine, batch (SCHED_BATCH) saves a third of
 * the CPU: nobody is switched out for each message. Where programs that compute keep all cores
 * busy it would wait for milliseconds instead. So what the kernel counts decides (schedstat: time
 * that the thread stood in a queue, and how often): a thread that is kept waiting becomes normal,
 * and tries again later, less and less often.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct share {
	int schedstat; /* -1: the kernel does not tell, and all stays as it is */
	bool batch;
	uint64_t waited, turns; /* as told at .since: ns in all, times on a core */
	uint64_t since;         /* ms */
	uint64_t change;        /* ms: when it may become batch again; since when it is */
	uint64_t pause;         /* ms */
};

/* On the thread itself. */
void share_init(struct share *s);
void share_fini(struct share *s);

/* On the thread itself, some times a second. now: ms. */
void share_tick(struct share *s, uint64_t now);
