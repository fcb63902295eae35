/*
 * spawn - starts a program, without a copy of ourselves.
 *
 *	we: all signals blocked -- clone(VM|VFORK|PIDFD) ------- waits ------- reads the report
 *	                                  \ child, a stack of its own: steps below -> exec /
 *
 * A fork of a large process blocks its loop for as long as its page tables are copied (19 ms at
 * 500 MB); this does not depend on our size. The child borrows our memory until it executes, so it
 * makes raw system calls only and allocates nothing. What failed comes back through that memory.
 *
 * The steps, in order: signals to their defaults, session or group, oom_score_adj, cgroup,
 * descriptors (all others are closed), limits, nice, cores, chroot, groups and user, capabilities,
 * directory, umask, no_new_privs, death signal, exec. So the directory is entered with the rights
 * of the user.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/proc/limits.h"
#include "core/proc/user.h"

struct err;

enum { SPAWN_FDS_MOST = 64 }; /* fds and listen together */

enum spawn_group {
	SPAWN_SAME,    /* in our session and group */
	SPAWN_GROUP,   /* leads a group of its own */
	SPAWN_SESSION, /* leads a session, and so a group, of its own */
};

/* The child's descriptor `child` is our `ours`; ours -1: /dev/null. */
struct spawn_fd {
	int child;
	int ours;
};

/* Zero in a member means: as we are. All is borrowed for the call only. */
struct spawn {
	const char *const *argv; /* argv[0] without a slash is looked for in path */
	char *const *envp;
	const char *path;   /* "/bin:/usr/bin"; NULL: our PATH */
	const char *root;   /* chroot; then all other paths are seen from in there */
	const char *cwd;    /* as the child sees it */
	const char *cgroup; /* folder of a cgroup, v1 or v2, as we see it */
	const struct user *user;
	const struct limit *limits;
	size_t n_limits;
	const struct spawn_fd *fds; /* 0, 1 and 2 become /dev/null where not named */
	size_t n_fds;
	const int *listen; /* become 3, 4, ...: LISTEN_FDS and LISTEN_PID are set */
	size_t n_listen;
	const char *listen_names; /* LISTEN_FDNAMES, "http:admin"; or NULL */
	enum spawn_group group;
	int nice;         /* added to ours */
	int death_signal; /* that it gets when the thread that started it ends */
	bool set_umask, set_oom_score_adj;
	mode_t umask;
	int oom_score_adj;
	bool no_new_privs;
	bool set_caps;        /* it has these capabilities only, and keeps them as another user */
	uint64_t caps;        /* bits of CAP_... */
	const uint64_t *cpus; /* bits of the cores that it may run on; NULL: as we */
	size_t n_cpus;        /* words */
};

/*
 * Returns 0; *pid, and *pidfd (close-on-exec), are the caller's, who waits for the child (child.h).
 * Or a code and one sentence, "chdir /nope: No such file or directory"; then there is no child.
 * Returns when the child executes: a directory on a server that does not answer holds us.
 */
int spawn_program(const struct spawn *s, pid_t *pid, int *pidfd, struct err *err);
