/*
 * sv_pool - events on their way to those who listen: a pool is an [eventlistener] group with its
 * queue, of buffer_size events; the oldest goes when there is no room.
 *
 *	sv_tell -- each pool that asked for it --> queue -- a listener that is READY --> its stdin
 *	                                            ^------- FAIL, nonsense, its death ---/
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/list.h"
#include "roles/supervisor/sv_event.h"

struct sv;
struct sv_pool;
struct sv_posted;
struct sv_proc;
struct sv_team;

/* Part of struct sv. */
struct sv_pools {
	struct list all;
	int64_t serial; /* of the next event that a pool takes */
};

/* Of a group of listeners; in the team until sv_pool_free. */
struct sv_pool *sv_pool_new(struct sv_team *team);
void sv_pool_free(struct sv_pool *pool);

/* Of all pools: bits of sv_event.h. */
uint64_t sv_pool_wants(const struct sv *sv);

/* To all pools that want it. The payload is copied. */
void sv_pool_post(struct sv *sv, enum sv_event event, const char *payload, size_t n);

/* One of its listeners may take an event now. */
void sv_pool_dispatch(struct sv_pool *pool);

/* The listener did not take it: it is the next again. Takes the reference over. */
void sv_pool_reject(struct sv_pool *pool, struct sv_posted *event);
void sv_posted_drop(struct sv_posted *event);
