/*
 * engine pools FILE [DIR] - the pools of FILE over a queue in DIR (without: in memory), driven by
 * JSON lines on standard input; what happens goes to standard output, a JSON line each.
 *
 *	{"do":"submit","topic":"t","payload":"...","tag":1, ...}   {"do":"call", ...}
 *	{"do":"cancel","id":"..."}  {"do":"scale","pool":"p","min":1,"max":2}  {"do":"recycle",...}
 *	{"do":"workers"}  {"do":"figures"}  {"do":"running","id":"..."} {"do":"reload","file":"..."}
 *	{"do":"drain"}  {"do":"quit"}, as the end of standard input
 */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/utf8.h"
#include "core/log/log.h"
#include "core/pool/pool.h"
#include "core/proc/limits.h"
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
static uv_pipe_t in;
static struct work *work;
static struct pools *pools;
static struct pool_call *calls[256];
static char line[4 << 20];
static size_t filled;
static bool quitting;

static void say(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	puts(text);
	fflush(stdout);
	free(text);
	json_decref(j);
}

/* Bytes of a worker's, for whoever reads JSON: what is no UTF-8 is shown by question marks. */
static json_t *bytes(const void *data, size_t n)
{
	json_t *text = data ? json_stringn(data, n) : json_null();

	if (text)
		return text;
	char *copy = mem_new(n + 1);
	memcpy(copy, data, n);
	utf8_mend(copy, n);
	text = json_stringn(copy, n);
	free(copy);
	return text;
}

static json_t *words(const char *text)
{
	return bytes(text, text ? strlen(text) : 0);
}

static const char *id_text(uint64_t id)
{
	static char text[IDENT_LEN + 1];

	ident_write(id, text);
	return text;
}

static const char *name_of(int rc)
{
	return rc == 0             ? ""
	       : rc == POOL_FAILED ? "FAILED"
	       : rc <= ERR_CONF    ? err_name(rc)
				   : uv_err_name(rc);
}

/* ---- what is told ------------------------------------------------------------------- */

static void on_work(void *data, const struct work_event *e)
{
	(void)data;
	say(json_pack("{ss ss ss so so si si sI}", "what", "task", "id", id_text(e->id), "state",
		      work_state_name(e->state), "error", words(e->error), "result",
		      bytes(e->result, e->result_size), "attempts", e->attempts, "crashes",
		      e->crashes, "run", (json_int_t)e->run));
}

static void on_pool(void *data, const struct pool_event *e)
{
	static const char *const names[] = { "started",  "ready",    "ended", "loops",
					     "recovers", "progress", "said" };

	(void)data;
	say(json_pack("{ss ss ss? ss si si so}", "what", names[e->what], "pool", e->pool, "worker",
		      e->worker, "job", e->job ? id_text(e->job) : "", "percent", e->percent,
		      "level", e->level, "text", words(e->text)));
}

static bool on_start(void *data, const struct work_job *job, struct pool_extra *extra)
{
	(void)data;
	snprintf(extra->args, sizeof(extra->args), "trace=t%d", job->attempt);
	return false;
}

static int on_push(void *data, struct work_spec *spec, struct err *err)
{
	(void)data;
	if (strcmp(spec->topic, "forbidden") == 0)
		return err_set(err, UV_EACCES, "no such topic");
	return 0;
}

static void on_stored(void *data, int status, const struct work_receipt *r, int n)
{
	(void)n;
	say(json_pack("{ss sI si ss}", "what", "stored", "tag", (json_int_t)(intptr_t)data,
		      "status", status, "id", status ? "" : id_text(r->id)));
}

static void on_part(void *data, const void *part, size_t n)
{
	say(json_pack("{ss sI so}", "what", "part", "tag", (json_int_t)(intptr_t)data, "body",
		      bytes(part, n)));
}

static void on_answer(void *data, const struct pool_answer *a)
{
	calls[(intptr_t)data & 255] = NULL;
	say(json_pack("{ss sI si ss so sb sI}", "what", "answer", "tag", (json_int_t)(intptr_t)data,
		      "status", a->status, "name", name_of(a->status), "body",
		      bytes(a->body, a->size), "retry", a->retry, "delay", (json_int_t)a->delay));
}

