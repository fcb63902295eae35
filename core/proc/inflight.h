/*
 * inflight - bytes on their way from a pipe to a file, kept where a kill -9 leaves them.
 *
 *	pipe --read--> room --write--> file
 *	                |  shared memory: whose bytes, how many, how many are in the file
 *	                \--> rest: the incomplete line of each output that goes by line
 *
 * Who holds the descriptor after our death knows what is missing, and writes it. The moments that
 * need care:
 *
 *	during a read    The number is agreed before, and room begins with a random mark (of fewer
 *			 than 8 bytes: with what their first is not, as tee tells): it is still
 *			 there, or all were read.
 *	during a write   The file's size before it is noted: how far it grew tells. Where that can't
 *			 be seen (fifo, socket, a file that another moved at that moment), the piece
 *			 is written again: rather twice than never.
 *	after both	 A rest carries the number of the read that made it.
 *
 * One read at a time is in flight. Memory is touched only where it is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	INFLIGHT_ID = 64,
	INFLIGHT_ROOM = 256 * 1024,
	INFLIGHT_REST = 64 * 1024, /* bytes of an incomplete line, at most */
};

struct inflight_head;
struct inflight_area;

struct inflight {
	char *room; /* NULL: nothing is kept */

	/* private */
	int fd;
	int peek[2];
	struct inflight_head *head;
	size_t areas;
	uint64_t marks;
	uint8_t *uses;
	char (*names)[INFLIGHT_ID]; /* until inflight_sweep */
};

/* The rest of one output. */
struct inflight_rest {
	struct inflight_area *area; /* NULL: none was needed yet */
	size_t index;
};

/* fd -1: a new one; else one that an earlier process left, which becomes ours. Returns 0, or a
 * code, and then fd is still yours: UV_EINVAL when it is none that we understand. */
int inflight_open(struct inflight *f, int fd);
void inflight_close(struct inflight *f);

/* To be sent to a keeper. */
int inflight_fd(const struct inflight *f);

/* As read(2) of a non-blocking pipe into f->room, whose only reader we are; most: bytes. id: of
 * fewer than INFLIGHT_ID characters. */
ssize_t inflight_read(struct inflight *f, int fd, const char *id, size_t most);

/* All of them are where they belong, or dropped for good. */
void inflight_done(struct inflight *f);

/* Around each write to the file. Nothing outside of a read. */
void inflight_writing(struct inflight *f, int fd, size_t n);
void inflight_wrote(struct inflight *f, size_t n);

/* What is still to go of it replaces the rest, which is copied. Once after each read. Returns 0 or
 * a code. */
int inflight_rest_put(struct inflight *f, struct inflight_rest *r, const char *id, const void *data,
		      size_t n);
void inflight_rest_free(struct inflight *f, struct inflight_rest *r);

/* ---- after a crash ------------------------------------------------------------- */

/* The incomplete line that id had. *data holds until the next inflight_rest_put. 0: none. */
size_t inflight_rest_find(struct inflight *f, struct inflight_rest *r, const char *id,
			  const void **data);

/*
 * Bytes in f->room that id had read and not finished; 0: none. *written: how many of those that
 * were to go to path are there; path NULL: it had no file. Until inflight_done, writes are counted
 * on top of these.
 */
size_t inflight_left(struct inflight *f, const struct inflight_rest *r, const char *id,
		     const char *path, size_t *written);

/* Nobody asks for what is still there. */
void inflight_sweep(struct inflight *f);
