/*
 * sv_cgroup - which process gets a cgroup, and what is limited there.
 *
 * One whose program has a limit (memory_max, memory_high, cpu_max, cpu_weight, pids_max), or
 * kill_tree = cgroup. Where there can be none it runs without, and the log says so.
 */
#pragma once

#include <stdint.h>

#include "core/proc/cgroup.h"
#include "core/proc/child.h"

struct sv_life;

/* Looked for when the first wants one. */
struct sv_cgroups {
	bool open, limits;        /* it was tried */
	char folder[CGROUP_PATH]; /* "": there is none */
};

struct sv_cgroup {
	uint64_t oom_kills; /* before this life */
	char path[];
};

/* Sets l->cgroup, or leaves it NULL. Before the spawn. */
void sv_cgroup_enter(struct sv_life *l);

/* The same for one that runs: after a change, or taken back. */
void sv_cgroup_catch(struct sv_life *l);

/* The folder by which its tree is found and killed; NULL: not by one. */
const char *sv_cgroup_kills(const struct sv_life *l);

/* Says it, when it was killed for its memory. */
void sv_cgroup_ended(const struct sv_life *l, const struct child_end *end);

void sv_cgroup_leave(struct sv_life *l);
