/*
 * request - mode http: a job is a POST to a service.
 *
 *	POST target HTTP/1.1
 *	X-Troupe-Id, -Topic, -Attempt, -Eta (when it was due, seconds since 1970), -Timeout-Ms;
 *-Type, -Sync, -Signature where there is one; the task's own fields
 *
 *	2xx                 ACK, with the first result_max bytes of the body
 *	dead_on             FAIL, and dead
 *	any other           FAIL, to be tried again; after Retry-After, when the answer has it
 *	no connection       nothing was asked: the job goes back free of charge, the pool waits
 *	no whole answer     FAIL, to be tried again: it may have been done, delivery is at least
 *once
 *
 * The error's text is the status, and the beginning of the body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/net/digest.h"
#include "core/net/http_client.h"
#include "core/pool/private.h"

enum { IDLE_MOST = 10000, IDLE_TIME = 30000, SHOWN = 1000 };

/* ---- what is asked ------------------------------------------------------------------- */

/* A line break in a value would be another field. */
static void put_value(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s: ", name);
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			fprintf(out, "%%%02X", (unsigned char)*value);
		else
			fputc(*value, out);
	fputs("\r\n", out);
}

/* What frames a message, and what is ours, is not for a task to say. */
static bool may_say(const char *line, size_t n)
{
	static const char *const ours[] = {
		"host",       "content-length",   "transfer-encoding", "connection",
		"keep-alive", "expect",           "upgrade",           "te",
		"trailer",    "proxy-connection", "user-agent",
	};
	const char *colon = memchr(line, ':', n);
	size_t len = colon ? (size_t)(colon - line) : 0;

	if (!len || (len >= 9 && strncasecmp(line, "x-troupe-", 9) == 0))
		return false;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (len == strlen(ours[i]) && strncasecmp(line, ours[i], len) == 0)
			return false;
	return true;
}

static bool put_own_fields(FILE *out, const char *fields)
{
	bool typed = false;

	while (*fields) {
		size_t n = strcspn(fields, "\r\n");
		if (may_say(fields, n)) {
			typed |= n > 13 && strncasecmp(fields, "content-type:", 13) == 0;
			fprintf(out, "%.*s\r\n", (int)n, fields);
		}
		fields += n;
		fields += strspn(fields, "\r\n");
	}
	return typed;
}

static bool put_task(FILE *out, struct pools *p, const struct work_job *task)
{
	struct pool_extra extra = { .args = "" };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t due = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - task->wait;
	fprintf(out, "X-Troupe-Eta: %lld.%03lld\r\n", (long long)(due / 1000),
		(long long)(due % 1000));
	if (task->type)
		put_value(out, "X-Troupe-Type", task->type);
	if (p->conf.on_start && p->conf.on_start(p->conf.data, task, &extra))
		fputs("X-Troupe-Sync: 1\r\n", out);
	return put_own_fields(out, extra.fields);
}

static void put_signature(FILE *out, const struct job *job, int attempt)
{
	const char *secret = job->pool->setup->v->secret;
	char head[80], hex[DIGEST_HEX];

	if (!secret || !*secret)
		return;
	long long now = (long long)time(NULL);
	int n = snprintf(head, sizeof(head), "%lld.%s.%d.", now, job->id, attempt);
	uv_buf_t pieces[] = { uv_buf_init(head, (unsigned)n),
			      uv_buf_init((char *)job_payload(job), (unsigned)job_size(job)) };
	digest_hmac(secret, pieces, 2, hex);
	fprintf(out, "X-Troupe-Signature: t=%lld,v1=%s\r\n", now, hex);
}

static char *fields_of(const struct job *job, bool *typed)
{
	int attempt = job->task ? job->task->attempt : 1;
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	fprintf(out, "X-Troupe-Id: %s\r\nX-Troupe-Attempt: %d\r\n", job->id, attempt);
	put_value(out, "X-Troupe-Topic", job_topic(job));
	if (job->hard)
		fprintf(out, "X-Troupe-Timeout-Ms: %lld\r\n",
			(long long)(job->hard - job->started));
	put_signature(out, job, attempt);
	*typed = job->task && put_task(out, job->pool->all, job->task);
	if (job->call)
		fputs("X-Troupe-Sync: 1\r\n", out);
	fclose(out);
	return text;
}

static const char *type_of(const struct job *job)
{
	struct json v;
	size_t n = job_size(job);

	return n && json_read(&v, job_payload(job), n, NULL) == 0 ? "application/json"
								  : "application/octet-stream";
}

/* ---- what is answered ------------------------------------------------------------------ */

