/* job - a task or a call in a pool's hands, from its start to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/private.h"

/* ---- birth ------------------------------------------------------------------------ */

static struct job *job_new(struct pool *pool)
{
	struct job *job = mem_new(sizeof(*job));

	job->pool = pool;
	job->percent = -1;
	job->due.pos = HEAP_OUT;
	job->due.kind = AT_JOB;
	list_init(&job->link);
	buf_init(&job->log, LOG_KEPT + PROCESS_LINE + 1);
	buf_init(&job->parts, (size_t)pool->setup->v->max_body);
	return job;
}

struct job *job_of_task(struct pool *pool, struct work_job *task)
{
	struct job *job = job_new(pool);

	job->task = task;
	task->data = job;
	ident_write(task->id, job->id);
	return job;
}

struct job *job_of_call(struct pool *pool, struct pool_call *call)
{
	struct job *job = job_new(pool);

	job->call = call;
	call->job = job;
	snprintf(job->id, sizeof(job->id), "c%llu", (unsigned long long)++pool->all->last_call);
	pools_at(pool->all, &job->due, call->until);
	return job;
}

/* The worker forgets it, the pools' clock too. */
void job_drop(struct job *job)
{
	struct worker *w = job->worker;

	if (w && w->culprit == job) {
		w->culprit = NULL;
		w->nobody_pays = true;
	}
	pools_at(job->pool->all, &job->due, 0);
	list_remove(&job->link);
	push_free_all(job->pushes);
	buf_fini(&job->log);
	buf_fini(&job->parts);
	free(job->text);
	free(job);
}

size_t job_size(const struct job *job)
{
	return job->task ? job->task->size : job->call ? job->call->size : 0;
}

const void *job_payload(const struct job *job)
{
	return job->task ? job->task->payload : job->call ? job->call->body : NULL;
}

const char *job_topic(const struct job *job)
{
	return job->task ? job->task->topic : job->call ? job->call->topic : "";
}

/* ---- its clock ------------------------------------------------------------------------ */

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_due(struct job *job)
{
	uint64_t when = job->hard;

	if (job->soft && (!when || job->soft < when))
		when = job->soft;
	if (when || job->due.pos != HEAP_OUT)
		pools_at(job->pool->all, &job->due, when);
}

static void set_deadlines(struct job *job, int64_t timeout)
{
	int64_t soft = job->pool->setup->v->soft_timeout;
	uint64_t now = pools_now(job->pool->all);

	job->hard = timeout ? now + (uint64_t)timeout : 0;
	job->soft = soft && (!timeout || soft < timeout) ? now + (uint64_t)soft : 0;
	set_due(job);
}

static int64_t timeout_of(const struct job *job)
{
	if (job->call)
		return (int64_t)(job->call->until - job->started);
	return job->task && job->task->timeout ? job->task->timeout
					       : job->pool->setup->v->job_timeout;
}

void job_begin(struct job *job, struct worker *w)
{
	job->worker = w;
	job->started = pools_now(job->pool->all);
	job->started_at = wall_ms();
	job->pool->n_running++;
	if (job->call) {
		job->hard = job->call->until;
		set_due(job);
	} else {
		set_deadlines(job, timeout_of(job));
	}
}

void job_unbegin(struct job *job)
{
	job->worker = NULL;
	job->pool->n_running--;
	pools_at(job->pool->all, &job->due, job->call ? job->call->until : 0);
}

void job_at_it(struct job *job)
{
	if (job->task)
		work_begun(job->task);
}

void job_touch(struct job *job, int64_t ms)
{
	job->alive = true;
	job_at_it(job);
	if (ms < 0)
		ms = timeout_of(job);
	if (job->told || job->call) /* who waits does not wait longer */
		return;
	set_deadlines(job, ms);
	if (job->task)
		work_touch(job->task, ms);
}

static void say_cancel(struct job *job, const char *why)
{
	struct twp_line l;

	if (!job->worker || !job->worker->has_stream)
		return;
	twp_begin(&l, TWP_CANCEL);
	twp_put(&l, job->id);
	twp_put_text(&l, why);
	speak_line(job->worker, &l);
}

/* Its worker is asked, and has cancel_grace to go on. A service hears nothing but the end of its
 * connection. */
static void tell_to_stop(struct job *job, const char *why)
{
	bool http = job->pool->setup->v->mode == POOL_HTTP;
	uint64_t grace = http ? 0 : (uint64_t)job->pool->setup->v->cancel_grace;
	uint64_t until = pools_now(job->pool->all) + grace;

	job->told = true;
	job->soft = 0;
	if (!job->hard || until < job->hard)
		job->hard = until;
	say_cancel(job, why);
	set_due(job);
}

