/*
 * Requests to taskd's API, through its own listener, routes and engine; workers are played here.
 *
 *	flags (1 byte)   request NUL request NUL ...
 *	request: first line, lines of the head, an empty line, the body; Host and length are added
 *
 * With RAW the bytes are sent as they stand. Whatever is asked, it is answered or the connection
 * ends, and the loop goes on.
 */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/api/alarm.h"
#include "core/api/api.h"
#include "core/api/counts.h"
#include "core/api/events.h"
#include "core/api/http.h"
#include "core/api/keys.h"
#include "core/api/pools.h"
#include "core/api/setup.h"
#include "core/api/wait.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/settings.h"
#include "roles/taskd/taskd.h"

enum {
	RAW = 1,
	HANGS_UP = 2,
	GOES_AT_ONCE = 4,
	IN_PIECES = 8,
	TURNS = 40,
	IDLE_TURNS = 4,
	WORKERS = 4
};

static const char text[] =
	"[taskd]\nlisten = unix:%s\nlegacy = yes\nmax_body = 64KiB\n"
	"auto_topic = no\nevent_history = 64\n"
	"[store]\ndurability = os\nkeep_done = 2s\nkeep_dead = 2s\n"
	"[topic t]\nmax_jobs = 50\n[topic r]\nmax_jobs = 50\nbackoff = fixed 1ms\n"
	"[topic index.index]\nrate = 5/s\n[topic .x]\n";

static struct api api;
static struct work_taker *taker;
static struct work_job *hands[WORKERS];
static char path[64];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ---- the workers ------------------------------------------------------------------ */

static void over(struct work_job *job, uint64_t how)
{
	struct work_end end = { .result = job->payload, .size = job->size, .worker = "w" };

	if (how % 4 == 0)
		work_fail(job, WORK_FAULT_FAILED, "no", how % 8 == 0, -1);
	else if (how % 4 == 1)
		work_release(job, how % 8);
	else
		work_ack(job, &end);
}

static void on_job(void *data, struct work_job *job)
{
	int at = (int)(job->id % WORKERS);
	struct work_job *before = hands[at];

	(void)data;
	work_progress(api.work, job->id, 50, "half");
	work_log(api.work, job->id, "line\n", 5);
	hands[at] = job;
	if (before)
		over(before, before->id);
	work_want(taker, WORKERS);
}

static void on_asked(struct work_job *job)
{
	for (int i = 0; i < WORKERS; i++)
		if (hands[i] == job)
			hands[i] = NULL;
	work_fail(job, WORK_FAULT_TIMEOUT, "asked to", true, 1);
	work_want(taker, WORKERS);
}

static void on_overdue(void *data, struct work_job *job)
{
	(void)data;
	on_asked(job);
}

static void on_cancel(void *data, struct work_job *job, bool now)
{
	(void)data;
	(void)now;
	on_asked(job);
}

/* ---- the server ---------------------------------------------------------------------- */

static void on_event(void *data, const struct work_event *e)
{
	(void)data;
	api_count_event(&api, e);
	api_wait_event(&api, e);
	api_events_add(&api, e);
}

static void need(int rc, const struct err *err)
{
	if (rc != 0) {
		fprintf(stderr, "fuzz_api: %s\n", err->text);
		abort();
	}
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", api.dir);
	if (system(command) != 0)
		perror(api.dir);
}

static void open_engine(struct err *err)
{
	static const char *const topics[] = { "r" };
	struct work_conf c = { .dir = api.dir, .on_event = on_event, .data = &api };
	struct work_taker_conf t = { .topics = topics,
				     .n_topics = 1,
				     .on_job = on_job,
				     .on_overdue = on_overdue,
				     .on_cancel = on_cancel };

	need(work_open(&api.work, api.loop, &c, err), err);
	taker = work_taker_new(api.work, &t);
	work_want(taker, WORKERS);
}

static const struct api_role role = { .name = "taskd" };

