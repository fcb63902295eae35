/*
 * jd_watch - clients of a listener who wait for jobs of the same topics.
 *
 * All of them wait at one taker (core/work), in their order, so that a job that comes costs the
 * same with one of them waiting and with a thousand. A watch lives as long as somebody uses it or
 * jobs are out of its taker.
 */
#pragma once

#include "core/work/work.h"

struct jd_conns;
struct jd_watch;

/* What the takers of one listener have in common. data: a struct jd_watch, also work_job.taker. */
struct jd_watches {
	struct jd_conns *conns;
	struct work_taker_conf conf; /* order and callbacks */
	struct list list;
	int idle, idle_most; /* watches that nobody needs; how many of them are kept */
};

struct jd_watch {
	struct list link;
	struct jd_watches *all;
	struct work_taker *taker; /* NULL: nobody has wanted anything yet */
	struct list waiting;
	int n_waiting;
	int users;     /* clients */
	uint64_t held; /* jobs out of its taker */
	uint32_t hash;
	bool idle; /* nobody needs it */
	int n;
	char *names[];
};

void jd_watches_init(struct jd_watches *all, struct jd_conns *conns,
		     const struct work_taker_conf *conf);

/* Of these topics, in this order; one user more. */
struct jd_watch *jd_watch_of(struct jd_watches *all, char *const *names, int n);

/* One user less. */
void jd_watch_leave(struct jd_watch *w);

/* Whether somebody uses one with that topic. */
bool jd_watch_is_of(const struct jd_watches *all, const char *topic);

/* Somebody more waits, or less: the list of `waiting` is the caller's. */
void jd_watch_waits(struct jd_watch *w, int more);

/* A job is in a client's hands, out of them. The second: what becomes of it is said to the engine
 * next, then jd_watch_settle. */
void jd_watch_hold(struct jd_watch *w, struct work_job *job, struct list *jobs);
void jd_watch_unhold(struct jd_watch *w, struct work_job *job);
void jd_watch_settle(struct jd_watch *w);

struct work_taker *jd_watch_taker(struct jd_watch *w);

/* Nobody is given anything any more. */
void jd_watches_drain(struct jd_watches *all);

/* Those that nobody needs go. */
void jd_watches_sweep(struct jd_watches *all);

uint32_t jd_watch_hash(const char *name, uint32_t h);
