/*
 * input - a program's standard input: bytes to it, never waiting for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/net/poller.h"

struct input;
typedef void (*input_on_closed)(struct input *i);

struct input {
	void *owner;

	/* private */
	struct poller_item item;
	struct buf unsent;
	int error;
	bool ending; /* close when all is sent */
	bool closing;
	input_on_closed on_closed;
};

/* ends[0]: for the child; ends[1]: for input_open. Both close-on-exec. Returns 0 or a code. */
int input_pipe(int ends[2]);

/* fd becomes the input's. max: bytes that may wait. Returns 0, or a code and then fd is yours. */
int input_open(struct input *i, uv_loop_t *loop, int fd, size_t max);

/* All or nothing. Returns 0; ERR_LIMIT: so much may not wait; UV_EPIPE: nobody reads. */
int input_write(struct input *i, const void *data, size_t n);

/* The write end, which stays the input's: to be sent to a keeper. */
int input_fd(const struct input *i);

/* Bytes that wait. */
size_t input_backlog(const struct input *i);

/* on_closed: the last callback; may be NULL. unsent: closed once all is sent, or nobody reads. */
void input_close(struct input *i, input_on_closed on_closed);
void input_finish(struct input *i, input_on_closed on_closed);
