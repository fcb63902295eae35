/*
 * jd_rabbit_put - publishing, so that nothing is lost on the way.
 *
 *	to_send --a window of 256--> sent --confirmed--> done
 *	   ^                          |  \-- the connection broke: done, it may be there or not
 *	   +--- its queue was gone ---+
 *
 * A queue is made before anything goes there, and looked at again after a message came back. A
 * message that came back does not say which one it was: all that were under way to its queue are
 * sent again. A queue of a step is made anew from time to time while it is used: it goes when
 * nobody has for longer than a message waits in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_rabbit_parts.h"

enum { CHANNEL = 1, RENEW = 10000, PAUSE = 1000, RETURNS = 3 };

/* ---- queues
 * ----------------------------------------------------------------------------------------- */

static void declare(struct jb_topic *t, int target)
{
	struct jd_rabbit_source *jb = t->jb;
	struct jb_target *at = &t->targets[target];
	struct jd_amqp_queue q = { .passive = at->passive };
	char name[JB_NAME];

	jd_rabbit_queue(t, target, name, &q);
	jd_amqp_declare(jb->put, CHANNEL, &q);
	at->asked = ++jb->asks;
	at->made_at = uv_now(jb->loop);
}

/* The one whose answer is next. */
static struct jb_target *first_asked(struct jd_rabbit_source *jb, struct jb_topic **topic, int *n)
{
	struct jb_target *first = NULL;

	for (int i = 0; i < jb->n_all; i++)
		for (int k = 0; k < JB_TARGETS; k++) {
			struct jb_target *at = &jb->topics[i]->targets[k];
			if (!at->asked || (first && at->asked > first->asked))
				continue;
			first = at;
			*topic = jb->topics[i];
			*n = k;
		}
	return first;
}

static void on_declared(struct jd_rabbit_source *jb)
{
	struct jb_topic *t;
	int n;
	struct jb_target *at = first_asked(jb, &t, &n);

	if (!at)
		return;
	at->asked = 0;
	at->known = true;
	t->ask_dead |= n == JB_DEAD;
}

static void forget_queues(struct jd_rabbit_source *jb)
{
	for (int i = 0; i < jb->n_all; i++)
		for (int k = 0; k < JB_TARGETS; k++) {
			jb->topics[i]->targets[k].known = false;
			jb->topics[i]->targets[k].asked = 0;
		}
}

/* Whether it can be published to now; else it has been asked for. */
static bool is_there(struct jb_topic *t, int target)
{
	struct jb_target *at = &t->targets[target];
	bool old = target >= JB_WAIT && uv_now(t->jb->loop) - at->made_at > RENEW;

	if (!at->asked && (!at->known || old) && uv_now(t->jb->loop) >= at->not_before)
		declare(t, target);
	return at->known;
}

/* ---- out
 * ------------------------------------------------------------------------------------------- */

static void send_one(struct jd_rabbit_source *jb, struct jb_put *p)
{
	struct jd_amqp_queue q = { .name = NULL };
	char name[JB_NAME];

	jd_rabbit_queue(p->topic, p->target, name, &q);
	jd_amqp_publish(jb->put, CHANNEL, name, p->message, p->has_state ? &p->state : NULL);
	list_remove(&p->link);
	list_append(&jb->sent, &p->link);
	p->seq = ++jb->seq;
	p->doubtful = false;
	jb->n_sent++;
}

void jd_rabbit_puts_go(struct jd_rabbit_source *jb)
{
	struct list *it, *tmp;

	if (!jb->put_open || jb->blocked)
		return;
	list_each (it, tmp, &jb->to_send) {
		struct jb_put *p = container_of(it, struct jb_put, link);
		if (jb->n_sent >= JB_WINDOW)
			break;
		if (is_there(p->topic, p->target))
			send_one(jb, p);
	}
	jd_amqp_send(jb->put);
}

void jd_rabbit_put(struct jd_rabbit_source *jb, struct jb_put *p)
{
	p->seq = 0;
	p->returns = 0;
	list_append(&jb->to_send, &p->link);
	jd_rabbit_puts_go(jb);
}

static void take_out(struct jd_rabbit_source *jb, struct jb_put *p)
{
	list_remove(&p->link);
	jb->n_sent -= p->seq != 0;
	p->seq = 0;
}

