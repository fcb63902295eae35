#include "roles/sqlproxy/sp_limits.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_worker.h"

enum { SLOTS = 4096, FREE_TRIES = 3, DELAY_MS = 100, DELAY_MAX_MS = 5000 };

static atomic_uint all;
static atomic_uint by_address[SLOTS], by_user[SLOTS];
static atomic_uint wrong[SLOTS]; /* tries in a row */

static uint32_t hash(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h % SLOTS;
}

static uint32_t address_slot(const struct sp_client *c)
{
	const struct sockaddr_in *v4 = (const void *)&c->peer;
	const struct sockaddr_in6 *v6 = (const void *)&c->peer;

	if (c->peer.ss_family == AF_INET)
		return hash(&v4->sin_addr, sizeof(v4->sin_addr));
	if (c->peer.ss_family == AF_INET6)
		return hash(&v6->sin6_addr, 8); /* a /64 is one customer */
	return 0;
}

uint64_t sp_limits_clients(void)
{
	return atomic_load(&all);
}

const char *sp_limits_arrive(struct sp_client *c)
{
	const struct sp_main_conf *m = c->setup->main;

	c->counted = true;
	c->address_slot = address_slot(c);
	unsigned n = atomic_fetch_add(&all, 1);
	unsigned same = atomic_fetch_add(&by_address[c->address_slot], 1);
	if (n >= (uint64_t)m->max_clients)
		return "Too many connections: max_clients is reached";
	if (m->max_clients_per_ip && same >= (uint64_t)m->max_clients_per_ip)
		return "Too many connections from this address: max_clients_per_ip is reached";
	return NULL;
}

const char *sp_limits_login(struct sp_client *c, uint64_t max_clients)
{
	c->user_counted = true;
	c->user_slot = hash(c->user, strlen(c->user));
	unsigned same = atomic_fetch_add(&by_user[c->user_slot], 1);
	return max_clients && same >= max_clients ? "Too many connections of this user: its "
						    "max_clients is reached"
						  : NULL;
}

void sp_limits_left(struct sp_client *c)
{
	if (c->counted) {
		atomic_fetch_sub(&all, 1);
		atomic_fetch_sub(&by_address[c->address_slot], 1);
	}
	if (c->user_counted)
		atomic_fetch_sub(&by_user[c->user_slot], 1);
	c->counted = c->user_counted = false;
}

uint64_t sp_limits_wrong(struct sp_client *c)
{
	unsigned n = atomic_fetch_add(&wrong[c->address_slot], 1);

	if (n < FREE_TRIES)
		return 0;
	uint64_t delay = (uint64_t)DELAY_MS << (n - FREE_TRIES < 6 ? n - FREE_TRIES : 6);
	return delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
}

void sp_limits_right(struct sp_client *c)
{
	atomic_store(&wrong[c->address_slot], 0);
}
