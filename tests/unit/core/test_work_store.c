/* What the work engine finds again: after a close, after a kill, in its lists. */
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

static struct work_job *jobs[1000];
static int n_jobs;
static int waiting; /* answers that have not come */
static struct work_receipt last;
static int last_status;

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

static void opened(void)
{
	static const char *const all[] = { "*" };
	struct work_conf conf = { .dir = dir, .clock = test_clock };
	struct work_taker_conf tc = { .topics = all, .n_topics = 1, .on_job = on_job };
	struct err err = { .text = "" };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, &err) == 0, "%s", err.text);
	taker = work_taker_new(work, &tc);
	n_jobs = 0;
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
	opened();
}

static void end(void)
{
	char command[100];

	closed();
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
	waiting--;
	last_status = status;
	last = r[n - 1];
}

static struct work_spec named(const char *to, const char *name)
{
	return (struct work_spec){
		.topic = to, .payload = name, .size = strlen(name), .prio = WORK_PRIO
	};
}

static uint64_t submit(const struct work_spec *s)
{
	waiting++;
	cr_assert(work_submit(work, s, 1, on_submitted, NULL) == 0);
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
	return last.id;
}

static void want(int n)
{
	work_want(taker, n);
	work_tick(work);
	settle();
}

static const char *names(void)
{
	static char text[2000];
	size_t at = 0;

	text[0] = '\0';
	for (int i = 0; i < n_jobs; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", i ? " " : "",
				       (int)jobs[i]->size, (const char *)jobs[i]->payload);
	return text;
}

static struct {
	int n, status;
	uint64_t ids[100], next;
	enum work_state state;
	int attempts, crashes;
	char payload[100], result[100], error[100];
	bool came;
} seen;

static void copy(char *to, const void *p, size_t n)
{
	snprintf(to, 100, "%.*s", (int)n, p ? (const char *)p : "");
}

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	(void)data;
	if (!s) {
		seen.came = true;
		seen.status = status;
		seen.next = next;
		return;
	}
	seen.ids[seen.n++] = s->id;
	seen.state = s->state;
	seen.attempts = s->attempts;
	seen.crashes = s->crashes;
	copy(seen.payload, s->payload, s->size);
	copy(seen.result, s->result, s->result_size);
	copy(seen.error, s->error, s->error ? strlen(s->error) : 0);
}

static void look(uint64_t id)
{
	memset(&seen, 0, sizeof(seen));
	work_get(work, id, on_seen, NULL);
	while (!seen.came)
		uv_run(&loop, UV_RUN_ONCE);
}

static void list(const struct work_filter *f)
{
	memset(&seen, 0, sizeof(seen));
	work_list(work, f, on_seen, NULL);
	while (!seen.came)
		uv_run(&loop, UV_RUN_ONCE);
}

Test(work_store, finds_all_that_is_pending_again)
{
	struct work_topic_figures f;

	begin();
	struct work_spec s = named("t", "second");
	s.meta = "its meta";
	s.meta_size = 8;
	s.type = "kind";
	s.ext_id = "mine";
	submit(&s);
	s = named("t", "first");
	s.prio = 1;
	submit(&s);
	s = named("t", "later");
	s.delay = 3600000;
	submit(&s);
	s = named("u", "done before");
	submit(&s);
	work_pause(work, "t", true);
	want(10);
	cr_assert_str_eq(names(), "done before");
	work_ack(jobs[0], NULL);
	closed();

	opened();
	want(10);
	cr_expect(n_jobs == 0, "the pause was kept");
	work_pause(work, "t", false);
	want(10);
	cr_expect_str_eq(names(), "first second");
	cr_assert(n_jobs == 2);
	cr_expect(jobs[1]->meta_size == 8 && memcmp(jobs[1]->meta, "its meta", 8) == 0);
	cr_expect_str_eq(jobs[1]->type, "kind");
	cr_expect_str_eq(jobs[1]->ext_id, "mine");
	cr_expect(jobs[1]->attempt == 1);
	work_fail(jobs[0], WORK_FAULT_FAILED, "not now", true, 0);
	work_ack(jobs[1], NULL);
	closed();

	opened();
	want(10);
	cr_expect_str_eq(names(), "first");
	cr_expect(jobs[0]->attempt == 2);
	work_ack(jobs[0], NULL);
	ahead += 3600000;
	n_jobs = 0;
	want(10);
	cr_expect_str_eq(names(), "later");
	work_ack(jobs[0], NULL);
	closed();
	opened();
	want(10);
	cr_expect(n_jobs == 0);
	(void)f;
	end();
}

