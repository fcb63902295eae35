#include "core/run/share.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum {
	WAIT_MOST = 100 * 1000, /* ns for a turn: without those who compute it is 1 to 30 us */
	WINDOW = 500,           /* ms: what shorter ones tell is often noise */
	TURNS_LEAST = 16,       /* fewer say nothing */
	PAUSE_FIRST = 1000,
	PAUSE_MOST = 60 * 1000,
	HELD = 10 * 1000, /* for so long all went well: a fresh start */
};

static bool read_stat(const struct share *s, uint64_t *waited, uint64_t *turns)
{
	char text[128];
	unsigned long long run, wait, count;
	ssize_t n = pread(s->schedstat, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu %llu", &run, &wait, &count) != 3)
		return false;
	*waited = wait;
	*turns = count;
	return true;
}

static void become(struct share *s, bool batch, uint64_t now)
{
	const struct sched_param none = { 0 };

	s->batch = batch;
	s->change = now;
	if (sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER, &none) != 0)
		share_fini(s); /* not allowed here */
}

static void draw_back(struct share *s, uint64_t now)
{
	if (now >= s->change + HELD || !s->pause)
		s->pause = PAUSE_FIRST;
	else if (s->pause < PAUSE_MOST)
		s->pause *= 2;
	become(s, false, now);
	s->change = now + s->pause;
}

void share_init(struct share *s)
{
	*s = (struct share){ .schedstat =
				     open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) };
}

void share_fini(struct share *s)
{
	if (s->schedstat >= 0)
		close(s->schedstat);
	s->schedstat = -1;
}

void share_tick(struct share *s, uint64_t now)
{
	uint64_t waited, turns;

	if (s->schedstat < 0 || (s->batch && now < s->since + WINDOW) ||
	    !read_stat(s, &waited, &turns) || turns < s->turns + TURNS_LEAST)
		return;
	uint64_t each = (waited - s->waited) / (turns - s->turns);
	s->waited = waited;
	s->turns = turns;
	s->since = now;
	if (s->batch && each > WAIT_MOST)
		draw_back(s, now);
	else if (!s->batch && now >= s->change)
		become(s, true, now);
}
