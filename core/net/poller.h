/*
 * poller - sockets on an epoll of their own.
 *
 * libuv's poll handle costs five system calls over a short connection's life that say nothing new
 * (it tries the descriptor out, and takes it off epoll twice). A stream costs one: it is added,
 * and close() takes it off.
 *
 *	streams -> epoll of the poller --+--> poller_run turns both, for a thread that has little
 *else timers, look-ups, ... -> uv loop +--> or the epoll is itself watched by the loop
 *
 * A loop's poller is found through loop->data, made with its first socket and freed with its last
 * (unless poller_prepare made it). Sockets are closed between two rounds of events, so that nobody
 * is freed while an event for him is still in hand.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/list.h"

struct poller;
struct poller_item;

/* events: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. */
typedef void (*poller_on_event)(struct poller_item *i, unsigned events);
/* The last callback: fd is closed, the item may be freed. */
typedef void (*poller_on_closed)(struct poller_item *i);

struct poller_item {
	struct poller *poller;
	poller_on_event on_event;
	poller_on_closed on_closed;
	struct list place; /* in the list of those that are to be closed, or come once more */
	int fd;
	unsigned events; /* asked for */
	bool closed;     /* poller_close was called */
	bool unref;
	bool shared;
	bool later;
};

/* Watches fd, which becomes the item's. Returns 0, or a code and then fd is still yours. */
int poller_open(struct poller_item *i, uv_loop_t *loop, int fd, unsigned events,
		poller_on_event on_event);
void poller_ask(struct poller_item *i, unsigned events);
void poller_close(struct poller_item *i, poller_on_closed on_closed);

/*
 * When this round of events has some for others too: at its end the item gets EPOLLOUT, without a
 * question to the kernel. False: no such round, what is to be done is to be done now. (Peers
 * that are woken one after the other cost less than those woken between two pieces of work: the
 * first wake-up of a core is the dear one. And what comes for one peer in pieces goes in one.)
 */
bool poller_later(struct poller_item *i);
void poller_not_later(struct poller_item *i);

/* The event that is told of is one for many: the rest of this round is taken for a round of
 * several. */
void poller_crowded(struct poller_item *i);

/*
 * go(data) once what is being told of an event has returned: for an answer that is known at once,
 * but is not to come from inside the question. False: no event is told of, or somebody has asked
 * already; then it is done otherwise.
 */
bool poller_soon(const uv_loop_t *loop, void (*go)(void *data), void *data);

/* Memory for what waits until then, kept between rounds so that they allocate nothing. b is empty;
 * it gets what is spare, or nothing. Given back, it is without memory. */
void poller_lend(struct poller_item *i, struct buf *b);
void poller_give_back(struct poller_item *i, struct buf *b);

/* How many events came together with others so far, of a loop that poller_run turns. */
uint64_t poller_crowd(const uv_loop_t *loop);

/* It does not keep the loop alive, as uv_unref; it does again. */
void poller_unref(struct poller_item *i);
void poller_ref(struct poller_item *i);

/* A copy of fd lives on, here or in another process: then epoll does not forget it by its being
 * closed, and would tell of an item that is no more. It is taken off before, for a system call. */
void poller_shared(struct poller_item *i);

/* Before the first socket of a loop that poller_run will turn. */
void poller_prepare(uv_loop_t *loop);

/* As uv_run(loop, UV_RUN_DEFAULT), with fewer system calls for sockets; may be run again. */
void poller_run(uv_loop_t *loop);
/* When it has run for the last time, and all sockets are closed. */
void poller_finish(uv_loop_t *loop);

/*
 * go(data) before the loop waits, each time: uv_prepare_t's for a loop that poller_run turns, where
 * libuv's own does not see each round. With another loop it does nothing. Of several, the one that
 * came last is first. t is yours, until poller_no_turn.
 */
struct poller_turn {
	struct list place;
	void (*go)(void *data);
	void *data;
};
void poller_each_turn(const uv_loop_t *loop, struct poller_turn *t, void (*go)(void *data),
		      void *data);
void poller_no_turn(struct poller_turn *t);
