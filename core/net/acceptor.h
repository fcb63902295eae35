/*
 * acceptor - a listening socket that hands over who connects.
 *
 * For want of descriptors it rests a tenth of a second, instead of being told again and again of
 * what it can't take.
 */
#pragma once

#include <uv.h>

struct acceptor;

/* fd: non-blocking, yours now. */
typedef void (*acceptor_on_socket)(void *data, int fd);

struct acceptor {
	uv_poll_t poll;
	uv_timer_t again;
	acceptor_on_socket on_socket;
	void (*on_closed)(struct acceptor *a);
	void *data;
	int fd;
	int open; /* handles */
};

/* Takes over a listening, non-blocking socket. Returns 0, or a code and then fd is still yours. */
int acceptor_open(struct acceptor *a, uv_loop_t *loop, int fd, acceptor_on_socket on_socket,
		  void *data);

/* on_closed: the last callback; the struct may be freed in it. */
void acceptor_close(struct acceptor *a, void (*on_closed)(struct acceptor *a));
