/*
 * procs - all processes of the machine at one moment, as far as trees need them.
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
	char state;
	bool asked;    /* for its mark */
	char mark[47]; /* value of TREE_MARK; "" without one */
};

struct procs {
	struct proc *all; /* by pid */
	size_t n, cap;
};

void procs_init(struct procs *p);
void procs_fini(struct procs *p);

/* Reads /proc anew. Returns 0 or a code. */
int procs_look(struct procs *p);

/* NULL: there is none. */
struct proc *procs_find(const struct procs *p, pid_t pid);

/* Looked up when first asked for. */
const char *procs_mark(struct proc *p);
