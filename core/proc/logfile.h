/*
 * logfile - a file that programs' output goes to, with rotation; shared by all that name it.
 *
 *	writer --\                          rename at a line's end -> FILE.1 -> FILE.1.zst -> ...
 *	writer ---+--> logfile --write()--> FILE
 *	writer --/        \-- takes nothing? well -> stuck (writers wait) -> dropping -> well
 *
 * A full disk, an EIO, a reader of our standard output who sleeps: what was handed over is kept,
 * logfile_write says "stop", and writers leave their pipes alone. After `block` the file drops what
 * comes and counts it, until it takes again: no program waits for a log for longer. Dropped is from
 * line end to line end.
 *
 * Regular files are appended to and rotated. "/dev/stdout", "/dev/stderr", "/dev/fd/N", pipes,
 * fifos, sockets and devices are written as they are: never waited for, sought, or rotated.
 *
 * Rotation: names are moved on when the next bytes would pass max_size, after the last line end
 * that fits. A line may be longer than the file may: it is broken 1 MiB over. Compression is done
 * by libuv's threads, one file at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "core/base/list.h"

struct err;
struct inflight;
struct logfile;
struct logfiles;
struct logfile_writer;

struct logfile_conf {
	int64_t max_size; /* bytes; 0: never rotated for its size */
	int64_t keep;     /* FILE.1 to FILE.keep; 0: what is full is thrown away */
	uint64_t max_age; /* milliseconds; 0: never rotated for its age */
	mode_t mode;      /* of a new file, less the umask; 0: 0644 */
	bool zstd;        /* FILE.n become FILE.n.zst */
};

/* code: why path takes nothing (dropping starts); 0: it takes again, after so many bytes dropped.
 * For a line in our own log: it must not close anything. */
typedef void (*logfiles_on_trouble)(struct logfiles *all, const char *path, int code,
				    uint64_t dropped);
typedef void (*logfiles_on_closed)(struct logfiles *all);

struct logfiles {
	void *owner;
	uint64_t block;                 /* milliseconds; 5000 until it is set */
	logfiles_on_trouble on_trouble; /* may be NULL */
	struct inflight *inflight;      /* is told how far writes get; may be NULL */

	/* private */
	uv_loop_t *loop;
	uv_timer_t retry; /* runs while a file is stuck */
	struct list files;
	unsigned busy; /* files that wait for something to be closed, and the timer */
	logfiles_on_closed on_closed;
};

/* The file takes bytes again, or drops them. It may close this writer, and no other. */
typedef void (*logfile_on_room)(struct logfile_writer *w);

struct logfile_writer {
	void *owner;
	uint64_t written, dropped; /* bytes */
	size_t skip;               /* so many of the next bytes are in the file already */

	/* private */
	struct logfile *file;
	struct list link;
	logfile_on_room on_room;
	bool waiting;
};

void logfiles_init(struct logfiles *all, uv_loop_t *loop);

/* All writers are closed before; what is still unwritten gets one more try. */
void logfiles_close(struct logfiles *all, logfiles_on_closed on_closed);

/* Another has moved the files away: all are opened anew. Returns 0, or the first code; a file that
 * can't be opened goes on where it was. */
int logfiles_reopen(struct logfiles *all, struct err *err);

/* The file is shared with all who name the same path; the last one's conf holds for all.
 * Returns 0, or a code and one sentence. */
int logfile_open(struct logfile_writer *w, struct logfiles *all, const char *path,
		 const struct logfile_conf *conf, struct err *err);
void logfile_on(struct logfile_writer *w, logfile_on_room on_room, void *owner);

/* Takes all of it (writes, keeps or drops). false: stop your source until on_room. */
bool logfile_write(struct logfile_writer *w, const void *data, size_t n);

/* As logfile_write would say now. */
bool logfile_has_room(struct logfile_writer *w);

/* Empties it: a new file in the place of the old; FILE.n stay. 0 where there is nothing to empty.
 */
int logfile_clear(struct logfile_writer *w);

/* Rotates now. 0 where there is nothing to rotate. */
int logfile_rotate(struct logfile_writer *w);

/* NULL when it is no regular file: nothing can be read back. */
const char *logfile_path(const struct logfile_writer *w);

/* The writer may be freed. What it wrote is written still, as far as the file takes it. */
void logfile_close(struct logfile_writer *w);
