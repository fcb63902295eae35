/*
 * jd_rabbit_end - what becomes of a job, until the server knows it.
 *
 * The first end goes out at once, those of the next millisecond together, but no more than wait a
 * quarter of a usual prefetch: the server gives on as it is told. When the channel breaks,
 * what waits here is forgotten, as the server has it; what runs, or is over and could not be told,
 * is kept for when the server delivers it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/store/marks.h"
#include "roles/jobd/jd_rabbit_parts.h"

enum { LOST_MOST = 600000, PART = 4 };

/* ---- the table
 * ---------------------------------------------------------------------------------------- */

static struct jb_loan **bucket(struct jd_rabbit_source *jb, uint64_t id)
{
	return &jb->buckets[(id ^ id >> 20) % JB_BUCKETS];
}

static struct jb_loan *find(struct jd_rabbit_source *jb, uint64_t id)
{
	struct jb_loan *l = *bucket(jb, id);

	while (l && l->id != id)
		l = l->next;
	return l;
}

struct jb_loan *jd_rabbit_loan(struct jb_topic *t, struct jd_amqp_event *e)
{
	struct jb_loan *l = mem_new(sizeof(*l));

	l->topic = t;
	l->event = e;
	l->mark = MARKS_NONE;
	list_init(&l->again);
	list_init(&l->put.link);
	jd_tags_put(&t->tags, &l->tag, e->tag);
	t->jb->n_loans++;
	return l;
}

void jd_rabbit_loan_id(struct jb_loan *l, uint64_t id)
{
	struct jb_loan **b = bucket(l->topic->jb, id);

	l->id = id;
	l->lent = true;
	l->next = *b;
	*b = l;
}

