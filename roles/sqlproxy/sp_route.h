/*
 * sp_route - which server a statement goes to.
 *
 *	a rule, a hint     what they say, if such a server is up
 *	a read             outside a transaction, where the section splits: a replica that is up and
 *	                   not too far behind; of two drawn by weight the one with less to do
 *	all else           the primary; nothing is ever refused because it was not understood
 */
#pragma once

#include <stdbool.h>

struct sp_client;
struct sp_group;
struct sp_pool;
struct sp_server;

/* The pool for the client's command. Never NULL: when no server is up, one that is down. */
struct sp_pool *sp_route(struct sp_client *c);

/* The same, and the reason in words; the client may be made up: its worker, group, database, status
 * and classified command are looked at. */
struct sp_pool *sp_route_explain(struct sp_client *c, const char **why);

/* The group's pool of the primary. Never NULL. */
struct sp_pool *sp_route_primary(struct sp_group *g);

/* By its role, or as the monitor sees it. */
bool sp_route_is_primary(const struct sp_server *s);

/* Its servers know COM_RESET_CONNECTION, as all do since MySQL 5.7 and MariaDB 10.2. */
bool sp_route_resets(struct sp_group *g);
