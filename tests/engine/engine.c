/*
 * engine - drives the work engine for tests and figures, without any role around it.
 *
 *	engine load DIR N       submits with N under way for ever, runs what comes; says what
 *happens engine check DIR        says what is pending engine full DIR         fills the disk that
 *DIR is on (a small one!), and frees it again engine bench DIR N S    durable submits, then acks,
 *with N under way, for S seconds each engine restart DIR N    puts N tasks into DIR, opens it again
 *	engine idle DIR N S     says how often it wakes in S seconds with N topics and nothing to do
 *	engine cycle DIR N S    submit, take, ack with N under way, for S seconds
 *
 * `load` writes a line for each event: "+ID" the store has it, "sID" it starts, "kID" it is about
 * to be acknowledged, "-ID" the store has that too. `check` writes "ID attempts crashes state".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "core/work/work.h"
#include "tests/engine/engine.h"

enum { PAYLOAD = 200, MANY = 1 << 16 };

static uv_loop_t loop;
static uv_async_t alive;
static struct work *work;
static struct work_taker *taker;
static char payload[PAYLOAD];
static int in_flight, limit;
static uint64_t taken_in, refused, acked, ended;
static bool enough, failing, acking, telling;
static struct work_job *held[MANY];
static int n_held;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void say(char what, uint64_t id)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%c%" PRIu64 "\n", what, id);

	if (write(1, line, (size_t)n) != n)
		die("standard output", strerror(errno));
}

static double seconds(void)
{
	return (double)uv_hrtime() / 1e9;
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
	       ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) / 1e6;
}

/* ---- in -------------------------------------------------------------------------- */

static void submit_more(void);

static void on_submitted(void *data, int status, const struct work_receipt *r, int n)
{
	(void)data;
	(void)n;
	in_flight--;
	taken_in += status == 0;
	refused += status != 0;
	if (telling && status == 0)
		say('+', r->id);
	submit_more();
}

static void submit_more(void)
{
	struct work_spec s = {
		.topic = "t", .payload = payload, .size = PAYLOAD, .prio = WORK_PRIO
	};

	while (in_flight < limit && !enough) {
		if (work_submit(work, &s, 1, on_submitted, NULL) != 0) {
			refused++;
			return;
		}
		in_flight++;
	}
}

/* ---- out -------------------------------------------------------------------------- */

static void ack(struct work_job *job)
{
	if (telling)
		say('k', job->id);
	work_ack(job, NULL);
	acked++;
}

/* `load` holds seven in its hands, so that there are some whenever it is killed. */
static void on_job(void *data, struct work_job *job)
{
	(void)data;
	work_begun(job);
	if (telling)
		say('s', job->id);
	held[n_held++] = job;
	if (!acking || n_held < 8)
		return;
	int i = rand() % n_held;
	job = held[i];
	held[i] = held[--n_held];
	ack(job);
}

static void on_event(void *data, const struct work_event *e)
{
	(void)data;
	if (e->state != WORK_SUCCEEDED)
		return;
	ended++;
	if (telling)
		say('-', e->id);
	if (acking)
		work_want(taker, 8 - n_held);
}

static void on_health(void *data, enum store_health health, const char *why)
{
	(void)data;
	(void)why;
	failing = health == STORE_FAILING;
}

/* ---- open, close -------------------------------------------------------------------- */

static void opened(const char *dir)
{
	static const char *const all[] = { "*" };
	struct work_conf conf = { .dir = dir, .on_event = on_event, .on_health = on_health };
	struct work_taker_conf tc = { .topics = all, .n_topics = 1, .on_job = on_job };
	struct err err = { .text = "" };

	uv_loop_init(&loop);
	uv_async_init(&loop, &alive, NULL);
	if (work_open(&work, &loop, &conf, &err) != 0)
		die(dir, err.text);
	taker = work_taker_new(work, &tc);
}

