/*
 * api_legacy - swoole-task's and swoole-jobs' addresses.
 *
 *	/CTRL/ACTION, /?op=CTRL.ACTION    topic CTRL.ACTION, payload: the parameters as an object
 *	/?cmd=status                      swoole's figures
 *	/pushJobs?jobData={...}           topic of the job, payload: the job
 *
 * Parameters of the address and of a form are one, the form's go before. Answers are 202 with an id
 * where swoole-task said 200 to everything; /pushJobs says 200 and its code, as it did.
 */
#include "core/api/legacy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/counts.h"
#include "core/api/http.h"
#include "core/api/push.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/base/mem.h"
#include "core/net/http_decode.h"
#include "core/pool/pool.h"

static const struct api_route push_route = { .scope = API_PUSH, .method = "POST", .path = "" };
static const struct api_route read_route = { .scope = API_READ, .method = "GET", .path = "" };

enum { FORM_MOST = 1000 };

/* ---- parameters -------------------------------------------------------------------------------
 */

static void put_pair(struct json_out *o, const char *name, const char *value)
{
	if (!*name)
		return;
	json_puts(o, o->n > 1 ? "," : "");
	json_put_text(o, name);
	json_puts(o, ":");
	json_put_text(o, value);
}

/* A form's names and values; false: it is none. */
static bool put_form(struct json_out *o, const char *p, size_t n)
{
	char *name = mem_resize(NULL, n + 1), *value = mem_resize(NULL, n + 1);
	const char *end = p + n;
	bool good = true;

	for (int i = 0; p < end && good; i++) {
		const char *next = memchr(p, '&', (size_t)(end - p));
		const char *stop = next ? next : end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));
		const char *mid = eq ? eq : stop;
		good = i < FORM_MOST && http_decode(p, (size_t)(mid - p), name, true) >= 0 &&
		       http_decode(eq ? eq + 1 : stop, eq ? (size_t)(stop - eq - 1) : 0, value,
				   true) >= 0;
		if (good)
			put_pair(o, name, value);
		p = stop + 1;
	}
	free(name);
	free(value);
	return good;
}

static bool is_form(const struct api_ask *ask)
{
	const char *type = http_field(ask->m, "Content-Type");

	return type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
}

static bool put_parameters(struct json_out *o, const struct api_ask *ask)
{
	bool good = true;

	json_puts(o, "{");
	for (size_t i = 0; i < ask->n_queries; i++)
		if (strcmp(ask->queries[i].name, "op") != 0)
			put_pair(o, ask->queries[i].name, ask->queries[i].value);
	if (is_form(ask))
		good = put_form(o, ask->m->body, ask->m->body_len);
	json_puts(o, "}");
	return good;
}

/* ---- /CTRL/ACTION, ?op= -------------------------------------------------------------------------
 */

static bool is_word(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_' && s[i] != '-')
			return false;
	return n > 0;
}

/* "report.daily", of ?op= or of the path; false: it is not of this form. */
static bool topic_of(const struct api_ask *ask, const char *path, size_t n, char topic[129])
{
	const char *op = api_query(ask, "op");
	const char *from = op ? op : path + 1;
	size_t size = op ? strlen(op) : n - 1;
	const char *mid = memchr(from, op ? '.' : '/', size);

	if (!size) {
		strcpy(topic, "index.index");
		return true;
	}
	size_t first = mid ? (size_t)(mid - from) : size;
	size_t second = mid ? size - first - 1 : 0;
	if (!op && first == 2 && memcmp(from, "v1", 2) == 0) /* a mistaken address of the API */
		return false;
	if (first + second > 120 || !is_word(from, first) || (mid && !is_word(mid + 1, second)))
		return false;
	snprintf(topic, 129, "%.*s.%.*s", (int)first, from, mid ? (int)second : 5,
		 mid ? mid + 1 : "index");
	return true;
}

static void push_action(struct api_ask *ask, const char *topic)
{
	struct json_out o = { .p = NULL };
	struct api_fault f = { .status = 0 };
	struct api_spec s;

	api_spec_init(&s);
	s.spec.topic = s.spec.type = topic; /* the type tells a worker of all topics what to do */
	if (!put_parameters(&o, ask)) {
		api_refuse(ask, 400, NULL, "the form can't be read");
	} else {
		s.spec.payload = o.p;
		s.spec.size = o.n;
		if (api_spec_finish(ask->api, &s, &f) != 0)
			api_push_refuse(ask, &f);
		else if (api_auth_topic(ask, topic))
			api_push_one(ask, &s);
	}
	api_spec_fini(&s);
	json_out_fini(&o);
}

/* ---- ?cmd=status
 * --------------------------------------------------------------------------------- */

struct sums {
	uint64_t running, requests;
	int workers;
};

static void on_topic(void *data, const struct work_topic_figures *f)
{
	((struct sums *)data)->running += f->running;
	((struct sums *)data)->requests += f->submitted;
}

static void on_pool(void *data, const struct pool_figures *f)
{
	((struct sums *)data)->workers += f->starting + f->idle + f->busy + f->leaving;
}