Test(work_store, the_same_request_finds_its_first_task)
{
	begin();
	struct work_spec s = named("t", "a");
	s.idem_key = "request 1";
	s.idem_hash = "body";
	s.idem_hash_size = 4;
	s.idem_ttl = 3600000;
	uint64_t id = submit(&s);
	cr_expect(!last.duplicate);
	want(10);
	work_ack(jobs[0], NULL);
	settle();
	submit(&s);
	cr_expect(last.duplicate && !last.conflict && last.id == id, "though it is over");
	closed();
	opened();
	s.idem_hash = "BODY";
	submit(&s);
	cr_expect(last.duplicate && last.conflict && last.id == id);
	ahead += 3600001;
	submit(&s);
	cr_expect(!last.duplicate && last.id != id);
	end();
}

Test(work_store, keys_and_dependencies_are_kept)
{
	begin();
	struct work_spec s = named("t", "a");
	s.uniq = "k";
	uint64_t a = submit(&s);
	s = named("t", "b");
	s.uniq = "l";
	s.hold = WORK_UNTIL_TTL;
	s.uniq_ttl = 3600000;
	submit(&s);
	s = named("u", "c");
	s.after = &a;
	s.n_after = 1;
	submit(&s);
	closed();
	opened();
	s = named("t", "x");
	s.uniq = "k";
	submit(&s);
	cr_expect(last.conflict && last.id == a);
	want(1);
	cr_expect_str_eq(names(), "a");
	want(2);
	cr_expect_str_eq(names(), "a b");
	work_ack(jobs[0], NULL);
	work_ack(jobs[1], NULL);
	n_jobs = 0;
	want(1);
	cr_expect_str_eq(names(), "c");
	closed();
	opened();
	s.uniq = "l";
	submit(&s);
	cr_expect(last.conflict, "b is over, its time is not");
	want(1);
	cr_expect_str_eq(names(), "c");
	ahead += 3600001;
	work_tick(work);
	submit(&s);
	cr_expect(!last.conflict);
	end();
}

Test(work_store, results_are_kept_for_their_time)
{
	begin();
	struct work_spec s = named("t", "a");
	s.keep = 60000;
	uint64_t id = submit(&s), none = submit(&(struct work_spec){ .topic = "t" });
	look(id);
	cr_expect(seen.n == 1 && seen.state == WORK_READY);
	cr_expect_str_eq(seen.payload, "a");
	want(2);
	look(id);
	cr_expect(seen.state == WORK_RUNNING);
	work_ack(jobs[0], NULL); /* it has priority 0 */
	work_ack(jobs[1], &(struct work_end){ .result = "42", .size = 2 });
	settle();
	look(id);
	cr_expect(seen.n == 1 && seen.state == WORK_SUCCEEDED && seen.attempts == 1);
	cr_expect_str_eq(seen.result, "42");
	look(none);
	cr_expect(seen.n == 0);
	closed();
	opened();
	look(id);
	cr_expect_str_eq(seen.result, "42");
	settle();
	ahead += 120000;
	work_tick(work);
	settle();
	look(id);
	cr_expect(seen.n == 0, "its time is over");
	end();
}

static void on_retried(void *data, int status)
{
	*(int *)data = status;
}

