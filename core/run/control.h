/*
 * control - the socket by which `troupe ctl` speaks to a running role.
 *
 *	client: ["status","--json"]\n          at most 64 KiB, within 5 s
 *	server: 0\n and then the answer        the first line is the exit status; the end is the end
 *
 * A unix socket, 0600: who may open it may order. One command at a time, each on a connection of
 * its own, at most 128 of them. Its handles don't keep the loop alive.
 *
 * A command may answer later, and in pieces: it returns CONTROL_LATER and keeps the peer.
 *
 *	control_wait -- control_begin (the status) -- control_put* -- control_end
 *	                                                   \-- or `gone`: the client left first
 */
#pragma once

#include <stdio.h>
#include <uv.h>

struct control;
struct control_peer;
struct err;

enum { CONTROL_LATER = -1 };

/* Writes the answer; returns the exit status, or CONTROL_LATER. The words are NULL-terminated. */
typedef int (*control_command)(void *owner, int argc, char **argv, FILE *out,
			       struct control_peer *peer);

/* A path where nobody listens any more is taken over; where somebody does: UV_EALREADY. */
int control_open(struct control **out, uv_loop_t *loop, const char *path, struct err *err);

/* From now on commands are answered; those that came earlier wait. */
void control_serve(struct control *c, control_command command, void *owner);

/* Frees itself once its last handle is closed. Removes the socket. NULL: nothing. */
void control_close(struct control *c);

/* For a command that answers later. gone comes from the loop; the peer is no more then. room comes
 * when little is left unsent; NULL: nobody asks. */
void control_wait(struct control_peer *p, void *data, void (*gone)(void *data),
		  void (*room)(void *data));
void control_begin(struct control_peer *p, int status);

/* Copies. Returns the bytes that are unsent, over which the caller sets a limit. */
size_t control_put(struct control_peer *p, const void *data, size_t n);

/* The peer is no more after this. */
void control_end(struct control_peer *p);

/* The client. Copies the answer to `out`, each piece as it comes. The exit status, or a code when
 * nobody answers. Blocks, for at most timeout ms of silence; 0: for ever. */
int control_call(const char *path, int argc, char *const *argv, int timeout, FILE *out);

/* The client's first half: a descriptor on which the answer comes, its first line too; or a code.
 */
int control_ask(const char *path, int argc, char *const *argv, int timeout);
