/*
 * output - one stream of a program's output, from its pipe to where it is kept.
 *
 *	                           +--> logfile (file, /dev/stdout, fifo)
 *	program --> pipe --> read -+--> syslog, line by line
 *	       1 MiB     256 KiB   +--> ring, the last bytes, where there is no file
 *	                           +--> taps: tail -f, listeners' protocols, patterns
 *
 * In raw format nothing is done by line: one read and one write for 256 KiB. The buffer is shared
 * by all outputs of a loop; an idle one owns none. The pipe has the kernel's size until it was once
 * found full, then 1 MiB, if the kernel grants it: 1000 quiet programs keep 1000 small pipes.
 *
 * A program that writes many small pieces would wake us for each: after some in the same
 *millisecond its pipe is left alone for one, while it has room.
 *
 * While the file takes nothing the pipe is left alone, for `files.block` at most (logfile.h).
 * Syslog and taps never hold anything up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/net/poller.h"
#include "core/proc/inflight.h"
#include "core/proc/logfile.h"
#include "core/proc/tail.h"

struct err;
struct output;
struct output_tap;

enum output_format {
	OUTPUT_RAW,
	OUTPUT_PREFIX, /* "name | line" */
	OUTPUT_JSON,   /* {"time":"...","name":"web_01","stream":"stdout","line":"..."} */
};

enum {
	OUTPUT_LINE_MOST = 64 * 1024, /* longer ones are broken, where lines matter */
	OUTPUT_RING = 4096,           /* a usual size of a ring, bytes */
};

/* What the outputs of a loop share. */
struct outputs {
	struct logfiles files; /* set block, owner, on_trouble in here */
	const char *syslog;    /* "/dev/log" until it is set; borrowed */
	bool rfc5424;          /* else as /dev/log is usually spoken to, RFC 3164 */

	/* private */
	uv_loop_t *loop;
	struct inflight inflight;
	uint8_t *room;
	char *copy;      /* of the room, for what changes it */
	struct buf text; /* lines in the making */
	int syslog_fd;
	struct list resting; /* outputs that are left alone, until: */
	uv_timer_t rest;
	logfiles_on_closed on_closed;
	unsigned long syslog_lost; /* lines that nobody took */
};

void outputs_init(struct outputs *all, uv_loop_t *loop);

/*
 * From now on a kill -9 loses no byte that was read (inflight.h) of an output that has an id,
 * unless its file took nothing at that moment. fd: what outputs_kept gave an earlier process, which
 * becomes ours; -1: there was none. Before the first output is opened. Returns 0, or a code, and
 * then fd is still yours.
 */
int outputs_keep(struct outputs *all, int fd);

/* For a keeper; stays ours. */
int outputs_kept(const struct outputs *all);

/* All outputs that go on after a crash are open, and output_recall was called: forget the rest. */
void outputs_recalled(struct outputs *all);

/* All outputs are closed before. */
void outputs_close(struct outputs *all, logfiles_on_closed on_closed);

/* All is copied. */
struct output_spec {
	const char *id;     /* one output's over all processes that read it; NULL: not to be kept */
	const char *name;   /* "web:web_01" */
	const char *stream; /* "stdout" */
	const char *path;   /* NULL: no file */
	struct logfile_conf file;
	enum output_format format; /* of the file */
	bool syslog;               /* also there */
	bool strip_ansi;           /* escape sequences of terminals go nowhere */
	size_t ring;               /* bytes kept for tail when there is no file; 0: none */
};

/* The program, and all who inherited the pipe, have closed it. Close the output, now or later. */
typedef void (*output_on_eof)(struct output *o);
typedef void (*output_on_closed)(struct output *o);

/* Sees all bytes first; what is to go on, it gives to output_pass, now or with its next bytes. n 0:
 * no more comes. */
typedef void (*output_on_filter)(struct output *o, char *data, size_t n);

struct output {
	void *owner;
	void *filter_owner;
	uint64_t bytes; /* read so far */
	uint64_t last;  /* uv_now of the last ones; 0: none yet */
	bool eof;

