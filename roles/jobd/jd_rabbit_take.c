/*
 * jd_rabbit_take - messages in: lent to the engine, or stored there for good (`handover`).
 *
 * One that comes again is looked for among those whose delivery has become void: it goes on where
 * it was, and what was done meanwhile is acknowledged, and not run twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/store/marks.h"
#include "core/work/ident.h"
#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_rabbit_parts.h"

enum { STEP = 16, PRIORITIES = 8 };

/* 0 is the usual one, and the least, there; 128 and 255 here. */
static int prio_of(int priority)
{
	return WORK_PRIO - STEP * (priority < PRIORITIES ? priority : PRIORITIES);
}

int jd_rabbit_priority(int prio)
{
	return prio < WORK_PRIO ? (WORK_PRIO - prio) / STEP : -1;
}

int64_t jd_rabbit_wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* ---- into our own store
 * ------------------------------------------------------------------------------- */

struct jb_storing {
	struct jb_loan *loan; /* NULL: it is gone */
};

static void on_stored(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct jb_storing *s = data;
	struct jb_loan *l = s->loan;

	(void)receipts;
	(void)n;
	free(s);
	if (!l)
		return;
	l->storing = NULL;
	if (status == 0) {
		l->topic->jb->source.done++;
		jd_rabbit_over(l);
		return;
	}
	l->fate = JB_HELD;
	list_append(&l->topic->jb->again, &l->again);
}

static bool may_pass(int rc)
{
	return rc == ERR_LIMIT || rc == UV_EROFS || rc == UV_ECANCELED;
}

/* 0: it is under way; what may pass: it is to be tried again. */
static int store(struct jb_loan *l, const struct work_spec *spec)
{
	struct jb_storing *s = mem_new(sizeof(*s));

	s->loan = l;
	int rc = work_submit(l->topic->jb->work, spec, 1, on_stored, s);
	if (rc != 0) {
		free(s);
		return rc;
	}
	l->storing = s;
	l->fate = JB_STORING;
	return 0;
}

void jd_rabbit_storing_forget(struct jb_loan *l)
{
	if (l->storing)
		l->storing->loan = NULL;
}

static bool has_room(const struct jb_topic *t)
{
	struct jd_rabbit_source *jb = t->jb;

	return work_ready(jb->work, t->name) < JB_AHEAD;
}

/* ---- to the engine
 * ------------------------------------------------------------------------------------ */

/* One that was made by another's hand could be that of a task to come. */
static uint64_t id_of(struct jd_rabbit_source *jb, const struct jd_amqp_state *s)
{
	bool mine = s->id && ident_time(s->id) > 0 && ident_time(s->id) < jd_rabbit_wall();

	return mine ? s->id : work_ids(jb->work, 1);
}

static int lend(struct jb_loan *l, struct work_loan *loan)
{
	struct jd_rabbit_source *jb = l->topic->jb;
	int rc;

	do {
		loan->id = loan->id ? work_ids(jb->work, 1) : id_of(jb, &l->event->message.state);
		rc = work_lend(jb->work, &jb->lender, loan);
	} while (rc == UV_EEXIST); /* it is there twice */
	if (rc == 0)
		jd_rabbit_loan_id(l, loan->id);
	return rc;
}

static void fill(struct work_spec *spec, const struct jb_loan *l, const struct jd_payload *p,
		 int64_t delay)
{
	const struct jd_amqp_message *m = &l->event->message;

	*spec = (struct work_spec){ .topic = l->topic->name,
				    .payload = p->p,
				    .size = p->n,
				    .type = *p->type   ? p->type
					    : *m->type ? m->type
						       : NULL,
				    .prio = p->prio,
				    .delay = delay,
				    .expires = p->expires,
				    .expires_at = p->expires_at,
				    .timeout = p->timeout,
				    .max_attempts = p->max_attempts };
	if (spec->prio == WORK_PRIO && m->priority > 0)
		spec->prio = prio_of(m->priority);
}

/* What it says of when: ms from now. */
static int64_t delay_of(const struct jb_loan *l, const struct jd_payload *p)
{
	const struct jd_amqp_state *s = &l->event->message.state;
	int64_t left = s->due - jd_rabbit_wall();

	if (!s->is_ours)
		return p->delay;
	return s->due && left > 0 ? left : 0;
}

