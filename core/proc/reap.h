/*
 * reap - buries those whom nobody knows.
 *
 * PID 1 and a sub-reaper inherit the orphans of all that they started. waitid(P_ALL) would also
 * take the end of a watched child (child.h) away from its owner, so it is asked with WNOWAIT: a
 * stranger is buried; a watched one at the head of the queue is left to its pidfd, and the queue is
 * looked at again after him. Nothing polls: SIGCHLD starts it.
 *
 * One for the process; it must be in the loop in which the children are watched.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/list.h"

struct child;
struct reap;

/* A stranger has ended; status is as of waitpid. */
typedef void (*reap_on_stranger)(struct reap *r, pid_t pid, int status);
typedef void (*reap_on_closed)(struct reap *r);

enum { REAP_BUCKETS = 256 };

struct reap {
	void *owner;
	reap_on_stranger on_stranger; /* may be NULL */
	unsigned long buried;

	/* private */
	uv_signal_t signal;
	struct list watched[REAP_BUCKETS]; /* struct child, by pid */
	reap_on_closed on_closed;
};

/* Keeps owner and on_stranger. Does not keep the loop alive. subreaper: orphans among our
 * descendants become ours. */
int reap_open(struct reap *r, uv_loop_t *loop, bool subreaper);

/* Is this a child that is watched? */
bool reap_knows(const struct reap *r, pid_t pid);

/* For child.c: a child is watched (unlinking it is enough to end that), and one is buried. */
void reap_add(struct reap *r, struct child *c);
void reap_again(struct reap *r);

/* All watched children are closed before. */
void reap_close(struct reap *r, reap_on_closed on_closed);
