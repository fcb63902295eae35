/* What a task's end brings with it: what follows, and the ends of those behind it; killed in
 * between. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/work/work.h"

static uv_loop_t loop;
static uv_async_t alive; /* holds the loop */
static struct work *work;
static struct work_taker *taker;
static char dir[64];
static int64_t ahead; /* ms that the test's clock is ahead of the real one */

static struct work_job *jobs[100];
static int n_jobs;
static int waiting; /* answers that have not come */
static uint64_t last;
static bool killing; /* at the first end */
static int asked;    /* how often for what follows */

static void test_clock(void *data, int64_t *mono, int64_t *wall)
{
	struct timespec t;

	(void)data;
	clock_gettime(CLOCK_MONOTONIC, &t);
	*mono = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + ahead;
	clock_gettime(CLOCK_REALTIME, &t);
	*wall = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + ahead;
}

static void on_job(void *data, struct work_job *job)
{
	(void)data;
	jobs[n_jobs++] = job;
}

/* The first that is heard of an end: the store has it, and nothing else was done since. */
static void on_event(void *data, const struct work_event *e)
{
	(void)data;
	cr_expect(!e->meta);
	if (killing && e->state >= WORK_SUCCEEDED)
		raise(SIGKILL);
}

/* What is told has a topic that nobody takes. */
static bool follow(void *data, const struct work_event *e, struct work_spec *spec)
{
	static char text[200];

	(void)data;
	asked++;
	if (!e->meta_size || *(const char *)e->meta != '!')
		return false;
	snprintf(text, sizeof(text), "%s %.*s %s", work_state_name(e->state), (int)e->meta_size,
		 (const char *)e->meta, e->error ? e->error : "-");
	*spec = (struct work_spec){
		.topic = "told", .payload = text, .size = strlen(text), .prio = WORK_PRIO
	};
	return true;
}

static void opened(void)
{
	static const char *const all[] = { "t" };
	struct work_conf conf = {
		.dir = dir, .clock = test_clock, .on_event = on_event, .follow = follow
	};
	struct work_taker_conf tc = { .topics = all, .n_topics = 1, .on_job = on_job };
	struct err err = { .text = "" };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, &err) == 0, "%s", err.text);
	taker = work_taker_new(work, &tc);
	n_jobs = asked = 0;
}

static void closed(void)
{
	work_close(work, NULL, NULL);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(uv_loop_close(&loop) == 0);
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test_work.XXXXXX");
	cr_assert(mkdtemp(dir));
}

static void end(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect(system(command) == 0);
}

/* Until the store has answered all, and what that brought is done: then it lets the loop end. */
static void settle(void)
{
	for (int i = 0; i < 4; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		uv_unref((uv_handle_t *)&alive);
		uv_run(&loop, UV_RUN_DEFAULT);
		uv_ref((uv_handle_t *)&alive);
	}
}

static void on_submitted(void *data, int status, const struct work_receipt *r, int n)
{
	(void)data;
	cr_expect(status == 0 && n == 1);
	waiting--;
	last = r->id;
}

/* It is under way. */
static void put(const struct work_spec *s)
{
	waiting++;
	cr_assert(work_submit(work, s, 1, on_submitted, NULL) == 0);
}

static uint64_t submit(const struct work_spec *s)
{
	put(s);
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
	return last;
}

static struct work_spec task(const char *meta)
{
	return (struct work_spec){ .topic = "t",
				   .payload = "work",
				   .size = 4,
				   .prio = WORK_PRIO,
				   .meta = meta,
				   .meta_size = strlen(meta) };
}

static struct work_spec behind(const uint64_t *first)
{
	struct work_spec s = task("!behind");

	s.after = first;
	s.n_after = 1;
	return s;
}

static void want(int n)
{
	work_want(taker, n);
	work_tick(work);
	settle();
}

static void again(void)
{
	closed();
	opened();
}

/* What is pending of the topic: payloads, a line each. */
static char found[1000];
static bool listed;

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	size_t n = strlen(found);

	(void)data;
	(void)next;
	cr_expect(status == 0);
	listed = !s;
	if (s)
		snprintf(found + n, sizeof(found) - n, "%s%.*s", n ? "\n" : "", (int)s->size,
			 (const char *)s->payload);
}

static const char *pending(const char *topic)
{
	found[0] = '\0';
	listed = false;
	settle();
	work_list(work, &(struct work_filter){ .topic = topic, .limit = 100 }, on_seen, NULL);
	while (!listed)
		uv_run(&loop, UV_RUN_ONCE);
	return found;
}

/* ---- the ways to end ------------------------------------------------------------------- */

/* Each is called with one task there, of id `last`, and makes it end. */

static void succeed(void)
{
	want(1);
	work_ack(jobs[0], NULL);
}

static void die(void)
{
	want(1);
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
}

static void be_killed(void)
{
	want(1);
	work_cancel(work, last, true);
	work_fail(jobs[0], WORK_FAULT_FAILED, "cancelled", true, -1);
}

static void be_cancelled(void)
{
	work_cancel(work, last, false);
}

