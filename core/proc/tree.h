/*
 * tree - all that descends from a program, so that nothing survives a stop.
 *
 *	root ---- child ---- grandchild		by parents
 *	              \ - - - orphan		its parent has ended: it is init's now, or ours
 *
 * An orphan is known as one of the tree by any of these: it was seen before; it is in a session or
 * group whose number is that of a member, while another member is in it (so the number can't be a
 * new one's); it carries our mark in the environment that it was executed with; it is in the
 * program's cgroup. Pids are kept together with start times, and signals go by pidfd.
 *
 * With a reap that made us a sub-reaper, orphans are our children: then looking costs a few reads
 * for each member. Without (a program that we adopted, another's sub-reaper between) all of /proc
 * is read, about 15 us a process, and many trees share one reading.
 *
 * Look in the on_end of the program's child at the latest: until it is buried its number is its
 *own, so that all in its session are known. What nobody can know: an orphan never seen before, in a
 * session of its own, that has emptied its environment. Such a one is met when the whole supervisor
 * ends: tree_init with our own pid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "core/proc/procs.h"

struct reap;

struct tree_member {
	pid_t pid;
	uint64_t born;
	bool alive; /* at the last look; a zombie is not */
};

struct tree {
	const char *mark;   /* value of TREE_MARK; NULL: none. Borrowed. */
	const char *cgroup; /* folder of a cgroup of its own; NULL: none. Borrowed. */
	struct reap *reap; /* a sub-reaper's, that knows our children; NULL: all of /proc is read */

	/* private */
	pid_t root;
	uint64_t born;               /* of the root */
	bool spare_root;             /* it is ourselves */
	struct tree_member *members; /* alive, or with a number that still counts; the root first */
	size_t n, cap;
	uint64_t signalled; /* uv_hrtime() */
	bool unsure;        /* the last look met an orphan without any environment */
};

/* The name of the variable that marks a tree: put it into the child's environment. */
#define TREE_MARK "TROUPE_TREE"

/* born: of struct child; 0: as it is now. root may have ended. If it is ourselves, it is spared.
 * Then set mark, cgroup, reap. */
void tree_init(struct tree *t, pid_t root, uint64_t born);
void tree_fini(struct tree *t);

/* Reads what tree_look needs: what is near, or all. Returns 0 or a code. */
int tree_read(const struct tree *t, struct procs *p);

/* Brings the members up to date. Returns how many are alive, the root included. */
size_t tree_look(struct tree *t, struct procs *p);

/* Sends sig to all that were alive at the last look; SIGKILL also to the cgroup as a whole. Returns
 * how many it reached. */
size_t tree_signal(struct tree *t, int sig);

/* The same, but to nobody of a process group, which has been told already. */
size_t tree_signal_beside(struct tree *t, int sig, pid_t group);

/* The i-th that is alive, from 0; NULL behind the last. For status and sums of memory. */
const struct tree_member *tree_alive(const struct tree *t, size_t i);

/*
 * SIGKILL to all, and again to those born meanwhile, until two looks in a row find none; or more
 * looks, while there is an orphan who may be in the middle of an exec, without his mark. The
 * contract is dial.h's: start returns 0; `done` comes once, from the loop. left: how many live on
 * (of other users, or in uninterruptible sleep); with cancel, as far as is known.
 */
struct tree_kill;
typedef void (*tree_kill_done)(struct tree_kill *k, size_t left);

struct tree_kill {
	void *data;
	struct procs *procs; /* NULL: its own */

	/* private */
	struct tree *tree;
	struct procs own;
	uv_timer_t timer;
	tree_kill_done done;
	uint64_t started; /* uv_hrtime() */
	uint64_t deadline, pause;
	size_t left;
	int looks, empty; /* empty: looks in a row that found none */
};

/* timeout: milliseconds. k->procs may be set before: shared by trees whose reap is NULL. */
int tree_kill_start(struct tree_kill *k, uv_loop_t *loop, struct tree *t, uint64_t timeout,
		    tree_kill_done done);
void tree_kill_cancel(struct tree_kill *k);
