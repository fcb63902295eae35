/* Tasks that come by the clock; in memory and over a restart. The clock is the test's. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/work/work.h"

static uv_loop_t loop;
static uv_async_t alive;
static struct work *work;
static struct work_taker *taker;
static char dir[64];
static int64_t mono, wall;
static struct work_job *jobs[2000];
static int n_jobs, cancelled;

enum { MINUTE = 60000, HOUR = 3600000 };

static void test_clock(void *data, int64_t *m, int64_t *w)
{
	(void)data;
	*m = mono;
	*w = wall;
}

static void on_job(void *data, struct work_job *job)
{
	(void)data;
	jobs[n_jobs++] = job;
}

static void on_cancel(void *data, struct work_job *job, bool now)
{
	(void)data;
	(void)job;
	(void)now;
	cancelled++;
}

static void settle(void)
{
	for (int i = 0; i < 4; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		uv_unref((uv_handle_t *)&alive);
		uv_run(&loop, UV_RUN_DEFAULT);
		uv_ref((uv_handle_t *)&alive);
	}
}

static void opened(bool stored)
{
	static const char *const all[] = { "*" };
	struct work_conf conf = { .dir = stored ? dir : NULL, .clock = test_clock };
	struct work_taker_conf tc = {
		.topics = all, .n_topics = 1, .on_job = on_job, .on_cancel = on_cancel
	};
	struct err err = { .text = "" };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, &err) == 0, "%s", err.text);
	taker = work_taker_new(work, &tc);
	n_jobs = 0;
}

static void begin(bool stored)
{
	mono = 1000000;
	wall = 1800000000000; /* 2027-01-15 08:00:00 UTC, a Friday */
	snprintf(dir, sizeof(dir), "/tmp/test_plan.XXXXXX");
	cr_assert(mkdtemp(dir));
	opened(stored);
}

static void closed(void)
{
	work_close(work, NULL, NULL);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(uv_loop_close(&loop) == 0);
}

static void end(void)
{
	char command[100];

	closed();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect(system(command) == 0);
}

static void pass(int64_t ms)
{
	mono += ms;
	wall += ms;
	work_tick(work);
	settle();
}

static struct work_plan plan_of(const char *cron, int64_t every)
{
	return (struct work_plan){
		.name = "p",
		.cron = cron,
		.every = every,
		.overlap = WORK_OVERLAP_QUEUE,
		.task = { .topic = "t", .payload = "body", .size = 4, .prio = WORK_PRIO },
	};
}

static void set(const struct work_plan *p)
{
	struct err err = { .text = "" };

	cr_assert(work_plan_set(work, p, &err) == 0, "%s", err.text);
	settle();
}

static struct work_plan_figures figures;

static void keep(void *data, const struct work_plan_figures *f)
{
	(void)data;
	figures = *f;
}

static const struct work_plan_figures *now(void)
{
	work_plans(work, keep, NULL);
	return &figures;
}

Test(work_plan, comes_when_the_clock_says_in_its_zone)
{
	begin(false);
	struct work_plan p = plan_of("30 9 * * fri Europe/Berlin", 0); /* 08:30 UTC */
	set(&p);
	work_want(taker, 100);
	pass(30 * MINUTE - 1);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect(n_jobs == 1 && jobs[0]->size == 4);
	pass(6 * 24 * HOUR);
	cr_expect(n_jobs == 1);
	pass(24 * HOUR);
	cr_expect(n_jobs == 2 && now()->runs == 2 && now()->missed == 0);
	end();
}

Test(work_plan, an_interval_passes_as_time_does)
{
	begin(false);
	struct work_plan p = plan_of(NULL, 10000);
	set(&p);
	work_want(taker, 100);
	pass(9999);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect(n_jobs == 1);
	wall -= 2 * HOUR; /* somebody sets the clock */
	pass(10000);
	cr_expect(n_jobs == 2);
	wall += 24 * HOUR;
	pass(10000);
	cr_expect(n_jobs == 3 && now()->missed == 0, "%d", n_jobs);
	end();
}