static void on_worker(void *data, const struct pool_worker_figures *f)
{
	json_array_append_new(data, json_pack("{ss ss si ss sI sI si ss? sI sI}", "pool", f->pool,
					      "name", f->name, "pid", (int)f->pid, "state",
					      pool_worker_state_name(f->state), "done",
					      (json_int_t)f->done, "failed", (json_int_t)f->failed,
					      "jobs", f->jobs, "topic", f->topic, "rss",
					      (json_int_t)f->rss, "age", (json_int_t)f->age));
}

static void on_figures(void *data, const struct pool_figures *f)
{
	json_t *ended = json_object();

	for (int r = 0; r < POOL_REASONS; r++)
		if (f->ended[r])
			json_object_set_new(ended, pool_reason_name((enum pool_reason)r),
					    json_integer((json_int_t)f->ended[r]));
	json_array_append_new(
		data, json_pack("{ss si si si si si si sb sI sI sI sI so}", "name", f->name,
				"starting", f->starting, "idle", f->idle, "busy", f->busy,
				"leaving", f->leaving, "running", f->running, "waiting", f->waiting,
				"loops", f->loops, "done", (json_int_t)f->done, "failed",
				(json_int_t)f->failed, "crashed", (json_int_t)f->crashed,
				"protocol_errors", (json_int_t)f->protocol_errors, "ended", ended));
}

/* ---- what is ordered ------------------------------------------------------------------ */

