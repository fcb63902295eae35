/* The scheduler, in memory, with a clock that the test moves. */
#include "core/work/work.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

enum { MANY = 4096 };

static uv_loop_t loop;
static uv_async_t alive; /* holds the loop */
static struct work *work;
static int64_t mono = 1000000, wall = 1800000000000;

static struct work_job *jobs[MANY]; /* handed out, in their order */
static int n_jobs;
static int overdue, told_to_cancel;

static int n_events[16];
static char last_error[200];

static void test_clock(void *data, int64_t *m, int64_t *w)
{
	(void)data;
	*m = mono;
	*w = wall;
}

static void on_event(void *data, const struct work_event *e)
{
	(void)data;
	n_events[e->state]++;
	if (e->error)
		snprintf(last_error, sizeof(last_error), "%s", e->error);
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void pass(int64_t ms)
{
	mono += ms;
	wall += ms;
	work_tick(work);
	turn();
}

static void begin(void)
{
	struct work_conf conf = { .clock = test_clock, .on_event = on_event };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, NULL) == 0);
}

static void end(void)
{
	work_close(work, NULL, NULL);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(uv_loop_close(&loop) == 0);
}

static struct work_topic_conf plain(void)
{
	struct work_topic_conf c;

	work_topic_defaults(&c);
	backoff_parse(&c.backoff, "exp 1s 1h", NULL);
	return c;
}

static void topic(const char *name, const struct work_topic_conf *c)
{
	cr_assert(work_topic_set(work, name, c) == 0);
}

static struct work_receipt last;
static int last_status;

static void on_submitted(void *data, int status, const struct work_receipt *r, int n)
{
	(void)data;
	last_status = status;
	last = r[n - 1];
}

/* Its name is its payload. */
static struct work_spec named(const char *to, const char *name)
{
	return (struct work_spec){
		.topic = to, .payload = name, .size = strlen(name), .prio = WORK_PRIO
	};
}

static uint64_t submit(const struct work_spec *s)
{
	cr_assert(work_submit(work, s, 1, on_submitted, NULL) == 0);
	turn();
	cr_assert(last_status == 0);
	return last.id;
}

static uint64_t put(const char *to, const char *name)
{
	struct work_spec s = named(to, name);

	return submit(&s);
}

static void on_job(void *data, struct work_job *job)
{
	(void)data;
	cr_assert(n_jobs < MANY);
	jobs[n_jobs++] = job;
}

static void on_overdue(void *data, struct work_job *job)
{
	(void)data;
	(void)job;
	overdue++;
}

static void on_cancel(void *data, struct work_job *job, bool now)
{
	(void)data;
	(void)job;
	told_to_cancel += now ? 100 : 1;
}

static struct work_taker *taker_of(const char *const *topics, const int *weights, int n,
				   enum work_order order)
{
	struct work_taker_conf conf = {
		.topics = topics,
		.weights = weights,
		.n_topics = n,
		.order = order,
		.on_job = on_job,
		.on_overdue = on_overdue,
		.on_cancel = on_cancel,
	};

	return work_taker_new(work, &conf);
}

static struct work_taker *taker(const char *name)
{
	return taker_of(&name, NULL, 1, WORK_STRICT);
}

static void want(struct work_taker *t, int n)
{
	work_want(t, n);
	turn();
}

/* The names of what was handed out since, and all of it acknowledged. */
static const char *taken(void)
{
	static char names[MANY];
	size_t at = 0;

	names[0] = '\0';
	for (int i = 0; i < n_jobs; i++) {
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%.*s", i ? " " : "",
				       (int)jobs[i]->size, (const char *)jobs[i]->payload);
		work_ack(jobs[i], NULL);
	}
	n_jobs = 0;
	turn();
	return names;
}

static struct work_topic_figures figures;

static void keep_figures(void *data, const struct work_topic_figures *f)
{
	if (strcmp(f->name, data) == 0)
		figures = *f;
}

static struct work_topic_figures *of(const char *name)
{
	work_topics(work, keep_figures, (void *)name);
	return &figures;
}

