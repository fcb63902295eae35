#include "roles/jobd/jd_rabbit.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/run/place.h"
#include "core/store/marks.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_rabbit_parts.h"

enum { TICK = 1000, SOON = 50, HUNGRY = 10, CLOSE_TIME = 2000, GOODBYE = 1500, RETRY_MOST = 5000 };

/* ---- from time to time
 * -------------------------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer);

void jd_rabbit_plan(struct jd_rabbit_source *jb)
{
	bool soon = jb->closing || jb->leaving;

	for (int i = 0; i < jb->n_topics; i++)
		soon |= jb->topics[i]->retry_at != 0;
	if (!jb->shut)
		uv_timer_start(&jb->tick, on_tick, soon ? SOON : TICK, 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct jd_rabbit_source *jb = timer->data;

	jd_amqp_look(jb->take);
	jd_amqp_look(jb->put);
	if (jb->leaving || jb->closing) {
		jd_rabbit_puts_leave(jb);
		jd_rabbit_forget_lost(jb);
		jd_rabbit_settle(jb);
	} else {
		for (int i = 0; i < jb->n_topics; i++)
			jd_rabbit_topic_tick(jb->topics[i]);
		jd_rabbit_ask_tick(jb);
		jd_rabbit_forget_lost(jb);
	}
	if (!jb->closing)
		jd_rabbit_again(jb);
	jd_rabbit_puts_go(jb);
	jd_rabbit_plan(jb);
}

static void on_hungry(void *data)
{
	struct jd_rabbit_source *jb = data;

	if (!jb->keys->handover || list_empty(&jb->again) ||
	    uv_now(jb->loop) - jb->again_at < HUNGRY)
		return;
	jb->again_at = uv_now(jb->loop);
	jd_rabbit_again(jb);
}

/* ---- connections
 * ---------------------------------------------------------------------------------------- */

static void on_links(struct jd_rabbit_source *jb, const struct jd_amqp_event *e, const char *what)
{
	char why[200];

	if (e->what == JD_AMQP_DOWN) {
		snprintf(why, sizeof(why), "%s%.180s", what, e->text);
		jd_source_down(&jb->source, why);
	} else if (jb->take_up && jb->put_up) {
		jd_source_up(&jb->source);
	}
}

static void take_link(struct jd_rabbit_source *jb, const struct jd_amqp_event *e)
{
	jb->take_up = e->what == JD_AMQP_UP;
	if (jb->take_up) {
		jd_rabbit_ask_up(jb);
		jd_rabbit_topics_up(jb);
	} else {
		jd_rabbit_topics_down(jb);
		jd_rabbit_ask_down(jb);
	}
	on_links(jb, e, "");
}

static bool on_take(void *data, struct jd_amqp_event *e)
{
	struct jd_rabbit_source *jb = data;

	if (e->what == JD_AMQP_UP || e->what == JD_AMQP_DOWN)
		take_link(jb, e);
	else if (e->channel == (unsigned)jb->n_topics + 1)
		return jd_rabbit_ask_event(jb, e);
	else if (e->what == JD_AMQP_DELIVERED && e->channel)
		return jd_rabbit_take(jb->topics[e->channel - 1], e);
	else if (e->channel)
		jd_rabbit_topic_event(jb->topics[e->channel - 1], e);
	return false;
}

static bool on_put(void *data, struct jd_amqp_event *e)
{
	struct jd_rabbit_source *jb = data;
	bool link = e->what == JD_AMQP_UP || e->what == JD_AMQP_DOWN;

	if (link)
		jb->put_up = e->what == JD_AMQP_UP;
	jd_rabbit_put_event(jb, e);
	if (link)
		on_links(jb, e, "publishing: ");
	return false;
}

/* ---- the end
 * -------------------------------------------------------------------------------------------- */

