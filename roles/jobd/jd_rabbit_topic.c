/*
 * jd_rabbit_topic - a topic's channel: its queue is made, and consumed from.
 *
 *	SHUT --open--> OPENING --> DECLARING --> STARTING --> CONSUMING
 *	  ^               406, 403: the queue is used as it is    |
 *	  +--- the channel was closed, the queue deleted, a pause ---+   retry: 100 ms ... 5 s
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/pool/pool.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_rabbit_parts.h"

enum {
	RETRY_LEAST = 100,
	RETRY_MOST = 5000,
	PREFETCH_LEAST = 16,
	PREFETCH_MOST = 2000,
	SPARE = 120000
};

/* ---- names and arguments
 * ------------------------------------------------------------------------------ */

static void argue(struct jd_amqp_queue *q, const char *name, const char *text, int64_t number)
{
	int i = 0;

	while (q->args[i].name)
		i++;
	q->args[i].name = name;
	q->args[i].text = text;
	q->args[i].number = number;
}

static void pass_to(struct jd_amqp_queue *q, const char *queue)
{
	argue(q, "x-dead-letter-exchange", "", 0);
	argue(q, "x-dead-letter-routing-key", queue, 0);
}

void jd_rabbit_queue(const struct jb_topic *t, int target, char name[JB_NAME],
		     struct jd_amqp_queue *q)
{
	const struct jd_source_keys *keys = t->jb->keys;
	bool quorum = keys->queue_type == JD_QUORUM;

	q->name = name;
	if (target >= JB_WAIT) {
		int64_t wait = jd_ladder_time(target - JB_WAIT);
		snprintf(name, JB_NAME, "tr.%s.wait.%ds", t->queue, (int)(wait / 1000));
		argue(q, "x-message-ttl", NULL, wait);
		argue(q, "x-expires", NULL, wait + SPARE);
		pass_to(q, t->queue);
	} else if (target == JB_DEAD) {
		snprintf(name, JB_NAME, "%s", t->dead);
		argue(q, "x-max-length", NULL, keys->max_dead);
	} else {
		snprintf(name, JB_NAME, "%s", t->queue);
		if (quorum) {
			argue(q, "x-delivery-limit", NULL, keys->delivery_limit);
			pass_to(q, t->dead);
		} else if (keys->max_priority) {
			argue(q, "x-max-priority", NULL, keys->max_priority);
		}
	}
	if (quorum)
		argue(q, "x-queue-type", "quorum", 0);
}

struct jb_topic *jd_rabbit_topic_new(struct jd_rabbit_source *jb, const char *name)
{
	struct jb_topic *t = mem_new(sizeof(*t));

	t->jb = jb;
	t->retry = RETRY_LEAST;
	t->ask_dead = true;
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->queue, sizeof(t->queue), "%s%s", jb->keys->prefix, name);
	snprintf(t->dead, sizeof(t->dead), "tr.%s.dead", t->queue);
	jd_tags_init(&t->tags);
	list_init(&t->lost);
	jb->topics = mem_resize(jb->topics, (size_t)(jb->n_all + 1) * sizeof(struct jb_topic *));
	jb->topics[jb->n_all++] = t;
	return t;
}

/* ---- starting
 * ----------------------------------------------------------------------------------------- */

static int prefetch(const struct jb_topic *t)
{
	const struct jd_rabbit_source *jb = t->jb;
	int64_t n = jb->keys->prefetch;

	if (!n)
		n = pools_credit(jb->source.jd->api->pools, t->name) * 3 / 2;
	if (!jb->keys->prefetch && n < PREFETCH_LEAST)
		n = PREFETCH_LEAST;
	return n < PREFETCH_MOST || jb->keys->prefetch ? (int)n : PREFETCH_MOST;
}

static void declare(struct jb_topic *t, int target)
{
	struct jd_amqp_queue q = { .passive = t->targets[target].passive };
	char name[JB_NAME];

	jd_rabbit_queue(t, target, name, &q);
	jd_amqp_declare(t->jb->take, t->channel, &q);
}

static bool has_dead_first(const struct jb_topic *t)
{
	return t->jb->keys->queue_type == JD_QUORUM;
}

static void start(struct jb_topic *t)
{
	struct jd_rabbit_source *jb = t->jb;

	t->retry_at = 0;
	if (!jb->take_up || jb->draining || t->paused)
		return;
	t->state = t->open ? JB_DECLARING : JB_OPENING;
	t->answers = 0;
	if (!t->open)
		jd_amqp_open(jb->take, t->channel, false);
	if (has_dead_first(t))
		declare(t, JB_DEAD);
	declare(t, JB_QUEUE);
	jd_amqp_send(jb->take);
}

