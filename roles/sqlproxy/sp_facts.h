/*
 * sp_facts - what the workers know, copied: nothing here points into a worker's memory.
 *
 *	main thread: sp_facts_pools -> sp_worker_call for each worker -> its thread appends -> list
 *
 * A worker stops for as long as the copying takes, some microseconds for a thousand things: so
 * numbers are copied here and made into text by the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/stat/hist.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_worker.h"

struct sp_facts {
	void *list;
	size_t count, size, each;
};

struct sp_pool_fact {
	char database[65], server[64], user[128];
	struct sp_permit *permit; /* the process's, never freed */
	uint32_t idle, busy, opening, waiting;
	int64_t max;
	uint64_t queries, opened, closed, failures, timeouts, oldest; /* ms in the queue */
	bool retired;
	char reason[200];
	struct hist wait;
};

struct sp_client_fact {
	uint32_t id, thread_id;
	int worker;
	char user[65], database[65], server[64];
	struct sockaddr_storage peer;
	enum sp_client_state state;
	bool secure, packed;
	uint32_t pins;
	uint64_t pinned_ms, ms; /* how long it does what it does */
	char info[200];         /* the shape of its statement */
};

struct sp_backend_fact {
	uint32_t number, thread_id, client;
	int worker;
	char server[64], user[128], database[65];
	enum sp_backend_state state;
	uint64_t age_ms, used_ms, uses;
	uint32_t prepared, vars;
	bool dirty, secure, doomed;
	uint16_t status;
	char version[64], info[200];
};

struct sp_digest_fact {
	char *text; /* the list's own */
	char user[65], database[65];
	uint64_t count, errors, rows, us, us_max;
};

struct sp_listener_fact {
	int worker;
	struct sockaddr_storage address;
	bool open;
};

struct sp_totals {
	struct sp_figures figures;
	struct hist latency;
	uint64_t clients, connections, workers;
};

/* Pools of the same database, server and user are one, whatever their worker; sorted by name. */
void sp_facts_pools(struct sp_proxy *p, struct sp_facts *out);
/* Sorted by id. */
void sp_facts_clients(struct sp_proxy *p, struct sp_facts *out);
void sp_facts_backends(struct sp_proxy *p, struct sp_facts *out);
/* The same shape, user and database is one; sorted by their total time, longest first. */
void sp_facts_digests(struct sp_proxy *p, struct sp_facts *out);
void sp_facts_digests_fini(struct sp_facts *f);
void sp_facts_listeners(struct sp_proxy *p, struct sp_facts *out);
void sp_facts_fini(struct sp_facts *f);

void sp_facts_totals(struct sp_proxy *p, struct sp_totals *out);

#define SP_FACT(facts, type, i) (&((struct type *)(facts)->list)[i])