static const char *text_of(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static json_int_t number_of(json_t *j, const char *key, json_int_t none)
{
	json_t *v = json_object_get(j, key);

	return v ? json_integer_value(v) : none;
}

static void do_submit(json_t *j)
{
	json_t *payload = json_object_get(j, "payload");
	struct work_spec s = {
		.topic = text_of(j, "topic"),
		.payload = json_string_value(payload),
		.size = json_string_length(payload),
		.prio = (int)number_of(j, "prio", WORK_PRIO),
		.timeout = number_of(j, "timeout", 0),
		.delay = number_of(j, "delay", 0),
		.max_attempts = (int)number_of(j, "max_attempts", 0),
		.backoff = text_of(j, "backoff"),
		.type = text_of(j, "type"),
	};
	int rc = work_submit(work, &s, 1, on_stored, (void *)(intptr_t)number_of(j, "tag", 0));

	if (rc)
		say(json_pack("{ss si ss}", "what", "refused", "status", rc, "name", name_of(rc)));
}

static void do_call(json_t *j)
{
	json_t *payload = json_object_get(j, "payload");
	intptr_t tag = (intptr_t)number_of(j, "tag", 0);
	struct pool_call_spec s = {
		.topic = text_of(j, "topic"),
		.extra = text_of(j, "extra"),
		.body = json_string_value(payload),
		.size = json_string_length(payload),
		.timeout = number_of(j, "timeout", 5000),
		.on_part = json_is_true(json_object_get(j, "parts")) ? on_part : NULL,
		.done = on_answer,
		.data = (void *)tag,
	};
	int rc = pools_call(pools, &s, &calls[tag & 255]);

	if (rc)
		say(json_pack("{ss sI si ss}", "what", "refused", "tag", (json_int_t)tag, "status",
			      rc, "name", name_of(rc)));
}

static void do_cancel(json_t *j)
{
	json_int_t tag = number_of(j, "tag", -1);
	uint64_t id = 0;

	if (tag >= 0 && calls[tag & 255])
		pool_call_cancel(calls[tag & 255]);
	else if (text_of(j, "id") && ident_read(text_of(j, "id"), &id))
		say(json_pack("{ss si}", "what", "cancel", "status",
			      work_cancel(work, id, json_is_true(json_object_get(j, "now")))));
}

static void do_running(json_t *j)
{
	struct pool_running r = { .log = "" };
	uint64_t id = 0;

	ident_read(text_of(j, "id"), &id);
	bool there = pools_running(pools, id, &r);
	say(json_pack("{ss sb ss? si ss? ss}", "what", "running", "there", there, "worker",
		      r.worker, "percent", r.percent, "text", r.text, "log", r.log));
}

static void load(const char *path)
{
	struct conf_errors errors = { 0 };
	struct err err = { .text = "" };
	struct conf *conf;
	int rc = conf_load(path, sections, &conf, &errors);

	pools_check(conf, &errors);
	conf_errors_print(&errors, stderr);
	if (!rc && !errors.count)
		rc = pools_apply(pools, conf, &err);
	say(json_pack("{ss sb ss}", "what", "loaded", "ok", !rc && !errors.count, "error",
		      errors.count ? errors.lines[0] : err.text));
	conf_errors_fini(&errors);
	conf_free(conf);
}

static void on_pools_closed(void *data)
{
	(void)data;
	work_close(work, NULL, NULL);
}

static void quit(void)
{
	if (quitting)
		return;
	quitting = true;
	uv_close((uv_handle_t *)&in, NULL);
	pools_close(pools, on_pools_closed, NULL);
}

static void on_drained(void *data)
{
	(void)data;
	say(json_pack("{ss}", "what", "drained"));
}

static void do_list(const char *what)
{
	json_t *rows = json_array();

	if (strcmp(what, "workers") == 0)
		pools_workers(pools, NULL, on_worker, rows);
	else
		pools_figures(pools, on_figures, rows);
	say(json_pack("{ss so}", "what", what, "rows", rows));
}

static void do_pool(const char *what, json_t *j)
{
	struct pool *pool = pools_find(pools, text_of(j, "pool"));
	int rc = pool ? 0 : UV_ENOENT;

	if (pool && strcmp(what, "scale") == 0)
		rc = pool_scale(pool, (int)number_of(j, "min", 0), (int)number_of(j, "max", 0));
	else if (pool)
		pool_recycle(pool);
	say(json_pack("{ss si}", "what", what, "status", rc));
}

static void obey(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	const char *what = j ? text_of(j, "do") : "";

	if (strcmp(what, "submit") == 0)
		do_submit(j);
	else if (strcmp(what, "call") == 0)
		do_call(j);
	else if (strcmp(what, "cancel") == 0)
		do_cancel(j);
	else if (strcmp(what, "running") == 0)
		do_running(j);
	else if (strcmp(what, "reload") == 0)
		load(text_of(j, "file"));
	else if (strcmp(what, "workers") == 0 || strcmp(what, "figures") == 0)
		do_list(what);
	else if (strcmp(what, "drain") == 0)
		pools_drain(pools, on_drained, NULL);
	else if (strcmp(what, "quit") == 0)
		quit();
	else
		do_pool(what, j);
	json_decref(j);
}

static void on_room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	(void)h;
	(void)size;
	*buf = uv_buf_init(line + filled, (unsigned)(sizeof(line) - filled - 1));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	char *lf, *at = line;

	(void)s;
	(void)buf;
	if (n < 0) {
		quit();
		return;
	}
	filled += (size_t)n;
	line[filled] = '\0';
	while ((lf = strchr(at, '\n'))) {
		*lf = '\0';
		obey(at);
		at = lf + 1;
	}
	filled -= (size_t)(at - line);
	memmove(line, at, filled);
}

int engine_pools(const char *file, const char *dir)
{
	struct work_conf wc = { .dir = dir, .on_event = on_work };
	struct pools_conf pc = {
		.role = "engine", .on_start = on_start, .on_push = on_push, .on_event = on_pool
	};
	struct err err = { .text = "" };

	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_DEBUG);
	uv_loop_init(&loop);
	if (work_open(&work, &loop, &wc, &err) != 0 ||
	    (pc.work = work, pools_open(&pools, &loop, &pc, &err)) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	load(file);
	uv_pipe_init(&loop, &in, 0);
	uv_pipe_open(&in, 0);
	uv_read_start((uv_stream_t *)&in, on_room, on_read);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) == 0 ? 0 : 3;
}
