/* One task by its name, past its turn; the most urgent of several topics; those that are buried. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/work/work.h"
#include "tests/lib/check.h"

static uv_loop_t loop;
static uv_async_t alive; /* holds the loop */
static struct work *work;
static char dir[64];
static int64_t ahead; /* ms that the test's clock is ahead of the real one */

static struct work_job *jobs[100];
static int n_jobs, n_died;
static struct work_receipt last;

static void test_clock(void *data, int64_t *mono, int64_t *wall)
{
	struct timespec t;

	(void)data;
	clock_gettime(CLOCK_MONOTONIC, &t);
	*mono = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + ahead;
	clock_gettime(CLOCK_REALTIME, &t);
	*wall = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + ahead;
}

static void on_event(void *data, const struct work_event *e)
{
	(void)data;
	n_died += e->state == WORK_DEAD;
}

static void opened(void)
{
	struct work_conf conf = { .dir = dir, .clock = test_clock, .on_event = on_event };
	struct work_topic_conf memory;
	struct err err = { .text = "" };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, &err) == 0, "%s", err.text);
	work_topic_defaults(&memory);
	memory.durability = WORK_MEMORY;
	work_topic_set(work, "m", &memory);
	n_jobs = n_died = 0;
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
	cr_assert(mkdtemp(dir) != NULL);
	opened();
}

static void end(void)
{
	char command[100];

	closed();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect(system(command) == 0);
}

/* Until the store has answered all, and what that brought is done. */
static void settle(void)
{
	for (int i = 0; i < 4; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		uv_unref((uv_handle_t *)&alive);
		uv_run(&loop, UV_RUN_DEFAULT);
		uv_ref((uv_handle_t *)&alive);
	}
}

static void pass(int64_t ms)
{
	ahead += ms;
	work_tick(work);
	settle();
}

static void on_submitted(void *data, int status, const struct work_receipt *r, int n)
{
	(void)data;
	cr_assert(status == 0);
	last = r[n - 1];
}

static uint64_t put(const char *topic, const char *name, int prio, int64_t delay)
{
	struct work_spec s = { .topic = topic,
			       .payload = name,
			       .size = strlen(name),
			       .meta = "about it",
			       .meta_size = 8,
			       .prio = prio,
			       .delay = delay };

	cr_assert(work_submit(work, &s, 1, on_submitted, NULL) == 0);
	settle();
	return last.id;
}

static void on_job(void *data, struct work_job *job)
{
	(void)data;
	jobs[n_jobs++] = job;
}

static struct work_taker *taker_of(const char *const *topics, int n, void *owner)
{
	struct work_taker_conf conf = { .topics = topics,
					.n_topics = n,
					.order = WORK_URGENT,
					.on_job = on_job,
					.owner = owner,
					.data = owner };

	return work_taker_new(work, &conf);
}

static const char *name_of(const struct work_job *job)
{
	static char text[100];

	snprintf(text, sizeof(text), "%.*s", (int)job->size, (const char *)job->payload);
	return text;
}

static int status_of;
static uint64_t counted;

static void on_done(void *data, int status)
{
	(void)data;
	status_of = status;
}

static void on_dropped(void *data, int status, const char *topic)
{
	(void)data;
	status_of = status;
	cr_expect(status != 0 || strcmp(topic, "m") == 0);
}

static void on_counted(void *data, int status, uint64_t n)
{
	(void)data;
	status_of = status;
	counted = n;
}

static struct work_figures_of {
	uint64_t ready, dead;
	bool paused;
} figures(const char *topic)
{
	struct work_topic_figures f;

	cr_assert(work_topic_figures(work, topic, &f) == 0);
	return (struct work_figures_of){ f.ready, f.dead, f.paused };
}

TestSuite(work_pick, .init = begin, .fini = end);

Test(work_pick, the_most_urgent_of_all_topics_comes_first)
{
	static const char *const topics[] = { "a", "b", "c" };
	static const char *const want[] = { "b0", "a1", "c1", "b2", "a3", "b3", "a9" };

	put("a", "a3", 3, 0);
	put("a", "a9", 9, 0);
	put("b", "b2", 2, 0);
	put("b", "b3", 3, 0);
	put("a", "a1", 1, 0);
	put("c", "c1", 1, 0);
	struct work_taker *t = taker_of(topics, 3, NULL);
	settle();
	put("b", "b0", 0, 0); /* more urgent than what the taker has seen of b */
	work_want(t, 7);
	settle();
	check_int(n_jobs, 7);
	for (int i = 0; i < n_jobs; i++) {
		check_str(name_of(jobs[i]), want[i]);
		work_ack(jobs[i], NULL);
	}
	settle();
	work_taker_free(t);
}

