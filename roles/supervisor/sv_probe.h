/*
 * sv_probe - one question to a process: does an address answer, does a command succeed?
 *
 *	start -- dial, or GET ----------------+
 *	     \-- spawn -- exit status --------+--> done, once, from the loop
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "core/net/dial.h"
#include "core/proc/child.h"

struct err;
struct http_client;
struct sv_probe_run;
struct sv_proc;

/* why: NULL for yes. The struct is the caller's again. */
typedef void (*sv_probe_done)(struct sv_probe_run *run, const char *why);
typedef void (*sv_probe_closed)(struct sv_probe_run *run);

struct sv_probe_run {
	void *data;

	/* private */
	struct sv_proc *proc;
	sv_probe_done done;
	sv_probe_closed closed;
	uv_timer_t deadline;
	struct dial dial;
	struct http_client *http; /* NULL: none */
	struct child child;
	bool dialing, has_child, over;
	char why[256];
	int open;
};

/* Asks as conf->health says, within health_timeout. */
void sv_probe_start(struct sv_probe_run *run, struct sv_proc *p, sv_probe_done done);

/* `closed` comes instead of `done`. */
void sv_probe_cancel(struct sv_probe_run *run, sv_probe_closed closed);

/* Runs a command with the process's environment and nobody waiting for it. */
int sv_probe_command(struct sv_proc *p, char **argv, struct err *err);