static void out_of_table(struct jb_loan *l)
{
	struct jb_loan **at = bucket(l->topic->jb, l->id);

	if (!l->lent)
		return;
	l->lent = false;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

void jd_rabbit_loan_free(struct jb_loan *l)
{
	struct jd_rabbit_source *jb = l->topic->jb;

	out_of_table(l);
	jd_tags_drop(&l->tag);
	list_remove(&l->again);
	jd_rabbit_put_forget(&l->put);
	jd_rabbit_storing_forget(l);
	if (jb->marks)
		marks_clear(jb->marks, l->mark);
	jb->n_loans--;
	free(l->event);
	free(l->error);
	free(l);
}

/* ---- telling
 * ------------------------------------------------------------------------------------------ */

static void say(void *data, uint64_t tag, bool multiple)
{
	struct jb_topic *t = data;

	jd_amqp_ack(t->jb->take, t->channel, tag, multiple);
}

static void is_told(void *data, struct jd_tag *tag)
{
	(void)data;
	jd_rabbit_loan_free(container_of(tag, struct jb_loan, tag));
}

void jd_rabbit_flush(struct jd_rabbit_source *jb)
{
	if (!jb->take_up)
		return;
	jb->told = uv_now(jb->loop);
	for (int i = 0; i < jb->n_topics; i++)
		if (!list_empty(&jb->topics[i]->tags.over)) {
			jb->topics[i]->n_over = 0;
			jd_tags_flush(&jb->topics[i]->tags, say, is_told, jb->topics[i]);
		}
	jd_amqp_send(jb->take);
	jd_rabbit_settle(jb);
}

static void on_flush(uv_timer_t *t)
{
	jd_rabbit_flush(t->data);
}

void jd_rabbit_over(struct jb_loan *l)
{
	struct jd_rabbit_source *jb = l->topic->jb;

	l->fate = JB_DONE;
	if (l->lost) {
		l->lost_at = uv_now(jb->loop);
		return;
	}
	jd_tags_over(&l->topic->tags, &l->tag);
	if (++l->topic->n_over * PART >= l->topic->prefetch && !jb->shut) {
		jd_rabbit_flush(jb);
		return;
	}
	if (!uv_is_active((uv_handle_t *)&jb->flush) && !jb->shut)
		uv_timer_start(&jb->flush, on_flush, jb->told < uv_now(jb->loop) ? 0 : 1, 0);
}

void jd_rabbit_give_back(struct jb_loan *l)
{
	struct jb_topic *t = l->topic;

	if (!l->lost)
		jd_amqp_give_back(t->jb->take, t->channel, l->tag.tag);
	jd_rabbit_loan_free(l);
}

/* ---- to another queue
 * ----------------------------------------------------------------------------------- */

static void on_moved(struct jb_put *p, int status, const char *why)
{
	struct jb_loan *l = container_of(p, struct jb_loan, put);
	struct jd_rabbit_source *jb = l->topic->jb;

	if (status == 0) {
		jd_rabbit_over(l);
	} else if (jb->leaving || jb->closing) {
		jd_rabbit_give_back(l);
		jd_amqp_send(jb->take);
	} else if (!l->lost) {
		if (status != UV_ECONNRESET)
			log_warn("source %s: topic %s: a job can't be moved, and stays: %s",
				 jb->source.name, l->topic->name, why);
		list_append(&jb->again, &l->again);
	}
	jd_rabbit_settle(jb);
}

void jd_rabbit_move(struct jb_loan *l, const struct jd_amqp_state *s, bool dead)
{
	int step = jd_ladder_step(s->due ? s->due - jd_rabbit_wall() : 0);

	if (s->error) {
		l->error = mem_new(JB_ERROR + 1);
		snprintf(l->error, JB_ERROR + 1, "%s", s->error);
	}
	l->fate = JB_MOVING;
	l->put = (struct jb_put){
		.topic = l->topic,
		.target = dead       ? JB_DEAD
			  : step < 0 ? JB_QUEUE
				     : JB_WAIT + step,
		.message = &l->event->message,
		.has_state = true,
		.state = *s,
		.done = on_moved,
	};
	l->put.state.id = l->id;
	l->put.state.error = l->error;
	list_init(&l->put.link);
	if (l->lost) /* another node may have it: it is published once we have it again */
		l->lost_at = uv_now(l->topic->jb->loop);
	else
		jd_rabbit_put(l->topic->jb, &l->put);
}

/* ---- the engine's word
 * ------------------------------------------------------------------------------------ */

void jd_rabbit_begun(void *data, uint64_t id)
{
	struct jd_rabbit_source *jb = data;
	struct jb_loan *l = find(jb, id);

	if (l && jb->marks && l->mark == MARKS_NONE)
		l->mark = marks_set(jb->marks, l->event->message.hash);
}

static void move(struct jb_loan *l, const struct work_event *e, int64_t due, bool dead)
{
	jd_rabbit_move(l,
		       &(struct jd_amqp_state){ .attempts = e->attempts,
						.crashes = e->crashes,
						.due = due,
						.error = e->error },
		       dead);
}

static void again(struct jb_loan *l, const struct work_event *e, int64_t delay)
{
	struct jd_rabbit_source *jb = l->topic->jb;

	jb->source.again++;
	if (e->attempts == l->attempts && !delay) {
		jd_rabbit_give_back(l);
		if (jb->take_up)
			jd_amqp_send(jb->take);
		return;
	}
	move(l, e, delay ? jd_rabbit_wall() + delay : 0, false);
}

void jd_rabbit_back(void *data, const struct work_event *e, int64_t delay)
{
	struct jd_rabbit_source *jb = data;
	struct jb_loan *l = find(jb, e->id);

	if (!l || l->fate != JB_HERE)
		return;
	out_of_table(l);
	marks_clear(jb->marks, l->mark);
	l->mark = MARKS_NONE;
	if (e->state == WORK_SCHEDULED) {
		again(l, e, delay);
	} else if (e->state == WORK_DEAD) {
		jb->source.dead++;
		move(l, e, 0, true);
	} else {
		jb->source.done++;
		jd_rabbit_over(l);
	}
	jd_rabbit_settle(jb);
}

/* ---- the channel is gone
 * ------------------------------------------------------------------------------------ */

static void lose(struct jb_loan *l)
{
	struct jb_topic *t = l->topic;

	if (l->fate == JB_HELD || (l->fate == JB_HERE && work_recall(t->jb->work, l->id))) {
		jd_rabbit_loan_free(l);
		return;
	}
	jd_tags_drop(&l->tag);
	list_remove(&l->again);
	if (l->fate == JB_MOVING && !l->put.seq)
		jd_rabbit_put_forget(&l->put);
	list_append(&t->lost, &l->tag.place);
	l->lost = true;
	l->lost_at = uv_now(t->jb->loop);
}

void jd_rabbit_lose(struct jb_topic *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->tags.all) {
		lose(container_of(it, struct jb_loan, tag.place));
	}
	jd_rabbit_settle(t->jb);
}

struct jb_loan *jd_rabbit_find_lost(struct jb_topic *t, uint64_t hash)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->lost) {
		struct jb_loan *l = container_of(it, struct jb_loan, tag.place);
		if (l->event->message.hash == hash)
			return l;
	}
	return NULL;
}

/* Nobody will deliver those again, or nobody waits for it. */
void jd_rabbit_forget_lost(struct jd_rabbit_source *jb)
{
	struct list *it, *tmp;

	for (int i = 0; i < jb->n_topics; i++)
		list_each (it, tmp, &jb->topics[i]->lost) {
			struct jb_loan *l = container_of(it, struct jb_loan, tag.place);
			bool old = uv_now(jb->loop) - l->lost_at > LOST_MOST;
			bool over = l->fate == JB_DONE ||
				    (l->fate == JB_MOVING && list_empty(&l->put.link));
			if (over && (old || jb->leaving || jb->closing))
				jd_rabbit_loan_free(l);
		}
}
