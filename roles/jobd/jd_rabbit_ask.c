/*
 * jd_rabbit_ask - a channel for questions: how many jobs a queue has, one after the other; and the
 * dead that are to be raised, got one by one and published anew.
 *
 * A question for a queue that is not there closes the channel: it is opened anew, and of the dead
 * of that topic it is not asked again before one has died.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/jobd/jd_rabbit_parts.h"

enum { AHEAD = 64, MOST = 10000, SLOW = 5000 };

static unsigned channel(const struct jd_rabbit_source *jb)
{
	return (unsigned)jb->n_topics + 1;
}

/* ---- how many
 * ------------------------------------------------------------------------------------------ */

static void ask_next(struct jd_rabbit_source *jb)
{
	struct jd_amqp_queue q = { .passive = true };

	for (jb->asked++; jb->asked < 2 * jb->n_topics; jb->asked++) {
		struct jb_topic *t = jb->topics[jb->asked / 2];
		bool of_dead = jb->asked % 2;
		if (of_dead ? !t->ask_dead : t->state != JB_CONSUMING)
			continue;
		q.name = of_dead ? t->dead : t->queue;
		jd_amqp_declare(jb->take, channel(jb), &q);
		jd_amqp_send(jb->take);
		return;
	}
	jb->asked = -1;
}

static void tell_engine(struct jb_topic *t)
{
	struct jd_rabbit_source *jb = t->jb;

	if (jb->closing)
		return;
	if (!t->left)
		t->since = uv_now(jb->loop);
	work_outside(jb->work, t->name,
		     &(struct work_outside){
			     .ready = t->left,
			     .dead = t->buried,
			     .oldest = t->left ? (int64_t)(uv_now(jb->loop) - t->since) : 0 });
}

static void on_count(struct jd_rabbit_source *jb, uint64_t n)
{
	if (jb->asked < 0)
		return;
	struct jb_topic *t = jb->topics[jb->asked / 2];
	if (jb->asked % 2)
		t->buried = n;
	else
		t->left = n;
	tell_engine(t);
	ask_next(jb);
}

static bool is_quick(const struct jd_rabbit_source *jb)
{
	for (int i = 0; i < jb->n_topics; i++)
		if (jb->topics[i]->left || work_ready(jb->work, jb->topics[i]->name))
			return true;
	return false;
}

/* ---- the dead
 * -------------------------------------------------------------------------------------------- */

struct jb_raise {
	struct jb_topic *topic;
	uint64_t
		left; /* to be got; as many as there were, as those that die anew come there, too */
	int got, out; /* to be answered; not yet published */
	uint64_t raised;
	bool counted;
};

struct raised {
	struct jb_put put;
	struct jd_rabbit_source *jb;
	struct jd_amqp_event *event;
	unsigned epoch;
};

static void start_raise(struct jd_rabbit_source *jb)
{
	for (int i = 0; i < jb->n_topics && !jb->raising; i++) {
		struct jb_topic *t = jb->topics[i];
		if (!t->raise)
			continue;
		t->raise = false;
		jb->raising = mem_new(sizeof(*jb->raising));
		jb->raising->topic = t;
		jb->raising->left = MOST;
		jb->raising->got = 1;
		jd_amqp_get(jb->take, channel(jb), t->dead);
		jd_amqp_send(jb->take);
	}
}

static void raise_on(struct jd_rabbit_source *jb)
{
	struct jb_raise *r = jb->raising;

	while (r->counted && r->left && r->got + r->out < AHEAD && !jb->draining) {
		r->left--;
		r->got++;
		jd_amqp_get(jb->take, channel(jb), r->topic->dead);
	}
	jd_amqp_send(jb->take);
	if (r->got || r->out)
		return;
	log_info("source %s: topic %s: %llu dead jobs are ready again", jb->source.name,
		 r->topic->name, (unsigned long long)r->raised);
	r->topic->buried -= r->raised < r->topic->buried ? r->raised : r->topic->buried;
	tell_engine(r->topic);
	free(r);
	jb->raising = NULL;
	start_raise(jb);
	jd_rabbit_settle(jb);
}