	/* private */
	struct outputs *all;
	struct poller_item item;
	struct logfile_writer *file; /* NULL: none */
	uint64_t dropped;            /* by files that it had before */
	char *id, *name, *stream;
	enum output_format format;
	bool syslog, strip_ansi;
	bool finishing, closing, grown;
	struct list resting;
	uint64_t busy_ms;    /* in this millisecond ... */
	unsigned busy_reads; /* ... it was read so often */
	uint8_t escape;      /* where strip_ansi is */
	size_t capacity;     /* of the pipe; 0: not asked yet */
	size_t left;         /* finishing: bytes that are still to be read */
	struct buf partial;  /* the line that is not complete */
	struct inflight_rest rest;
	struct buf ring;
	size_t ring_size;
	uint64_t ring_total; /* bytes that ever were in it */
	struct list taps;
	output_on_eof on_eof;
	output_on_closed on_closed;
	output_on_filter on_filter;
};

/* ends[0]: for output_open; ends[1]: for the child. Both close-on-exec. Returns 0 or a code. */
int output_pipe(int ends[2]);

/*
 * Reads from fd, the read end of a pipe, which becomes the output's and non-blocking; it may be one
 * that another process had before. on_eof may be NULL. Returns 0, or a code and one sentence, and
 * then fd is still yours.
 */
int output_open(struct output *o, struct outputs *all, int fd, const struct output_spec *spec,
		struct err *err);
void output_on(struct output *o, output_on_eof on_eof, void *owner);

/* Takes what an earlier process, which was killed, had read and not written. After its filter and
 * taps were set. */
void output_recall(struct output *o);

/* Goes on by another spec, id as it was. On failure all stays as it was. */
int output_change(struct output *o, const struct output_spec *spec, struct err *err);

/* Bytes of it that the file did not take, for good. */
uint64_t output_dropped(const struct output *o);

/* Takes bytes as if they had been read: those of a process that handed over, or our own words. Not
 * from a tap. */
void output_feed(struct output *o, const void *data, size_t n);

/* Reads what is in the pipe at this moment, unless the file takes nothing. */
void output_drain(struct output *o);

/* What tail_read and tail_follow take: its file, or its ring. Holds until the next event. */
struct tail output_tail(const struct output *o);

/* Empties file and ring. */
int output_clear(struct output *o);

/* The read end, which stays the output's: to be sent to a keeper, or kept over an exec. */
int output_fd(const struct output *o);

/* The incomplete line that only we have; to be handed over together with the fd. */
const void *output_partial(const struct output *o, size_t *n);

/* Closes now. What is in the pipe is lost, unless somebody else holds its read end. The incomplete
 * line is written. on_closed: the last callback; may be NULL. */
void output_close(struct output *o, output_on_closed on_closed);

/* Reads what is in the pipe at this moment, waits for its file as long as for any bytes, closes.
 * For a program that has ended, whose descendants may hold the pipe. */
void output_finish(struct output *o, output_on_closed on_closed);

/* As output_close, but for the incomplete line; the pipe lives on in the fd that is returned
 * (close-on-exec), which is the caller's. Or a code. */
int output_detach(struct output *o, output_on_closed on_closed);

/* ---- taps --------------------------------------------------------------------- */

/* data holds until it returns, which must be soon. Bytes are as the program wrote them, less
 * escape sequences, and on their way to the file. It may remove any tap, and close the output. n 0:
 * the output is closed, the tap is removed. */
typedef void (*output_on_bytes)(struct output_tap *t, const void *data, size_t n);

struct output_tap {
	void *owner;
	output_on_bytes on_bytes;
	struct list link;
};

void output_tap(struct output *o, struct output_tap *t, output_on_bytes on_bytes, void *owner);
void output_untap(struct output_tap *t);

/* ---- a filter ----------------------------------------------------------------- */

/* One at most; on_filter NULL: none. */
void output_filter(struct output *o, output_on_filter on_filter, void *owner);

/* From a filter only. Changes data when escape sequences are to go. */
void output_pass(struct output *o, char *data, size_t n);
