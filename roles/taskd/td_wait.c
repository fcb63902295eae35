#include "roles/taskd/td_wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/work/work.h"
#include "roles/taskd/td.h"
#include "roles/taskd/td_keys.h"
#include "roles/taskd/td_reply.h"
#include "roles/taskd/td_route.h"
#include "roles/taskd/td_spec.h"
#include "roles/taskd/td_tell.h"

enum { BUCKETS = 256 };

struct waiter {
	struct td_reply reply; /* first */
	struct list link;
	struct td *td;
	uint64_t id;
	uv_timer_t timer;
};

struct td_waits {
	struct list buckets[BUCKETS];
	int n;
};

static struct list *bucket_of(struct td *td, uint64_t id)
{
	return &td->waits->buckets[(id ^ id >> 20) % BUCKETS];
}

static void on_closed(uv_handle_t *h)
{
	struct waiter *w = h->data;
	struct td *td = w->td;

	free(w);
	td->open--;
	td_settle(td);
}

static void drop(struct waiter *w)
{
	if (uv_is_closing((uv_handle_t *)&w->timer))
		return;
	list_remove(&w->link);
	w->td->waits->n--;
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
	enum work_state s = work_state_of(w->td->work, w->id);

	td_tell_state(&o, w->id, s == WORK_STORING ? WORK_RUNNING : s);
	td_answer(&w->reply, 202, "Preference-Applied: wait\r\n", &o);
	json_out_fini(&o);
	drop(w);
}

void td_wait(struct td *td, const struct td_reply *reply, uint64_t id, int64_t ms)
{
	struct waiter *w = mem_new(sizeof(*w));

	w->reply = *reply;
	w->td = td;
	w->id = id;
	uv_timer_init(td->loop, &w->timer);
	w->timer.data = w;
	td->open++;
	list_append(bucket_of(td, id), &w->link);
	td->waits->n++;
	uv_timer_start(&w->timer, on_time, (uint64_t)ms, 0);
	http_call_wait(w->reply.call, w, on_gone);
}

bool td_is_waited_for(struct td *td, uint64_t id)
{
	const struct list *bucket = bucket_of(td, id);

	for (const struct list *it = bucket->next; td->waits->n && it != bucket; it = it->next)
		if (container_of(it, struct waiter, link)->id == id)
			return true;
	return false;
}

void td_wait_event(struct td *td, const struct work_event *e)
{
	struct list *it, *tmp, *bucket = bucket_of(td, e->id);
	struct json_out o = { .p = NULL };

	if (!td->waits->n || e->state < WORK_SUCCEEDED)
		return;
	list_each (it, tmp, bucket) {
		struct waiter *w = container_of(it, struct waiter, link);
		if (w->id != e->id)
			continue;
		if (!o.n)
			td_tell_end(&o, e);
		drop(w);
		td_answer(&w->reply, 200, "Preference-Applied: wait\r\n", &o);
	}
	json_out_fini(&o);
}

void td_wait_open(struct td *td)
{
	td->waits = mem_new(sizeof(*td->waits));
	for (int i = 0; i < BUCKETS; i++)
		list_init(&td->waits->buckets[i]);
}

/* The calls are closed by their servers, which tells each waiter. */
void td_wait_close(struct td *td)
{
	free(td->waits);
	td->waits = NULL;
}

int64_t td_wait_of(const struct td_ask *ask)
{
	const char *text = td_query(ask, "wait"), *prefer = http_field(ask->m, "Prefer");

	if (!text && prefer && strncmp(prefer, "wait=", 5) == 0)
		text = prefer + 5;
	if (!text)
		return 0;
	int64_t ms = td_duration(text);
	if (ms < 0)
		td_refuse(ask, 400, "wait", "wait: a time, as 30s");
	return ms > ask->td->keys->max_wait ? ask->td->keys->max_wait : ms;
}
