/* Tasks that are edited, raised, purged; what is told while they run; hours; care of the file. */
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

static int64_t resident;
static struct {
	int progressed, percent;
	char text[40];
} heard;

static void on_event(void *data, const struct work_event *e)
{
	(void)data;
	if (e->state == WORK_RUNNING && e->text) {
		heard.progressed++;
		heard.percent = e->percent;
		snprintf(heard.text, sizeof(heard.text), "%s", e->text);
	}
}

static void on_job(void *data, struct work_job *job)
{
	(void)data;
	jobs[n_jobs++] = job;
}

static void opened(void)
{
	static const char *const all[] = { "t*" };
	struct work_conf conf = { .dir = dir,
				  .clock = test_clock,
				  .resident = resident,
				  .on_event = on_event,
				  .store.commit_delay = 500 };
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
	int n;
	enum work_state state;
	int percent, attempts;
	char topic[20], payload[100], text[100], error[100], worker[20];
	char log[20000];
	size_t log_size;
	bool came;
} seen;

static void copy(char *to, const void *p, size_t n)
{
	snprintf(to, 100, "%.*s", (int)n, p ? (const char *)p : "");
}

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	(void)data;
	(void)status;
	(void)next;
	if (!s) {
		seen.came = true;
		return;
	}
	seen.n++;
	seen.state = s->state;
	seen.percent = s->percent;
	seen.attempts = s->attempts;
	snprintf(seen.topic, sizeof(seen.topic), "%s", s->topic);
	snprintf(seen.worker, sizeof(seen.worker), "%s", s->worker ? s->worker : "");
	copy(seen.payload, s->payload, s->size);
	copy(seen.text, s->text, s->text ? strlen(s->text) : 0);
	copy(seen.error, s->error, s->error ? strlen(s->error) : 0);
	seen.log_size = s->log_size;
	if (s->log_size)
		memcpy(seen.log, s->log, s->log_size);
}

static void look(uint64_t id)
{
	memset(&seen, 0, sizeof(seen));
	work_get(work, id, on_seen, NULL);
	while (!seen.came)
		uv_run(&loop, UV_RUN_ONCE);
}

static int listed(const struct work_filter *f)
{
	memset(&seen, 0, sizeof(seen));
	work_list(work, f, on_seen, NULL);
	while (!seen.came)
		uv_run(&loop, UV_RUN_ONCE);
	return seen.n;
}

static int done_status;

static void on_done(void *data, int status)
{
	(void)data;
	waiting--;
	done_status = status;
}

static int wait_done(int rc)
{
	if (rc != 0)
		return rc;
	for (waiting = 1; waiting;)
		uv_run(&loop, UV_RUN_ONCE);
	return done_status;
}

static int edit(uint64_t id, struct work_edit e)
{
	return wait_done(work_edit(work, id, &e, on_done, NULL));
}

static const struct work_edit unchanged = { .delay = -1, .prio = -1 };

Test(work_edit, a_pending_task_goes_to_another_topic_with_what_it_holds)
{
	begin();
	struct work_spec s = named("u", "a");
	s.uniq = "k";
	s.key = "tenant";
	s.meta = "{}";
	s.meta_size = 2;
	uint64_t id = submit(&s);
	want(1);
	cr_expect(n_jobs == 0, "nobody takes u");
	struct work_edit e = unchanged;
	e.topic = "t";
	cr_expect(edit(id, e) == 0);
	cr_expect(work_state_of(work, id) == WORK_READY);
	s.topic = "t";
	submit(&s);
	cr_expect(last.conflict && last.id == id, "it holds its key there");
	s.topic = "u";
	uint64_t other = submit(&s);
	cr_expect(!last.conflict, "and no longer here");
	e.topic = "t";
	cr_expect(edit(other, e) == UV_EEXIST);
	cr_expect(edit(12345, e) == UV_ENOENT);
	settle();
	cr_expect_str_eq(names(), "a");
	cr_expect(jobs[0]->meta_size == 2);
	cr_expect(edit(id, e) == UV_EBUSY, "it runs");
	closed();
	opened();
	look(id);
	cr_expect_str_eq(seen.topic, "t");
	end();
}

