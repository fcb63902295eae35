/*
 * sp_worker - one thread that carries traffic: its own loop, listeners, clients, pools and figures.
 *
 * Nothing on the way of a query is shared. What the process shares is counted atomically
 * (sp_permit, sp_health); what the main thread wants of a worker it asks with sp_worker_call,
 * which runs a function on the worker's thread and waits for it.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/net/poller.h"
#include "core/run/share.h"
#include "core/stat/hist.h"

struct sp_proxy;
struct sp_setup;
struct sp_client;
struct sp_digests;

enum {
	SP_SCRATCH = 256 * 1024, /* the buffer every read goes to first */
	SP_LISTENERS_MAX = 16,
	SP_TICK_MS = 50,
	SP_IDS = 4096, /* buckets of clients by id */
};

/* Added up over the workers when somebody asks. */
struct sp_figures {
	uint64_t clients_accepted, clients_refused, logins_failed, queries, reads, bytes_in,
		bytes_out;
	uint64_t pins, resets, prefixes, retries, errors, lost, queue_timeouts, prepares, slow;
	uint64_t to_replica, to_primary, accept_failures, kills;
};

struct sp_listener {
	struct poller_item item;
	struct sp_worker *worker;
	bool open;
};

struct sp_call;

struct sp_worker {
	struct sp_proxy *proxy;
	struct sp_setup *setup; /* held */
	uv_thread_t thread;
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t tick;
	struct share share;
	uv_mutex_t lock; /* of `calls` */
	struct sp_call *calls, *calls_last;
	struct sp_listener listeners[SP_LISTENERS_MAX];
	int listeners_count, listeners_open;
	int index;
	struct list clients, logins; /* all that have logged in; those that have not */
	struct list pools, groups, lingering, closing;
	struct sp_client *ids[SP_IDS];
	uint32_t clients_count, connections_count, sweep, owners;
	uint64_t now; /* ms of the loop, as of this turn */
	struct sp_figures figures;
	struct hist latency; /* of statements, us */
	struct sp_digests *digests;
	uint32_t accept_pause; /* ticks until listeners are armed again */
	uint32_t random;
	bool draining, drained, stopping, running;
	uint8_t *scratch, *scratch2;
};

/* Starts the thread. fds: listening sockets of its own, taken over. */
int sp_worker_start(struct sp_worker *w, struct sp_proxy *p, struct sp_setup *setup, const int *fds,
		    int fds_count);

/* Runs fn on the worker's thread and waits until it is done. Not from a worker's thread. */
void sp_worker_call(struct sp_worker *w, void (*fn)(struct sp_worker *w, void *arg), void *arg);

/* The same without waiting; any thread. arg: fn's own. */
void sp_worker_post(struct sp_worker *w, void (*fn)(struct sp_worker *w, void *arg), void *arg);

/* Closes everything and ends the thread; waits for it. */
void sp_worker_stop(struct sp_worker *w);

/* Takes no new clients and lets those it has finish; sp_proxy_drained says when. */
void sp_worker_drain(struct sp_worker *w);

/* Closes the client when the worker drains and it does nothing. */
void sp_worker_leave(struct sp_client *c);

/* Another setup is in force. */
void sp_worker_change(struct sp_worker *w, struct sp_setup *setup);

/* Something closed: is that all? */
void sp_worker_settle(struct sp_worker *w);

struct sp_client *sp_worker_client(struct sp_worker *w, uint32_t id);

static inline uint32_t sp_worker_random(struct sp_worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;
	return w->random;
}
