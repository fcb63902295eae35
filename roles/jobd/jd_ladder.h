/*
 * jd_ladder - delays in a RabbitMQ that has no plugin for them.
 *
 *	1 s, 2 s, 4 s ... 2^17 s: queues that nobody reads, whose messages pass into the topic's
 *	queue when their time is over
 *
 * A message waits in the longest one that is not longer than its delay, and comes to us; if it is
 * not due by then, again. What is left below a second it waits with us. (A queue with times of
 * each message's own would not do: only the first one of a queue is looked at.)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { JD_LADDER_STEPS = 18, JD_LADDER_LEAST = 1000 };

/* The number of the step, 0 to 17; -1: it is too short for any. ms. */
int jd_ladder_step(int64_t delay);

static inline int64_t jd_ladder_time(int step)
{
	return (int64_t)JD_LADDER_LEAST << step;
}
