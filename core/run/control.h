/*
 * control - the socket by which `troupe ctl` speaks to a running role.
 *
 *	client: ["status","--json"]\n          at most 64 KiB, within 5 s
 *	server: 0\n and then the answer        the first line is the exit status; the end is the end
 *
 * A unix socket, 0600: who may open it may order. One command at a time, each on a connection of
 * its own, at most 32 of them. Its handles don't keep the loop alive.
 */
#pragma once

#include <stdio.h>
#include <uv.h>

struct control;
struct err;

/* Writes the answer; returns the exit status. The words are NULL-terminated. */
typedef int (*control_command)(void *owner, int argc, char **argv, FILE *out);

/* A path where nobody listens any more is taken over; where somebody does: UV_EALREADY. */
int control_open(struct control **out, uv_loop_t *loop, const char *path, struct err *err);

/* From now on commands are answered; those that came earlier wait. */
void control_serve(struct control *c, control_command command, void *owner);

/* Frees itself once its last handle is closed. Removes the socket. NULL: nothing. */
void control_close(struct control *c);

/* The client. Copies the answer to `out`. The exit status, or a code when nobody answers. Blocks,
 * for at most timeout ms of silence. */
int control_call(const char *path, int argc, char *const *argv, int timeout, FILE *out);