static void free_all(struct jd_rabbit_source *jb)
{
	for (int i = 0; i < jb->n_all; i++) {
		struct jb_topic *t = jb->topics[i];
		while (!list_empty(&t->tags.all))
			jd_rabbit_loan_free(
				container_of(t->tags.all.next, struct jb_loan, tag.place));
		while (!list_empty(&t->lost))
			jd_rabbit_loan_free(container_of(t->lost.next, struct jb_loan, tag.place));
		free(t);
	}
	free(jb->topics);
	free(jb->raising);
	free(jb->charged);
	marks_close(jb->marks);
}

static void release(struct jd_rabbit_source *jb)
{
	if (--jb->open > 0)
		return;
	free_all(jb);
	jd_source_closed(&jb->source);
	free(jb);
}

static void on_link_closed(void *data)
{
	release(data);
}

static void on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

/* All that could be told is told: the goodbye goes behind it. */
static void shut(struct jd_rabbit_source *jb)
{
	jb->shut = true;
	if (jb->n_loans && jb->source.jd->api->work) /* a worker that does not end */
		work_lender_forget(jb->work, &jb->lender);
	if (!jb->closing)
		jd_forward_close(&jb->forward, false);
	jd_rabbit_flush(jb);
	jd_rabbit_drop_puts(jb);
	jd_amqp_close(jb->take, GOODBYE, on_link_closed, jb);
	jd_amqp_close(jb->put, GOODBYE, on_link_closed, jb);
	uv_close((uv_handle_t *)&jb->tick, on_timer_closed);
	uv_close((uv_handle_t *)&jb->flush, on_timer_closed);
}

void jd_rabbit_settle(struct jd_rabbit_source *jb)
{
	bool over = !jb->n_loans && !jb->forward.under_way && !jb->raising;

	if (jb->shut || (!jb->leaving && !jb->closing))
		return;
	if (over || (jb->closing && uv_now(jb->loop) > jb->deadline))
		shut(jb);
}

static void drain(struct jd_source *s)
{
	struct jd_rabbit_source *jb = (struct jd_rabbit_source *)(void *)s;

	if (jb->shut || jb->draining)
		return;
	jb->draining = true;
	jd_rabbit_forward(jb);
	for (int i = 0; i < jb->n_topics; i++)
		jd_rabbit_stop(jb->topics[i]);
}

static void leave(struct jd_source *s)
{
	struct jd_rabbit_source *jb = (struct jd_rabbit_source *)(void *)s;

	drain(s);
	jb->leaving = true;
	work_lender_remove(&jb->lender);
	jd_rabbit_plan(jb);
}

static void close_it(struct jd_source *s)
{
	struct jd_rabbit_source *jb = (struct jd_rabbit_source *)(void *)s;

	if (jb->shut)
		return;
	drain(s);
	jd_forward_close(&jb->forward, true);
	jb->closing = true;
	jb->deadline = uv_now(jb->loop) + CLOSE_TIME;
	work_lender_remove(&jb->lender);
	jd_rabbit_plan(jb);
}

static void raise_dead(struct jd_source *s, const char *topic)
{
	jd_rabbit_raise((struct jd_rabbit_source *)(void *)s, topic);
}

/* ---- the beginning
 * ------------------------------------------------------------------------------------------ */

static int open_marks(struct jd_rabbit_source *jb, const char *name, struct err *err)
{
	const struct api *api = jb->source.jd->api;
	char path[PATH_MAX], file[128];
	size_t n = 0;

	for (const char *p = name; *p && n < sizeof(file) - 1; p++)
		file[n++] = isalnum((unsigned char)*p) ? *p : '_';
	file[n] = '\0';
	snprintf(path, sizeof(path), "%s/rabbitmq.%s.marks", api->dir, file);
	int rc = marks_open(&jb->marks, path, err);
	if (rc != 0)
		return rc;
	place_give(api->conf, path);
	const uint64_t *left = marks_left(jb->marks, &jb->n_charged);
	jb->charged = mem_new((jb->n_charged + 1) * sizeof(*left));
	if (jb->n_charged)
		memcpy(jb->charged, left, jb->n_charged * sizeof(*left));
	return 0;
}