Test(work_store, the_dead_are_kept_and_can_be_raised)
{
	int status = 1;

	begin();
	struct work_spec s = named("t", "a");
	uint64_t id = submit(&s);
	want(1);
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	closed();
	opened();
	want(1);
	cr_expect(n_jobs == 0);
	list(&(struct work_filter){ .state = WORK_DEAD, .limit = 10 });
	cr_expect(seen.n == 1 && seen.ids[0] == id && seen.attempts == 1);
	cr_expect_str_eq(seen.payload, "a");
	cr_expect_str_eq(seen.error, "in vain");
	cr_expect(work_retry(work, id, NULL, on_retried, &status) == 0);
	while (status == 1)
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect(status == 0);
	want(1);
	cr_expect_str_eq(names(), "a");
	cr_expect(jobs[0]->attempt == 1);
	status = 1;
	cr_expect(work_retry(work, id, NULL, on_retried, &status) == 0);
	while (status == 1)
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect(status == UV_ENOENT, "it is not dead any more");
	end();
}

Test(work_store, lists_and_searches_page_by_page)
{
	begin();
	uint64_t ids[25];
	for (int i = 0; i < 25; i++) {
		char text[32];
		snprintf(text, sizeof(text), "number %d", i);
		struct work_spec s = named(i % 5 ? "t" : "u", text);
		ids[i] = submit(&s);
	}
	struct work_filter f = { .limit = 10 };
	list(&f);
	cr_expect(seen.n == 10 && seen.next == ids[9]);
	f.from = ids[19];
	list(&f);
	cr_expect(seen.n == 5 && seen.next == 0);
	f = (struct work_filter){ .limit = 10, .topic = "u" };
	list(&f);
	cr_expect(seen.n == 5 && seen.ids[4] == ids[20]);
	f = (struct work_filter){ .limit = 10, .text = "number 2" };
	list(&f);
	cr_expect(seen.n == 6, "2, 20 to 24: %d", seen.n);
	cr_expect(work_purge(work, &(struct work_range){ .topic = "t" }) == 20);
	settle();
	list(&(struct work_filter){ .limit = 100 });
	cr_expect(seen.n == 5);
	end();
}

/* In a process of its own: takes what there is, begins the first, and is killed. */
static void killed_while_it_runs(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		opened();
		want(2);
		work_begun(jobs[0]);
		raise(n_jobs == 2 ? SIGKILL : SIGTERM);
	}
	int status;
	waitpid(pid, &status, 0);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%d", status);
}

Test(work_store, what_runs_when_we_are_killed_is_charged_for_it)
{
	begin();
	struct work_spec s = named("t", "a");
	s.prio = 0;
	uint64_t id = submit(&s);
	s = named("t", "bystander");
	submit(&s);
	closed();
	killed_while_it_runs();
	opened();
	want(2);
	cr_expect_str_eq(names(), "a bystander");
	cr_expect(jobs[0]->attempt == 2 && jobs[0]->crashes == 1);
	cr_expect(jobs[1]->attempt == 1 && jobs[1]->crashes == 0);
	closed(); /* of our own will: nobody is charged */
	killed_while_it_runs();
	killed_while_it_runs();
	opened();
	want(2);
	cr_expect_str_eq(names(), "bystander");
	settle();
	look(id);
	cr_expect(seen.state == WORK_DEAD && seen.crashes == 3);
	cr_expect(strstr(seen.error, "poison"), "%s", seen.error);
	end();
}

Test(work_store, payloads_that_have_no_room_in_memory_are_read_when_they_are_wanted)
{
	struct work_conf conf = { .dir = dir, .resident = 1000, .clock = test_clock };
	static const char *const all[] = { "*" };
	struct work_taker_conf tc = { .topics = all, .n_topics = 1, .on_job = on_job };
	struct work_figures f;
	char big[400];

	begin();
	closed();
	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	cr_assert(work_open(&work, &loop, &conf, NULL) == 0);
	taker = work_taker_new(work, &tc);
	for (int i = 0; i < 20; i++) {
		memset(big, 'a' + i, sizeof(big));
		struct work_spec s = { .topic = "t", .payload = big, .size = sizeof(big) };
		submit(&s);
	}
	work_figures(work, &f);
	cr_expect(f.resident <= 1400 && f.tasks == 20);
	work_want(taker, 20);
	settle();
	cr_assert(n_jobs == 20);
	unsigned all_of_them = 0;
	for (int i = 0; i < 20; i++) {
		const char *p = jobs[i]->payload;
		cr_expect(jobs[i]->size == 400 && p[0] == p[399]);
		all_of_them |= 1u << (p[0] - 'a');
		work_ack(jobs[i], NULL);
	}
	cr_expect(all_of_them == (1u << 20) - 1);
	settle();
	work_figures(work, &f);
	cr_expect(f.resident == 0 && f.tasks == 0, "%lu %lu", f.resident, f.tasks);
	end();
}

