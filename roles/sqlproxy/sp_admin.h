/*
 * sp_admin - the console: MySQL's protocol on a port of its own, SQL-like commands.
 *
 *	SHOW POOLS|SERVERS|CLIENTS|BACKENDS|PINS|DIGESTS|RULES|CONFIG|STATS|LISTENERS|USERS|VERSION
 *	SELECT ... FROM the same tables; EXPLAIN ROUTE '<sql>'; PAUSE|RESUME|DRAIN [pool|server]
 *	RECONNECT; KILL [QUERY] id; RELOAD; CHECK; SHUTDOWN [GRACEFUL seconds]
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

struct err;
struct sp_admin;
struct sp_proxy;

/* *out is NULL when the configuration has no console. */
int sp_admin_start(struct sp_admin **out, struct sp_proxy *p, uv_loop_t *loop, struct err *err);
void sp_admin_stop(struct sp_admin *a); /* NULL is fine */

/* The same commands by `troupe ctl`. */
int sp_admin_ctl(void *self, int argc, char **argv, FILE *out, bool json);
extern const char sp_admin_ctl_help[];
