/*
 * jd_amqp_frame - what the server says, as events.
 *
 * A message is a method, a header and frames of its body, in that order on its channel; anything
 * else, and a size that no server would let in, is a lie: the connection ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/jobd/jd_amqp_parts.h"

static int lie(struct jd_amqp_link *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "it breaks the protocol: %s", why);
	return AMQP_STATUS_BAD_AMQP_DATA;
}

static struct jd_amqp_event *event(struct jd_amqp_link *l, enum jd_amqp_what what, unsigned channel,
				   const amqp_bytes_t *text)
{
	struct jd_amqp_event *e =
		jd_amqp_event_new(what, channel, text ? text->bytes : NULL, text ? text->len : 0);

	list_append(&l->events, &e->link);
	return e;
}

/* ---- messages
 * -------------------------------------------------------------------------------------- */

/* The first part of one; its event is told with the last. */
static int begin(struct jd_amqp_link *l, unsigned channel, enum jd_amqp_what what, uint64_t tag,
		 bool again)
{
	struct jd_amqp_piece *p = &l->pieces[channel];

	if (p->begun)
		return lie(l, "a message within another");
	p->begun = true;
	p->first = (struct jd_amqp_event){
		.what = what, .channel = channel, .tag = tag, .flag = again
	};
	return 0;
}

static void drop(struct jd_amqp_piece *p)
{
	free(p->event);
	p->event = NULL;
	p->begun = p->is_return = false;
}

static int read_header(struct jd_amqp_link *l, const amqp_frame_t *f)
{
	struct jd_amqp_piece *p = &l->pieces[f->channel];
	const amqp_bytes_t *raw = &f->payload.properties.raw;
	uint64_t size = f->payload.properties.body_size;

	if (!p->begun || p->event)
		return lie(l, "a header of no message");
	if (f->payload.properties.class_id != AMQP_BASIC_CLASS || size > JD_AMQP_MOST)
		return lie(l, "a message of a size that can't be");
	struct jd_amqp_event *e = mem_resize(NULL, sizeof(*e) + raw->len + (size_t)size + 1);
	char *room = (char *)(e + 1);
	*e = p->first;
	if (raw->len)
		memcpy(room, raw->bytes, raw->len);
	room[raw->len + size] = '\0';
	e->text = room + raw->len + size;
	e->message.props = room;
	e->message.n_props = raw->len;
	e->message.body = room + raw->len;
	e->message.size = (size_t)size;
	jd_amqp_take(&e->message, f->payload.properties.decoded);
	p->event = e;
	p->got = 0;
	return 0;
}

static int read_body(struct jd_amqp_link *l, const amqp_frame_t *f)
{
	struct jd_amqp_piece *p = &l->pieces[f->channel];
	const amqp_bytes_t *part = &f->payload.body_fragment;

	if (!p->event || part->len > p->event->message.size - p->got)
		return lie(l, "more of a message than it has");
	if (part->len) /* the room is ours, see read_header */
		memcpy((char *)p->event->message.body + p->got, part->bytes, part->len);
	p->got += part->len;
	return 0;
}

/* What was sent back is told at its first word, and its content let go. */
static int sent_back(struct jd_amqp_link *l, unsigned channel, const amqp_basic_return_t *r)
{
	event(l, JD_AMQP_RETURNED, channel, &r->routing_key);
	int rc = begin(l, channel, JD_AMQP_RETURNED, 0, false);
	l->pieces[channel].is_return = true;
	return rc;
}

static void maybe_end(struct jd_amqp_link *l, unsigned channel)
{
	struct jd_amqp_piece *p = &l->pieces[channel];

	if (!p->event || p->got < p->event->message.size)
		return;
	if (!p->is_return) {
		jd_amqp_hash(&p->event->message);
		list_append(&l->events, &p->event->link);
		p->event = NULL;
	}
	drop(p);
}

/* ---- methods
 * ------------------------------------------------------------------------------------------- */

static int was_shut(struct jd_amqp_link *l, unsigned channel, const amqp_channel_close_t *c)
{
	amqp_channel_close_ok_t ok = { .dummy = 0 };

	drop(&l->pieces[channel]);
	l->pieces[channel].shut = true;
	event(l, JD_AMQP_SHUT, channel, &c->reply_text)->code = c->reply_code;
	return amqp_send_method(l->state, (amqp_channel_t)channel, AMQP_CHANNEL_CLOSE_OK_METHOD,
				&ok);
}

