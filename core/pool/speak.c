/*
 * speak - TWP/1 with one worker: what it says becomes what it means, what it is told goes out once
 * per turn of the loop.
 *
 * Small payloads are copied behind their line; a large one goes out from where it lies, together
 * with what waited before it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/private.h"

enum { COPIED = 8 * 1024, OUT_HIGH = 256 * 1024 };

/* ---- out ---------------------------------------------------------------------------- */

static void later(struct worker *w)
{
	if (!list_empty(&w->dirty))
		return;
	list_append(&w->pool->all->dirty, &w->dirty);
	pools_wake(w->pool->all);
}

/* A write that fails is seen by the next read. */
void speak_flush(struct worker *w)
{
	if (!w->has_stream || !buf_len(&w->out))
		return;
	stream_put(&w->stream, buf_data(&w->out), buf_len(&w->out));
	buf_take(&w->out, buf_len(&w->out));
	if (w->out.cap > OUT_HIGH)
		buf_fini(&w->out);
}

void speak_line(struct worker *w, struct twp_line *l)
{
	if (!w->has_stream)
		return;
	twp_end(l);
	buf_put(&w->out, l->text, l->n);
	later(w);
}

static void put_body(struct worker *w, const void *data, size_t n)
{
	if (n <= COPIED) {
		buf_put(&w->out, data, n);
		buf_put(&w->out, "\n", 1);
		later(w);
		return;
	}
	uv_buf_t bufs[] = {
		uv_buf_init((char *)buf_data(&w->out), (unsigned)buf_len(&w->out)),
		uv_buf_init((char *)data, (unsigned)n),
		uv_buf_init((char *)"\n", 1),
	};
	stream_write(&w->stream, bufs, 3);
	buf_take(&w->out, buf_len(&w->out));
}

void speak_open(struct worker *w)
{
	const struct pool_values *v = w->setup->v;
	struct twp_line l;

	twp_begin(&l, TWP_HELLO);
	twp_put(&l, "twp/1");
	twp_put_opt(&l, "role", w->pool->all->role);
	twp_put_opt(&l, "pool", w->pool->name);
	twp_put_opt_number(&l, "worker", w->number);
	twp_put_opt_number(&l, "credit", v->credit);
	twp_put_opt_number(&l, "max", v->max_body);
	twp_put_opt_number(&l, "hb", v->heartbeat / 1000);
	speak_line(w, &l);
}

static void add_task(struct pool *pool, const struct work_job *task, struct twp_line *l)
{
	struct pools *p = pool->all;
	struct pool_extra extra;

	twp_put_opt_number(l, "enq", task->submitted);
	if (task->type)
		twp_put_opt(l, "type", task->type);
	if (task->prio != WORK_PRIO)
		twp_put_opt_number(l, "prio", task->prio);
	if (!p->conf.on_start)
		return;
	extra.args[0] = extra.fields[0] = '\0';
	if (p->conf.on_start(p->conf.data, task, &extra))
		twp_put_opt_number(l, "sync", 1);
	if (extra.args[0])
		twp_put(l, extra.args);
}

void speak_job(struct worker *w, struct job *job)
{
	struct twp_line l;

	list_append(&w->jobs, &job->link);
	job_begin(job, w);
	if (job->link.prev == &w->jobs)
		job_at_it(job);
	twp_begin(&l, TWP_JOB);
	twp_put(&l, job->id);
	twp_put(&l, job_topic(job));
	twp_put_number(&l, job->task ? job->task->attempt : 1);
	twp_put_number(&l, (int64_t)job_size(job));
	if (job->hard)
		twp_put_opt_number(&l, "deadline", (int64_t)(job->hard - job->started));
	if (job->task)
		add_task(w->pool, job->task, &l);
	else
		twp_put_opt_number(&l, "sync", 1);
	if (job->call && job->call->extra)
		twp_put(&l, job->call->extra);
	twp_end(&l);
	buf_put(&w->out, l.text, l.n);
	put_body(w, job_payload(job), job_size(job));
	worker_has_work(w);
}