Test(work_plan, says_what_to_do_while_the_last_one_is_there)
{
	begin(false);
	struct work_plan p = plan_of("* * * * * UTC", 0);
	p.overlap = WORK_OVERLAP_SKIP;
	set(&p);
	work_want(taker, 100);
	pass(MINUTE);
	pass(MINUTE);
	cr_expect(n_jobs == 1 && now()->skipped == 1);
	work_ack(jobs[0], NULL);
	pass(MINUTE);
	cr_expect(n_jobs == 2);
	p.overlap = WORK_OVERLAP_REPLACE;
	set(&p);
	pass(MINUTE);
	cr_expect(n_jobs == 3 && cancelled == 1, "%d %d", n_jobs, cancelled);
	p.overlap = WORK_OVERLAP_QUEUE;
	set(&p);
	pass(MINUTE);
	cr_expect(n_jobs == 4 && cancelled == 1);
	end();
}

Test(work_plan, moments_that_were_missed_are_made_up_for_as_it_says)
{
	static const struct {
		enum work_missed missed;
		int runs;
	} rows[] = { { WORK_MISSED_SKIP, 0 }, { WORK_MISSED_ONCE, 1 }, { WORK_MISSED_ALL, 3 } };

	for (int i = 0; i < 3; i++) {
		begin(true);
		struct work_plan p = plan_of("0 * * * * UTC", 0);
		p.missed = rows[i].missed;
		set(&p);
		closed();
		wall += 3 * HOUR + 10 * MINUTE; /* 11:10: three have passed */
		mono = 5000;                    /* and the machine was started anew */
		opened(true);
		work_want(taker, 100);
		pass(1);
		cr_expect(n_jobs == rows[i].runs, "%d: %d", i, n_jobs);
		cr_expect(now()->missed == 3);
		pass(50 * MINUTE);
		cr_expect(n_jobs == rows[i].runs + 1, "12:00");
		closed();
		opened(true);
		cr_expect(now()->next == 1800000000000 + 5 * HOUR, "%ld", now()->next);
		end();
	}
}

Test(work_plan, knows_its_last_task_after_a_restart)
{
	begin(true);
	struct work_plan p = plan_of("* * * * * UTC", 0);
	p.overlap = WORK_OVERLAP_SKIP;
	set(&p);
	pass(MINUTE);
	closed();
	opened(true);
	pass(MINUTE);
	cr_expect(now()->skipped == 1 && now()->runs == 0);
	work_want(taker, 10);
	settle();
	cr_assert(n_jobs == 1);
	cr_expect(jobs[0]->id == now()->last_task);
	work_ack(jobs[0], NULL);
	pass(MINUTE);
	cr_expect(now()->runs == 1);
	end();
}

Test(work_plan, can_be_paused_run_changed_and_dropped)
{
	struct err err;

	begin(true);
	struct work_plan p = plan_of("* * * * * UTC", 0);
	set(&p);
	work_want(taker, 100);
	cr_expect(work_plan_pause(work, "p", true) == 0);
	pass(5 * MINUTE);
	cr_expect(n_jobs == 0);
	cr_expect(work_plan_run(work, "p") == 0);
	settle();
	cr_expect(n_jobs == 1);
	closed();
	opened(true);
	work_want(taker, 100);
	pass(5 * MINUTE);
	cr_expect(n_jobs == 1 && now()->paused, "the one that ran is here again");
	cr_expect(work_plan_pause(work, "p", false) == 0);
	pass(MINUTE);
	cr_expect(n_jobs == 2 && now()->missed == 0, "a pause misses nothing");
	cr_expect(work_plan_drop(work, "p") == 0 && work_plan_drop(work, "p") == UV_ENOENT);
	pass(MINUTE);
	cr_expect(n_jobs == 2);
	p.cron = "when it pleases";
	cr_expect(work_plan_set(work, &p, &err) == UV_EINVAL);
	p = plan_of(NULL, 10);
	cr_expect(work_plan_set(work, &p, &err) == UV_EINVAL);
	cr_expect_str_eq(err.text, "a time, or an interval of at least a second");
	closed();
	opened(true);
	figures.plan = NULL;
	cr_expect(now()->plan == NULL, "it stays dropped");
	end();
}
