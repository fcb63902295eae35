/*
 * sv_flow - processes that are awaited, some of them at a time, and restarted before that.
 *
 *	steps:  [done] [done] [told] [told] [ ] [ ] ...     `width` of them are under way
 *	on_move --> a fact and a wake-up --> tick: looks at each that is told; tells the next
 *
 * The call is answered when all are done, one has failed, or the time is over. Nothing is started
 * from within a move of another process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sv_call;
struct sv_proc;

enum sv_goal { SV_GOAL_READY, SV_GOAL_HEALTHY, SV_GOAL_STARTED, SV_GOAL_STOPPED, SV_GOAL_EXITED };

struct sv_flow_want {
	enum sv_goal goal;
	size_t restart;  /* so many at a time; 0: none, all are only awaited */
	int64_t timeout; /* ms; 0: none */
	int single;      /* the answer is true, not a list of results */
};

/* Takes procs over. Answers the call. */
void sv_flow_start(struct sv_call *call, struct sv_proc **procs, size_t n,
		   const struct sv_flow_want *want);
