#include "core/stat/hist.h"

uint64_t hist_end(unsigned i)
{
	unsigned octave = i / HIST_SUB, sub = i % HIST_SUB;

	if (octave == 0)
		return sub + 1;
	return (uint64_t)(HIST_SUB + sub + 1) << (octave - 1);
}

void hist_merge(struct hist *into, const struct hist *from)
{
	count_add(&into->count, count_get(&from->count));
	count_add(&into->sum, count_get(&from->sum));
	for (int i = 0; i < HIST_BUCKETS; i++)
		count_add(&into->buckets[i], count_get(&from->buckets[i]));
}

uint64_t hist_percentile(const struct hist *h, double share)
{
	uint64_t total = 0, seen = 0;

	for (int i = 0; i < HIST_BUCKETS; i++)
		total += count_get(&h->buckets[i]);

	double wanted = share * (double)total;
	for (unsigned i = 0; total && i < HIST_BUCKETS; i++) {
		uint64_t below = i ? hist_end(i - 1) : 0;

		seen += count_get(&h->buckets[i]);
		if (seen && (double)seen >= wanted)
			return below + (hist_end(i) - 1 - below) / 2;
	}
	return 0;
}
