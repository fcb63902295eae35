/* Tasks that a lender has and the engine only runs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/work/work.h"

static uv_loop_t loop;
static uv_async_t alive; /* holds the loop */
static struct work *work;
static struct work_job *job; /* the last one handed out */
static int hungry;
static char told[400]; /* what came back */

static void on_back(void *data, const struct work_event *e, int64_t delay)
{
	size_t n = strlen(told);

	(void)data;
	snprintf(told + n, sizeof(told) - n, "%s%d:%s/%d/%d+%lld%s%s", n ? " " : "",
		 (int)(e->id & 1023), work_state_name(e->state), e->attempts, e->crashes,
		 (long long)delay, e->error ? " " : "", e->error ? e->error : "");
}

static void on_hungry(void *data)
{
	(void)data;
	hungry++;
}

static void on_job(void *data, struct work_job *j)
{
	(void)data;
	job = j;
}

static struct work_lender lender = { .back = on_back, .hungry = on_hungry };
static uint64_t ids;

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void begin(void)
{
	struct work_conf conf = { .dir = NULL };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, NULL) == 0);
	work_lender_add(work, &lender);
	ids = work_ids(work, 1000) & ~(uint64_t)1023; /* so that the end of an id is a number */
	ids += 1024;
	work_ids(work, 2048);
}

static void end(void)
{
	work_lender_remove(&lender);
	work_close(work, NULL, NULL);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(uv_loop_close(&loop) == 0);
}

static struct work_taker *taker(const char *topic, int wants)
{
	struct work_taker *t = work_taker_new(
		work,
		&(struct work_taker_conf){ .topics = &topic, .n_topics = 1, .on_job = on_job });

	work_want(t, wants);
	turn();
	return t;
}

static int lend(const char *topic, uint64_t n, int attempts, int crashes)
{
	struct work_loan loan = {
		.spec = { .topic = topic, .payload = "x", .size = 1, .prio = 128 },
		.id = ids + n,
		.attempts = attempts,
		.crashes = crashes
	};
	int rc = work_lend(work, &lender, &loan);

	turn();
	return rc;
}

Test(lend, what_is_done_comes_back_as_done)
{
	begin();
	taker("t", 1);
	cr_expect(lend("t", 1, 0, 0) == 0 && job && job->attempt == 1 && job->id == ids + 1);
	cr_expect(lend("t", 1, 0, 0) == UV_EEXIST);
	work_ack(job, NULL);
	turn();
	cr_expect_str_eq(told, "1:succeeded/0/0+0");
	cr_expect(work_state_of(work, ids + 1) == WORK_STORING, "it is forgotten");
	end();
}

Test(lend, a_failure_comes_back_with_the_delay_that_its_topic_gives)
{
	struct work_topic_conf c;

	begin();
	work_topic_defaults(&c);
	c.max_attempts = 3;
	backoff_parse(&c.backoff, "list 5s,7s", NULL);
	work_topic_set(work, "t", &c);
	struct work_taker *t = taker("t", 1);
	lend("t", 1, 1, 0);
	cr_expect(job->attempt == 2);
	work_fail(job, WORK_FAULT_FAILED, "no", true, -1);
	turn();
	cr_expect_str_eq(told, "1:scheduled/2/0+7000 no");
	work_want(t, 2);
	lend("t", 1, 2, 0);
	work_fail(job, WORK_FAULT_FAILED, "no", true, -1);
	lend("t", 2, 0, 1);
	work_release(job, 3000);
	turn();
	cr_expect_str_eq(told, "1:scheduled/2/0+7000 no 1:dead/3/0+0 no 2:scheduled/0/1+3000");
	end();
}

Test(lend, what_had_expired_before_it_came_comes_back)
{
	begin();
	taker("t", 1);
	struct work_loan loan = {
		.spec = { .topic = "t", .payload = "x", .size = 1, .expires_at = 1 }, .id = ids + 1
	};
	cr_expect(work_lend(work, &lender, &loan) == 0);
	cr_expect_str_eq(told, "", "not within the call");
	turn();
	cr_expect_str_eq(told, "1:expired/0/0+0");
	cr_expect_null(job);
	end();
}

Test(lend, what_kills_its_workers_is_dead_before_it_runs)
{
	begin();
	lend("t", 1, 3, 3);
	taker("t", 1);
	turn();
	cr_expect_str_eq(told, "1:dead/3/3+0 poison: what ran it died each time");
	cr_expect_null(job);
	end();
}

Test(lend, cancelled_ones_come_back_and_are_not_edited)
{
	begin();
	lend("t", 1, 0, 0);
	cr_expect(work_edit(work, ids + 1, &(struct work_edit){ .delay = -1, .prio = 3 }, NULL,
			    NULL) == UV_EBUSY);
	cr_expect(work_cancel(work, ids + 1, false) == 0);
	turn();
	cr_expect_str_eq(told, "1:cancelled/0/0+0");
	end();
}

Test(lend, what_does_not_run_is_recalled_without_a_word)
{
	begin();
	lend("t", 1, 0, 0);
	lend("t", 2, 0, 0);
	taker("t", 1);
	cr_expect(job && job->id == ids + 1);
	cr_expect(!work_recall(work, ids + 1), "it runs");
	cr_expect(work_recall(work, ids + 2) && !work_recall(work, ids + 2));
	cr_expect_str_eq(told, "");
	work_ack(job, NULL);
	turn();
	end();
}

Test(lend, room_is_what_takers_lack)
{
	struct work_topic_conf c;

	begin();
	cr_expect(work_room(work, "t") == 0);
	turn();
	hungry = 0;
	struct work_taker *t = taker("t", 5);
	cr_expect(hungry == 1 && work_room(work, "t") == 5);
	turn();
	cr_expect(hungry == 1, "told once: %d", hungry);
	cr_expect(work_room(work, "other") == 0);
	lend("t", 1, 0, 0);
	lend("t", 2, 0, 0);
	cr_expect(work_room(work, "t") == 3);
	work_topic_get(work, "t", &c);
	c.concurrency = 4;
	work_topic_set(work, "t", &c);
	cr_expect(work_room(work, "t") == 2);
	work_pause(work, "t", true);
	cr_expect(work_room(work, "t") == 0);
	work_outside(work, "t", &(struct work_outside){ .ready = 7, .oldest = 5000 });
	work_pause(work, "t", false);
	struct work_backlog b;
	work_backlog(t, &b);
	cr_expect(b.ready == 7 && b.oldest >= 5000 && b.oldest < 6000);
	end();
}

Test(lend, ids_are_nobody_elses)
{
	begin();
	uint64_t first = work_ids(work, 100), next = work_ids(work, 1);

	cr_expect(next >= first + 100);
	end();
}

static uint64_t begun;

static void on_begun(void *data, uint64_t id)
{
	(void)data;
	begun = id;
}

Test(lend, who_lends_hears_of_a_beginning_and_after_he_went_of_nothing)
{
	begin();
	lender.begun = on_begun;
	taker("t", 3);
	cr_expect(lend("t", 1, 0, 0) == 0);
	cr_expect(begun == 0);
	work_begun(job);
	cr_expect(begun == ids + 1);
	cr_expect(lend("t", 2, 0, 0) == 0);
	work_lender_remove(&lender);
	work_lender_forget(work, &lender);
	work_release(job, 0);
	turn();
	work_fail(job, WORK_FAULT_FAILED, "why", false, -1);
	turn();
	cr_expect_str_eq(told, "");
	end();
}
