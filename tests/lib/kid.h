/* kid - a program started for a test, its words and its end. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/proc/child.h"
#include "core/proc/spawn.h"

struct kid {
	uv_loop_t loop;
	struct child child;
	struct child_end end;
	int ends;       /* how often on_end was called */
	char out[8192]; /* what it wrote to its standard output, and error */
	int rc;         /* of spawn_program */
	struct err err;
};

/* Starts it by s, whose fds are set here, and waits for its end. */
void kid_run(struct kid *k, const struct spawn *s);

/* The same for "/bin/sh -c script", in a session of its own. */
void kid_script(struct kid *k, const char *script);

/* Starts it and returns; kid_wait turns the loop until it has ended, and closes all. */
void kid_start(struct kid *k, const struct spawn *s);
void kid_wait(struct kid *k);

/* Under valgrind a vfork is a fork, and what a child writes to our memory is lost. */
bool kid_under_valgrind(void);

/* Waits, at most some seconds, until it is so. */
#define wait_until(cond)                                                                           \
	for (int wait_until_n = 0; !(cond); wait_until_n++) {                                      \
		cr_assert(wait_until_n < 5000, "never came: %s", #cond);                           \
		usleep(2000);                                                                      \
	}
