/*
 * sv_team - a group as it runs: its processes, by priority and name.
 */
#pragma once

#include <stdbool.h>

#include "core/base/list.h"
#include "roles/supervisor/sv_process.h"

struct sv;
struct sv_pool;
struct sv_proc;
struct sv_setup;

struct sv_team {
	struct list link; /* in sv->teams, by priority and name */
	struct sv *sv;
	struct sv_setup *setup; /* held: conf is its */
	const struct sv_group *conf;
	struct list procs;
	struct sv_pool *pool; /* LISTENER: its events */
	bool told;            /* to stop, by the end of everything */
	bool removed;         /* goes with its last process */
	bool once;            /* of no file: no update concerns it */
};

/* With its processes, all stopped; in its place among the others. */
struct sv_team *sv_team_add(struct sv *sv, const struct sv_group *conf);

/* Another setup's words for the same group. */
void sv_team_change(struct sv_team *t, const struct sv_group *conf);

/* One more. */
struct sv_proc *sv_team_add_proc(struct sv_team *t, const struct sv_process_conf *conf);

/* Stops its processes; it goes with the last of them. */
void sv_team_remove(struct sv_team *t);

/* It starts by itself. */
bool sv_team_starts(const struct sv_process_conf *conf);

/* Those that start by themselves. */
void sv_team_autostart(struct sv_team *t);

/* All, the last first. */
void sv_team_stop(struct sv_team *t);

bool sv_team_is_stopped(const struct sv_team *t);

/* One of its processes is gone. */
void sv_team_settle(struct sv_team *t);

/* Not those that are about to go. */
struct sv_team *sv_team_find(const struct sv *sv, const char *name);
struct sv_proc *sv_team_proc(const struct sv_team *t, const char *name);

/* "group:name", or "name" where both are the same. NULL: none. */
struct sv_proc *sv_team_lookup(const struct sv *sv, const char *full);