static void closed(void)
{
	work_close(work, NULL, NULL);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

/* ---- load, check ----------------------------------------------------------------------- */

static int load(const char *dir, int n)
{
	opened(dir);
	telling = acking = true;
	limit = n;
	srand((unsigned)getpid());
	work_want(taker, 8);
	submit_more();
	uv_run(&loop, UV_RUN_DEFAULT);
	return 0;
}

static bool listed;
static uint64_t next_page;

static void on_seen(void *data, const struct work_status *s, int status, uint64_t next)
{
	(void)data;
	if (status != 0)
		die("list", uv_strerror(status));
	if (s)
		printf("%" PRIu64 " %d %d %s\n", s->id, s->attempts, s->crashes,
		       work_state_name(s->state));
	else
		listed = true;
	next_page = next;
}

static int check(const char *dir)
{
	static const enum work_state states[] = { WORK_READY, WORK_DEAD };
	struct work_filter f = { .limit = 1000 };

	opened(dir);
	for (int i = 0; i < 2; i++) {
		f.state = states[i];
		f.from = 0;
		do {
			listed = false;
			work_list(work, &f, on_seen, NULL);
			while (!listed)
				uv_run(&loop, UV_RUN_ONCE);
			f.from = next_page;
		} while (next_page);
	}
	closed();
	return 0;
}

/* ---- a full disk ------------------------------------------------------------------------- */

static void fill(const char *dir, bool full)
{
	char path[4096], block[4096] = "x";

	snprintf(path, sizeof(path), "%s/filler", dir);
	unlink(path);
	int fd = full ? open(path, O_WRONLY | O_CREAT, 0600) : -1;
	while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

static void until(bool *word, bool is)
{
	while (*word != is)
		uv_run(&loop, UV_RUN_ONCE);
}

static int full(const char *dir)
{
	opened(dir);
	limit = 4;
	work_want(taker, 10);
	submit_more();
	while (n_held < 10)
		uv_run(&loop, UV_RUN_ONCE);
	fill(dir, true);
	until(&failing, true);
	uint64_t before = taken_in;
	submit_more();
	if (taken_in != before || !refused)
		die("full", "something was accepted by a full disk");
	while (n_held) /* what runs can end */
		ack(held[--n_held]);
	fill(dir, false);
	until(&failing, false);
	submit_more();
	while (taken_in < before + 100 || ended < 10)
		uv_run(&loop, UV_RUN_ONCE);
	enough = true;
	while (in_flight)
		uv_run(&loop, UV_RUN_ONCE);
	closed();
	opened(dir);
	struct work_figures f;
	work_figures(work, &f);
	printf("%" PRIu64 " accepted, %" PRIu64 " done, %" PRIu64 " pending\n", taken_in, ended,
	       f.tasks);
	closed();
	return f.tasks == taken_in - ended ? 0 : 1;
}

/* ---- figures ------------------------------------------------------------------------------ */

static void run_for(double s)
{
	for (double end = seconds() + s; seconds() < end;)
		uv_run(&loop, UV_RUN_ONCE);
}

static void row(const char *what, uint64_t n, double s, double c)
{
	struct work_figures f;

	work_figures(work, &f);
	printf("%-8s %3d in flight: %8.0f/s, %6.1f us CPU each, commit p50 %.2f ms, %.1f a "
	       "commit\n",
	       what, limit, (double)n / s, c * 1e6 / (double)(n ? n : 1),
	       (double)hist_percentile(f.store.commit_us, 0.5) / 1e3,
	       (double)f.store.units / (double)(f.store.commits ? f.store.commits : 1));
	fflush(stdout);
}

static int bench(const char *dir, int n, double s)
{
	opened(dir);
	limit = n;
	double start = seconds(), c = cpu();
	submit_more();
	run_for(s);
	row("submit", taken_in, seconds() - start, cpu() - c);
	enough = true;
	while (in_flight)
		uv_run(&loop, UV_RUN_ONCE);
	closed();

	opened(dir);
	start = seconds(), c = cpu();
	work_want(taker, n);
	for (double end = start + s; seconds() < end && ended < taken_in;) {
		uv_run(&loop, UV_RUN_ONCE);
		while (n_held)
			ack(held[--n_held]);
		work_want(taker, n - (int)(acked - ended));
	}
	row("ack", ended, seconds() - start, cpu() - c);
	closed();
	return 0;
}

static int cycle(const char *dir, int n, double s)
{
	opened(dir);
	limit = n;
	double start = seconds(), c = cpu();
	work_want(taker, n);
	submit_more();
	for (double end = start + s; seconds() < end;) {
		uv_run(&loop, UV_RUN_ONCE);
		while (n_held)
			ack(held[--n_held]);
		work_want(taker, n);
	}
	row("cycle", ended, seconds() - start, cpu() - c);
	enough = true;
	while (in_flight)
		uv_run(&loop, UV_RUN_ONCE);
	closed();
	return 0;
}

static bool timed_out;

static void on_time(uv_timer_t *t)
{
	(void)t;
	timed_out = true;
}

/* How often the process was woken while it had nothing to do. */
static int idle(const char *dir, int topics, double s)
{
	struct work_topic_conf c;
	struct rusage before, after = { .ru_nvcsw = 0 };
	char name[16];

	opened(dir);
	work_topic_defaults(&c);
	for (int i = 0; i < topics; i++) {
		snprintf(name, sizeof(name), "topic%d", i);
		work_topic_set(work, name, &c);
	}
	work_want(taker, 10);
	limit = 1;
	submit_more();
	enough = true;
	while (!n_held)
		uv_run(&loop, UV_RUN_ONCE);
	ack(held[--n_held]);
	uv_timer_t timer;
	uv_timer_init(&loop, &timer);
	for (int i = 0; i < 2; i++) { /* the first one: until all is settled */
		before = after;
		uv_timer_start(&timer, on_time, i ? (uint64_t)(s * 1000) : 500, 0);
		for (timed_out = false; !timed_out;)
			uv_run(&loop, UV_RUN_ONCE);
		getrusage(RUSAGE_SELF, &after);
	}
	printf("%ld\n", after.ru_nvcsw - before.ru_nvcsw);
	uv_close((uv_handle_t *)&timer, NULL);
	closed();
	return 0;
}

static long rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * 4;
}

static int restart(const char *dir, int n)
{
	opened(dir);
	struct work_topic_conf c;
	work_topic_defaults(&c);
	c.durability = WORK_OS;
	work_topic_set(work, "t", &c);
	limit = 1000;
	submit_more();
	while (taken_in < (uint64_t)n)
		uv_run(&loop, UV_RUN_ONCE);
	enough = true;
	while (in_flight)
		uv_run(&loop, UV_RUN_ONCE);
	closed();
	printf("restart: %" PRIu64 " pending, ", taken_in);
	fflush(stdout);
	if (fork() == 0) { /* with a heap that is its own */
		char count[32];
		snprintf(count, sizeof(count), "%" PRIu64, taken_in);
		execl("/proc/self/exe", "engine", "open", dir, count, NULL);
		_exit(127);
	}
	int status;
	return wait(&status) > 0 && status == 0 ? 0 : 1;
}

static int reopen(const char *dir, double n)
{
	long before = rss_kib();
	double start = seconds(), c = cpu();

	opened(dir);
	printf("ready after %.2f s (%.2f s CPU), %.0f bytes of memory each\n", seconds() - start,
	       cpu() - c, (double)(rss_kib() - before) * 1024 / n);
	closed();
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	int n = argc > 3 ? atoi(argv[3]) : 8;
	double s = argc > 4 ? atof(argv[4]) : 2;

	log_init("engine", LOG_LEVEL_WARN);
	if (strcmp(what, "load") == 0)
		return load(argv[2], n);
	if (strcmp(what, "check") == 0)
		return check(argv[2]);
	if (strcmp(what, "full") == 0)
		return full(argv[2]);
	if (strcmp(what, "bench") == 0)
		return bench(argv[2], n, s);
	if (strcmp(what, "cycle") == 0)
		return cycle(argv[2], n, s);
	if (strcmp(what, "idle") == 0)
		return idle(argv[2], n, s);
	if (strcmp(what, "restart") == 0)
		return restart(argv[2], n);
	if (strcmp(what, "open") == 0)
		return reopen(argv[2], (double)n);
	if (strcmp(what, "worker") == 0)
		return engine_worker();
	if (strcmp(what, "dispatch") == 0)
		return engine_dispatch(atoi(argv[2]), n, s);
	if (strcmp(what, "start") == 0)
		return engine_start(atoi(argv[2]), n);
	if (strcmp(what, "pools") == 0)
		return engine_pools(argv[2], argc > 3 ? argv[3] : NULL);
	fprintf(stderr, "engine pools FILE [DIR]\nengine dispatch DEPTH CREDIT S\nengine start MIB "
			"N\nengine load|check|full|idle|bench|restart|cycle "
			"DIR [N [S]]\n");
	return 2;
}
