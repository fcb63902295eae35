#include "core/run/share.h"

#include <sched.h>

enum {
	WINDOW = 150,       /* ms: what shorter ones tell is noise */
	LEAST = 2000,       /* a second: with less to do it does not matter */
	LONE = 16,          /* more pieces of work to an event that came with others: one client */
	GAIN = 3,           /* percent by which batch must be better */
	PAUSE_FIRST = 1000, /* ms */
	PAUSE_MOST = 30 * 1000,
};

enum { STEADY, TRIAL, AGAIN };

static void become(struct share *s, bool batch)
{
	const struct sched_param none = { 0 };

	if (s->batch == batch || !s->allowed)
		return;
	s->batch = batch;
	s->allowed = sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER, &none) == 0;
}

/* Twice as much to do, or half: what was found out may not hold any more. */
static bool another_load(const struct share *s, uint64_t rate)
{
	return rate > s->chosen * 2 || rate < s->chosen / 2;
}

/* The other way was tried between two windows with the present one. */
static void choose(struct share *s, uint64_t now)
{
	uint64_t present = (s->rates[0] + s->rates[2]) / 2, other = s->rates[1];
	bool better = s->batch ? other >= present : other * 100 > present * (100 + GAIN);

	if (better) {
		become(s, !s->batch);
		s->pause = PAUSE_FIRST;
	} else if (s->pause < PAUSE_MOST) {
		s->pause *= 2;
	}
	s->chosen = better ? other : present;
	s->next = now + s->pause;
	s->phase = STEADY;
}

static void window_ended(struct share *s, uint64_t now, uint64_t rate)
{
	s->rates[s->phase] = rate;
	switch (s->phase) {
	case STEADY:
		if (another_load(s, rate)) {
			s->chosen = rate; /* a window that shows it whole comes first */
			s->pause = PAUSE_FIRST;
			s->next = now;
		} else if (now >= s->next) {
			become(s, !s->batch);
			s->phase = TRIAL;
		}
		break;
	case TRIAL:
		become(s, !s->batch);
		s->phase = AGAIN;
		break;
	default:
		choose(s, now);
	}
}

void share_init(struct share *s)
{
	*s = (struct share){ .allowed = true, .pause = PAUSE_FIRST };
}

void share_tick(struct share *s, uint64_t now, uint64_t done, uint64_t crowd)
{
	if (now < s->since + WINDOW)
		return;
	uint64_t work = done - s->done, rate = work * 1000 / (now - s->since);
	bool lone = (crowd - s->crowd) * LONE < work;

	if (s->phase == STEADY && (rate < LEAST || lone)) {
		become(s, false);
		share_init(s);
	} else {
		window_ended(s, now, rate);
	}
	s->since = now;
	s->done = done;
	s->crowd = crowd;
}
