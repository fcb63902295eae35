#include "core/work/backoff.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

static const int64_t longest = (int64_t)366 * 86400 * 1000;

/* Words are cut at spaces, in place. NULL at the end. */
static char *next_word(char **at)
{
	char *word;

	while ((word = strsep(at, " \t")) && !*word)
		;
	return word;
}

static int read_time(const char *text, int64_t *ms, struct err *err)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
	};
	char *end = NULL;
	long long n = text ? strtoll(text, &end, 10) : 0;

	if (!text || end == text || n < 0)
		return err_set(err, ERR_CONF, "a time such as 10s is missing");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (n > longest / units[i].ms)
			return err_set(err, ERR_CONF, "%s is more than a year", text);
		*ms = n * units[i].ms;
		return 0;
	}
	return err_set(err, ERR_CONF, "%s: a time has a unit: ms, s, m, h, d", text);
}

static int read_list(struct backoff *b, char *text, struct err *err)
{
	char *one;
	int rc = text ? 0 : err_set(err, ERR_CONF, "a list of times is missing");

	while (rc == 0 && (one = strsep(&text, ","))) {
		if (b->steps == BACKOFF_STEPS)
			return err_set(err, ERR_CONF, "at most %d times", BACKOFF_STEPS);
		rc = read_time(one, &b->step[b->steps++], err);
	}
	return rc;
}

static int read_jitter(struct backoff *b, char **at, struct err *err)
{
	char *word = next_word(at), *end;

	if (!word)
		return 0;
	if (strcmp(word, "jitter") != 0)
		return err_set(err, ERR_CONF, "%s: what is that?", word);
	word = next_word(at);
	long n = word ? strtol(word, &end, 10) : -1;
	if (n < 0 || n > 100 || end == word || strcmp(end, "%") != 0 || next_word(at))
		return err_set(err, ERR_CONF, "jitter is a number of percent, at most 100%%");
	b->jitter = (uint8_t)n;
	return 0;
}

static int read_times(struct backoff *b, char **at, struct err *err)
{
	if (b->kind == BACKOFF_POLY4)
		return 0;
	if (b->kind == BACKOFF_LIST)
		return read_list(b, next_word(at), err);
	b->steps = 1;
	int rc = read_time(next_word(at), &b->step[0], err);
	b->max = b->step[0];
	if (rc == 0 && b->kind != BACKOFF_FIXED)
		rc = read_time(next_word(at), &b->max, err);
	if (rc == 0 && b->max < b->step[0])
		rc = err_set(err, ERR_CONF, "the most is less than the first");
	return rc;
}

int backoff_parse(struct backoff *b, const char *text, struct err *err)
{
	static const char *const names[] = { "exp", "linear", "fixed", "list", "poly4" };
	struct backoff made = { .kind = 0xff };
	char copy[256], *at = copy;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, ERR_CONF, "longer than %zu letters", sizeof(copy) - 1);
	memcpy(copy, text, strlen(text) + 1);
	char *word = next_word(&at);
	for (uint8_t i = 0; word && i < 5; i++)
		if (strcmp(word, names[i]) == 0)
			made.kind = i;
	if (made.kind == 0xff)
		return err_set(err, ERR_CONF, "%s: exp, linear, fixed, list or poly4", text);
	int rc = read_times(&made, &at, err);
	if (rc == 0)
		rc = read_jitter(&made, &at, err);
	if (rc == 0)
		*b = made;
	return rc;
}

static int64_t plain(const struct backoff *b, int n)
{
	int64_t ms = b->step[0];

	switch (b->kind) {
	case BACKOFF_EXP:
		for (int i = 1; i < n && ms < b->max; i++)
			ms *= 2;
		break;
	case BACKOFF_LINEAR:
		ms *= n;
		break;
	case BACKOFF_LIST:
		return b->step[n <= b->steps ? n - 1 : b->steps - 1];
	default:
		break;
	}
	return ms < b->max ? ms : b->max;
}

int64_t backoff_delay(const struct backoff *b, int attempts, uint64_t chance)
{
	int n = attempts < 1 ? 1 : attempts > 1000 ? 1000 : attempts;

	if (b->kind == BACKOFF_POLY4) {
		int64_t count = n - 1; /* retries so far, as they count */
		int64_t ms = (count * count * count * count + 15) * 1000 +
			     (int64_t)(chance % 30000) * (count + 1);
		return ms < longest ? ms : longest;
	}
	int64_t ms = plain(b, n), spread = ms * b->jitter / 100;
	return spread ? ms - spread + (int64_t)(chance % (uint64_t)(2 * spread + 1)) : ms;
}