void speak_quit(struct worker *w)
{
	struct twp_line l;

	twp_begin(&l, TWP_QUIT);
	speak_line(w, &l);
}

/* ---- in ------------------------------------------------------------------------------ */

static struct job *find(struct worker *w, struct twp_word id)
{
	for (struct list *it = w->jobs.next; it != &w->jobs; it = it->next)
		if (twp_is(id, container_of(it, struct job, link)->id))
			return container_of(it, struct job, link);
	return NULL;
}

/* NULL: it was warned of. */
static struct job *job_named(struct worker *w, const struct twp_frame *f)
{
	struct job *job = find(w, f->id);

	if (!job)
		log_warn("%s of a job that the worker does not have pool=%s worker=%s id=%.*s",
			 twp_verb_name(f->verb), w->pool->name, w->name,
			 (int)(f->id.n < 40 ? f->id.n : 40), f->id.at);
	return job;
}

static void hear_ready(struct worker *w, const struct twp_frame *f)
{
	struct twp_word caps = twp_opt(f, "caps");

	for (const char *at = caps.at, *end = at + caps.n; at && at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct twp_word one = { at, (size_t)((comma ? comma : end) - at) };
		w->pings |= twp_is(one, "ping");
		at = comma ? comma + 1 : end;
	}
	if (f->number < 1)
		worker_bad(w, "READY for no job", (struct twp_word){ "READY 0", 7 });
	else
		worker_ready(w, f->number > 1000 ? 1000 : (int)f->number);
}

/* Unless its worker ends it, a job's room is free when it is gone. */
static void hear_ack(struct worker *w, const struct twp_frame *f)
{
	struct job *job = job_named(w, f);

	if (!job)
		return;
	worker_hear_out(w);
	worker_job_over(w, job, true);
	job_ack(job, f->body.at ? f->body : (struct twp_word){ "", 0 });
}

static void hear_fail(struct worker *w, const struct twp_frame *f)
{
	struct job *job = job_named(w, f);

	if (!job)
		return;
	worker_hear_out(w);
	worker_job_over(w, job, false);
	job_fail_by(job, f->body, !twp_is(twp_opt(f, "retry"), "no"),
		    twp_opt_number(f, "delay", -1));
}

static void hear_release(struct worker *w, const struct twp_frame *f)
{
	struct job *job = job_named(w, f);

	if (!job)
		return;
	worker_hear_out(w);
	worker_job_over(w, job, true);
	job_release(job, twp_opt_number(f, "delay", 0));
}

static void hear_touch(struct worker *w, const struct twp_frame *f)
{
	struct job *job = job_named(w, f);

	if (job)
		job_touch(job, f->number);
}

static void hear_progress(struct worker *w, const struct twp_frame *f)
{
	struct job *job = job_named(w, f);

	if (!job)
		return;
	job->alive = true;
	job_at_it(job);
	job_progress(job, (int)(f->number < 100 ? f->number : 100), f->body);
}

static void hear_log(struct worker *w, const struct twp_frame *f)
{
	struct job *only = w->n_jobs == 1 ? container_of(w->jobs.next, struct job, link) : NULL;
	size_t n = f->body.n < PROCESS_LINE ? f->body.n : PROCESS_LINE;
	char text[PROCESS_LINE + 1], level[16];
	int l;

	snprintf(level, sizeof(level), "%.*s", (int)(f->topic.n < 15 ? f->topic.n : 15),
		 f->topic.at);
	l = log_level_of(level);
	memcpy(text, f->body.at, n);
	text[n] = '\0';
	job_said(only, w, l < 0 ? LOG_LEVEL_INFO : (enum log_level)l, text);
}

static void hear_data(struct worker *w, const struct twp_frame *f)
{
	struct job *job = job_named(w, f);

	if (job)
		job_part(job, f->body);
}

