/*
 * sv_notify - how a life tells that it is ready, and that it still is.
 *
 *	ready = notify     NOTIFY_SOCKET: READY=1, STATUS=..., WATCHDOG=1 (sd_notify(3))
 *	ready = fd:N       a line, or anything, written to descriptor N
 *	ready = log:REGEX  a line of its output
 *
 * The socket is an abstract one, made for this life: what comes to it is this life's.
 */
#pragma once

#include <stddef.h>

struct env;
struct err;
struct spawn_fd;
struct sv_life;
struct sv_notify;

/* *out is NULL where nothing is to be told. Returns 0 or a code. */
int sv_notify_new(struct sv_life *l, struct sv_notify **out, struct err *err);

/* Adds what the child needs. */
void sv_notify_pass(struct sv_notify *n, struct env *env, struct spawn_fd *fds, size_t *count);

/* The child has it. NULL: nothing. */
void sv_notify_passed(struct sv_notify *n);

/* Freed later. NULL: nothing. */
void sv_notify_free(struct sv_notify *n);
