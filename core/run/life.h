/* life - what run.c keeps of a running role, for its control commands and admin page. Private to
 * core/run. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/run/place.h"
#include "core/run/run.h"

struct admin;
struct control;
struct control_peer;
struct stat_out;

enum run_order { ORDER_NONE, ORDER_DRAIN, ORDER_STOP, ORDER_NOW };

struct run {
	uv_loop_t loop;
	uv_signal_t hup, term, intr, usr1;
	uv_timer_t grace, tick, later;
	uv_async_t untold; /* the log has something for the next tick */
	const struct role *role;
	const struct run_options *options;
	struct place place;
	int pid_fd;
	struct control *control;
	struct admin *admin;
	const struct conf *conf;
	void *self; /* the role's */
	uint64_t started;
	int64_t grace_ms;     /* in place of drain_timeout; -1: that */
	int status;           /* of our exit, when all goes well */
	enum run_order order; /* to be carried out by `later`, when its answer is on the way */
	bool initialised, draining, stopped;
};

/* What `status` shows; stat_free it. */
struct stat_out *run_status(struct run *run);

/* From the loop, soon. */
void run_order(struct run *run, enum run_order order);

/* The commands of `troupe ctl`: a control_command. */
int run_command(void *owner, int argc, char **argv, FILE *out, struct control_peer *peer);