Test(work, hands_out_by_priority_and_then_by_turn)
{
	begin();
	for (int i = 0; i < 6; i++) {
		char name[2] = { (char)('a' + i), 0 };
		struct work_spec s = named("t", name);
		s.prio = i % 2 ? 10 : WORK_PRIO;
		submit(&s);
	}
	struct work_taker *t = taker("t");
	turn();
	cr_expect(n_jobs == 0, "it has not said that it wants any");
	want(t, 2);
	cr_expect_str_eq(taken(), "b d");
	want(t, 100);
	cr_expect_str_eq(taken(), "f a c e");
	put("t", "g");
	cr_expect_str_eq(taken(), "g");
	cr_expect(of("t")->ready == 0 && of("t")->succeeded == 7);
	work_taker_free(t);
	end();
}

Test(work, delays_are_kept_to_the_millisecond)
{
	begin();
	struct work_taker *t = taker("t");
	struct work_spec s = named("t", "late");
	s.delay = 1000;
	submit(&s);
	s = named("t", "moment");
	s.run_at = wall + 500;
	submit(&s);
	want(t, 10);
	cr_expect(of("t")->scheduled == 2);
	pass(499);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect_str_eq(taken(), "moment");
	pass(499);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect_str_eq(taken(), "late");
	end();
}

Test(work, moments_follow_a_clock_that_is_set_and_delays_do_not)
{
	begin();
	struct work_taker *t = taker("t");
	struct work_spec s = named("t", "late");
	s.delay = 3600000;
	submit(&s);
	s = named("t", "moment");
	s.run_at = wall + 3600000;
	submit(&s);
	want(t, 10);
	wall += 3600000; /* somebody sets it an hour on */
	pass(0);
	cr_expect_str_eq(taken(), "moment");
	wall -= 7200000;
	s.run_at = wall + 1000;
	submit(&s);
	pass(999);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect_str_eq(taken(), "moment");
	pass(3600000 - 1001);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect_str_eq(taken(), "late");
	end();
}

Test(work, failures_come_again_later_and_later_and_then_die)
{
	static const int64_t waits[] = { 1000, 2000, 4000 };
	begin();
	struct work_topic_conf c = plain();
	c.max_attempts = 4;
	topic("t", &c);
	struct work_taker *t = taker("t");
	put("t", "a");
	want(t, 100);
	for (int i = 0; i < 3; i++) {
		cr_assert(n_jobs == 1 && jobs[0]->attempt == i + 1);
		n_jobs = 0;
		work_fail(jobs[0], WORK_FAULT_FAILED, "no", true, -1);
		pass(waits[i] - 1);
		cr_expect(n_jobs == 0, "attempt %d", i);
		pass(1);
	}
	cr_assert(n_jobs == 1 && jobs[0]->attempt == 4);
	n_jobs = 0;
	work_fail(jobs[0], WORK_FAULT_FAILED, "never", true, -1);
	turn();
	cr_expect(n_events[WORK_DEAD] == 1);
	cr_expect_str_eq(last_error, "never");
	put("t", "b");
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
	turn();
	cr_expect(n_events[WORK_DEAD] == 2, "no retry is wanted");
	n_jobs = 0;
	put("t", "c");
	work_fail(jobs[0], WORK_FAULT_FAILED, "soon", true, 7);
	n_jobs = 0;
	pass(6);
	cr_expect(n_jobs == 0);
	pass(1);
	cr_expect_str_eq(taken(), "c");
	end();
}

Test(work, what_kills_its_worker_three_times_is_dead)
{
	begin();
	struct work_topic_conf c = plain();
	c.max_attempts = 100;
	topic("t", &c);
	struct work_taker *t = taker("t");
	put("t", "poison");
	want(t, 100);
	for (int i = 0; i < 3; i++) {
		cr_assert(n_jobs == i + 1);
		work_fail(jobs[i], WORK_FAULT_CRASHED, "signal 11", true, 0);
		turn();
	}
	cr_expect(n_jobs == 3 && n_events[WORK_DEAD] == 1);
	cr_expect(of("t")->died == 1);
	end();
}