Test(work_pick, what_another_has_taken_is_no_longer_first)
{
	static const char *const both[] = { "a", "b" }, *const one[] = { "a" };
	struct work_taker *t = taker_of(both, 2, NULL), *thief = taker_of(one, 1, NULL);

	put("a", "a1", 1, 0);
	put("a", "a9", 9, 0);
	put("b", "b5", 5, 0);
	work_want(thief, 1);
	settle();
	check_str(name_of(jobs[0]), "a1");
	work_want(t, 1);
	settle();
	check_str(name_of(jobs[1]), "b5");
	work_release(jobs[0], 0);
	work_release(jobs[1], 0);
	work_taker_free(t);
	work_taker_free(thief);
}

Test(work_pick, a_task_is_looked_for_at_once)
{
	static const char *const topics[] = { "a" };
	struct work_taker *t = taker_of(topics, 1, NULL);

	check_true(!work_serve(t));
	put("a", "x", 1, 0);
	check_true(!work_serve(t)); /* it wants nothing */
	work_want(t, 1);
	check_true(work_serve(t));
	check_int(n_jobs, 1);
	check_true(!work_serve(t));
	work_ack(jobs[0], NULL);
	settle();
	work_taker_free(t);
}

Test(work_pick, given_back_with_another_priority)
{
	static const char *const topics[] = { "a", "m" };
	struct work_taker *t = taker_of(topics, 2, NULL);

	for (int i = 0; i < 2; i++) {
		const char *topic = topics[i];
		n_jobs = 0;
		put(topic, "one", 5, 0);
		put(topic, "two", 5, 0);
		put(topic, "three", 5, 0);
		work_want(t, 2);
		settle();
		work_release_as(jobs[0], 0, 7);
		work_release_as(jobs[1], 0, 5);
		settle();
		n_jobs = 0;
		work_want(t, 3);
		settle();
		check_str(name_of(jobs[0]), "two"); /* it kept its turn */
		check_str(name_of(jobs[1]), "three");
		check_str(name_of(jobs[2]), "one");
		check_int(jobs[2]->prio, 7);
		check_int(jobs[2]->attempt, 1);
		work_release_as(jobs[2], 5000, 3);
		work_ack(jobs[0], NULL);
		work_ack(jobs[1], NULL);
		settle();
		check_int(figures(topic).ready, 0);
		pass(5000);
		check_int(work_ready_before(work, topic, 4), 1);
		check_int(work_ready_before(work, topic, 3), 0);
		work_purge(work, &(struct work_range){ .topic = topic });
		settle();
	}
	work_taker_free(t);
}

Test(work_pick, one_is_taken_by_its_name)
{
	static const char *const topics[] = { "none" };
	int owner, other;
	struct work_taker *t = taker_of(topics, 1, &owner);
	uint64_t first = put("a", "first", 1, 0), later = put("a", "later", 1, 50000);

	check_int(work_take(t, 12345), UV_ENOENT);
	check_int(work_take(t, later), 0);
	settle();
	check_str(name_of(jobs[0]), "later");
	check_true(jobs[0]->taker == &owner && list_empty(&jobs[0]->place));
	check_int(work_take(t, later), UV_ENOENT);
	check_true(work_job_of(work, later, &owner) == jobs[0]);
	check_true(!work_job_of(work, later, &other));
	check_true(!work_job_of(work, first, &owner));
	check_str(work_topic_of(work, first), "a");
	check_true(!work_topic_of(work, 77));
	work_release(jobs[0], 0);
	check_int(work_state_of(work, later), WORK_READY);
	check_int(work_take(t, first), 0);
	check_int(n_jobs, 2);
	work_ack(jobs[1], NULL);
	settle();
	work_taker_free(t);
}

Test(work_pick, a_payload_that_only_the_store_has_is_read_for_who_takes_it)
{
	static const char *const topics[] = { "none" };
	uint64_t id = put("a", "far away", 1, 3600000);
	struct work_taker *t = taker_of(topics, 1, NULL);

	check_int(work_take(t, id), 0);
	check_int(n_jobs, 0);
	settle();
	check_int(n_jobs, 1);
	check_str(name_of(jobs[0]), "far away");
	work_ack(jobs[0], NULL);
	settle();
	work_taker_free(t);
}