static void stop_runner(struct job *job, enum pool_reason why, bool now)
{
	struct worker *w = job->worker;

	if (now)
		worker_kill(w, why, job);
	else
		worker_stop(w, why, job);
}

/* Nobody waits any more. */
static void call_due(struct job *job)
{
	struct pool *pool = job->pool;

	call_over(job->call, UV_ETIMEDOUT);
	if (job->worker) {
		job->hard = 0;
		tell_to_stop(job, "nobody waits any more");
		return;
	}
	pool->n_waiting--;
	job_drop(job);
	pool_balance(pool);
}

void job_due(struct job *job)
{
	uint64_t now = pools_now(job->pool->all);

	if (job->call && now >= job->call->until) {
		call_due(job);
	} else if (job->hard && now >= job->hard) {
		stop_runner(job, job->told ? POOL_BY_CANCEL : POOL_BY_TIMEOUT, false);
	} else {
		if (job->soft && now >= job->soft) {
			job->soft = 0;
			say_cancel(job, "soft time-out");
		}
		set_due(job);
	}
}

void job_cancel(struct job *job, bool now)
{
	struct pool *pool = job->pool;

	if (!job->worker) { /* it has not started */
		pool->n_waiting--;
		if (job->task)
			work_fail(job->task, WORK_FAULT_FAILED, "cancelled", false, -1);
		job_drop(job);
		pool_balance(pool);
	} else if (now) {
		stop_runner(job, POOL_BY_CANCEL, true);
	} else if (!job->told) {
		tell_to_stop(job, "cancelled");
	}
}

/* ---- what is heard of it ------------------------------------------------------------------- */

static uint64_t number_of(const struct job *job)
{
	return job && job->task ? job->task->id : 0;
}

static void keep_log(struct job *job, const char *text)
{
	buf_put(&job->log, text, strlen(text));
	buf_put(&job->log, "\n", 1);
	if (buf_len(&job->log) > LOG_KEPT)
		buf_take(&job->log, buf_len(&job->log) - LOG_KEPT);
}

/* job: NULL when it is not known whose words these are. */
void job_said(struct job *job, struct worker *w, enum log_level level, const char *text)
{
	struct pool *pool = w->pool;

	log_at(level, "%s pool=%s worker=%s pid=%d%s%s", text, pool->name, w->name,
	       (int)w->process.child.pid, job ? " job=" : "", job ? job->id : "");
	if (job)
		keep_log(job, text);
	pools_tell(pool, (struct pool_event){ .what = POOL_SAID,
					      .worker = w->name,
					      .job = number_of(job),
					      .level = (int)level,
					      .text = text });
}

void job_progress(struct job *job, int percent, struct twp_word text)
{
	size_t n = text.n < 256 ? text.n : 256;

	job->percent = percent > 100 ? 100 : percent;
	free(job->text);
	job->text = mem_new(n + 1);
	memcpy(job->text, text.at, n);
	pools_tell(job->pool, (struct pool_event){ .what = POOL_PROGRESS,
						   .worker = job->worker ? job->worker->name : NULL,
						   .job = number_of(job),
						   .percent = job->percent,
						   .text = job->text });
}

void job_part(struct job *job, struct twp_word bytes)
{
	if (!job->call)
		return;
	if (job->call->on_part)
		job->call->on_part(job->call->data, bytes.at, bytes.n);
	else if (buf_put(&job->parts, bytes.at, bytes.n) != 0)
		log_warn("an answer in parts is longer than max_body, and is cut pool=%s job=%s",
			 job->pool->name, job->id);
}

/* ---- calls -------------------------------------------------------------------------------- */

static void call_free(struct pool_call *call)
{
	list_remove(&call->link);
	free(call->topic);
	free(call->extra);
	free(call->body);
	free(call);
}

/* From the loop: done may do anything. */
static void call_answer(struct pool_call *call, const struct pool_answer *a)
{
	if (call->job)
		call->job->call = NULL;
	call->done(call->data, a);
	call_free(call);
}

void call_over(struct pool_call *call, int status)
{
	if (call->status)
		return;
	call->status = status;
	if (call->job)
		call->job->call = NULL;
	call->job = NULL;
	list_append(&call->all->ended, &call->link);
	pools_wake(call->all);
}

void calls_tell(struct pools *p)
{
	while (!list_empty(&p->ended)) {
		struct pool_call *call = container_of(p->ended.next, struct pool_call, link);
		call_answer(call, &(struct pool_answer){ .status = call->status, .delay = -1 });
	}
}

static struct pool *pool_for(struct pools *p, const char *topic)
{
	struct list *it, *tmp;

	list_each (it, tmp, &p->pools) {
		struct pool *pool = container_of(it, struct pool, link);
		if (!pool->going && setup_has_topic(pool->setup, topic))
			return pool;
	}
	return NULL;
}

