/*
 * sp_limits - how many clients there are, over all workers: in all, of a user, from an address;
 * and how often an address gave a wrong password.
 *
 * Counters in fixed tables: an address shares its slot with others of the same hash, so a limit
 * may bite a little early on a proxy with thousands of addresses, and never costs memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sp_client;

/* A new connection: NULL, or why it can't stay. */
const char *sp_limits_arrive(struct sp_client *c);

/* It is known who it is: NULL, or why not. */
const char *sp_limits_login(struct sp_client *c, uint64_t max_clients);

/* Takes back what the client counted for. */
void sp_limits_left(struct sp_client *c);

/* A wrong password; returns the milliseconds that its answer has to wait. */
uint64_t sp_limits_wrong(struct sp_client *c);
/* A right one. */
void sp_limits_right(struct sp_client *c);

uint64_t sp_limits_clients(void);