static void later(struct jb_topic *t)
{
	t->retry_at = uv_now(t->jb->loop) + t->retry;
	t->retry = t->retry * 2 < RETRY_MOST ? t->retry * 2 : RETRY_MOST;
	jd_rabbit_plan(t->jb);
}

static void on_declared(struct jb_topic *t)
{
	if (t->state != JB_DECLARING || ++t->answers < 1 + has_dead_first(t))
		return;
	t->state = JB_STARTING;
	t->prefetch = prefetch(t);
	jd_amqp_consume(t->jb->take, t->channel, t->queue, t->prefetch);
	jd_amqp_send(t->jb->take);
}

/* ---- ending
 * ----------------------------------------------------------------------------------------- */

/* What is to be declared is there by other arguments, or is not ours to make: true: once more, as
 * it is. */
static bool use_as_it_is(struct jb_topic *t, const struct jd_amqp_event *e)
{
	int target = has_dead_first(t) && t->answers == 0 ? JB_DEAD : JB_QUEUE;
	bool *passive = &t->targets[target].passive;

	if (*passive || (e->code != 406 && e->code != 403)) {
		*passive = false;
		return false;
	}
	*passive = true;
	log_warn("source %s: queue %s is used as it is: %s", t->jb->source.name,
		 target == JB_DEAD ? t->dead : t->queue, e->text);
	return true;
}

static void on_shut(struct jb_topic *t, const struct jd_amqp_event *e)
{
	bool declaring = t->state == JB_OPENING || t->state == JB_DECLARING;

	t->open = false;
	t->state = JB_SHUT;
	jd_rabbit_lose(t);
	if (declaring && use_as_it_is(t, e)) {
		start(t);
		return;
	}
	log_warn("source %s: topic %s: %s", t->jb->source.name, t->name, e->text);
	later(t);
}

void jd_rabbit_topic_event(struct jb_topic *t, const struct jd_amqp_event *e)
{
	switch (e->what) {
	case JD_AMQP_OPENED:
		t->open = true;
		if (t->state == JB_OPENING)
			t->state = JB_DECLARING;
		break;
	case JD_AMQP_DECLARED:
		on_declared(t);
		break;
	case JD_AMQP_CONSUMING:
		if (t->state != JB_STARTING)
			break;
		t->state = JB_CONSUMING;
		t->retry = RETRY_LEAST;
		log_info("source %s: topic %s: jobs are taken", t->jb->source.name, t->name);
		break;
	case JD_AMQP_CANCELLED:
		log_warn("source %s: topic %s: its queue was deleted", t->jb->source.name, t->name);
		t->state = JB_SHUT;
		t->targets[JB_QUEUE].passive = false;
		later(t);
		break;
	case JD_AMQP_SHUT:
		on_shut(t, e);
		break;
	default:
		break;
	}
}

static void close_topic(struct jb_topic *t)
{
	t->state = JB_SHUT;
	t->open = false;
	t->retry_at = 0;
	t->retry = RETRY_LEAST;
	jd_rabbit_lose(t);
}

void jd_rabbit_topics_up(struct jd_rabbit_source *jb)
{
	for (int i = 0; i < jb->n_topics; i++)
		start(jb->topics[i]);
}

void jd_rabbit_topics_down(struct jd_rabbit_source *jb)
{
	for (int i = 0; i < jb->n_topics; i++)
		close_topic(jb->topics[i]);
}

void jd_rabbit_stop(struct jb_topic *t)
{
	struct list *it, *before;

	if (t->state >= JB_STARTING)
		jd_amqp_cancel(t->jb->take, t->channel);
	t->state = JB_SHUT;
	t->retry_at = 0;
	for (it = t->tags.all.prev; it != &t->tags.all; it = before) {
		struct jb_loan *l = container_of(it, struct jb_loan, tag.place);
		before = it->prev;
		if (l->fate == JB_HELD || (l->fate == JB_HERE && work_recall(t->jb->work, l->id)))
			jd_rabbit_give_back(l);
	}
	if (t->jb->take_up)
		jd_amqp_send(t->jb->take);
}

void jd_rabbit_topic_tick(struct jb_topic *t)
{
	struct work_topic_figures f = { .paused = false };
	bool paused = work_topic_figures(t->jb->work, t->name, &f) == 0 && f.paused;

	if (paused && !t->paused)
		jd_rabbit_stop(t);
	if (!paused && t->paused)
		t->retry_at = uv_now(t->jb->loop);
	t->paused = paused;
	if (t->retry_at && uv_now(t->jb->loop) >= t->retry_at)
		start(t);
}