static struct work_batch_figures batch;

static const struct work_batch_figures *of(uint64_t id)
{
	cr_assert(work_batch_get(work, id, &batch) == 0);
	return &batch;
}

static uint64_t new_batch(void)
{
	struct work_spec success = named("then", "success"), complete = named("then", "complete"),
			 death = named("then", "death");
	struct work_batch b = { &success, &complete, &death };

	waiting++;
	cr_assert(work_batch_new(work, &b, on_submitted, NULL) == 0);
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(last_status == 0);
	return last.id;
}

static void put_in(uint64_t id, int n)
{
	struct work_spec s = named("t", "x");

	s.batch = id;
	for (int i = 0; i < n; i++)
		submit(&s);
}

/* Those that follow, in the order of their names' first letters: c, d, s. */
static const char *followers(void)
{
	static char text[10];
	int n = 0;

	n_jobs = 0;
	want(10);
	for (const char *c = "cds"; *c; c++)
		for (int i = 0; i < n_jobs; i++)
			if (*(const char *)jobs[i]->payload == *c)
				text[n++] = *c;
	text[n] = '\0';
	for (int i = 0; i < n_jobs; i++)
		work_ack(jobs[i], NULL);
	n_jobs = 0;
	settle();
	return text;
}

Test(work_store, a_batch_is_over_with_its_last_task)
{
	begin();
	uint64_t id = new_batch();
	put_in(id, 3);
	want(2);
	work_ack(jobs[0], NULL);
	work_ack(jobs[1], NULL);
	settle();
	cr_expect(of(id)->total == 3 && of(id)->pending == 1 && of(id)->open);
	closed();
	opened();
	cr_expect(of(id)->total == 3 && of(id)->pending == 1 && of(id)->failed == 0);
	n_jobs = 0;
	want(1);
	work_ack(jobs[0], NULL);
	cr_expect_str_eq(followers(), "", "more may come");
	put_in(id, 1);
	cr_expect(work_batch_close(work, id) == 0);
	struct work_spec s = named("t", "x");
	s.batch = id;
	cr_expect(work_submit(work, &s, 1, NULL, NULL) == UV_EINVAL, "it is closed");
	closed();
	opened();
	want(1);
	work_ack(jobs[0], NULL);
	cr_expect_str_eq(followers(), "cs");
	cr_expect(of(id)->over > 0 && of(id)->total == 4);
	closed();
	opened();
	cr_expect_str_eq(followers(), "", "once");
	ahead += 3600001;
	work_tick(work);
	cr_expect(work_batch_get(work, id, &batch) == UV_ENOENT);
	settle();
	closed();
	opened();
	cr_expect(work_batch_get(work, id, &batch) == UV_ENOENT);

	id = new_batch();
	cr_expect(work_batch_close(work, id) == 0);
	cr_expect_str_eq(followers(), "cs", "an empty one is over at once");
	end();
}

Test(work_store, a_batch_knows_what_failed_in_it)
{
	begin();
	uint64_t id = new_batch();
	put_in(id, 3);
	work_batch_close(work, id);
	want(2);
	work_fail(jobs[0], WORK_FAULT_FAILED, "no", false, -1);
	work_fail(jobs[1], WORK_FAULT_FAILED, "no", true, 3600000);
	settle();
	n_jobs = 0;
	want(1);
	cr_expect_str_eq(names(), "x", "its third one");
	work_ack(jobs[0], NULL);
	cr_expect_str_eq(followers(), "d", "the first death");
	cr_expect(of(id)->pending == 1 && of(id)->failed == 1);
	closed();
	opened();
	cr_expect(of(id)->pending == 1 && of(id)->failed == 1);
	cr_expect(work_batch_cancel(work, id) == 0);
	settle();
	cr_expect_str_eq(followers(), "c");
	cr_expect(of(id)->failed == 2 && of(id)->over);
	end();
}