Test(work, what_is_given_back_has_lost_nothing)
{
	begin();
	struct work_taker *t = taker("t");
	put("t", "a");
	put("t", "b");
	want(t, 1);
	cr_assert(n_jobs == 1);
	n_jobs = 0;
	work_release(jobs[0], 0);
	want(t, 2);
	cr_expect(n_jobs == 2 && jobs[0]->attempt == 1);
	cr_expect_str_eq(taken(), "a b");
	put("t", "c");
	want(t, 1);
	n_jobs = 0;
	work_release(jobs[0], 50);
	want(t, 1);
	cr_expect(n_jobs == 0);
	pass(50);
	cr_expect(n_jobs == 1 && jobs[0]->attempt == 1);
	cr_expect_str_eq(taken(), "c");
	end();
}

Test(work, time_outs_are_told_and_can_be_put_off)
{
	begin();
	struct work_taker *t = taker("t");
	struct work_spec s = named("t", "slow");
	s.timeout = 100;
	submit(&s);
	want(t, 1);
	pass(99);
	cr_expect(overdue == 0);
	work_touch(jobs[0], 0);
	pass(99);
	cr_expect(overdue == 0);
	pass(1);
	cr_expect(overdue == 1);
	work_fail(jobs[0], WORK_FAULT_TIMEOUT, "too slow", true, 0);
	n_jobs = 0;
	want(t, 1);
	cr_expect(n_jobs == 1 && jobs[0]->attempt == 2 && jobs[0]->crashes == 0);
	taken();
	pass(1000);
	cr_expect(overdue == 1, "it is over");
	end();
}

Test(work, the_expired_are_never_started)
{
	begin();
	struct work_taker *t = taker("t");
	struct work_spec s = named("t", "a");
	s.expires = 100;
	submit(&s);
	s.delay = 200;
	submit(&s);
	put("t", "b");
	pass(100);
	cr_expect(n_events[WORK_EXPIRED] == 2, "whether anybody looks or not");
	want(t, 10);
	cr_expect_str_eq(taken(), "b");
	s = named("t", "c");
	s.expires = 100;
	submit(&s);
	pass(100);
	cr_expect(n_events[WORK_EXPIRED] == 2, "what runs does not expire");
	cr_expect_str_eq(taken(), "c");
	end();
}

Test(work, what_had_expired_before_it_came_is_never_started)
{
	begin();
	taker("t");
	struct work_spec s = named("t", "a");
	s.expires_at = 1;
	submit(&s);
	turn();
	cr_expect(n_events[WORK_EXPIRED] == 1);
	cr_expect_str_eq(taken(), "");
	end();
}

Test(work, only_one_pending_task_holds_a_key)
{
	begin();
	struct work_taker *t = taker("t");
	struct work_spec s = named("t", "a");
	s.uniq = "k";
	uint64_t first = submit(&s);
	submit(&s);
	cr_expect(last.conflict && last.id == first);
	struct work_spec other = named("u", "a");
	other.uniq = "k";
	submit(&other);
	cr_expect(!last.conflict, "another topic's");
	want(t, 1);
	submit(&s);
	cr_expect(last.conflict, "it runs");
	taken();
	submit(&s);
	cr_expect(!last.conflict, "it is over");
	work_cancel(work, last.id, false);

	s.hold = WORK_UNTIL_START;
	submit(&s);
	want(t, 1);
	submit(&s);
	cr_expect(!last.conflict && n_jobs == 1, "the first one has started");
	want(t, 1);
	taken();

	s.hold = WORK_UNTIL_TTL;
	s.uniq_ttl = 1000;
	submit(&s);
	want(t, 1);
	taken();
	pass(999);
	submit(&s);
	cr_expect(last.conflict, "it is over, its time is not");
	pass(1);
	submit(&s);
	cr_expect(!last.conflict);

	s = named("t", "z");
	s.uniq = "f";
	s.uniq_ttl = 10;
	submit(&s);
	pass(10);
	submit(&s);
	cr_expect(!last.conflict, "not longer than its time");
	end();
}

