/*
 * sp_pool - the connections of one user to one server for one database section, in one worker.
 *
 *	opening -> idle <-> busy          waiting clients, first come first served
 *
 * The limit is the pool's over all workers: an atomic count (sp_permit) is taken for each
 * connection. A worker that finds none left says so; the others then close an idle one.
 * Idle connections are used last in first out, so that what is not needed ages.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/stat/hist.h"
#include "roles/sqlproxy/sp_setup.h"

struct sp_backend;
struct sp_client;
struct sp_group;
struct sp_health;
struct sp_permit;
struct sp_worker;

struct sp_pool {
	struct list link; /* in the worker's */
	struct sp_worker *worker;
	struct sp_group *group;
	const struct sp_server *server; /* of the group's setup */
	struct sp_permit *permit, *user_permit;
	struct list idle, busy, opening, waiting;
	uint32_t idle_count, busy_count, opening_count, waiting_count;
	bool wanting;      /* we count in permit->wanted */
	uint64_t retry_at; /* ms: no connect before, after a failure */
	char reason[200];  /* of the last failure */
	uint64_t queries, opened, closed, failures, timeouts;
	struct hist wait; /* in the queue, us */
};

/* With its permits, and nothing open. */
struct sp_pool *sp_pool_new(struct sp_group *g, const struct sp_server *server);
bool sp_pool_unused(const struct sp_pool *p);
void sp_pool_free(struct sp_pool *p);

/*
 * A connection for the client, or a place in the queue: then sp_client_granted comes later, or
 * sp_client_refused. Returns the connection, NULL: it waits, or it was refused already.
 */
struct sp_backend *sp_pool_take(struct sp_pool *p, struct sp_client *c);

/* Takes this idle one. */
struct sp_backend *sp_pool_use(struct sp_backend *b);

/* The client does not wait any more. */
void sp_pool_leave(struct sp_client *c);

/* The connection is free; who waits first gets it. */
void sp_pool_give(struct sp_backend *b);

/* The client's pins are soft and old, and somebody waits for its connection. */
bool sp_pool_may_loosen(const struct sp_client *c);

/* A new connection can be used; it failed; it is gone. */
void sp_pool_opened(struct sp_backend *b);
void sp_pool_failed(struct sp_backend *b, const char *why);
void sp_pool_removed(struct sp_backend *b);

/* Opens what waiting clients need and limits allow. */
void sp_pool_fill(struct sp_pool *p);

/* Time-outs, ages, minimum; from the worker's tick. */
void sp_pool_tick(struct sp_pool *p);

/* Closes all connections that are idle; with busy: marks the others to close when free. */
void sp_pool_drain(struct sp_pool *p, bool busy);

/* "app/db1 10.0.0.1:3306" */
const char *sp_pool_name(const struct sp_pool *p, char out[320]);

/* Runs one statement (a KILL) on a connection of its own beyond the limits. */
void sp_pool_errand(struct sp_pool *p, const char *sql);

/* Logs in with that secret, beyond the limits; sp_login_trial_done tells the client how it went. */
void sp_pool_try(struct sp_pool *p, uint32_t client, const struct sp_secret *secret);