void jd_rabbit_put_forget(struct jb_put *p)
{
	if (p->topic && !list_empty(&p->link))
		take_out(p->topic->jb, p);
}

static void over(struct jd_rabbit_source *jb, struct jb_put *p, int status, const char *why)
{
	take_out(jb, p);
	p->done(p, status, why);
}

static void send_again(struct jd_rabbit_source *jb, struct jb_put *p)
{
	if (++p->returns > RETURNS) {
		over(jb, p, UV_ENOENT, "its queue is not there, and can't be made");
		return;
	}
	take_out(jb, p);
	p->topic->targets[p->target].known = false;
	p->topic->targets[p->target].passive = false;
	list_append(&jb->to_send, &p->link);
}

/* ---- what the server says of it
 * ----------------------------------------------------------------------- */

static void on_confirmed(struct jd_rabbit_source *jb, const struct jd_amqp_event *e)
{
	struct list *it, *tmp, meant;

	list_init(&meant);
	list_each (it, tmp, &jb->sent) {
		struct jb_put *p = container_of(it, struct jb_put, link);
		if (p->seq > e->tag)
			break;
		if (p->seq != e->tag && !e->flag)
			continue;
		list_remove(it);
		list_append(&meant, it);
	}
	/* Who hears of one may end all that are under way. */
	while (!list_empty(&meant)) {
		struct jb_put *p = container_of(meant.next, struct jb_put, link);
		if (e->what == JD_AMQP_REFUSED)
			over(jb, p, UV_EIO, "the server did not take it");
		else if (p->doubtful)
			send_again(jb, p);
		else
			over(jb, p, 0, NULL);
	}
}

static void on_returned(struct jd_rabbit_source *jb, const char *queue)
{
	struct list *it, *tmp;
	struct jd_amqp_queue q = { .name = NULL };
	char name[JB_NAME];

	list_each (it, tmp, &jb->sent) {
		struct jb_put *p = container_of(it, struct jb_put, link);
		jd_rabbit_queue(p->topic, p->target, name, &q);
		p->doubtful |= strcmp(name, queue) == 0;
	}
}

/* What was under way, and with `all` what waits, too. */
static void break_off(struct jd_rabbit_source *jb, int status, const char *why, bool all)
{
	struct list broken;

	list_init(&broken);
	list_move_all(&broken, &jb->sent);
	if (all)
		list_move_all(&broken, &jb->to_send);
	while (!list_empty(&broken))
		over(jb, container_of(broken.next, struct jb_put, link), status, why);
}

/* 406: it is there with other arguments; 403: it is not ours to make; 404: it is not there. */
static void on_shut(struct jd_rabbit_source *jb, const struct jd_amqp_event *e)
{
	struct jb_topic *t = NULL;
	int n = 0;
	struct jb_target *at = first_asked(jb, &t, &n);
	struct jd_amqp_queue q = { .name = NULL };
	char name[JB_NAME];
	bool passive = at && !at->passive && (e->code == 406 || e->code == 403);

	jb->put_open = false;
	if (at)
		jd_rabbit_queue(t, n, name, &q);
	if (passive)
		log_warn("source %s: queue %s is used as it is: %s", jb->source.name, name,
			 e->text);
	else
		log_warn("source %s: publishing: %s", jb->source.name, e->text);
	if (at) {
		at->passive = passive;
		at->not_before = passive ? 0 : uv_now(jb->loop) + PAUSE;
	}
	forget_queues(jb);
	break_off(jb, at ? UV_ECONNRESET : UV_EACCES, e->text, false);
	jb->seq = 0;
	jd_amqp_open(jb->put, CHANNEL, true);
	jd_amqp_send(jb->put);
}

static void on_blocked(struct jd_rabbit_source *jb, const char *why)
{
	jb->blocked = why != NULL;
	snprintf(jb->source.note, sizeof(jb->source.note), "%s%s", why ? "it takes nothing: " : "",
		 why ? why : "");
	if (why)
		log_warn("source %s takes nothing: %s", jb->source.name, why);
	else
		log_info("source %s takes messages again", jb->source.name);
	jd_rabbit_forward(jb);
	jd_rabbit_puts_go(jb);
}