static const struct conf *read_conf(void)
{
	static struct conf_section sections[32];
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char ini[1024];
	size_t n = 1;

	sections[0] = settings_section;
	for (const struct conf_section *s = taskd_role.sections; s->name; s++) {
		assert(n < 31);
		sections[n++] = *s;
	}
	snprintf(ini, sizeof(ini), text, path);
	if (conf_parse(ini, "fuzz", sections, &conf, &errors) != 0) {
		conf_errors_print(&errors, stderr);
		abort();
	}
	return conf;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char folder[] = "/tmp/fuzz_api.XXXXXX";
	struct err err = { 0 };

	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	api.dir = mkdtemp(folder);
	assert(api.dir);
	atexit(remove_folder);
	snprintf(path, sizeof(path), "%s/s", api.dir);
	const struct conf *conf = read_conf();
	api.loop = uv_default_loop();
	api.role = &role;
	api.conf = conf;
	api.names_topics = true;
	api.keys = api_keys_of(conf, "taskd");
	api.born_wall = api_now();
	list_init(&api.servers);
	api_counts_open(&api);
	api_wait_open(&api);
	api_events_open(&api);
	api_alarm_open(&api);
	open_engine(&err);
	need(api_setup_apply(&api, conf, &err), &err);
	need(api_pools_open(&api, conf, &err), &err);
	need(api_http_open(&api, &err), &err);
	return 0;
}

/* ---- the client ------------------------------------------------------------------------ */

static int dial(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	return fd;
}

/* Its head gets the fields that frame it. */
static void put_request(struct buf *out, const char *p, size_t n)
{
	const char *empty = memmem(p, n, "\n\n", 2);
	size_t head = empty ? (size_t)(empty - p) : n;
	size_t body = empty ? n - head - 2 : 0;
	char frame[64];

	for (size_t i = 0; i < head; i++)
		if (p[i] == '\n')
			buf_put(out, "\r\n", 2);
		else
			buf_put(out, p + i, 1);
	int len =
		snprintf(frame, sizeof(frame), "\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", body);
	buf_put(out, frame, (size_t)len);
	if (body)
		buf_put(out, empty + 2, body);
}

static int put_all(struct buf *out, const uint8_t *data, size_t size, bool raw)
{
	int n = 0;

	if (raw) {
		buf_put(out, data, size);
		return 1;
	}
	for (size_t at = 0; at < size && n < 8; n++) {
		const uint8_t *end = memchr(data + at, '\0', size - at);
		size_t len = end ? (size_t)(end - data) - at : size - at;
		put_request(out, (const char *)data + at, len);
		at += len + 1;
	}
	return n;
}

/* Returns how many answers came; -1: the end. */
static int hear(int fd)
{
	static char got[256 * 1024];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
	int answers = 0;

	if (n <= 0)
		return n == 0 ? -1 : 0;
	got[n] = '\0';
	for (char *p = got; (p = memmem(p, (size_t)(got + n - p), "HTTP/1.1 ", 9)); p += 9)
		answers++;
	return answers;
}

static void talk(int fd, const struct buf *out, int wanted, int flags)
{
	size_t sent = 0, step = flags & IN_PIECES ? 7 : buf_len(out);
	struct pollfd backend = { .fd = uv_backend_fd(api.loop), .events = POLLIN };

	for (int turn = 0, idle = 0; turn < TURNS && idle < IDLE_TURNS && wanted > 0;) {
		size_t left = buf_len(out) - sent;
		if (left) {
			ssize_t n = send(fd, buf_data(out) + sent, left < step ? left : step,
					 MSG_NOSIGNAL);
			sent += n > 0 ? (size_t)n : 0;
			if (sent == buf_len(out) && flags & HANGS_UP)
				shutdown(fd, SHUT_WR);
		}
		uv_run(api.loop, UV_RUN_NOWAIT);
		int n = hear(fd);
		if (n < 0 || (flags & GOES_AT_ONCE && sent == buf_len(out)))
			break;
		wanted -= n;
		turn += !left;
		if (n == 0 && !left)
			idle += poll(&backend, 1, 1) == 0;
	}
}

static bool is_harmful(const uint8_t *data, size_t size)
{
	return memmem(data, size, "backup", 6); /* it would write a file of any name */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out;

	if (size < 2 || is_harmful(data, size))
		return 0;
	buf_init(&out, 1024 * 1024);
	int wanted = put_all(&out, data + 1, size - 1, *data & RAW);
	int fd = dial();
	talk(fd, &out, wanted, *data);
	close(fd);
	uv_run(api.loop, UV_RUN_NOWAIT);
	uv_run(api.loop, UV_RUN_NOWAIT);
	buf_fini(&out);
	return 0;
}