static void hear_bye(struct worker *w, const struct twp_frame *f)
{
	(void)f;
	worker_leave(w, POOL_BY_ITSELF);
	pool_balance(w->pool);
}

static void hear_pong(struct worker *w, const struct twp_frame *f)
{
	(void)f;
	w->asked_at = 0;
}

static void (*const hear[])(struct worker *w, const struct twp_frame *f) = {
	[TWP_READY] = hear_ready,     [TWP_ACK] = hear_ack,     [TWP_FAIL] = hear_fail,
	[TWP_RELEASE] = hear_release, [TWP_TOUCH] = hear_touch, [TWP_PROGRESS] = hear_progress,
	[TWP_LOG] = hear_log,         [TWP_PUSH] = push_take,   [TWP_DATA] = hear_data,
	[TWP_BYE] = hear_bye,         [TWP_PONG] = hear_pong,
};

/* A process for one job tells its end by its exit status. */
static bool may_say(const struct worker *w, enum twp_verb v)
{
	return w->setup->v->mode == POOL_WORKER || v == TWP_TOUCH || v == TWP_PROGRESS ||
	       v == TWP_LOG || v == TWP_PUSH;
}

/* Returns how many bytes were whole frames, or ERR_PROTO and then the worker is being ended. */
static long take(struct worker *w, struct twp_word data)
{
	size_t max = (size_t)w->setup->v->max_body, used = 0;
	const char *why;
	struct twp_frame f;

	while (used < data.n && w->has_stream) {
		struct twp_word rest = { data.at + used, data.n - used };
		long n = twp_read(&f, TWP_WORKER, rest, max, &why);
		if (n == 0)
			break;
		if (n > 0 && !may_say(w, f.verb)) {
			why = "a verb that is not for mode exec";
			n = ERR_PROTO;
		}
		if (n < 0) {
			worker_bad(w, why, rest);
			return n;
		}
		hear[f.verb](w, &f);
		used += (size_t)n;
	}
	return (long)used;
}

/* What is not whole is kept for the next time. */
static void take_all(struct worker *w, const char *data, size_t n)
{
	bool kept = buf_len(&w->in) > 0;

	w->heard = pools_now(w->pool->all);
	if (kept && buf_put(&w->in, data, n) != 0) {
		worker_bad(w, "more than it may send at once", (struct twp_word){ data, n });
		return;
	}
	struct twp_word all = { kept ? (const char *)buf_data(&w->in) : data,
				kept ? buf_len(&w->in) : n };
	long used = take(w, all);
	if (used < 0 || !w->has_stream)
		buf_take(&w->in, buf_len(&w->in));
	else if (kept)
		buf_take(&w->in, (size_t)used);
	else if ((size_t)used < n)
		buf_put(&w->in, data + used, n - (size_t)used);
	if (!buf_len(&w->in) && w->in.cap > COPIED)
		buf_fini(&w->in);
}

/* It closed both its ends: it ends, or it lives and is of no use. */
static void hung_up(struct worker *w)
{
	list_remove(&w->dirty);
	stream_pause(&w->stream);
	worker_hung_up(w);
}

void speak_on_event(struct stream *s, enum stream_event event)
{
	struct worker *w = s->owner;
	struct pools *p = w->pool->all;

	if (event != STREAM_READABLE)
		return;
	ssize_t n = stream_read(s, p->room, ROOM);
	if (n < 0)
		hung_up(w);
	if (n <= 0)
		return;
	take_all(w, p->room, (size_t)n);
	worker_recycle(w);
	worker_settle(w);
	pool_balance(w->pool);
}

/* At its end: what it said before still counts, also when it did not live to read our last word. */
void speak_drain(struct worker *w)
{
	ssize_t n;

	while (w->has_stream && (n = stream_rest(&w->stream, w->pool->all->room, ROOM)) > 0)
		take_all(w, w->pool->all->room, (size_t)n);
}
