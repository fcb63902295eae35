/*
 * redis_find - where the master is, as the first Sentinel says that can be asked.
 *
 * They are asked in turn, each within the time that a server has to be up; who answered last time
 * is asked first.
 */
#pragma once

#include "core/net/redis.h"

struct redis_find {
	uv_loop_t *loop;
	const struct redis_conf *conf; /* the caller's: url, tls, timeout */
	struct redis *link;            /* to the one that is asked */
	int at, tries;
	struct addr addr;
	bool found, cancelled, leaving;
	char why[200];
	/* The caller's: once, from the loop. addr: NULL: none has said it: why. */
	void (*done)(void *data, const struct addr *addr, const char *why);
	void *data;
};

void redis_find_start(struct redis_find *f);

/* done comes soon, with NULL. */
void redis_find_cancel(struct redis_find *f);