int pools_call(struct pools *p, const struct pool_call_spec *spec, struct pool_call **out)
{
	struct pool *pool = pool_for(p, spec->topic);

	if (p->draining)
		return UV_ECANCELED;
	if (!pool)
		return UV_ENOENT;
	if (spec->size > (size_t)pool->setup->v->max_body)
		return UV_E2BIG;
	if (pool->loops && pool->n_live == pool->n_starting)
		return UV_EAGAIN;
	if (pool->n_waiting >= pool->setup->v->max_calls)
		return ERR_LIMIT;
	struct pool_call *call = mem_new(sizeof(*call));
	list_init(&call->link);
	call->all = p;
	call->topic = mem_str(spec->topic);
	call->extra = mem_str(spec->extra);
	call->size = spec->size;
	call->body = mem_new(spec->size + 1);
	if (spec->size)
		memcpy(call->body, spec->body, spec->size);
	call->until = pools_now(p) + (uint64_t)(spec->timeout > 0 ? spec->timeout : 1);
	call->on_part = spec->on_part;
	call->done = spec->done;
	call->data = spec->data;
	if (out)
		*out = call;
	pool_place(job_of_call(pool, call));
	return 0;
}

void pool_call_cancel(struct pool_call *call)
{
	struct job *job = call->job;

	call_over(call, UV_ECANCELED);
	if (job)
		job_cancel(job, false);
}

/* ---- its ends -------------------------------------------------------------------------------- */

static struct twp_word kept(const struct job *job, struct twp_word result)
{
	size_t most = (size_t)job->pool->setup->v->result_max;

	if (result.n > most) {
		log_warn("a result is longer than result_max, and is cut pool=%s job=%s size=%zu",
			 job->pool->name, job->id, result.n);
		result.n = most;
	}
	return result;
}

static int count(const struct push *p)
{
	int n = 0;

	for (; p; p = p->next)
		n++;
	return n;
}

static void ack_task(struct job *job, struct twp_word result)
{
	int n = count(job->pushes), i = 0;
	struct work_spec *next = n ? mem_new((size_t)n * sizeof(*next)) : NULL;
	struct twp_word k = kept(job, result);
	struct work_end end = { .result = k.at,
				.size = k.n,
				.next = next,
				.n_next = n,
				.worker = job->worker ? job->worker->name : NULL };

	for (const struct push *p = job->pushes; p; p = p->next)
		next[i++] = p->spec;
	int rc = work_ack(job->task, &end);
	if (rc != 0) /* nothing has happened yet */
		work_fail(job->task, WORK_FAULT_FAILED,
			  "what it handed on was refused, so its end was not taken", true, -1);
	free(next);
}

static void answer_whole(struct job *job, struct pool_answer *a)
{
	if (buf_len(&job->parts)) {
		size_t room;
		uint8_t *at = buf_room(&job->parts, a->size ? a->size : 1, &room);
		size_t n = room < a->size ? room : a->size;
		if (at && n)
			memcpy(at, a->body, n);
		if (at)
			buf_commit(&job->parts, n);
		a->body = buf_data(&job->parts);
		a->size = buf_len(&job->parts);
	}
	call_answer(job->call, a);
}

void job_ack(struct job *job, struct twp_word result)
{
	if (job->task)
		ack_task(job, result);
	else if (job->call)
		answer_whole(job, &(struct pool_answer){
					  .body = result.at, .size = result.n, .delay = -1 });
	job_drop(job);
}

void job_fail(struct job *job, enum work_fault fault, const char *error, int64_t delay)
{
	if (job->task)
		work_fail(job->task, fault, error, true, delay);
	else if (job->call)
		call_over(job->call, fault == WORK_FAULT_TIMEOUT ? UV_ETIMEDOUT : UV_EPIPE);
	job_drop(job);
}

void job_fail_by(struct job *job, struct twp_word message, bool retry, int64_t delay)
{
	size_t n = message.n < ERROR_MOST ? message.n : ERROR_MOST;
	char *text = mem_new(n + 1);

	memcpy(text, message.at, n);
	if (job->task)
		work_fail(job->task, WORK_FAULT_FAILED, text, retry, delay);
	else if (job->call)
		call_answer(job->call, &(struct pool_answer){ .status = POOL_FAILED,
							      .body = text,
							      .size = n,
							      .retry = retry,
							      .delay = delay });
	free(text);
	job_drop(job);
}

void job_release(struct job *job, int64_t delay)
{
	if (job->task)
		work_release(job->task, delay);
	else if (job->call && job->worker && !job->pool->all->closing)
		call_answer(job->call,
			    &(struct pool_answer){ .status = UV_EAGAIN, .delay = delay });
	else if (job->call)
		call_over(job->call, UV_ECANCELED);
	job_drop(job);
}
