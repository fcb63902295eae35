/* logzip - compresses one file on a thread of libuv's. Private to logfile. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <uv.h>

struct logzip;

/* status: 0: TO is there and FROM as it was; a code: there is no TO. */
typedef void (*logzip_done)(struct logzip *z, int status);

struct logzip {
	void *owner;
	char from[PATH_MAX], to[PATH_MAX];

	/* private */
	uv_work_t work;
	logzip_done done;
	int status;
	bool cancelled; /* read by the thread */
};

/* from and to are set. The contract is dial.h's. */
int logzip_start(struct logzip *z, uv_loop_t *loop, logzip_done done);
void logzip_cancel(struct logzip *z);
