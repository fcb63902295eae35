/* What got done is told in its place: no load, no clock. */
#include "core/run/share.h"

#include <criterion/criterion.h>
#include <sched.h>

static struct share s;
static uint64_t now, done;
static bool crowded;

/* Half a second of a load that gets so much done a second, in either way. Ends as batch? */
static bool half_a_second(uint64_t normal, uint64_t batch)
{
	for (int i = 0; i < 10; i++) {
		now += 50;
		done += (s.batch ? batch : normal) / 20;
		share_tick(&s, now, done, crowded ? done : 0);
	}
	cr_expect(sched_getscheduler(0) == (s.batch ? SCHED_BATCH : SCHED_OTHER));
	return s.batch;
}

/* How many of so many seconds were spent as batch, in twentieths. */
static int ticks_as_batch(int seconds, uint64_t normal, uint64_t batch)
{
	int n = 0;

	for (int i = 0; i < seconds * 20; i++) {
		now += 50;
		done += (s.batch ? batch : normal) / 20;
		share_tick(&s, now, done, crowded ? done : 0);
		n += s.batch;
	}
	return n;
}

static void begin(void)
{
	share_init(&s);
	now = done = 0;
	crowded = true;
}

Test(share, keeps_what_gets_more_done, .init = begin)
{
	half_a_second(10000, 15000);
	half_a_second(10000, 15000);
	cr_expect(half_a_second(10000, 15000));
	cr_expect(ticks_as_batch(60, 10000, 15000) > 60 * 20 * 9 / 10);
}

Test(share, stays_normal_where_batch_gains_nothing, .init = begin)
{
	cr_expect(ticks_as_batch(100, 10000, 10100) < 100 * 20 / 20);
	begin();
	cr_expect(ticks_as_batch(100, 10000, 300) < 100 * 20 / 20);
}

Test(share, tries_again_when_the_load_changes, .init = begin)
{
	ticks_as_batch(100, 10000, 9000);
	cr_expect(!s.batch);
	half_a_second(30000, 40000);
	half_a_second(30000, 40000);
	cr_expect(half_a_second(30000, 40000));
	half_a_second(10000, 300); /* programs that compute have come */
	cr_expect(ticks_as_batch(10, 10000, 300) < 10 * 20 / 5);
}

Test(share, is_normal_when_there_is_little_to_do, .init = begin)
{
	ticks_as_batch(10, 10000, 15000);
	cr_expect(s.batch);
	cr_expect(!half_a_second(100, 100));
	cr_expect(ticks_as_batch(10, 1000, 1500) == 0);
}

Test(share, is_normal_for_a_lone_client, .init = begin)
{
	crowded = false;
	cr_expect(ticks_as_batch(100, 10000, 15000) == 0);
	crowded = true;
	cr_expect(ticks_as_batch(10, 10000, 15000) > 100);
	crowded = false;
	half_a_second(10000, 10000);
	cr_expect(!s.batch);
}
