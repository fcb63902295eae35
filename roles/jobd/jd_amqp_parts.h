/*
 * jd_amqp_parts - what the files of jd_amqp share.
 *
 * Who owns what: the words below `lock` are everybody's under it; `busy` is read by both; the rest
 * is the loop's, or, in struct jd_amqp_link, the thread's. The struct itself is held by both, and
 * freed by who lets go of it last: a thread that can't be got out of a name's look-up is left to
 * itself.
 */
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include "core/net/poller.h"
#include "roles/jobd/jd_amqp.h"

enum jd_amqp_order_what {
	JD_AMQP_SAY_OPEN,
	JD_AMQP_SAY_DECLARE,
	JD_AMQP_SAY_CONSUME,
	JD_AMQP_SAY_CANCEL,
	JD_AMQP_SAY_ACK,
	JD_AMQP_SAY_GIVE_BACK,
	JD_AMQP_SAY_GET,
	JD_AMQP_SAY_PUBLISH,
};

struct jd_amqp_order {
	struct list link;
	enum jd_amqp_order_what what;
	unsigned channel;
	unsigned epoch;
	bool flag;
	int number;
	uint64_t tag;
	char *name; /* of a queue */
	struct jd_amqp_queue *queue;
	struct jd_amqp_message message;
	struct jd_amqp_state state;
	char *bytes, *error; /* of the message, of the state */
};

struct jd_amqp {
	uv_loop_t *loop;
	char *url, *name, *tls_ca;
	struct jd_amqp_conf conf;
	struct poller_item bell; /* rung by the thread */
	uv_timer_t timer;        /* of closing */
	unsigned epoch;          /* of the connection, as far as the loop knows; 0: down */
	struct list giving;      /* orders until jd_amqp_send */
	bool closed;
	int handles;
	void (*done)(void *data);
	void *done_data;
	int wake_fd;
	uint64_t busy; /* atomic: since when the thread has been in the library; 0: it waits */

	uv_mutex_t lock;
	struct list in, out;
	int fd; /* the socket's copy, to end it by; -1 */
	int refs;
	bool closing, deaf, over; /* deaf: the loop has gone; over: the thread has */
	bool stuck;
};

/* What comes on a channel, piece by piece. */
struct jd_amqp_piece {
	bool shut; /* by the server: what was ordered before it is opened anew is void */
	bool begun, is_return;
	struct jd_amqp_event first;  /* what its first word said */
	struct jd_amqp_event *event; /* NULL: its header has not come */
	size_t got;
};

/* One connection: the thread's. */
struct jd_amqp_link {
	struct jd_amqp *a;
	amqp_connection_state_t state;
	unsigned epoch;
	struct jd_amqp_piece *pieces; /* by channel */
	struct list events;           /* not yet given to the loop */
	char why[256];
};

/* jd_amqp_thread.c */
void jd_amqp_thread(void *a);
struct jd_amqp_event *jd_amqp_event_new(enum jd_amqp_what what, unsigned channel, const char *text,
					size_t n);

/* jd_amqp_say.c: all that was ordered. 0, or the library's code. */
int jd_amqp_say(struct jd_amqp_link *l, struct list *orders);
void jd_amqp_order_free(struct jd_amqp_order *o);

/* jd_amqp_frame.c: 0; or the connection can't go on: l->why. */
int jd_amqp_frame(struct jd_amqp_link *l, amqp_frame_t *f);

/* jd_amqp_message.c */
void jd_amqp_take(struct jd_amqp_message *m, const amqp_basic_properties_t *p);
void jd_amqp_hash(struct jd_amqp_message *m); /* its body is whole */
/* Properties to publish it with, of the pool's memory; frame: bytes of one, into which they must
 * fit. */
int jd_amqp_props(amqp_basic_properties_t *out, const struct jd_amqp_message *m,
		  const struct jd_amqp_state *state, size_t frame, amqp_pool_t *pool);
