#include <stdlib.h>
#include <string.h>

#include "core/conf/conf.h"

enum { NEAR_MAX = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, a row at a time. Both words are at most NEAR_MAX long. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[n];
}

const char *conf_near(const char *word, const char *const *words, size_t count)
{
	const char *best = NULL;
	size_t limit = 1 + strlen(word) / 3;

	if (strlen(word) > NEAR_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) > NEAR_MAX)
			continue;
		size_t d = distance(word, words[i]);
		if (d <= limit) {
			best = words[i];
			limit = d - (d > 0);
		}
	}
	return best;
}
