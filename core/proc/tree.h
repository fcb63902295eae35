/*
 * tree - all that descends from a program, so that nothing survives a stop.
 *
 *	root ---- child ---- grandchild		by parents, from /proc
 *	              \ - - - orphan		(its parent has ended: it is init's or ours now)
 *
 * An orphan is known as ours by any of: it was seen before; it is in a session or group that one
 * of ours leads and another one still is in (so that the number can't be a new one's); it carries
 * our mark in the environment that it was executed with; it is in the program's cgroup. Numbers
 * are taken together with start times, signals go by pidfd. With reap_open's subreaper, orphans
 * become children of the process instead of init's, which keeps them in its container, no more.
 *
 * What nobody can know: an orphan never seen before, in a session of its own, that has emptied its
 * environment. Such a one is met when the whole supervisor ends: tree_init with our own pid.
 *
 * One look at /proc costs about 15 us a process on the machine: many trees share one `procs`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "core/proc/procs.h"

struct tree_member {
	pid_t pid;
	uint64_t born;
	bool alive; /* at the last look; a zombie is not */
};

struct tree {
	pid_t root;
	uint64_t born;      /* of the root */
	const char *mark;   /* value of TREE_MARK; NULL: none. Borrowed. */
	const char *cgroup; /* folder of a v2 cgroup of its own; NULL: none. Borrowed. */
	bool spare_root;    /* the root is no member: it is ourselves */

	/* private */
	struct tree_member *members; /* all that ever were seen and may still live, by pid */
	size_t n, cap;
};

/* The name of the variable that marks a tree: put it into the child's environment. */
#define TREE_MARK "TROUPE_TREE"

/* born: 0: as it is now. root may have ended before. The root's being ourselves spares it. */
void tree_init(struct tree *t, pid_t root, uint64_t born, const char *mark);
void tree_fini(struct tree *t);

/* Brings the members up to date. Returns how many are alive, the root included. */
size_t tree_look(struct tree *t, struct procs *p);

/* Sends sig to all that were alive at the last look. Returns to how many. */
size_t tree_signal(struct tree *t, int sig);

/* Member i that is alive, i from 0; NULL behind the last. For status and sums of memory. */
const struct tree_member *tree_alive(const struct tree *t, size_t i);

/*
 * SIGKILL to all, looking again until none is left: those born meanwhile are met too. The contract
 * is dial.h's: start returns, `done` comes once, from the loop. left: how many still live at the
 * end (those of other users, or in uninterruptible sleep).
 */
struct tree_kill;
typedef void (*tree_kill_done)(struct tree_kill *k, size_t left);

struct tree_kill {
	void *data;
	struct tree *tree;

	/* private */
	uv_timer_t timer;
	tree_kill_done done;
	uint64_t deadline, pause;
	size_t left;
};

/* timeout: milliseconds. */
int tree_kill_start(struct tree_kill *k, uv_loop_t *loop, struct tree *t, uint64_t timeout,
		    tree_kill_done done);
void tree_kill_cancel(struct tree_kill *k);
