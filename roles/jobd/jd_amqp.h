/*
 * jd_amqp - a connection to an AMQP 0-9-1 server (RabbitMQ), on a thread of its own.
 *
 *	the loop:    orders --list, eventfd--> the thread: librabbitmq
 *	             events <--list, eventfd--             (blocks when the server does)
 *
 *	DOWN --dial, TLS, login--> UP --closed, garbage, no heartbeat, stuck--> DOWN, and again
 *
 * librabbitmq waits in its sends while a server that has stopped reading fills the socket, and
 * nothing but the socket's end gets it out of there: so the loop never calls it, sees from the
 * outside for how long it has been waiting, and ends the socket.
 *
 * The thread knows no queue: what it is ordered to say it says in that order, what the server says
 * comes back as it was said. An order belongs to the connection that was up when it was given;
 * what has not been said when that breaks is forgotten.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/list.h"

struct err;
struct jd_amqp;

enum { JD_AMQP_TYPE = 129, JD_AMQP_MOST = 512 << 20 };

/* What we write into a message's headers (x-troupe-...) when it goes round. */
struct jd_amqp_state {
	bool is_ours; /* one of them was there */
	uint64_t id;  /* 0: none */
	int attempts, crashes;
	int64_t due;       /* ms since 1970; 0: at once */
	const char *error; /* when writing; NULL: none */
};

/* A message as it came. Of its properties what jobs go by; all of them as they were encoded. */
struct jd_amqp_message {
	const char *body, *props;
	size_t size, n_props;
	struct jd_amqp_state state;
	int priority; /* -1: none */
	char type[JD_AMQP_TYPE];
	uint64_t hash; /* of what does not change while it goes round; not 0 */
};

/* Fills in all but body, which is there already. 0, or ERR_PROTO: no such properties. */
int jd_amqp_read(struct jd_amqp_message *m, const void *props, size_t n);

enum jd_amqp_what {
	JD_AMQP_UP,
	JD_AMQP_DOWN,      /* text: why; it was up, or could not get up */
	JD_AMQP_OPENED,    /* the channel */
	JD_AMQP_SHUT,      /* the channel, by the server: code, text */
	JD_AMQP_DECLARED,  /* text: the queue; count: what is ready in it */
	JD_AMQP_CONSUMING, /* and deliveries follow */
	JD_AMQP_CANCELLED, /* the consumer, by the server: its queue is gone */
	JD_AMQP_DELIVERED, /* tag, flag: not for the first time; message */
	JD_AMQP_GOT,       /* as delivered, by jd_amqp_get; count: what is left there */
	JD_AMQP_EMPTY,     /* nothing to get */
	JD_AMQP_CONFIRMED, /* what was published: tag, flag: and all before it */
	JD_AMQP_REFUSED,   /* the same */
	JD_AMQP_RETURNED,  /* what was published to a queue that is not there: text: its name */
	JD_AMQP_BLOCKED,   /* nothing may be published: text: why */
	JD_AMQP_UNBLOCKED,
};

struct jd_amqp_event {
	struct list link; /* the receiver's, once it has it */
	enum jd_amqp_what what;
	unsigned channel;
	bool flag;
	int code;
	uint64_t tag, count;
	const char *text; /* "": none */
	struct jd_amqp_message message;
};

struct jd_amqp_conf {
	const char *url;  /* amqp[s]://[user[:password]@]host[:port][/vhost] */
	const char *name; /* what the server shows of us; copied, as all of these */
	const char *tls_ca;
	bool tls_verify;
	uint64_t timeout; /* ms: to be up, and that a send may take */
	uint64_t retry_most;
	int heartbeat;     /* s */
	unsigned channels; /* 1..channels may be used */
	/* In the loop. true: the event is the receiver's now, to be freed with free(). */
	bool (*on_event)(void *data, struct jd_amqp_event *e);
	void *data;
};

/* 0, or ERR_CONF and a sentence, which never has the password in it. */
int jd_amqp_url_check(const char *url, struct err *err);

/* Begins to connect. url is one that was checked. */
struct jd_amqp *jd_amqp_new(uv_loop_t *loop, const struct jd_amqp_conf *conf, struct err *err);

/* Says what was ordered, then goodbye; within `most` ms. No event comes any more. done: the last
 * callback. */
void jd_amqp_close(struct jd_amqp *a, uint64_t most, void (*done)(void *data), void *data);

/* From time to time: whether it is stuck, which ends the connection. */
void jd_amqp_look(struct jd_amqp *a);

/* ---- orders; said once jd_amqp_send is called ----------------------------------------------- */

enum { JD_AMQP_ARGS = 6 };

struct jd_amqp_queue {
	const char *name;
	bool passive; /* only whether it is there */
	struct {
		const char *name; /* of static life */
		const char *text; /* NULL: it is the number; copied */
		int64_t number;
	} args[JD_AMQP_ARGS]; /* those with a name */
};

/* confirms: what is published there is confirmed, from tag 1 on. */
void jd_amqp_open(struct jd_amqp *a, unsigned channel, bool confirms);
void jd_amqp_declare(struct jd_amqp *a, unsigned channel, const struct jd_amqp_queue *q);
/* One consumer of a channel; prefetch: messages it has at a time. */
void jd_amqp_consume(struct jd_amqp *a, unsigned channel, const char *queue, int prefetch);
void jd_amqp_cancel(struct jd_amqp *a, unsigned channel);
void jd_amqp_ack(struct jd_amqp *a, unsigned channel, uint64_t tag, bool multiple);
void jd_amqp_give_back(struct jd_amqp *a, unsigned channel, uint64_t tag);
void jd_amqp_get(struct jd_amqp *a, unsigned channel, const char *queue);

/* To a queue, mandatory and persistent. m: with its properties but for what would hinder it on its
 * way; NULL of m->props: none. state: NULL: m is not changed. All is copied. */
void jd_amqp_publish(struct jd_amqp *a, unsigned channel, const char *queue,
		     const struct jd_amqp_message *m, const struct jd_amqp_state *state);
void jd_amqp_send(struct jd_amqp *a);