static void on_raised(struct jb_put *p, int status, const char *why)
{
	struct raised *one = (struct raised *)(void *)p;
	struct jd_rabbit_source *jb = one->jb;

	(void)why;
	if (jb->asking && one->epoch == jb->asked_epoch) {
		if (status == 0)
			jd_amqp_ack(jb->take, channel(jb), one->event->tag, false);
		else
			jd_amqp_give_back(jb->take, channel(jb), one->event->tag);
	}
	jb->raising->raised += status == 0;
	jb->raising->out--;
	if (status != 0)
		jb->raising->left = 0;
	free(one->event);
	free(one);
	raise_on(jb);
}

/* With all its attempts again. */
static bool on_got(struct jd_rabbit_source *jb, struct jd_amqp_event *e)
{
	struct jb_raise *r = jb->raising;

	if (!r)
		return false;
	if (!r->counted)
		r->left = e->count < MOST ? e->count : MOST;
	r->counted = true;
	r->got--;
	r->out++;
	struct raised *one = mem_new(sizeof(*one));
	one->jb = jb;
	one->event = e;
	one->epoch = jb->asked_epoch;
	one->put = (struct jb_put){ .topic = r->topic,
				    .target = JB_QUEUE,
				    .message = &e->message,
				    .has_state = true,
				    .state = { .id = e->message.state.id },
				    .done = on_raised };
	jd_rabbit_put(jb, &one->put);
	if (jb->raising)
		raise_on(jb);
	return true;
}

static void no_more(struct jd_rabbit_source *jb, int n)
{
	if (!jb->raising)
		return;
	jb->raising->got -= n;
	jb->raising->left = 0;
	raise_on(jb);
}

void jd_rabbit_raise(struct jd_rabbit_source *jb, const char *topic)
{
	for (int i = 0; i < jb->n_topics; i++)
		jb->topics[i]->raise |= strcmp(jb->topics[i]->name, topic) == 0;
	if (jb->asking && !jb->draining)
		start_raise(jb);
}

/* ---- the channel
 * ----------------------------------------------------------------------------------------- */

static void on_shut(struct jd_rabbit_source *jb)
{
	struct jb_topic *t = jb->asked >= 0 ? jb->topics[jb->asked / 2] : NULL;

	jb->asking = false;
	jb->asked_epoch++;
	if (t && jb->asked % 2) {
		t->ask_dead = false;
		t->buried = 0;
		tell_engine(t);
	}
	if (jb->raising)
		no_more(jb, jb->raising->got);
	if (jb->take_up) {
		jd_amqp_open(jb->take, channel(jb), false);
		jd_amqp_send(jb->take);
	}
}

bool jd_rabbit_ask_event(struct jd_rabbit_source *jb, struct jd_amqp_event *e)
{
	switch (e->what) {
	case JD_AMQP_OPENED:
		jb->asking = true;
		if (jb->asked >= 0)
			ask_next(jb);
		return false;
	case JD_AMQP_DECLARED:
		on_count(jb, e->count);
		return false;
	case JD_AMQP_SHUT:
		on_shut(jb);
		return false;
	case JD_AMQP_GOT:
		return on_got(jb, e);
	case JD_AMQP_EMPTY:
		no_more(jb, 1);
		return false;
	default:
		return false;
	}
}

void jd_rabbit_ask_up(struct jd_rabbit_source *jb)
{
	jb->asked = -1;
	jb->counted_at = 0;
	jd_amqp_open(jb->take, channel(jb), false);
	jd_amqp_send(jb->take);
}

void jd_rabbit_ask_down(struct jd_rabbit_source *jb)
{
	jb->asked = -1;
	on_shut(jb);
}

void jd_rabbit_ask_tick(struct jd_rabbit_source *jb)
{
	uint64_t now = uv_now(jb->loop);

	if (!jb->asking || jb->asked >= 0 || jb->raising || jb->draining)
		return;
	start_raise(jb);
	if (jb->raising || (now - jb->counted_at < SLOW && !is_quick(jb)))
		return;
	jb->counted_at = now;
	ask_next(jb);
}