static int run_now;

static void on_run(void *data, uint64_t id)
{
	(void)data;
	(void)id;
	run_now++;
}

Test(work_pick, the_first_ones_of_a_topic)
{
	uint64_t late = put("a", "late", 1, 9000), soon = put("a", "soon", 1, 1000);
	uint64_t other = put("b", "other", 1, 900), ready = put("a", "ready", 200, 0);

	put("a", "middle", 1, 5000);
	check_int(work_first(work, "a", WORK_READY), ready);
	check_int(work_first(work, "a", WORK_SCHEDULED), soon);
	check_int(work_first(work, "nothing", WORK_READY), 0);
	check_int(work_run_some(work, "a", 2, on_run, NULL), 2);
	check_int(run_now, 2);
	check_int(work_first(work, "a", WORK_SCHEDULED), late);
	check_int(work_first(work, "a", WORK_READY), soon);
	check_int(work_run_some(work, "a", 9, NULL, NULL), 1);
	check_int(work_run_some(work, "a", 9, NULL, NULL), 0);
	check_int(work_run_some(work, "nothing", 9, NULL, NULL), 0);
	check_int(figures("a").ready, 4);
	check_int(work_state_of(work, other), WORK_SCHEDULED);
}

Test(work_pick, a_pause_for_a_time_ends_by_itself)
{
	static const char *const topics[] = { "a" };
	struct work_taker *t = taker_of(topics, 1, NULL);

	work_pause_for(work, "a", 5000);
	put("a", "x", 1, 0);
	work_want(t, 1);
	settle();
	check_true(figures("a").paused && n_jobs == 0 && !work_serve(t));
	pass(4000);
	check_int(n_jobs, 0);
	pass(1100);
	check_int(n_jobs, 1);
	work_pause_for(work, "a", 5000);
	put("a", "y", 1, 0);
	work_want(t, 1);
	settle();
	check_int(n_jobs, 1);
	check_int(work_pause(work, "a", false), 0);
	settle();
	check_int(n_jobs, 2);
	work_release(jobs[0], 0);
	work_release(jobs[1], 0);
	work_taker_free(t);
}

/* Of a stored topic, and of one that is in memory only. */
Test(work_pick, what_is_buried_is_kept_and_rises_a_few_at_a_time)
{
	static const char *const names[] = { "one", "two", "three", "four" };

	for (int kind = 0; kind < 2; kind++) {
		const char *topic = kind ? "m" : "a";
		struct work_taker *t = taker_of(&topic, 1, NULL);
		uint64_t ids[4];
		n_jobs = n_died = 0;
		for (int i = 0; i < 4; i++)
			ids[i] = put(topic, names[i], 5, 0);
		work_want(t, 4);
		settle();
		for (int i = 0; i < 4; i++)
			work_bury(jobs[i], 4 - i, "for now");
		settle();
		check_int(n_died, 4);
		check_int(figures(topic).dead, 4);
		closed(); /* the taker goes with it */
		opened();
		check_int(figures(topic).dead, 4);
		check_true(work_has_dead(work));
		struct work_range two = { .topic = topic, .limit = 2 };
		work_retry_all(work, &two, on_counted, NULL);
		settle();
		check_int(counted, 2);
		check_int(figures(topic).ready, 2);
		t = taker_of(&topic, 1, NULL);
		work_want(t, 2);
		settle();
		check_int(n_jobs, 2);
		check_str(name_of(jobs[0]), "two"); /* the more urgent one by now */
		check_int(jobs[0]->prio, 3);
		check_int(jobs[0]->meta_size, 8);
		check_int(work_retry(work, ids[3], NULL, on_done, NULL), 0);
		settle();
		check_int(status_of, 0);
		for (int i = 0; i < 2; i++)
			work_ack(jobs[i], NULL);
		work_purge(work, &(struct work_range){ .topic = topic });
		settle();
		check_int(figures(topic).dead, 1);
		if (kind) {
			check_int(work_drop(work, ids[0], on_dropped, NULL), 0);
			settle();
			check_int(status_of, UV_ENOENT);
			check_int(work_drop(work, ids[2], on_dropped, NULL), 0);
			settle();
			check_int(status_of, 0);
			check_int(figures(topic).dead, 0);
		}
		work_taker_free(t);
	}
}