static void be_purged(void)
{
	work_purge(work, &(struct work_range){ .topic = "t" });
}

static void be_late(void)
{
	ahead += 60001;
	work_tick(work);
}

/* The third crash is found when it is to be handed out once more. */
static void be_poison(void)
{
	for (int i = 0; i < 3; i++) {
		n_jobs = 0;
		want(1);
		work_fail(jobs[0], WORK_FAULT_CRASHED, "crashed", true, 0);
	}
}

static const struct way {
	const char *name;
	void (*go)(void);
	const char *told;
} ways[] = {
	{ "succeeded", succeed, "succeeded !meta -" },
	{ "dead", die, "dead !meta in vain" },
	{ "killed", be_killed, "cancelled !meta cancelled" },
	{ "cancelled", be_cancelled, "cancelled !meta -" },
	{ "purged", be_purged, "cancelled !meta -" },
	{ "expired", be_late, "expired !meta -" },
	{ "poison", be_poison, "dead !meta crashed" },
};

/* In a process of its own, which is killed when the store has the end and nobody was told of it. */
static void killed_at_the_end(const struct way *way, bool only_disk)
{
	pid_t pid = fork();

	if (pid == 0) {
		opened();
		struct work_spec s = task("!meta");
		s.expires = 60000;
		submit(&s);
		if (only_disk)
			again();
		killing = true;
		way->go();
		settle();
		_exit(1);
	}
	int status;
	waitpid(pid, &status, 0);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: %d", way->name, status);
}

Test(work_ends, what_follows_an_end_is_there_when_we_are_killed_right_after_it)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (int only_disk = 0; only_disk < 2; only_disk++) {
			begin();
			killed_at_the_end(&ways[i], only_disk);
			opened();
			cr_expect_str_eq(pending("told"), ways[i].told, "%s %d: %s", ways[i].name,
					 only_disk, found);
			cr_expect_str_eq(pending("t"), "", "%s: it is over", ways[i].name);
			closed();
			end();
		}
}

Test(work_ends, who_dies_by_our_deaths_has_followers_too)
{
	begin();
	opened();
	struct work_spec s = task("!meta");
	submit(&s);
	closed();
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			opened();
			want(1);
			work_begun(jobs[0]);
			raise(SIGKILL);
		}
		waitpid(pid, NULL, 0);
	}
	opened();
	want(1);
	cr_expect(n_jobs == 0);
	cr_expect_str_eq(pending("told"), "dead !meta poison: what ran it died each time");
	closed();
	end();
}

Test(work_ends, only_who_has_meta_is_asked_about)
{
	begin();
	opened();
	struct work_spec s = task("");
	submit(&s);
	work_cancel(work, last, false);
	settle();
	cr_expect(asked == 0);
	s = task("another's");
	submit(&s);
	again();
	work_cancel(work, last, false);
	settle();
	cr_expect(asked == 1);
	cr_expect_str_eq(pending("told"), "");
	closed();
	end();
}

/* Its meta is still being read when we are told to close. */
Test(work_ends, an_end_that_was_asked_for_before_the_close_is_written)
{
	begin();
	opened();
	struct work_spec s = task("!meta");
	submit(&s);
	again();
	cr_expect(work_cancel(work, last, false) == 0);
	again();
	cr_expect_str_eq(pending("t"), "");
	cr_expect_str_eq(pending("told"), "cancelled !meta -");
	closed();
	end();
}

Test(work_ends, what_follows_outlives_a_task_that_only_memory_had)
{
	struct work_topic_conf c;

	begin();
	opened();
	work_topic_defaults(&c);
	c.durability = WORK_MEMORY;
	work_topic_set(work, "t", &c);
	struct work_spec s = task("!meta");
	submit(&s);
	succeed();
	settle();
	again();
	cr_expect_str_eq(pending("told"), "succeeded !meta -");
	closed();
	end();
}

Test(work_ends, the_raised_end_once_more)
{
	begin();
	opened();
	struct work_spec s = task("!meta");
	uint64_t id = submit(&s);
	die();
	settle();
	again();
	cr_expect(work_retry(work, id, NULL, NULL, NULL) == 0);
	settle();
	work_cancel(work, id, false);
	cr_expect_str_eq(pending("told"), "dead !meta in vain\ncancelled !meta -");
	closed();
	end();
}

/* ---- those behind it --------------------------------------------------------------------- */

static const char *why(uint64_t id, const char *state)
{
	static char text[200];
	char name[IDENT_LEN + 1];

	ident_write(id, name);
	snprintf(text, sizeof(text), "%s !behind what it waited for is over without success: %s",
		 state, name);
	return text;
}

static void killed_before_those_behind(void (*go)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		opened();
		killing = true;
		go();
		settle();
		_exit(1);
	}
	int status;
	waitpid(pid, &status, 0);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%d", status);
}

static uint64_t with_one_behind(void)
{
	begin();
	opened();
	struct work_spec s = task("first");
	uint64_t first = submit(&s);
	s = behind(&first);
	submit(&s);
	closed();
	last = first;
	return first;
}