Test(work_edit, payload_time_and_priority_hold_over_a_restart)
{
	for (resident = 0; resident < 2;
	     resident++) { /* 0: the default; 1: nothing stays in memory */
		begin();
		struct work_spec s = named("t", "old"), first = named("t", "first");
		s.meta = "m";
		s.meta_size = 1;
		submit(&first);
		uint64_t id = submit(&s);
		struct work_edit e = { .payload = "newer", .size = 5, .delay = 60000, .prio = 1 };
		cr_expect(edit(id, e) == 0);
		cr_expect(work_state_of(work, id) == WORK_SCHEDULED);
		want(2);
		cr_expect_str_eq(names(), "first");
		work_ack(jobs[0], NULL);
		settle();
		closed();
		opened();
		cr_expect(work_state_of(work, id) == WORK_SCHEDULED);
		e = unchanged;
		e.delay = 0;
		submit(&first);
		cr_expect(edit(id, e) == 0);
		want(1);
		cr_expect_str_eq(names(), "newer", "its priority puts it before the other");
		cr_expect(jobs[0]->meta_size == 1);
		struct work_end over = { .result = "", .size = 0 };
		work_ack(jobs[0], &over);
		settle();
		end();
	}
}

static uint64_t dead_of(const char *topic, const char *name)
{
	struct work_spec s = named(topic, name);
	uint64_t id = submit(&s);

	n_jobs = 0;
	want(1);
	cr_assert(n_jobs == 1);
	work_log(work, id, "its last words", 14);
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	n_jobs = 0;
	return id;
}

static uint64_t counted;

static void on_counted(void *data, int status, uint64_t n)
{
	(void)data;
	waiting--;
	done_status = status;
	counted = n;
}

static uint64_t wait_counted(void)
{
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect(done_status == 0);
	return counted;
}

static uint64_t dead_count(const char *of);

static struct {
	const char *name;
	uint64_t dead;
} wanted;

static void on_topic(void *data, const struct work_topic_figures *f)
{
	(void)data;
	if (strcmp(f->name, wanted.name) == 0)
		wanted.dead = f->dead;
}

static uint64_t dead_count(const char *of)
{
	wanted.name = of;
	wanted.dead = 0;
	work_topics(work, on_topic, NULL);
	return wanted.dead;
}

Test(work_edit, the_dead_rise_as_something_else)
{
	begin();
	uint64_t id = dead_of("t", "a");
	look(id);
	cr_expect(seen.state == WORK_DEAD && seen.log_size == 14);
	struct work_edit e = { .topic = "t2", .payload = "b", .size = 1, .delay = -1, .prio = -1 };
	cr_expect(dead_count("t") == 1);
	cr_expect(wait_done(work_retry(work, id, &e, on_done, NULL)) == 0);
	settle();
	cr_expect(dead_count("t") == 0);
	want(1);
	cr_expect_str_eq(names(), "b");
	cr_expect_str_eq(jobs[0]->topic, "t2");
	work_fail(jobs[0], WORK_FAULT_FAILED, "again", false, -1);
	settle();
	cr_expect(dead_count("t2") == 1);
	e = (struct work_edit){ .delay = 5000, .prio = -1 };
	cr_expect(wait_done(work_retry(work, id, &e, on_done, NULL)) == 0);
	cr_expect(work_state_of(work, id) == WORK_SCHEDULED);
	end();
}