static void answer_status(const struct api_ask *ask)
{
	struct json_out o = { .p = NULL };
	struct sums s = { .workers = 0 };
	struct api *api = ask->api;
	uint64_t accepted;
	int connections;

	api_http_figures(api, &connections, &accepted);
	work_topics(api->work, on_topic, &s);
	if (api->pools)
		pools_figures(api->pools, on_pool, &s);
	json_printf(&o,
		    "{\"start_time\":%lld,\"connection_num\":%d,\"accept_count\":%lu,"
		    "\"close_count\":%lu,\"worker_num\":1,\"idle_worker_num\":1,"
		    "\"task_worker_num\":%d,\"tasking_num\":%lu,\"request_count\":%lu,"
		    "\"dispatch_count\":%lu}\n",
		    (long long)(api->born_wall / 1000), connections, (unsigned long)accepted,
		    (unsigned long)(accepted - (uint64_t)connections), s.workers,
		    (unsigned long)s.running, (unsigned long)s.requests, (unsigned long)s.requests);
	api_reply(ask, 200, NULL, &o);
	json_out_fini(&o);
}

/* ---- /pushJobs
 * -------------------------------------------------------------------------------------- */

struct pushed {
	struct api_reply reply; /* first */
	char *uuid;
};

static void answer_code(struct api_reply *r, int code, const char *message, const char *uuid)
{
	struct json_out o = { .p = NULL };

	json_printf(&o, "{\"code\":%d,\"message\":", code);
	json_put_text(&o, message);
	json_puts(&o, ",\"content\":");
	if (uuid) {
		json_puts(&o, "{\"uuid\":");
		json_put_text(&o, uuid);
		json_puts(&o, "}");
	} else {
		json_puts(&o, "\"\"");
	}
	json_puts(&o, "}\n");
	api_answer(r, 200, NULL, &o);
	json_out_fini(&o);
}

static void on_pushed(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct pushed *p = data;
	char id[IDENT_LEN + 1];

	(void)n;
	ident_write(receipts->id, id);
	if (status == 0)
		answer_code(&p->reply, 100, "success", *p->uuid ? p->uuid : id);
	else
		answer_code(&p->reply, -3, "the store did not take it", NULL);
	free(p->uuid);
	free(p);
}

static int64_t extra(const struct json *job, const char *name)
{
	struct json all = json_get(job, "jobExtras"), v = json_get(&all, name);
	int64_t n;

	return json_int(&v, &n) && n > 0 ? n : 0;
}

static void submit_job(const struct api_ask *ask, const struct json *job, const char *topic)
{
	struct json uuid = json_get(job, "uuid");
	struct pushed *p = mem_new(sizeof(*p));
	struct api_fault f = { .status = 0 };
	struct api_spec s;
	int rc = -1;

	api_spec_init(&s);
	s.spec.topic = topic;
	s.spec.payload = job->p;
	s.spec.size = job->n;
	s.spec.delay = extra(job, "delay");
	s.spec.expires = extra(job, "expiration");
	p->reply = api_reply_to(ask);
	p->uuid = json_unquoted(&uuid, NULL);
	if (!p->uuid)
		p->uuid = mem_str("");
	if (api_spec_finish(ask->api, &s, &f) != 0) {
		answer_code(&p->reply, -3, f.text, NULL);
	} else {
		http_call_wait(ask->call, p, api_reply_gone);
		rc = work_submit(ask->api->work, &s.spec, 1, on_pushed, p);
		if (rc != 0)
			answer_code(&p->reply, -3, "it was not taken", NULL);
	}
	if (rc != 0) {
		free(p->uuid);
		free(p);
	}
	api_spec_fini(&s);
}

static void push_jobs(const struct api_ask *ask)
{
	struct api_reply r = api_reply_to(ask);
	struct json_out form = { .p = NULL };
	const char *text = api_query(ask, "jobData");
	struct json all, job, topic;
	char *own = NULL, *name = NULL;

	if (!text && is_form(ask)) {
		json_puts(&form, "{");
		put_form(&form, ask->m->body, ask->m->body_len);
		json_puts(&form, "}");
		if (json_read(&all, form.p, form.n, NULL) == 0) {
			job = json_get(&all, "jobData");
			text = own = json_unquoted(&job, NULL);
		}
	}
	if (!text || !*text) {
		answer_code(&r, -1, "jobData is missing", NULL);
	} else if (json_read(&job, text, strlen(text), NULL) != 0) {
		answer_code(&r, -1, "jobData is not JSON", NULL);
	} else {
		topic = json_get(&job, "topic");
		name = json_unquoted(&topic, NULL);
		if (!name || !api_topic_is_good(name))
			answer_code(&r, -2, "the job has no topic", NULL);
		else if (api_auth_topic(ask, name))
			submit_job(ask, &job, name);
	}
	free(name);
	free(own);
	json_out_fini(&form);
}

/* ---- all
 * -----------------------------------------------------------------------------------------------
 */

bool api_legacy(struct api_ask *ask, const char *path, size_t n)
{
	const char *cmd = api_query(ask, "cmd");
	char topic[129];

	ask->route = cmd ? &read_route : &push_route;
	if (strcmp(ask->m->method, "GET") != 0 && strcmp(ask->m->method, "POST") != 0) {
		ask->route = NULL;
		return false;
	}
	if (cmd && strcmp(cmd, "status") == 0) {
		if (api_auth(ask))
			answer_status(ask);
		return true;
	}
	if (n == 9 && memcmp(path, "/pushJobs", 9) == 0) {
		if (api_auth(ask) && api_push_is_open(ask))
			push_jobs(ask);
		return true;
	}
	if (!topic_of(ask, path, n, topic) || !work_is_taken(ask->api->work, topic)) {
		ask->route = NULL;
		return false;
	}
	if (api_auth(ask) && api_push_is_open(ask))
		push_action(ask, topic);
	return true;
}
