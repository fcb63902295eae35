/*
 * sv_sockets - sockets that the supervisor opens and its programs accept on.
 *
 *	sockets = http=tcp:0.0.0.0:8080    descriptors from 3 on, LISTEN_FDS, over all its lives
 *	[fcgi-program] socket = ...        descriptor 0 of all its processes
 *
 * A socket is opened with the first process that needs it, and closed when no configuration in
 * force names it: a process that ends loses no connection.
 */
#pragma once

#include <stddef.h>

struct err;
struct sv;
struct sv_proc;

enum {
	SV_SOCKETS_MOST = 16,
	SV_SOCKETS_KEPT = 's', /* begins the id under which the keeper has one; its key follows */
};

struct sv_passed {
	int fds[SV_SOCKETS_MOST];
	size_t n;
	char names[512];
};

/* What a process is to get; the descriptors stay ours. */
int sv_sockets_pass(struct sv_proc *p, struct sv_passed *passed, struct err *err);

/* A copy of the program's FastCGI socket, the caller's; or a code. */
int sv_sockets_fcgi(struct sv_proc *p, struct err *err);

/* One that outlived an earlier supervisor. */
void sv_sockets_adopt(struct sv *sv, const char *key, int fd);

/* Closes those that no group names any more. */
void sv_sockets_sweep(struct sv *sv);
void sv_sockets_close(struct sv *sv);