static void fail(struct job *job, const char *what, const struct http_response *r, bool retry,
		 int64_t delay)
{
	size_t n = r && r->size < SHOWN ? r->size : r ? SHOWN : 0;
	char text[SHOWN + 200];
	int len = snprintf(text, sizeof(text), "%s%s%.*s", what, n ? ": " : "", (int)n,
			   r ? (const char *)r->body : "");

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	job_fail_by(job, (struct twp_word){ text, (size_t)len }, retry, delay);
}

static void answered(struct worker *w, struct job *job, const struct http_response *r)
{
	bool well = r->status < 300;
	char what[40];

	pool_did_well(w);
	*(well ? &w->pool->done : &w->pool->failed) += 1;
	if (well && r->cut && job->call) {
		fail(job, "the answer is longer than max_body", NULL, false, -1);
	} else if (well) {
		if (r->cut)
			log_warn("an answer is longer than max_body, and is cut pool=%s job=%s",
				 w->pool->name, job->id);
		job_ack(job, (struct twp_word){ r->body, r->size });
	} else {
		bool dead = r->status < POOL_STATUSES && w->setup->dead_on[r->status];
		snprintf(what, sizeof(what), "status %d", r->status);
		fail(job, what, r, !dead, http_retry_after(r->retry_after, time(NULL)));
	}
}

/* Nothing was asked of anybody: a task is not charged, and the pool waits before the next. */
static void unreachable(struct worker *w, struct job *job, const char *why)
{
	struct pool *pool = w->pool;

	log_warn("%s: %s pool=%s", w->setup->v->url, why, pool->name);
	if (job->task)
		job_release(job, 0);
	else
		job_fail(job, WORK_FAULT_FAILED, why, -1);
	if (!pool->retry_at && !pool->going)
		pool_failed(pool);
}

static void stopped(struct worker *w, struct job *job)
{
	w->pool->ended[w->why]++;
	if (w->why == POOL_BY_SCALE)
		job_release(job, 0);
	else if (w->why == POOL_BY_TIMEOUT)
		job_fail(job, WORK_FAULT_TIMEOUT, "it took too long", -1);
	else
		job_fail(job, WORK_FAULT_FAILED, "cancelled", -1);
}

static void on_done(void *data, const struct http_outcome *o)
{
	struct worker *w = data;
	struct pool *pool = w->pool;
	struct job *job = container_of(w->jobs.next, struct job, link);

	w->exchange = NULL;
	w->n_jobs--;
	pool->n_running--;
	if (w->state > WORKER_SERVING) {
		stopped(w, job);
	} else if (o->rc == 0) {
		answered(w, job, o->response);
	} else if (o->sent) {
		pool->failed++;
		fail(job, o->why, NULL, true, -1);
	} else {
		unreachable(w, job, o->why);
	}
	w->state = WORKER_GONE;
	pools_wake(pool->all);
	pool_balance(pool);
	worker_release(w);
}

/* A service that was not reached is not at it. */
static void on_sent(void *data)
{
	struct worker *w = data;

	job_at_it(container_of(w->jobs.next, struct job, link));
}

/* ---- life -------------------------------------------------------------------------------- */

void request_start(struct worker *w, struct job *job)
{
	const struct pool_values *v = w->setup->v;
	bool typed;

	job_begin(job, w);
	char *fields = fields_of(job, &typed);
	struct http_ask ask = { .method = "POST",
				.url = w->setup->url,
				.fields = fields,
				.type = typed ? NULL : type_of(job),
				.body = job_size(job) ? job_payload(job) : "",
				.size = job_size(job),
				.keep = (size_t)v->max_body,
				.connect_timeout = (uint64_t)v->connect_timeout,
				.sent = on_sent,
				.done = on_done,
				.data = w };
	list_append(&w->jobs, &job->link);
	w->n_jobs = 1;
	w->state = WORKER_SERVING;
	w->exchange = http_client_ask(w->pool->http, &ask);
	free(fields);
}

void request_stop(struct worker *w)
{
	http_exchange_cancel(w->exchange);
}

struct http_client *request_client(struct pool *pool)
{
	struct http_client_conf conf = { .tls = pool->setup->tls,
					 .idle = IDLE_MOST,
					 .idle_timeout = IDLE_TIME };

	return http_client_new(pool->all->loop, &conf);
}

static void on_client_closed(void *data)
{
	pools_release(data);
}

void request_client_close(struct pool *pool)
{
	pool->all->handles++;
	http_client_close(pool->http, on_client_closed, pool->all);
}
