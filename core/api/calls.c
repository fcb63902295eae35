#include "core/api/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/spec.h"
#include "core/api/tell.h"
#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/net/http_client.h"
#include "core/work/work.h"

enum { AT_ONCE = 16, TIMEOUT = 15000, ATTEMPTS = 12 };

static const char topic[] = ".callback";

struct api_calls {
	struct api *api;
	struct work_taker *taker;
	struct list under_way;
	int n;
	struct json_out body; /* of the last message, and whom it is for */
	char *url;
};

struct telling {
	struct list link;
	struct api_calls *all;
	struct work_job *job; /* NULL: given back */
	struct http_exchange *exchange;
};

/* ---- a message is made ------------------------------------------------------------------ */

static bool wants(const struct json *callback, enum work_state state)
{
	struct json on = json_get(callback, "on"), item;

	if (on.kind != JSON_ARRAY)
		return true;
	for (struct json_at at = json_begin(&on); json_element(&at, &item);)
		if (json_is(&item, work_state_name(state)))
			return true;
	return false;
}

static void forget(struct api_calls *all)
{
	json_out_fini(&all->body);
	all->body = (struct json_out){ .p = NULL };
	free(all->url);
	all->url = NULL;
}

bool api_calls_follow(struct api *api, const struct work_event *e, struct work_spec *spec)
{
	struct api_calls *all = api->calls;
	struct json callback = api_meta_get(e->meta, e->meta_size, "callback");

	if (!all || callback.kind != JSON_OBJECT || !wants(&callback, e->state))
		return false;
	struct json url = json_get(&callback, "url");
	forget(all);
	all->url = json_unquoted(&url, NULL);
	api_tell_end(&all->body, e);
	*spec = (struct work_spec){ .topic = topic,
				    .prio = WORK_PRIO,
				    .meta = all->url,
				    .meta_size = strlen(all->url),
				    .payload = all->body.p,
				    .size = all->body.n };
	return true;
}

/* ---- and told ------------------------------------------------------------------------------ */

static void want(struct api_calls *all)
{
	if (!all->api->stopping && !all->api->draining)
		work_want(all->taker, AT_ONCE - all->n);
}

static void on_told(void *data, const struct http_outcome *o)
{
	struct telling *t = data;
	struct api_calls *all = t->all;
	struct api *api = all->api;
	int status = o->response ? o->response->status : 0;
	bool again = o->rc || status == 408 || status == 429 || status >= 500;
	int64_t delay =
		o->response ? http_retry_after(o->response->retry_after, api_now() / 1000) : -1;
	char why[200];

	if (o->rc)
		snprintf(why, sizeof(why), "%s", o->why);
	else
		snprintf(why, sizeof(why), "status %d", status);
	list_remove(&t->link);
	all->n--;
	if (t->job && status >= 200 && status < 300)
		work_ack(t->job, NULL);
	else if (t->job)
		work_fail(t->job, WORK_FAULT_FAILED, why, again, delay);
	free(t);
	want(all);
	api->open--;
	api_settle(api);
}

static void on_job(void *data, struct work_job *job)
{
	struct api_calls *all = data;
	struct err err = { .text = "" };
	struct http_url url;
	char text[2048];

	if (all->api->stopping) { /* it was on its way to us */
		work_release(job, 0);
		return;
	}
	snprintf(text, sizeof(text), "%.*s", (int)job->meta_size, (const char *)job->meta);
	if (http_url_read(&url, text, &err) != 0) {
		work_fail(job, WORK_FAULT_FAILED, err.text, false, -1);
		return;
	}
	struct telling *t = mem_new(sizeof(*t));
	t->all = all;
	t->job = job;
	t->exchange =
		http_client_ask(all->api->http, &(struct http_ask){ .method = "POST",
								    .url = &url,
								    .type = "application/json",
								    .body = job->payload,
								    .size = job->size,
								    .timeout = TIMEOUT,
								    .done = on_told,
								    .data = t });
	list_append(&all->under_way, &t->link);
	all->n++;
	all->api->open++;
	want(all);
}

/* ---- life ------------------------------------------------------------------------------------ */

void api_calls_open(struct api *api)
{
	static const char *const topics[] = { topic };
	struct api_calls *all = mem_new(sizeof(*all));
	struct work_topic_conf c;
	struct work_taker_conf taker = {
		.topics = topics, .n_topics = 1, .on_job = on_job, .data = all
	};

	all->api = api;
	list_init(&all->under_way);
	work_topic_defaults(&c);
	c.max_attempts = ATTEMPTS;
	backoff_parse(&c.backoff, "exp 1s 1h jitter 20%", NULL);
	work_topic_set(api->work, topic, &c);
	all->taker = work_taker_new(api->work, &taker);
	api->calls = all;
	want(all);
}

void api_calls_free(struct api *api)
{
	if (api->calls)
		forget(api->calls);
	free(api->calls);
}

void api_calls_close(struct api *api)
{
	struct list *it, *tmp;

	if (!api->calls)
		return;
	work_want(api->calls->taker, 0);
	list_each (it, tmp, &api->calls->under_way) {
		struct telling *t = container_of(it, struct telling, link);
		work_release(t->job, 0);
		t->job = NULL;
		http_exchange_cancel(t->exchange);
	}
}