static void open_topics(struct jd_rabbit_source *jb)
{
	while (jb->keys->topics[jb->n_topics]) {
		struct jb_topic *t = jd_rabbit_topic_new(jb, jb->keys->topics[jb->n_topics]);
		t->channel = (unsigned)++jb->n_topics;
	}
}

static int open_links(struct jd_rabbit_source *jb, struct err *err)
{
	char name[400];
	struct jd_amqp_conf conf = { .url = jb->keys->url,
				     .name = name,
				     .tls_ca = jb->keys->tls_ca,
				     .tls_verify = jb->keys->tls_verify,
				     .timeout = (uint64_t)jb->keys->timeout,
				     .retry_most = RETRY_MOST,
				     .heartbeat = (int)(jb->keys->heartbeat / 1000),
				     .channels = (unsigned)jb->n_topics + 1,
				     .on_event = on_take,
				     .data = jb };
	const char *node = jb->source.jd->node;

	snprintf(name, sizeof(name), "troupe-%s", node);
	jb->take = jd_amqp_new(jb->loop, &conf, err);
	if (!jb->take)
		return err->code;
	snprintf(name, sizeof(name), "troupe-%s publishes", node);
	conf.on_event = on_put;
	conf.channels = 1;
	jb->put = jd_amqp_new(jb->loop, &conf, err);
	return jb->put ? 0 : err->code;
}

static void open_timer(struct jd_rabbit_source *jb, uv_timer_t *t)
{
	uv_timer_init(jb->loop, t);
	t->data = jb;
}

static void on_unopened(void *data)
{
	free(data);
}

static struct jd_source *open_it(struct jd *jd, const struct conf_item *item, struct err *err)
{
	struct jd_rabbit_source *jb = mem_new(sizeof(*jb));

	jb->keys = item->values;
	jb->loop = jd->api->loop;
	jb->work = jd->api->work;
	jb->source.jd = jd;
	jb->asked = -1;
	list_init(&jb->again);
	list_init(&jb->to_send);
	list_init(&jb->sent);
	open_topics(jb);
	if (open_marks(jb, item->name, err) != 0) {
		for (int i = 0; i < jb->n_all; i++)
			free(jb->topics[i]);
		free(jb->topics);
		free(jb);
		return NULL;
	}
	if (open_links(jb, err) != 0) {
		free_all(jb);
		if (jb->take)
			jd_amqp_close(jb->take, 0, on_unopened, jb);
		else
			free(jb);
		return NULL;
	}
	jb->open = 4;
	open_timer(jb, &jb->tick);
	open_timer(jb, &jb->flush);
	jd_source_init(&jb->source, &jd_rabbit, jd, item);
	jb->lender = (struct work_lender){
		.back = jd_rabbit_back, .begun = jd_rabbit_begun, .hungry = on_hungry, .data = jb
	};
	work_lender_add(jb->work, &jb->lender);
	jd_rabbit_forward_open(jb);
	jd_rabbit_plan(jb);
	return &jb->source;
}

static void check(const struct conf_item *item, struct conf_errors *errors)
{
	const struct jd_source_keys *k = item->values;
	struct err err = { .text = "" };

	if (*k->url && jd_amqp_url_check(k->url, &err) != 0)
		conf_error(errors, item, "url", "%s", err.text);
	if (k->tls_ca && *k->tls_ca && access(k->tls_ca, R_OK) != 0)
		conf_error(errors, item, "tls_ca", "%s: %s", k->tls_ca, strerror(errno));
	if (strlen(k->prefix) > 64)
		conf_error(errors, item, "prefix", "longer than 64 bytes");
	if (k->queue_type == JD_QUORUM && k->max_priority)
		conf_error(errors, item, "max_priority", "quorum queues have no priorities");
	if (k->payload == JD_SIDEKIQ || k->payload == JD_LARAVEL)
		conf_error(errors, item, "payload", "sidekiq and laravel keep their jobs in Redis");
}

const struct jd_source_type jd_rabbit = {
	.check = check,
	.open = open_it,
	.raise = raise_dead,
	.drain = drain,
	.leave = leave,
	.close = close_it,
};
