/*
 * sp_group - a user in a database section, with its pool for each server. Clients hold it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "roles/sqlproxy/sp_setup.h"

struct sp_pool;
struct sp_worker;

struct sp_group {
	struct list link; /* in the worker's */
	struct sp_worker *worker;
	struct sp_setup *setup; /* held */
	const struct sp_database *database;
	char user[128]; /* as clients say it */
	char backend_user[128];
	const struct sp_user *known; /* NULL: not in the ini */
	struct sp_secret secret;     /* towards the servers */
	uint32_t clients;            /* that hold it */
	uint64_t model_caps;         /* of a client that the minimum is opened for */
	uint16_t model_charset;
	bool prepared;          /* held by the worker itself, for initial and min */
	bool retired;           /* of an old setup */
	struct sp_pool **pools; /* by server, in the section's order */
	struct list names;      /* schemas that are known to exist */
};

/*
 * The group of a user and a section, made when there is none; held by the caller. setup: the one
 * that the section is of. It is an old one where a reload came during a login; then the group is
 * born retired, and its client follows with its first command.
 */
struct sp_group *sp_group_take(struct sp_worker *w, struct sp_setup *setup, const char *user,
			       const struct sp_database *d, const struct sp_secret *secret);
void sp_group_give(struct sp_group *g);

/* The groups whose pools have connections before their first client. */
void sp_group_prepare(struct sp_worker *w);

/* A new setup is in force: its connections close. */
void sp_group_retire(struct sp_group *g);

/* Frees retired groups that nobody uses; from the tick, when nothing of them is in hand. */
void sp_group_sweep(struct sp_worker *w);

/* Schemas that a server has accepted for this user: a login need not ask again. */
bool sp_group_knows(struct sp_group *g, const char *schema);
void sp_group_learn(struct sp_group *g, const char *schema);