static int connection_method(struct jd_amqp_link *l, const amqp_method_t *m)
{
	const amqp_connection_close_t *c = m->decoded;
	amqp_connection_close_ok_t ok = { .dummy = 0 };

	switch (m->id) {
	case AMQP_CONNECTION_BLOCKED_METHOD:
		event(l, JD_AMQP_BLOCKED, 0, &((amqp_connection_blocked_t *)m->decoded)->reason);
		return 0;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		event(l, JD_AMQP_UNBLOCKED, 0, NULL);
		return 0;
	case AMQP_CONNECTION_CLOSE_METHOD:
		snprintf(l->why, sizeof(l->why), "%.*s", (int)c->reply_text.len,
			 (const char *)c->reply_text.bytes);
		amqp_send_method(l->state, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
		return AMQP_STATUS_CONNECTION_CLOSED;
	default:
		return 0;
	}
}

static int basic_method(struct jd_amqp_link *l, unsigned channel, const amqp_method_t *m)
{
	struct jd_amqp_event *e;

	switch (m->id) {
	case AMQP_BASIC_DELIVER_METHOD: {
		const amqp_basic_deliver_t *d = m->decoded;
		return begin(l, channel, JD_AMQP_DELIVERED, d->delivery_tag, d->redelivered);
	}
	case AMQP_BASIC_GET_OK_METHOD: {
		const amqp_basic_get_ok_t *g = m->decoded;
		int rc = begin(l, channel, JD_AMQP_GOT, g->delivery_tag, g->redelivered);
		if (rc == 0)
			l->pieces[channel].first.count = g->message_count;
		return rc;
	}
	case AMQP_BASIC_GET_EMPTY_METHOD:
		event(l, JD_AMQP_EMPTY, channel, NULL);
		return 0;
	case AMQP_BASIC_RETURN_METHOD:
		return sent_back(l, channel, m->decoded);
	case AMQP_BASIC_ACK_METHOD:
		e = event(l, JD_AMQP_CONFIRMED, channel, NULL);
		e->tag = ((amqp_basic_ack_t *)m->decoded)->delivery_tag;
		e->flag = ((amqp_basic_ack_t *)m->decoded)->multiple;
		return 0;
	case AMQP_BASIC_NACK_METHOD:
		e = event(l, JD_AMQP_REFUSED, channel, NULL);
		e->tag = ((amqp_basic_nack_t *)m->decoded)->delivery_tag;
		e->flag = ((amqp_basic_nack_t *)m->decoded)->multiple;
		return 0;
	case AMQP_BASIC_CANCEL_METHOD:
		event(l, JD_AMQP_CANCELLED, channel, NULL);
		return 0;
	case AMQP_BASIC_CONSUME_OK_METHOD:
		event(l, JD_AMQP_CONSUMING, channel, NULL);
		return 0;
	default:
		return 0;
	}
}

static int method(struct jd_amqp_link *l, unsigned channel, const amqp_method_t *m)
{
	if (channel == 0)
		return connection_method(l, m);
	switch (m->id) {
	case AMQP_CHANNEL_OPEN_OK_METHOD:
		event(l, JD_AMQP_OPENED, channel, NULL);
		return 0;
	case AMQP_CHANNEL_CLOSE_METHOD:
		return was_shut(l, channel, m->decoded);
	case AMQP_QUEUE_DECLARE_OK_METHOD: {
		const amqp_queue_declare_ok_t *d = m->decoded;
		event(l, JD_AMQP_DECLARED, channel, &d->queue)->count = d->message_count;
		return 0;
	}
	default:
		return basic_method(l, channel, m);
	}
}

int jd_amqp_frame(struct jd_amqp_link *l, amqp_frame_t *f)
{
	int rc = 0;

	if (f->channel > l->a->conf.channels)
		return lie(l, "a channel that nobody has opened");
	if (f->frame_type == AMQP_FRAME_METHOD)
		rc = method(l, f->channel, &f->payload.method);
	else if (f->frame_type == AMQP_FRAME_HEADER)
		rc = read_header(l, f);
	else if (f->frame_type == AMQP_FRAME_BODY)
		rc = read_body(l, f);
	if (rc == 0 && f->frame_type != AMQP_FRAME_METHOD)
		maybe_end(l, f->channel);
	return rc;
}