Test(work, a_name_of_the_callers_finds_the_one_that_is_pending)
{
	uint64_t id, found;

	begin();
	struct work_spec s = named("t", "a");
	s.ext_id = "order-17";
	id = submit(&s);
	submit(&s);
	cr_expect(last.duplicate && !last.conflict && last.id == id);
	cr_expect(work_find(work, "order-17", &found) && found == id);
	char text[IDENT_LEN + 1];
	ident_write(id, text);
	cr_expect(work_find(work, text, &found) && found == id);
	cr_expect(!work_find(work, "order-18", &found));
	cr_expect(work_cancel(work, id, false) == 0);
	turn();
	cr_expect(!work_find(work, "order-17", &found));
	cr_expect(work_cancel(work, id, false) == UV_ENOENT);
	cr_expect(n_events[WORK_CANCELLED] == 1);
	end();
}

Test(work, what_runs_is_cancelled_by_its_taker)
{
	begin();
	struct work_taker *t = taker("t");
	uint64_t id = put("t", "a");
	want(t, 1);
	cr_expect(work_cancel(work, id, false) == UV_EALREADY && told_to_cancel == 1);
	cr_expect(work_cancel(work, id, true) == UV_EALREADY && told_to_cancel == 101);
	work_fail(jobs[0], WORK_FAULT_CRASHED, "killed", true, -1);
	turn();
	cr_expect(n_events[WORK_CANCELLED] == 1 && n_events[WORK_SCHEDULED] == 0);
	end();
}

Test(work, a_pause_holds_everything_back)
{
	begin();
	struct work_taker *t = taker("t");
	want(t, 10);
	put("t", "a");
	taken();
	cr_expect(work_pause(work, "t", true) == 0);
	put("t", "b");
	cr_expect(n_jobs == 0 && of("t")->paused && of("t")->ready == 1);
	cr_expect(work_pause(work, "t", false) == 0);
	turn();
	cr_expect_str_eq(taken(), "b");
	cr_expect(work_pause(work, "nobody", true) == UV_ENOENT);
	end();
}

Test(work, no_more_run_at_once_than_may)
{
	begin();
	struct work_topic_conf c = plain();
	c.concurrency = 2;
	topic("t", &c);
	struct work_taker *t = taker("t");
	want(t, 100);
	for (int i = 0; i < 5; i++)
		put("t", "x");
	cr_expect(n_jobs == 2 && of("t")->running == 2);
	cr_expect_str_eq(taken(), "x x");
	cr_expect_str_eq(taken(), "x x");
	cr_expect_str_eq(taken(), "x");
	end();
}

Test(work, each_key_has_its_own_limit_and_holds_nobody_up)
{
	begin();
	struct work_topic_conf c = plain();
	c.key_concurrency = 1;
	topic("t", &c);
	struct work_taker *t = taker("t");
	struct work_spec s;
	for (int i = 0; i < 9; i++) {
		char name[3] = { (char)('a' + i / 3), (char)('1' + i % 3), 0 };
		char key[2] = { name[0], 0 };
		s = named("t", name);
		s.key = key;
		submit(&s);
	}
	want(t, 100);
	cr_expect_str_eq(taken(), "a1 b1 c1");
	cr_expect_str_eq(taken(), "a2 b2 c2");
	s = named("t", "free");
	submit(&s);
	cr_expect_str_eq(taken(), "a3 b3 c3 free");
	cr_expect(of("t")->ready == 0 && of("t")->succeeded == 10);
	end();
}

Test(work, a_key_that_waits_goes_on_when_its_next_one_is_cancelled)
{
	begin();
	struct work_topic_conf c = plain();
	c.key_concurrency = 1;
	topic("t", &c);
	struct work_spec s = named("t", "a");
	uint64_t ids[4];
	s.key = "k";
	for (int i = 0; i < 4; i++) {
		char name[2] = { (char)('a' + i), 0 };
		s.payload = name;
		ids[i] = submit(&s);
	}
	struct work_taker *t = taker("t");
	want(t, 10);
	cr_expect(n_jobs == 1);
	work_cancel(work, ids[1], false);
	cr_expect_str_eq(taken(), "a");
	work_cancel(work, ids[3], false);
	cr_expect_str_eq(taken(), "c");
	turn();
	cr_expect(n_jobs == 0 && of("t")->ready == 0);
	end();
}

