/* listen - listening sockets, made or inherited. */
#pragma once

#include <stdbool.h>

#include "core/net/addr.h"

struct err;

/*
 * A non-blocking listening socket. share: with SO_REUSEPORT, so that every thread has one of its
 * own. A socket that was handed down for the same address (LISTEN_FDS) is used instead of a new
 * one. A stale unix socket is replaced. Returns the descriptor, or a code with a reason.
 */
int listen_open(const struct addr *a, int backlog, bool share, struct err *err);

/* The port that it got. */
int listen_port(int fd);
