/*
 * child - watches one process until it ends, and sends it signals that reach nobody else.
 *
 *	child_watch (we started it) --+
 *	child_adopt (somebody did) ---+--> watched -- pidfd is readable --> on_end, once -->
 *child_close
 *
 * A pidfd names a process, not a number, so a signal can't hit one who got the number later. The
 * number of a process group can be used again when its leader and all members are gone: while
 * on_end runs, the leader is dead but not yet buried, so that child_signal_group still is safe
 * there; afterwards it says UV_ESRCH. What is left then is tree.h's business.
 *
 * Idle children cost nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/net/poller.h"

struct child;
struct err;
struct reap;

enum child_how {
	CHILD_EXITED, /* code: its exit status */
	CHILD_KILLED, /* code: the signal */
	CHILD_GONE,   /* it was not ours: nobody tells us how it ended */
};

struct child_end {
	enum child_how how;
	int code;
	bool core;           /* a core was dumped */
	struct rusage usage; /* of it and those it waited for; zero for CHILD_GONE */
};

/* It may close the child, and may start another. */
typedef void (*child_on_end)(struct child *c, const struct child_end *end);
typedef void (*child_on_closed)(struct child *c);

struct child {
	void *owner; /* kept by child_watch and child_adopt */
	pid_t pid;
	pid_t group;   /* whose group it leads: pid; else 0. The owner's to set. */
	uint64_t born; /* clock ticks after boot, /proc/PID/stat field 22; 0: it was gone at once */
	bool ended;

	/* private */
	bool adopted, buried;
	struct poller_item item; /* the pidfd */
	struct list link;        /* in reap's table */
	struct reap *reap;
	child_on_end on_end;
	child_on_closed on_closed;
};

/*
 * A process from spawn_program; pidfd becomes the child's. reap: NULL when nobody else in this
 * process waits for children. Returns 0, or a code and then pidfd is still yours.
 */
int child_watch(struct child *c, uv_loop_t *loop, pid_t pid, int pidfd, child_on_end on_end);

/* From now on reap leaves it alone. Right after child_watch; may be left out without a reap. */
void child_known(struct child *c, struct reap *reap);

/*
 * A process that somebody else started, or we before a re-exec. born: as struct child has it; 0:
 * whoever has the number now. Returns 0; UV_ESRCH when it is gone or another one has its number.
 */
int child_adopt(struct child *c, uv_loop_t *loop, pid_t pid, uint64_t born, child_on_end on_end);

/* sig 0 only asks. Returns 0, UV_ESRCH, UV_EPERM, ... */
int child_signal(struct child *c, int sig);

/* To the group that it leads. UV_ESRCH after on_end, or when it leads none. */
int child_signal_group(struct child *c, int sig);

/* Watches no longer; the process goes on, and is buried by reap, if there is one. on_closed: the
 * last callback; may be NULL. */
void child_close(struct child *c, child_on_closed on_closed);

/* "exit status 1", "killed by SIGSEGV (core dumped)", "gone". Returns into. */
char *child_end_text(const struct child_end *end, char *into, size_t size);