Test(work_edit, all_of_a_topic_rise_or_are_forgotten)
{
	begin();
	for (int i = 0; i < 600; i++) { /* more than a piece */
		struct work_spec s = named("t", "x");
		submit(&s);
	}
	want(600);
	cr_assert(n_jobs == 600);
	for (int i = 0; i < 600; i++)
		work_fail(jobs[i], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	dead_of("t2", "y");
	struct work_range r = { .topic = "t" };
	waiting = 1;
	work_retry_all(work, &r, on_counted, NULL);
	cr_expect(wait_counted() == 600);
	cr_expect(dead_count("t") == 0 && dead_count("t2") == 1);
	n_jobs = 0;
	want(600);
	cr_assert(n_jobs == 600);
	for (int i = 0; i < 600; i++)
		work_fail(jobs[i], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	r.before = 1000;
	waiting = 1;
	work_forget(work, WORK_DEAD, &r, on_counted, NULL);
	cr_expect(wait_counted() == 0, "none is that old");
	r.before = 0;
	waiting = 1;
	work_forget(work, WORK_DEAD, &r, on_counted, NULL);
	cr_expect(wait_counted() == 600);
	cr_expect(dead_count("t") == 0 && dead_count("t2") == 1);
	cr_expect(listed(&(struct work_filter){ .state = WORK_DEAD, .limit = 10 }) == 1);
	end();
}

Test(work_edit, a_name_that_is_taken_keeps_the_dead_one_dead)
{
	begin();
	struct work_spec s = named("t", "a");
	s.ext_id = "mine";
	uint64_t id = submit(&s);
	want(1);
	work_fail(jobs[0], WORK_FAULT_FAILED, "in vain", false, -1);
	settle();
	s.delay = 60000;
	submit(&s);
	cr_expect(wait_done(work_retry(work, id, NULL, on_done, NULL)) == UV_EEXIST);
	waiting = 1;
	work_retry_all(work, &(struct work_range){ .topic = "t" }, on_counted, NULL);
	cr_expect(wait_counted() == 0);
	cr_expect(dead_count("t") == 1);
	end();
}

Test(work_edit, purges_by_age_and_lists_by_type_and_time)
{
	begin();
	struct work_spec s = named("u", "a");
	s.type = "mail";
	uint64_t first = submit(&s);
	ahead = 5000;
	s.type = "sms";
	uint64_t second = submit(&s);
	cr_expect(listed(&(struct work_filter){ .type = "mail", .limit = 9 }) == 1);
	cr_expect(listed(&(struct work_filter){ .until = first, .limit = 9 }) == 1);
	cr_expect(listed(&(struct work_filter){ .from = first, .limit = 9 }) == 1);
	struct work_range old = { .topic = "u", .before = ident_time(second) - 1000 };
	cr_expect(work_purge(work, &old) == 1);
	settle();
	cr_expect(work_state_of(work, second) == WORK_READY);
	cr_expect(work_state_of(work, first) == WORK_STORING);
	cr_expect(work_purge(work, &(struct work_range){ .topic = NULL }) == 1);
	end();
}

Test(work_edit, a_task_tells_how_far_it_is_and_what_it_wrote)
{
	begin();
	struct work_spec s = named("t", "a");
	s.keep = 60000;
	uint64_t id = submit(&s);
	want(1);
	work_progress(work, id, 150, "half");
	cr_expect(heard.progressed == 1 && heard.percent == 100);
	cr_expect_str_eq(heard.text, "half");
	for (int i = 0; i < 20000; i++) {
		char line[16];
		snprintf(line, sizeof(line), "%06d\n", i);
		work_log(work, id, line, 7);
	}
	look(id);
	cr_expect(seen.state == WORK_RUNNING && seen.percent == 100);
	cr_expect_str_eq(seen.text, "half");
	cr_expect(seen.log_size == 16384);
	cr_expect(memcmp(seen.log + 16384 - 7, "019999\n", 7) == 0);
	work_progress(work, id + 1, 1, "nobody");
	cr_expect(heard.progressed == 1);
	work_ack(jobs[0], &(struct work_end){ .worker = "pool/1" });
	settle();
	look(id);
	cr_expect(seen.state == WORK_SUCCEEDED && seen.log_size == 16384);
	cr_expect_str_eq(seen.worker, "pool/1");
	end();
}

Test(work_edit, what_is_fleeting_is_not_stored)
{
	begin();
	struct work_spec s = named("u", "a");
	s.fleeting = true;
	uint64_t id = submit(&s);
	look(id);
	cr_expect(seen.n == 1 && seen.state == WORK_READY);
	cr_expect(listed(&(struct work_filter){ .limit = 9 }) == 0);
	cr_expect(work_is_taken(work, "t") && !work_is_taken(work, "u"));
	closed();
	opened();
	cr_expect(work_state_of(work, id) == WORK_STORING);
	end();
}

Test(work_edit, a_note_stays_with_its_topic)
{
	begin();
	struct work_topic_conf c;
	cr_expect(work_topic_note(work, "t", "x") == UV_ENOENT);
	cr_expect(!work_topic_get(work, "t", &c));
	work_topic_defaults(&c);
	c.max_jobs = 7;
	work_topic_set(work, "t", &c);
	cr_expect(work_topic_note(work, "t", "{}") == 0);
	work_pause(work, "t", true);
	cr_expect(work_topic_get(work, "t", &c) && c.max_jobs == 7);
	work_topic_set(work, NULL, &c);
	struct work_spec other = named("other", "a");
	submit(&other);
	cr_expect(work_topic_get(work, "other", &c) && c.max_jobs == 7, "as it was said of all");
	closed();
	opened();
	cr_expect_str_eq(work_topic_noted(work, "t"), "{}");
	struct work_spec s = named("t", "a");
	submit(&s);
	want(1);
	cr_expect(n_jobs == 0, "its pause has stayed too");
	end();
}

static struct work_hour hours[10];
static int n_hours;

static void on_hour(void *data, const struct work_hour *h, int status)
{
	(void)data;
	cr_expect(status == 0);
	if (h)
		hours[n_hours++] = *h;
	else
		waiting = 0;
}

static void read_hours(void)
{
	n_hours = 0;
	waiting = 1;
	work_hours(work, "t", 0, on_hour, NULL);
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
}

Test(work_edit, each_hour_is_counted)
{
	begin();
	struct work_spec s = named("t", "a");
	submit(&s);
	submit(&s);
	want(2);
	ahead += 1000;
	work_ack(jobs[0], NULL);
	work_fail(jobs[1], WORK_FAULT_FAILED, "no", false, -1);
	settle();
	read_hours();
	uint64_t submitted = 0, run = 0;
	for (int i = 0; i < n_hours; i++) {
		submitted += hours[i].submitted;
		run += hours[i].run;
	}
	cr_expect(submitted == 2 && run >= 2000 && hours[n_hours - 1].died == 1);
	closed();
	opened();
	ahead += 3600000;
	submit(&s);
	ahead += 61000;
	work_tick(work); /* writes without being asked */
	settle();
	closed();
	opened();
	read_hours();
	cr_expect(n_hours >= 2 && hours[n_hours - 1].submitted == 1);
	cr_expect(hours[n_hours - 1].hour % 3600000 == 0);
	ahead += (int64_t)100 * 86400000;
	submit(&s);
	read_hours();
	cr_expect(n_hours == 1, "only 90 days are kept: %d", n_hours);
	end();
}

static char why_not[300];

static void on_cared(void *data, int status, const char *why)
{
	(void)data;
	waiting = 0;
	done_status = status;
	snprintf(why_not, sizeof(why_not), "%s", why ? why : "");
}

static int care(enum store_care what, const char *path)
{
	waiting = 1;
	cr_expect(work_look_after(work, what, path, on_cared, NULL) == 0);
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
	return done_status;
}

Test(work_edit, the_file_is_checked_copied_and_compacted_beside_the_work)
{
	char copy_dir[] = "/tmp/test_copy.XXXXXX", path[100], command[400];

	begin();
	cr_assert(mkdtemp(copy_dir));
	struct work_spec s = named("u", "a");
	uint64_t id = submit(&s);
	cr_expect(care(STORE_CHECK, NULL) == 0, "%s", why_not);
	snprintf(path, sizeof(path), "%s/troupe.db", copy_dir);
	cr_expect(care(STORE_BACKUP, path) == 0, "%s", why_not);
	cr_expect(care(STORE_BACKUP, path) == UV_EEXIST, "it overwrites nothing");
	cr_expect(strstr(why_not, path));
	cr_expect(care(STORE_BACKUP, "/nowhere/x") != 0 && *why_not);
	for (int i = 0; i < 300; i++)
		submit(&s);
	work_purge(work, &(struct work_range){ .topic = "u", .before = ident_time(id) - 1 });
	cr_expect(care(STORE_COMPACT, NULL) == 0, "%s", why_not);
	submit(&s);
	closed();
	snprintf(command, sizeof(command), "rm %s/*; cp %s %s/%s", dir, path, dir, "work.db");
	cr_expect(system(command) == 0);
	opened();
	cr_expect(listed(&(struct work_filter){ .limit = 9 }) == 1, "the copy, as it was then");
	snprintf(command, sizeof(command), "rm -rf %s", copy_dir);
	cr_expect(system(command) == 0);
	end();
}
