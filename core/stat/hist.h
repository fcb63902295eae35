/*
 * hist - a histogram with fixed buckets, and counters that a thread may own.
 *
 * Four buckets to each power of two, from 0 to 2^40: a percentile is right to
 * a quarter at worst (an eighth in the middle), and a merge is an addition.
 * The unit is the caller's; for times it is the microsecond.
 *
 * One thread writes, any thread reads, without locks: the numbers are plain
 * loads and stores that can't tear. What is read together may be a moment apart.
 */
#pragma once

#include <stdint.h>

enum { HIST_SUB = 4, HIST_OCTAVES = 40, HIST_BUCKETS = HIST_SUB * HIST_OCTAVES };

struct hist {
	uint64_t count;
	uint64_t sum;
	uint64_t buckets[HIST_BUCKETS];
};

static inline uint64_t count_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Only the counter's own thread. */
static inline void count_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, count_get(counter) + n, __ATOMIC_RELAXED);
}

/* 0..3 have a bucket each; from 4 on the two bits after the highest one choose among four. */
static inline unsigned hist_bucket(uint64_t value)
{
	if (value < HIST_SUB)
		return (unsigned)value;
	unsigned top = 63 - (unsigned)__builtin_clzll(value);
	unsigned i = (top - 1) * HIST_SUB + (unsigned)(value >> (top - 2) & 3);
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

static inline void hist_add(struct hist *h, uint64_t value)
{
	count_add(&h->count, 1);
	count_add(&h->sum, value);
	count_add(&h->buckets[hist_bucket(value)], 1);
}

/* The first value that is above bucket i. */
uint64_t hist_end(unsigned i);

/* *into += *from. into: the caller's own. */
void hist_merge(struct hist *into, const struct hist *from);

/* The value that `share` (0..1) of all values are not above, give or take its bucket. 0 when
 * empty. */
uint64_t hist_percentile(const struct hist *h, double share);
