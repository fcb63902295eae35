/*
 * jd_zmq_private - what the files of the ZeroMQ listener share.
 *
 *	z --- sockets: each with the descriptor by which libzmq wakes us
 *	  |      \-- held: what a PUSH socket has sent and the engine can't take now
 *	  \-- auth: whom libzmq's threads ask who may come in
 *
 * libzmq's descriptor tells of a change and not of a state: after each wake-up, and after all that
 * we send, the socket is read until it has nothing. Its threads do the rest, so a peer that stalls
 * harms nobody.
 */
#pragma once

#include <uv.h>

#include "core/base/list.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_zmq.h"

enum {
	JD_ZMQ_PARTS = 6, /* identity, "", topic, id, options, payload */
	JD_ZMQ_TURN = 256,
};

struct jd_zmq_message {
	char *parts[JD_ZMQ_PARTS];
	size_t sizes[JD_ZMQ_PARTS];
	int n; /* how many it had, more than there is room for included */
};

struct jd_zmq_socket {
	struct list link;
	struct jd_zmq *z;
	void *socket;
	uv_poll_t poll;
	struct jd_zmq_message held;
	void (*on_readable)(struct jd_zmq_socket *s); /* until it has no more, or for a turn */
	bool is_pull, more;                           /* more: the turn was over first */
};

struct jd_zmq {
	struct jd *jd;
	void *context;
	struct list sockets;
	uv_timer_t again; /* what was not read to its end, or is held */
	uv_work_t ending;
	int open;    /* handles */
	int pending; /* submissions */
	bool draining, closing;
	uint64_t received, accepted, refused, lost, strangers;
};

/* jd_zmq.c */
struct jd_zmq_socket *jd_zmq_socket_new(struct jd_zmq *z, int type, struct err *err);
void jd_zmq_settle(struct jd_zmq *z); /* closing: is it over? */
void jd_zmq_wake(struct jd_zmq *z, uint64_t ms);
/* One part; false: there is none. The text ends with a zero that does not count. */
bool jd_zmq_receive(void *socket, char **part, size_t *n, bool *more);

/* jd_zmq_take.c */
void jd_zmq_take(struct jd_zmq_socket *s);
void jd_zmq_message_fini(struct jd_zmq_message *m);

/* jd_zmq_auth.c */
int jd_zmq_auth_open(struct jd_zmq *z, struct err *err);
int jd_zmq_auth_set(struct jd_zmq_socket *s, struct err *err);
