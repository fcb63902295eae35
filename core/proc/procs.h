/*
 * procs - processes at one moment, as far as trees (tree.h) need them: all of the machine's, or
 * those near to us.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
	pid_t pid, ppid;
	pid_t group, session;
	uint64_t born; /* clock ticks after boot */
	bool dead;     /* a zombie: all of it has ended */
	bool asked;    /* for its mark */
	bool blank;    /* it had no environment when it was asked, perhaps as yet */
	bool member;   /* of the tree that is looking */
	char mark[44]; /* value of TREE_MARK; "" without one */
};

struct procs {
	struct proc *all; /* by pid */
	size_t n, cap;
	uint64_t when; /* uv_hrtime() before all were read; 0: these are not all */
};

void procs_init(struct procs *p);
void procs_fini(struct procs *p);

/* All of the machine's, about 15 us each. Returns 0 or a code. */
int procs_look(struct procs *p);

/* The seeds, and all who descend from them by living parents. Returns 0; UV_ENOTSUP: the kernel
 * has no lists of children. */
int procs_look_from(struct procs *p, const pid_t *seeds, size_t n);

/* The children of a process, of all its threads: returns how many there are, and writes the first
 * `most` of them; or a code. */
int procs_children(pid_t pid, pid_t *into, size_t most);

/* NULL: there is none. */
struct proc *procs_find(const struct procs *p, pid_t pid);

/* Looked up when first asked for. A process in the middle of an exec has none. */
const char *procs_mark(struct proc *p);
