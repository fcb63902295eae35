#include "core/log/rotate.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static const char *const suffixes[] = { "", ".zst" };

/* n 0: the file itself. */
static void numbered(char *out, const char *path, int64_t n, const char *suffix)
{
	if (n == 0)
		snprintf(out, PATH_MAX, "%s", path);
	else
		snprintf(out, PATH_MAX, "%s.%lld%s", path, (long long)n, suffix);
}

void rotate_names(const char *path, int64_t keep)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (int i = 0; i < 2; i++) {
		numbered(to, path, keep, suffixes[i]);
		unlink(to);
		for (int64_t n = keep - 1; n >= i; n--) { /* FILE itself is never compressed */
			numbered(from, path, n, suffixes[i]);
			numbered(to, path, n + 1, suffixes[i]);
			rename(from, to);
		}
	}
}
