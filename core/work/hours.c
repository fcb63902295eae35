/*
 * hours - what came to pass in each hour, by topic.
 *
 * Topics count for as long as we live; what they counted since the last time is added to the
 * store's row of the hour, a minute after the first change and at each hour's end. An idle engine
 * writes nothing and wakes nobody. Rows are kept for 90 days.
 */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/work/private.h"

static const int64_t minute = 60000, hour = 3600000, kept = (int64_t)90 * 86400000;

void hours_touch(struct work *w)
{
	int64_t left = hour - w->wall % hour;

	if (w->store && w->hours.pos == HEAP_OUT && !w->closing)
		heap_set(&w->times, &w->hours,
			 (uint64_t)(w->mono + (left < minute ? left : minute)));
}

static struct totals totals_of(const struct topic *t)
{
	return (struct totals){ t->submitted, t->succeeded, t->failed,
				t->died,      t->run_ms,    t->wait_ms };
}

/* One that was counted and then not taken makes it less. */
static void put_more(struct store_unit *u, uint64_t now, uint64_t before)
{
	store_int(u, now > before ? (int64_t)(now - before) : 0);
}

static void put_topic(struct store_unit *u, struct topic *t, int64_t at)
{
	struct totals now = totals_of(t), *was = &t->told;

	store_stmt(u, S_HOUR);
	store_text(u, t->name);
	store_int(u, at);
	put_more(u, now.submitted, was->submitted);
	put_more(u, now.succeeded, was->succeeded);
	put_more(u, now.failed, was->failed);
	put_more(u, now.died, was->died);
	put_more(u, now.run, was->run);
	put_more(u, now.wait, was->wait);
	t->told = now;
}

static bool has_news(const struct topic *t)
{
	struct totals now = totals_of(t);

	return now.submitted != t->told.submitted || now.succeeded != t->told.succeeded ||
	       now.failed != t->told.failed || now.died != t->told.died;
}

void hours_flush(struct work *w, store_done done, void *data)
{
	struct store_unit *u = store_unit();
	int64_t moment = w->wall - 1; /* of the hour that ends just now */

	u->data = data;
	heap_remove(&w->times, &w->hours);
	for (uint32_t i = 0; i < w->topic_buckets; i++)
		for (struct topic *t = w->topics[i]; t; t = t->next)
			if (has_news(t))
				put_topic(u, t, moment - moment % hour);
	store_stmt(u, S_SWEEP_HOURS);
	store_int(u, w->wall - kept);
	store_commit(w->store, u, STORE_OS, STORE_MUST, done);
}

/* ---- told ------------------------------------------------------------------------- */

struct asked {
	struct work *w;
	char *topic;
	int64_t since;
	void (*row)(void *data, const struct work_hour *h, int status);
	void *data;
};

static void on_rows(struct store_unit *u, int status)
{
	struct asked *a = u->data;

	for (int i = 0; i < u->rows; i++) {
		const struct store_value *c = &u->cells[i * u->columns];
		struct work_hour h = {
			.topic = c[0].p,
			.hour = c[1].n,
			.submitted = (uint64_t)c[2].n,
			.succeeded = (uint64_t)c[3].n,
			.failed = (uint64_t)c[4].n,
			.died = (uint64_t)c[5].n,
			.run = (uint64_t)c[6].n,
			.wait = (uint64_t)c[7].n,
		};
		a->row(a->data, &h, 0);
	}
	a->row(a->data, NULL, status);
	free(a->topic);
	free(a);
}

static void read_rows(struct asked *a)
{
	struct store_unit *u = store_unit();

	u->data = a;
	store_stmt(u, S_HOURS);
	store_int(u, a->since);
	store_text(u, a->topic);
	store_read(a->w->store, u, on_rows);
}

static void on_flushed(struct store_unit *u, int status)
{
	struct asked *a = u->data;

	(void)status;
	if (!a->w->closing) {
		read_rows(a);
		return;
	}
	a->row(a->data, NULL, UV_ECANCELED);
	free(a->topic);
	free(a);
}

void work_hours(struct work *w, const char *topic, int64_t since,
		void (*row)(void *data, const struct work_hour *h, int status), void *data)
{
	if (!w->store || w->closing) {
		row(data, NULL, 0);
		return;
	}
	struct asked *a = mem_new(sizeof(*a));
	a->w = w;
	a->topic = mem_str(topic);
	a->since = since;
	a->row = row;
	a->data = data;
	sched_clock(w);
	if (w->hours.pos != HEAP_OUT && !store_is_failing(w->store))
		hours_flush(w, on_flushed, a);
	else
		read_rows(a);
}