static void hand_over(struct jb_loan *l, const struct jd_payload *p)
{
	struct jd_rabbit_source *jb = l->topic->jb;
	const struct jd_amqp_state *s = &l->event->message.state;
	int64_t delay = delay_of(l, p);
	struct work_loan loan = { .attempts = s->is_ours ? s->attempts : p->attempts,
				  .crashes = s->crashes };
	struct jd_amqp_state state = { .attempts = loan.attempts, .crashes = loan.crashes };
	int rc;

	l->attempts = loan.attempts;
	fill(&loan.spec, l, p, delay);
	if (jb->keys->handover && !has_room(l->topic)) {
		rc = UV_ECANCELED;
	} else if (jb->keys->handover) {
		rc = store(l, &loan.spec);
	} else if (delay >= JD_LADDER_LEAST) {
		l->id = id_of(jb, s);
		state.due = jd_rabbit_wall() + delay;
		jd_rabbit_move(l, &state, false);
		return;
	} else {
		rc = lend(l, &loan);
	}
	if (rc != 0 && may_pass(rc)) {
		l->fate = JB_HELD;
		list_append(&jb->again, &l->again);
	} else if (rc != 0) {
		jb->source.dead++;
		state.error = uv_strerror(rc);
		jd_rabbit_move(l, &state, true);
	}
}

static void read_and_hand_over(struct jb_loan *l)
{
	const struct jd_source_keys *keys = l->topic->jb->keys;
	const struct jd_payload_rules rules = { (enum jd_format)keys->payload, keys->default_class,
						keys->default_method };
	const struct jd_amqp_message *m = &l->event->message;
	struct jd_payload p;

	l->fate = JB_HERE;
	jd_payload_read(&p, m->body, m->size, &rules);
	hand_over(l, &p);
	jd_payload_fini(&p);
}

/* It ran when the last process died: once for each that did. */
static bool is_charged(struct jd_rabbit_source *jb, uint64_t hash)
{
	for (size_t i = 0; i < jb->n_charged; i++)
		if (jb->charged[i] == hash) {
			jb->charged[i] = 0;
			return true;
		}
	return false;
}

/* It goes on: with another delivery of the same. */
static void find_again(struct jb_loan *l, const struct jd_amqp_event *e)
{
	list_remove(&l->tag.place);
	l->lost = false;
	jd_tags_put(&l->topic->tags, &l->tag, e->tag);
	if (l->fate == JB_DONE)
		jd_rabbit_over(l);
	else if (l->fate == JB_MOVING && list_empty(&l->put.link))
		jd_rabbit_put(l->topic->jb, &l->put);
}

bool jd_rabbit_take(struct jb_topic *t, struct jd_amqp_event *e)
{
	struct jd_rabbit_source *jb = t->jb;
	const struct jd_amqp_state *s = &e->message.state;
	struct jb_loan *l = e->flag ? jd_rabbit_find_lost(t, e->message.hash) : NULL;

	if (l) {
		find_again(l, e);
		return false;
	}
	l = jd_rabbit_loan(t, e);
	if (jb->draining || t->state < JB_STARTING) {
		jd_rabbit_give_back(l);
		jd_amqp_send(jb->take);
		return true;
	}
	jb->source.taken++;
	if (e->flag && is_charged(jb, e->message.hash)) {
		l->id = id_of(jb, s);
		jd_rabbit_move(l,
			       &(struct jd_amqp_state){ .attempts = s->attempts + 1,
							.crashes = s->crashes + 1,
							.error = "the server died while it ran" },
			       false);
		return true;
	}
	read_and_hand_over(l);
	return true;
}

void jd_rabbit_again(struct jd_rabbit_source *jb)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, &jb->again);
	while (!list_empty(&now)) {
		struct jb_loan *l = container_of(now.next, struct jb_loan, again);
		list_remove(&l->again);
		if (l->fate == JB_MOVING)
			jd_rabbit_put(jb, &l->put);
		else
			read_and_hand_over(l);
	}
}