Test(work_ends, a_kill_between_two_ends_lets_nobody_run_in_vain)
{
	static const struct {
		void (*go)(void);
		const char *state;
	} cases[] = { { die, "dead" }, { be_cancelled, "cancelled" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t first = with_one_behind();
		killed_before_those_behind(cases[i].go);
		opened();
		want(5);
		cr_expect(n_jobs == 0);
		cr_expect_str_eq(pending("told"), why(first, cases[i].state), "%s", found);
		again();
		want(5);
		cr_expect(n_jobs == 0);
		cr_expect_str_eq(pending("told"), why(first, cases[i].state), "once: %s", found);
		closed();
		end();
	}
}

Test(work_ends, a_close_between_two_ends_lets_nobody_run_in_vain)
{
	uint64_t first = with_one_behind();

	opened();
	want(1);
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
	again();
	want(5);
	cr_expect(n_jobs == 0);
	cr_expect_str_eq(pending("told"), why(first, "dead"), "%s", found);
	closed();
	end();
}

Test(work_ends, a_kill_after_a_success_lets_those_behind_run)
{
	with_one_behind();
	killed_before_those_behind(succeed);
	opened();
	want(5);
	cr_expect(n_jobs == 1);
	closed();
	end();
}

/* The one behind is under way into the store when the first one ends. */
Test(work_ends, who_comes_while_the_first_one_dies_dies_with_it)
{
	for (int early = 0; early < 2; early++) {
		begin();
		opened();
		struct work_spec s = task("first");
		uint64_t first = submit(&s);
		want(1);
		s = behind(&first);
		if (early)
			put(&s);
		work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
		if (!early)
			put(&s);
		n_jobs = 0;
		want(5);
		cr_expect(n_jobs == 0 && waiting == 0);
		cr_expect_str_eq(pending("told"), why(first, "dead"), "%s", found);
		closed();
		end();
	}
}

Test(work_ends, who_comes_while_the_first_one_succeeds_runs_also_after_a_restart)
{
	begin();
	opened();
	struct work_spec s = task("first");
	uint64_t first = submit(&s);
	want(1);
	work_ack(jobs[0], NULL);
	s = behind(&first);
	submit(&s);
	again();
	want(5);
	cr_expect(n_jobs == 1);
	cr_expect_str_eq(pending("told"), "");
	closed();
	end();
}

Test(work_ends, who_waits_for_several_ends_with_the_first_that_fails)
{
	begin();
	opened();
	struct work_spec s = task("first");
	uint64_t both[2] = { submit(&s), submit(&s) };
	s = behind(both);
	s.n_after = 2;
	submit(&s);
	want(2);
	cr_assert(n_jobs == 2);
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	cr_expect_str_eq(pending("told"), why(both[0], "dead"), "%s", found);
	work_fail(jobs[1], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	again();
	want(5);
	cr_expect(n_jobs == 0);
	cr_expect_str_eq(pending("told"), why(both[0], "dead"), "once: %s", found);
	closed();
	end();
}

static void over_and_forgotten_by_memory(void (*go)(void), int64_t keep)
{
	begin();
	opened();
	struct work_spec s = task("first");
	s.keep = keep;
	submit(&s);
	go();
	settle();
}

Test(work_ends, who_comes_when_the_first_one_is_over_ends_as_it_did)
{
	static const struct {
		void (*go)(void);
		const char *state;
	} cases[] = { { die, "dead" }, { be_cancelled, "cancelled" } };

	for (int i = 0; i < 2 * 2 * 2; i++) {
		bool fleeting = i & 2, restarted = i & 4;
		over_and_forgotten_by_memory(cases[i & 1].go, 60000);
		uint64_t first = last;
		if (restarted)
			again();
		struct work_spec s = behind(&first);
		s.fleeting = fleeting;
		s.idem_key = fleeting ? NULL : "once";
		s.idem_ttl = 60000;
		submit(&s);
		n_jobs = 0;
		want(5);
		cr_expect(n_jobs == 0);
		cr_expect_str_eq(pending("told"), why(first, cases[i & 1].state), "%s", found);
		again();
		want(5);
		cr_expect(n_jobs == 0);
		cr_expect_str_eq(pending("told"), why(first, cases[i & 1].state), "once: %s",
				 found);
		closed();
		end();
	}
}

Test(work_ends, who_comes_after_a_success_that_is_kept_runs)
{
	over_and_forgotten_by_memory(succeed, 60000);
	uint64_t first = last;
	struct work_spec s = behind(&first);

	submit(&s);
	n_jobs = 0;
	want(5);
	cr_expect(n_jobs == 1);
	closed();
	end();
}

/* At most once: we may have died behind its work. */
Test(work_ends, who_had_one_attempt_only_does_not_run_again_after_our_death)
{
	begin();
	pid_t pid = fork();
	if (pid == 0) {
		opened();
		struct work_spec s = task("!meta");
		s.max_attempts = 1;
		submit(&s);
		want(1);
		work_begun(jobs[0]);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	opened();
	want(5);
	cr_expect(n_jobs == 0);
	cr_expect_str_eq(pending("told"), "dead !meta -", "%s", found);
	closed();
	end();
}
