#include "core/api/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/keys.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/api/tell.h"
#include "core/base/mem.h"
#include "core/work/work.h"

enum { BUCKETS = 256 };

struct waiter {
	struct api_reply reply; /* first */
	struct list link;
	struct api *api;
	uint64_t id;
	uv_timer_t timer;
};

struct api_waits {
	struct list buckets[BUCKETS];
	int n;
};

static struct list *bucket_of(struct api *api, uint64_t id)
{
	return &api->waits->buckets[(id ^ id >> 20) % BUCKETS];
}

static void on_closed(uv_handle_t *h)
{
	struct waiter *w = h->data;
	struct api *api = w->api;

	free(w);
	api->open--;
	api_settle(api);
}

static void drop(struct waiter *w)
{
	if (uv_is_closing((uv_handle_t *)&w->timer))
		return;
	list_remove(&w->link);
	w->api->waits->n--;
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void on_gone(void *data)
{
	struct waiter *w = data;

	w->reply.call = NULL;
	drop(w);
}

static void on_time(uv_timer_t *t)
{
	struct waiter *w = t->data;
	struct json_out o = { .p = NULL };
	enum work_state s = work_state_of(w->api->work, w->id);

	api_tell_state(&o, w->id, s == WORK_STORING ? WORK_RUNNING : s);
	api_answer(&w->reply, 202, "Preference-Applied: wait\r\n", &o);
	json_out_fini(&o);
	drop(w);
}

void api_wait(struct api *api, const struct api_reply *reply, uint64_t id, int64_t ms)
{
	struct waiter *w = mem_new(sizeof(*w));

	w->reply = *reply;
	w->api = api;
	w->id = id;
	uv_timer_init(api->loop, &w->timer);
	w->timer.data = w;
	api->open++;
	list_append(bucket_of(api, id), &w->link);
	api->waits->n++;
	uv_timer_start(&w->timer, on_time, (uint64_t)ms, 0);
	http_call_wait(w->reply.call, w, on_gone);
}

bool api_is_waited_for(struct api *api, uint64_t id)
{
	const struct list *bucket = bucket_of(api, id);

	for (const struct list *it = bucket->next; api->waits->n && it != bucket; it = it->next)
		if (container_of(it, struct waiter, link)->id == id)
			return true;
	return false;
}

void api_wait_event(struct api *api, const struct work_event *e)
{
	struct list *it, *tmp, *bucket = bucket_of(api, e->id);
	struct json_out o = { .p = NULL };

	if (!api->waits->n || e->state < WORK_SUCCEEDED)
		return;
	list_each (it, tmp, bucket) {
		struct waiter *w = container_of(it, struct waiter, link);
		if (w->id != e->id)
			continue;
		if (!o.n)
			api_tell_end(&o, e);
		drop(w);
		api_answer(&w->reply, 200, "Preference-Applied: wait\r\n", &o);
	}
	json_out_fini(&o);
}

void api_wait_open(struct api *api)
{
	api->waits = mem_new(sizeof(*api->waits));
	for (int i = 0; i < BUCKETS; i++)
		list_init(&api->waits->buckets[i]);
}

/* The calls are closed by their servers, which tells each waiter. */
void api_wait_close(struct api *api)
{
	free(api->waits);
	api->waits = NULL;
}

int64_t api_wait_of(const struct api_ask *ask)
{
	const char *text = api_query(ask, "wait"), *prefer = http_field(ask->m, "Prefer");

	if (!text && prefer && strncmp(prefer, "wait=", 5) == 0)
		text = prefer + 5;
	if (!text)
		return 0;
	int64_t ms = api_duration(text);
	if (ms < 0)
		api_refuse(ask, 400, "wait", "wait: a time, as 30s");
	return ms > ask->api->keys->max_wait ? ask->api->keys->max_wait : ms;
}