Test(work, rates_are_kept_over_time)
{
	begin();
	struct work_topic_conf c = plain();
	c.rate = (struct work_rate){ .per_s = 10, .burst = 3 };
	topic("t", &c);
	struct work_taker *t = taker("t");
	for (int i = 0; i < 50; i++)
		put("t", "x");
	want(t, 1000);
	cr_expect(n_jobs == 3, "the burst: %d", n_jobs);
	for (int i = 0; i < 1000; i++)
		pass(1);
	cr_expect(n_jobs >= 12 && n_jobs <= 13, "ten a second: %d", n_jobs);
	want(t, 0);
	taken();

	c = plain();
	c.key_rate = (struct work_rate){ .per_s = 1, .burst = 1 };
	topic("k", &c);
	struct work_taker *k = taker("k");
	want(k, 100);
	struct work_spec s = named("k", "y");
	for (int i = 0; i < 6; i++) {
		s.key = i % 2 ? "odd" : "even";
		submit(&s);
	}
	cr_expect_str_eq(taken(), "y y");
	s.key = "odd";
	pass(500);
	cr_expect(n_jobs == 0);
	pass(510);
	cr_expect_str_eq(taken(), "y y");
	pass(1010);
	cr_expect_str_eq(taken(), "y y");
	submit(&s);
	cr_expect(n_jobs == 0, "an empty key remembers its rate");
	pass(1010);
	cr_expect_str_eq(taken(), "y");
	end();
}

static void count_by_topic(int counts[3])
{
	memset(counts, 0, 3 * sizeof(int));
	for (int i = 0; i < n_jobs; i++)
		counts[jobs[i]->topic[0] - 'a']++;
	taken();
}

Test(work, topics_are_taken_in_the_order_that_the_taker_says)
{
	static const char *const names[] = { "a", "b", "c" };
	static const int weights[] = { 6, 3, 1 };
	int counts[3];

	begin();
	for (int i = 0; i < 300; i++)
		put(names[2 - i % 3], "x");
	struct work_taker *strict = taker_of(names, NULL, 3, WORK_STRICT);
	want(strict, 60);
	count_by_topic(counts);
	cr_expect(counts[0] == 60);
	work_taker_free(strict);
	for (int i = 0; i < 60; i++)
		put("a", "x");
	struct work_taker *weighted = taker_of(names, weights, 3, WORK_WEIGHTED);
	want(weighted, 100);
	count_by_topic(counts);
	cr_expect(abs(counts[0] - 60) <= 1 && abs(counts[1] - 30) <= 1, "%d %d %d", counts[0],
		  counts[1], counts[2]);
	work_taker_free(weighted);
	struct work_taker *fair = taker_of(names, NULL, 3, WORK_FAIR);
	want(fair, 60);
	count_by_topic(counts);
	cr_expect(counts[0] == 20 && counts[1] == 20 && counts[2] == 20);
	end();
}

Test(work, takers_share_and_patterns_match_topics_that_come_later)
{
	static const char *const pattern[] = { "mail.*" };
	begin();
	struct work_taker *one = taker_of(pattern, NULL, 1, WORK_STRICT);
	struct work_taker *two = taker_of(pattern, NULL, 1, WORK_STRICT);
	work_want(one, 3);
	work_want(two, 3);
	for (int i = 0; i < 3; i++) {
		put("mail.de", "x");
		put("mail.fr", "y");
		put("news", "z");
	}
	cr_expect(n_jobs == 6);
	taken();
	put("mail.de", "x");
	cr_expect(n_jobs == 0, "they have had what they wanted");
	want(two, 1);
	cr_expect_str_eq(taken(), "x");
	end();
}

