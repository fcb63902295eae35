#include "roles/jobd/jd_beanstalk_parse.h"

#include <string.h>

/* What follows the verb: i id, p priority, d delay, r time to run, n number, t seconds that may be
 * less than 0, N a tube. The longer ones of a beginning come first. */
static const struct {
	const char *word, *takes;
	enum jd_bs_verb verb;
} verbs[] = {
	{ "put ", "pdrn", JD_BS_PUT },
	{ "reserve-with-timeout ", "t", JD_BS_RESERVE_WITH_TIMEOUT },
	{ "reserve-job ", "i", JD_BS_RESERVE_JOB },
	{ "reserve", "", JD_BS_RESERVE },
	{ "delete ", "i", JD_BS_DELETE },
	{ "release ", "ipd", JD_BS_RELEASE },
	{ "bury ", "ip", JD_BS_BURY },
	{ "touch ", "i", JD_BS_TOUCH },
	{ "use ", "N", JD_BS_USE },
	{ "watch ", "N", JD_BS_WATCH },
	{ "ignore ", "N", JD_BS_IGNORE },
	{ "peek ", "i", JD_BS_PEEK },
	{ "peek-ready", "", JD_BS_PEEK_READY },
	{ "peek-delayed", "", JD_BS_PEEK_DELAYED },
	{ "peek-buried", "", JD_BS_PEEK_BURIED },
	{ "kick ", "n", JD_BS_KICK },
	{ "kick-job ", "i", JD_BS_KICK_JOB },
	{ "stats-job ", "i", JD_BS_STATS_JOB },
	{ "stats-tube ", "N", JD_BS_STATS_TUBE },
	{ "stats", "", JD_BS_STATS },
	{ "list-tubes-watched", "", JD_BS_LIST_TUBES_WATCHED },
	{ "list-tube-used", "", JD_BS_LIST_TUBE_USED },
	{ "list-tubes", "", JD_BS_LIST_TUBES },
	{ "pause-tube", "Nd", JD_BS_PAUSE_TUBE },
	{ "quit", "", JD_BS_QUIT },
};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]) };

const char *jd_bs_verb_name(enum jd_bs_verb verb)
{
	for (int i = 0; i < N_VERBS; i++)
		if (verbs[i].verb == verb)
			return verbs[i].word;
	return "?";
}

struct words {
	const char *at, *end;
};

/* Before each but the first there is at least one space. */
static bool next_word(struct words *w)
{
	while (w->at < w->end && *w->at == ' ')
		w->at++;
	return w->at < w->end;
}

static bool take_number(struct words *w, uint64_t most, uint64_t *n)
{
	uint64_t sum = 0;

	if (!next_word(w))
		return false;
	const char *from = w->at;
	for (; w->at < w->end && *w->at >= '0' && *w->at <= '9'; w->at++) {
		uint64_t digit = (uint64_t)(*w->at - '0');
		if (sum > (most - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*n = sum;
	return w->at > from && (w->at == w->end || *w->at == ' ');
}

static bool take_u32(struct words *w, uint32_t *n)
{
	uint64_t wide;

	if (!take_number(w, UINT32_MAX, &wide))
		return false;
	*n = (uint32_t)wide;
	return true;
}

static bool take_seconds(struct words *w, int64_t *n)
{
	uint64_t wide;
	bool less = next_word(w) && *w->at == '-';

	w->at += less;
	if (less && (w->at == w->end || *w->at == ' '))
		return false;
	if (!take_number(w, INT32_MAX, &wide))
		return false;
	*n = less ? -1 : (int64_t)wide;
	return true;
}

static bool is_of_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-+/;.$_()", c));
}

static bool take_name(struct words *w, struct jd_bs_command *c)
{
	if (!next_word(w) || *w->at == '-')
		return false;
	c->name = w->at;
	while (w->at < w->end && is_of_name(*w->at))
		w->at++;
	c->name_n = (size_t)(w->at - c->name);
	return c->name_n >= 1 && c->name_n <= JD_BS_TUBE && (w->at == w->end || *w->at == ' ');
}

static bool take_one(struct words *w, char what, struct jd_bs_command *c)
{
	switch (what) {
	case 'i':
		return take_number(w, UINT64_MAX, &c->id);
	case 'p':
		return take_u32(w, &c->pri);
	case 'd':
		return take_u32(w, &c->delay);
	case 'r':
		return take_u32(w, &c->ttr);
	case 'n':
		return take_u32(w, &c->n);
	case 't':
		return take_seconds(w, &c->timeout);
	default:
		return take_name(w, c);
	}
}

/* Beyond the words nothing may stand, not even a space. */
static bool take_all(struct words *w, const char *takes, struct jd_bs_command *c)
{
	for (; *takes; takes++)
		if (!take_one(w, *takes, c))
			return false;
	return w->at == w->end;
}

static enum jd_bs_verb read_line(struct jd_bs_command *c, const char *line, size_t n)
{
	if (memchr(line, '\0', n))
		return JD_BS_BAD;
	for (int i = 0; i < N_VERBS; i++) {
		size_t len = strlen(verbs[i].word);
		if (n < len || *line != *verbs[i].word || memcmp(line, verbs[i].word, len) != 0)
			continue;
		struct words w = { line + len, line + n };
		return take_all(&w, verbs[i].takes, c) ? verbs[i].verb : JD_BS_BAD;
	}
	return JD_BS_UNKNOWN;
}

/* Of CR LF the CR; NULL. */
static const char *find_end(const char *data, size_t n)
{
	const char *at = data, *end = data + n;

	while ((at = memchr(at, '\r', (size_t)(end - at)))) {
		if (at + 1 < end && at[1] == '\n')
			return at;
		at++;
	}
	return NULL;
}

size_t jd_bs_parse(struct jd_bs_command *c, const char *data, size_t n)
{
	const char *cr = find_end(data, n < JD_BS_LINE ? n : JD_BS_LINE);

	if (!cr && n < JD_BS_LINE)
		return 0;
	*c = (struct jd_bs_command){ .timeout = -1 };
	if (!cr) {
		c->verb = JD_BS_TOO_LONG;
		return JD_BS_LINE - 1; /* the last one may be the CR */
	}
	c->verb = read_line(c, data, (size_t)(cr - data));
	return (size_t)(cr - data) + 2;
}

size_t jd_bs_skip(const char *data, size_t n, bool *ended)
{
	const char *cr = find_end(data, n);

	*ended = cr;
	if (cr)
		return (size_t)(cr - data) + 2;
	return n && data[n - 1] == '\r' ? n - 1 : n;
}
