/*
 * engine dispatch DEPTH CREDIT S   calls, then tasks in memory, to one C worker, DEPTH under way:
 *                                  our own CPU time for each
 * engine start MIB N               what N starts of a worker hold the loop up, with MIB resident
 * engine worker                    the worker: answers what it gets, once per read
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/pool.h"
#include "core/pool/twp.h"
#include "core/work/work.h"
#include "tests/engine/engine.h"

static const struct conf_section sections[] = {
	{ .name = "pool",
	  .help = pool_help,
	  .keys = pool_keys,
	  .size = sizeof(struct pool_values),
	  .named = true,
	  .reload = true },
	{ .name = NULL },
};

static uv_loop_t loop;
static struct work *work;
static struct pools *pools;
static uint64_t done;
static int depth, under_way, ready;
static bool by_task, enough;
static char body[100];

/* ---- the worker -------------------------------------------------------------------- */

int engine_worker(void)
{
	static char in[1 << 20], out[1 << 20];
	size_t have = 0;
	ssize_t n;

	if (write(3, "READY 1000\n", 11) != 11)
		return 1;
	while ((n = recv(0, in + have, sizeof(in) - have, 0)) > 0) {
		size_t used = 0, said = 0;
		struct twp_frame f;
		const char *why;
		have += (size_t)n;
		for (long got;; used += (size_t)got) {
			struct twp_word rest = { in + used, have - used };
			got = twp_read(&f, TWP_MANAGER, rest, sizeof(in), &why);
			if (got < 0)
				return 2;
			if (got == 0 || f.verb == TWP_QUIT)
				break;
			if (f.verb == TWP_JOB)
				said += (size_t)snprintf(out + said, sizeof(out) - said,
							 "ACK %.*s\n", (int)f.id.n, f.id.at);
		}
		if (said && write(3, out, said) != (ssize_t)said)
			return 1;
		if (f.verb == TWP_QUIT)
			return 0;
		have -= used;
		memmove(in, in + used, have);
	}
	return 0;
}

/* ---- the manager --------------------------------------------------------------------- */

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void more(void);

static void on_answer(void *data, const struct pool_answer *a)
{
	(void)data;
	done += a->status == 0;
	under_way--;
	more();
}

static void on_work(void *data, const struct work_event *e)
{
	(void)data;
	if (e->state != WORK_SUCCEEDED)
		return;
	done++;
	under_way--;
	more();
	if (enough && !under_way)
		uv_stop(&loop); /* nothing else would wake it */
}

static void more(void)
{
	struct pool_call_spec call = { .topic = "t",
				       .body = body,
				       .size = sizeof(body),
				       .timeout = 10000,
				       .done = on_answer };
	struct work_spec task = {
		.topic = "t", .payload = body, .size = sizeof(body), .prio = WORK_PRIO
	};

	while (under_way < depth && !enough) {
		int rc = by_task ? work_submit(work, &task, 1, NULL, NULL)
				 : pools_call(pools, &call, NULL);
		if (rc)
			exit(4);
		under_way++;
	}
}

static void on_pool(void *data, const struct pool_event *e)
{
	(void)data;
	ready += e->what == POOL_READY;
}

static void opened(int credit, int max)
{
	char text[600], path[400];
	struct work_conf wc = { .on_event = on_work };
	struct pools_conf pc = { .role = "engine", .on_event = on_pool };
	struct conf_errors errors = { 0 };
	struct err err = { .text = "" };
	struct conf *conf;

	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	snprintf(text, sizeof(text),
		 "[pool p]\ncommand = %s worker x\nworkers_max = %d\ncredit = %d\n"
		 "scale_by = none\nkill_grace = 1s\n",
		 path, max, credit);
	uv_loop_init(&loop);
	if (work_open(&work, &loop, &wc, &err) != 0 ||
	    (pc.work = work, pools_open(&pools, &loop, &pc, &err)) != 0 ||
	    conf_parse(text, "bench", sections, &conf, &errors) != 0 ||
	    pools_apply(pools, conf, &err) != 0) {
		conf_errors_print(&errors, stderr);
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	conf_free(conf);
	while (!ready)
		uv_run(&loop, UV_RUN_ONCE);
}

static void on_pools_closed(void *data)
{
	(void)data;
	work_close(work, NULL, NULL);
}

static void closed(void)
{
	pools_close(pools, on_pools_closed, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

static void on_time(uv_timer_t *t)
{
	(void)t;
	enough = true;
}

static void round_of(const char *what, int credit, double s)
{
	uv_timer_t timer;

	enough = false;
	done = 0;
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_time, (uint64_t)(s * 1000), 0);
	double start = cpu_us(), begun = (double)uv_hrtime();
	more();
	while (!enough || under_way)
		uv_run(&loop, UV_RUN_ONCE);
	printf("%s, %d under way, credit %d: %.2f us of CPU each, %.0f/s\n", what, depth, credit,
	       (cpu_us() - start) / (double)done,
	       (double)done / ((double)uv_hrtime() - begun) * 1e9);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* The same worker and the same bytes, with nothing but poll, send and recv. */
static void bare(double s)
{
	static const char job[] = "JOB c1 t 1 10 deadline=10000 sync=1\n0123456789\n";
	struct pollfd p = { .events = POLLIN };
	char said[64];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		exit(5);
	if (fork() == 0) {
		dup2(ends[1], 0);
		dup2(ends[1], 3);
		execl("/proc/self/exe", "engine", "worker", "x", NULL);
		_exit(127);
	}
	p.fd = ends[0];
	recv(ends[0], said, sizeof(said), 0); /* READY */
	done = 0;
	double start = cpu_us(), begun = (double)uv_hrtime();
	while ((double)uv_hrtime() - begun < s * 1e9) {
		send(ends[0], job, sizeof(job) - 1, MSG_NOSIGNAL);
		poll(&p, 1, -1);
		recv(ends[0], said, sizeof(said), 0);
		done++;
	}
	printf("the bare socket, 1 under way: %.2f us of CPU each, %.0f/s\n",
	       (cpu_us() - start) / (double)done,
	       (double)done / ((double)uv_hrtime() - begun) * 1e9);
	close(ends[0]);
	close(ends[1]);
	wait(NULL);
}

int engine_dispatch(int n, int credit, double s)
{
	depth = n;
	log_set_level(LOG_LEVEL_WARN);
	if (n == 1)
		bare(s);
	opened(credit, 1);
	round_of("call", credit, s);
	by_task = true;
	round_of("task in memory, from submit to ack", credit, s);
	closed();
	return 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int engine_start(int mib, int n)
{
	size_t size = (size_t)mib << 20;
	char *heavy = mem_new(size);
	double *took = mem_new((size_t)n * sizeof(*took));

	memset(heavy, 1, size);
	log_set_level(LOG_LEVEL_WARN);
	opened(1, n + 1);
	for (int i = 0; i < n; i++) {
		int before = ready;
		uint64_t start = uv_hrtime();
		pool_scale(pools_find(pools, "p"), i + 2, n + 1);
		took[i] = (double)(uv_hrtime() - start) / 1e6;
		while (ready == before)
			uv_run(&loop, UV_RUN_ONCE);
	}
	qsort(took, (size_t)n, sizeof(*took), by_size);
	printf("start of a worker with %d MiB resident: %.3f ms of the loop (median of %d), best "
	       "%.3f "
	       "ms, worst %.3f ms\n",
	       mib, took[n / 2], n, took[0], took[n - 1]);
	free(took);
	closed();
	free(heavy);
	return 0;
}