Test(work, a_task_waits_for_those_before_it)
{
	begin();
	struct work_taker *t = taker("t"), *u = taker("u");
	uint64_t first[2] = { put("t", "a"), put("t", "b") };
	struct work_spec s = named("u", "c");
	s.after = first;
	s.n_after = 2;
	uint64_t third = submit(&s);
	s = named("u", "d");
	s.after = &third;
	s.n_after = 1;
	submit(&s);
	cr_expect(of("u")->waiting == 2);
	want(u, 10);
	cr_expect(n_jobs == 0);
	want(t, 1);
	taken();
	cr_expect(n_jobs == 0);
	want(t, 1);
	cr_expect_str_eq(taken(), "b");
	cr_expect_str_eq(taken(), "c");
	cr_expect_str_eq(taken(), "d");

	first[0] = put("t", "e");
	s = named("u", "f");
	s.after = first; /* the second one is over already */
	s.n_after = 2;
	third = submit(&s);
	s.after = &third;
	s.n_after = 1;
	submit(&s);
	want(t, 1);
	work_fail(jobs[0], WORK_FAULT_FAILED, "no", false, -1);
	turn();
	turn();
	cr_expect(n_events[WORK_DEAD] == 3, "%d", n_events[WORK_DEAD]);
	cr_expect(of("u")->waiting == 0);
	end();
}

Test(work, an_end_can_bring_forth_new_tasks)
{
	begin();
	struct work_taker *t = taker("t");
	put("t", "a");
	want(t, 10);
	struct work_spec next[] = { named("t", "b"), named("t", "c") };
	struct work_end done = { .result = "r", .size = 1, .next = next, .n_next = 2 };
	n_jobs = 0;
	cr_expect(work_ack(jobs[0], &done) == 0);
	turn();
	cr_expect_str_eq(taken(), "b c");
	put("t", "d");
	next[1].prio = 1000;
	cr_expect(work_ack(jobs[0], &done) == UV_EINVAL, "then it still runs");
	cr_expect_str_eq(taken(), "d");
	end();
}

Test(work, says_what_is_wrong_with_a_task)
{
	char longer[300];
	struct err err;
	struct work_spec bad[9];

	begin();
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (int i = 0; i < 9; i++)
		bad[i] = named("t", "x");
	bad[0].topic = "";
	bad[1].topic = longer;
	bad[2].prio = 256;
	bad[3].delay = -1;
	bad[4].max_attempts = 1001;
	bad[5].backoff = "sometimes";
	bad[6].uniq = "k";
	bad[6].hold = WORK_UNTIL_TTL;
	bad[7].n_after = 65;
	bad[8].ext_id = longer;
	for (int i = 0; i < 9; i++) {
		cr_expect(work_spec_check(work, &bad[i], &err) == UV_EINVAL, "%d", i);
		cr_expect(work_submit(work, &bad[i], 1, NULL, NULL) == UV_EINVAL, "%d", i);
	}
	struct work_topic_conf c = plain();
	c.max_jobs = 2;
	topic("t", &c);
	put("t", "a");
	put("t", "b");
	struct work_spec s = named("t", "c");
	cr_expect(work_spec_check(work, &s, &err) == ERR_LIMIT);
	cr_expect_str_eq(err.text, "topic t is full: 2 tasks");
	cr_expect(work_purge(work, &(struct work_range){ .topic = "t" }) == 2);
	cr_expect(work_spec_check(work, &s, &err) == 0);
	end();
}

Test(work, a_million_tasks_take_their_share_of_memory)
{
	enum { N = 1000000 };
	struct work_spec s = named("t", "");
	struct work_figures f;

	begin();
	s.size = 0;
	s.payload = NULL;
	for (int i = 0; i < N; i++) {
		s.delay = i % 2 ? 1000000 + i : 0;
		cr_assert(work_submit(work, &s, 1, NULL, NULL) == 0);
		if (i % 1000 == 0)
			turn();
	}
	turn();
	work_figures(work, &f);
	cr_expect(f.tasks == N);
	/* and 24 for an empty payload here, which would be on disk */
	cr_expect(f.memory / N <= 126, "%lu bytes a task", f.memory / N);
	struct work_taker *t = taker("t");
	static struct work_job *first;
	want(t, 1);
	first = jobs[0];
	cr_expect(n_jobs == 1 && first->attempt == 1);
	taken();
	end();
}
