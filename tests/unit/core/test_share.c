/* The kernel's words are written to a file that stands in for schedstat. */
#include "core/run/share.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void tell(struct share *s, unsigned long long waited, unsigned long long turns)
{
	cr_assert(ftruncate(s->schedstat, 0) == 0);
	cr_assert(lseek(s->schedstat, 0, SEEK_SET) == 0);
	dprintf(s->schedstat, "1 %llu %llu\n", waited, turns);
}

Test(share, follows_what_the_kernel_counts)
{
	/* each row: now, waited (us) and turns since the row before -> batch? */
	static const struct {
		uint64_t now, waited, turns;
		bool batch;
	} rows[] = {
		{ 50, 0, 3, false },        /* too few to say anything */
		{ 100, 300, 20, true },     /* busy */
		{ 150, 6000, 20, true },    /* one bad moment */
		{ 600, 3000, 180, true },   /* is nothing in half a second: 45 us a turn */
		{ 1100, 4000, 20, false },  /* kept waiting: 200 us a turn */
		{ 1150, 100, 20, false },   /* for a second at least */
		{ 2150, 100, 20, true },    /* once more */
		{ 2650, 4000, 20, false },  /* and again in vain: two seconds */
		{ 4600, 100, 20, false },   /* */
		{ 4700, 100, 20, true },    /* */
		{ 15000, 4000, 20, false }, /* it held for ten seconds: one second again */
		{ 16050, 100, 20, true },   /* */
	};
	struct share s;
	uint64_t waited = 0, turns = 0;

	share_init(&s);
	share_fini(&s);
	s.schedstat = memfd_create("schedstat", MFD_CLOEXEC);
	cr_assert(s.schedstat >= 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		waited += rows[i].waited * 1000;
		turns += rows[i].turns;
		tell(&s, waited, turns);
		share_tick(&s, rows[i].now);
		cr_expect(s.batch == rows[i].batch, "row %zu", i);
		cr_expect(sched_getscheduler(0) == (rows[i].batch ? SCHED_BATCH : SCHED_OTHER),
			  "row %zu", i);
	}
	share_fini(&s);
}

Test(share, stays_as_it_is_where_the_kernel_does_not_tell)
{
	struct share s = { .schedstat = -1 };

	share_tick(&s, 100);
	cr_expect(!s.batch);
	s.schedstat = memfd_create("schedstat", MFD_CLOEXEC);
	tell(&s, 0, 0);
	share_tick(&s, 100);
	cr_expect(!s.batch);
	share_fini(&s);
}
