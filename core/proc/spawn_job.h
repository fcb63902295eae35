/* spawn_job - what spawn prepares for the child, and what the child reports. Private to spawn. */
#pragma once

#include "core/proc/spawn.h"

enum { SPAWN_MAP_MOST = SPAWN_FDS_MOST + 3, SPAWN_PID_DIGITS = 12 };

enum spawn_step {
	SPAWN_STEP_NONE, /* all went well, as far as the child can tell */
	SPAWN_STEP_GROUP,
	SPAWN_STEP_OOM,
	SPAWN_STEP_CGROUP,
	SPAWN_STEP_FDS,
	SPAWN_STEP_LIMIT,
	SPAWN_STEP_NICE,
	SPAWN_STEP_CPUS,
	SPAWN_STEP_ROOT,
	SPAWN_STEP_GROUPS,
	SPAWN_STEP_GID,
	SPAWN_STEP_UID,
	SPAWN_STEP_CAPS,
	SPAWN_STEP_CWD,
	SPAWN_STEP_PRIVS,
	SPAWN_STEP_DEATH,
	SPAWN_STEP_EXEC,
};

struct spawn_job {
	const struct spawn *s;
	char **files; /* what is tried to be executed, NULL at the end */
	char *const *envp;
	char *listen_pid;                    /* where its number is to be written; NULL: nowhere */
	struct spawn_fd map[SPAWN_MAP_MOST]; /* by child */
	size_t n_map;
	char oom[16];     /* the number as text */
	char cgroup[512]; /* its cgroup.procs; "" without one */
	int nice;         /* what it will have */
	pid_t parent;

	/* the report */
	enum spawn_step step;
	int error;
	int detail; /* which limit, which descriptor */
};

/* Runs in the child; arg: a struct spawn_job. Does not return. */
int spawn_child(void *arg);