static void on_link(struct jd_rabbit_source *jb, const struct jd_amqp_event *e)
{
	jb->put_open = false;
	jb->seq = 0;
	jb->blocked = false;
	jb->source.note[0] = '\0';
	forget_queues(jb);
	if (e->what == JD_AMQP_UP) {
		jd_amqp_open(jb->put, CHANNEL, true);
		jd_amqp_send(jb->put);
	} else {
		break_off(jb, UV_ECONNRESET, e->text, true);
	}
	jd_rabbit_forward(jb);
}

void jd_rabbit_put_event(struct jd_rabbit_source *jb, const struct jd_amqp_event *e)
{
	switch (e->what) {
	case JD_AMQP_UP:
	case JD_AMQP_DOWN:
		on_link(jb, e);
		break;
	case JD_AMQP_OPENED:
		jb->put_open = true;
		jd_rabbit_forward(jb);
		break;
	case JD_AMQP_DECLARED:
		on_declared(jb);
		break;
	case JD_AMQP_SHUT:
		on_shut(jb, e);
		break;
	case JD_AMQP_RETURNED:
		on_returned(jb, e->text);
		break;
	case JD_AMQP_CONFIRMED:
	case JD_AMQP_REFUSED:
		on_confirmed(jb, e);
		break;
	case JD_AMQP_BLOCKED:
		on_blocked(jb, e->text);
		break;
	case JD_AMQP_UNBLOCKED:
		on_blocked(jb, NULL);
		break;
	default:
		break;
	}
	jd_rabbit_puts_go(jb);
}

void jd_rabbit_puts_leave(struct jd_rabbit_source *jb)
{
	if (jb->blocked || !jb->put_open)
		break_off(jb, UV_ECONNRESET, "it takes nothing", true);
}

void jd_rabbit_drop_puts(struct jd_rabbit_source *jb)
{
	break_off(jb, UV_ECONNRESET, "it closes", true);
}

/* ---- topics that are only written
 * ------------------------------------------------------------------- */

struct forwarded {
	struct jb_put put; /* first */
	struct jd_amqp_message message;
	struct work_job *job;
	char *whole;
};

static void on_forwarded(struct jb_put *p, int status, const char *why)
{
	struct forwarded *f = (struct forwarded *)(void *)p;
	struct jd_rabbit_source *jb = p->topic->jb;
	enum jd_forward_end how = status == 0               ? JD_FORWARD_THERE
				  : status == UV_ECONNRESET ? JD_FORWARD_LOST
							    : JD_FORWARD_REFUSED;

	jd_forward_over(&jb->forward, f->job, how, why);
	free(f->whole);
	free(f);
	jd_rabbit_settle(jb);
}

static struct jb_topic *topic_of(struct jd_rabbit_source *jb, const char *name)
{
	for (int i = 0; i < jb->n_all; i++)
		if (strcmp(jb->topics[i]->name, name) == 0)
			return jb->topics[i];
	return jd_rabbit_topic_new(jb, name);
}

static void forward(void *data, struct work_job *job)
{
	struct jd_rabbit_source *jb = data;
	struct forwarded *f = mem_new(sizeof(*f));
	size_t size = job->size;

	f->job = job;
	f->whole = jd_payload_complete((enum jd_format)jb->keys->payload, job->topic, job->payload,
				       job->size, &size);
	f->message = (struct jd_amqp_message){ .body = f->whole ? f->whole : job->payload,
					       .size = f->whole ? size : job->size,
					       .priority = jd_rabbit_priority(job->prio) };
	snprintf(f->message.type, sizeof(f->message.type), "%s", job->type ? job->type : "");
	f->put.topic = topic_of(jb, job->topic);
	f->put.target = JB_QUEUE;
	f->put.message = &f->message;
	f->put.done = on_forwarded;
	list_append(&jb->to_send, &f->put.link);
}

static void flush(void *data)
{
	jd_rabbit_puts_go(data);
}

void jd_rabbit_forward_open(struct jd_rabbit_source *jb)
{
	jb->forward.put = forward;
	jb->forward.flush = flush;
	jb->forward.data = jb;
	jd_forward_open(&jb->forward, jb->work, jb->keys->write_only);
}

void jd_rabbit_forward(struct jd_rabbit_source *jb)
{
	jd_forward_may(&jb->forward, jb->put_open && !jb->blocked && !jb->draining);
}
