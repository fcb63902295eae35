/*
 * logdest - where a logfile's bytes go: opened, written to, rotated. Knows nothing of writers or
 * of waiting. Private to logfile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/proc/inflight.h"
#include "core/proc/logfile.h"
#include "core/proc/logzip.h"

struct logdest {
	char *path;
	struct logfile_conf conf;
	int fd;
	bool regular; /* a file that can be rotated and read back */
	bool socket;
	bool shared;    /* with others who may want it to block: asked before, written in pieces */
	bool line_end;  /* what it holds ends with a whole line */
	int64_t size;   /* bytes; of a regular one */
	uint64_t began; /* milliseconds since 1970 */
	dev_t dev;
	ino_t ino;
	uv_loop_t *loop;
	struct inflight *inflight; /* may be NULL */
	bool hurry;
	struct logzip *zip;                 /* under way */
	int64_t zip_n;                      /* FILE.n is what it compresses, now */
	void (*on_idle)(struct logdest *d); /* no zip is under way any more */
};

/* d->path, conf and loop are set. Returns 0 or a code. */
int logdest_open(struct logdest *d);

/* Returns how many were taken; fewer than n: *code says why, UV_EAGAIN: it is worth to watch fd. */
size_t logdest_write(struct logdest *d, const char *data, size_t n, int *code);

/* Each returns 0 or a code, and then goes on in the file that it had. */
int logdest_reopen(struct logdest *d);
int logdest_rotate(struct logdest *d);
int logdest_clear(struct logdest *d);

/* Before it is freed. on_idle follows when zip is set: after that compression, or, in a hurry,
 * soon: then the file stays as it is, and is compressed after a later rotation. */
void logdest_close(struct logdest *d);
void logdest_hurry(struct logdest *d);
