/*
 * process - a worker's process: its start, its words by line, its end with all that it started.
 *
 *	process_start -> on_line ... -> on_end (its pipes were read) -> its tree is killed ->
 *on_gone
 *
 * Its standard output and error are pipes; what comes is handed over line by line, longer ones in
 * pieces of PROCESS_LINE. It leads a session of its own, and dies with us.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/proc/child.h"
#include "core/proc/output.h"
#include "core/proc/spawn.h"
#include "core/proc/tree.h"

struct err;
struct process;

enum { PROCESS_LINE = 3072, PROCESS_MARK = 40 };

/* line: zero-terminated, without its LF; holds until it returns. */
typedef void (*process_on_line)(struct process *p, bool is_error, char *line, size_t n);
typedef void (*process_on_end)(struct process *p, const struct child_end *end);
typedef void (*process_on_gone)(struct process *p);

struct process_words {
	struct process *process;
	struct output output;
	struct output_tap tap;
	struct buf partial;
	bool is_error, is_open;
};

struct process {
	void *owner;
	process_on_line on_line;
	process_on_end on_end;
	process_on_gone on_gone;
	/* Standard output as it comes, in place of lines; may be NULL. */
	void (*on_output)(struct process *p, const void *data, size_t n);
	struct child child;
	bool ended;

	/* private */
	struct process_words out, err;
	struct tree tree;
	struct procs procs;
	struct tree_kill kill;
	uv_loop_t *loop;
	struct reap *reap;
	int open;
	bool killing;
	char mark[PROCESS_MARK];
};

/* The value of TREE_MARK for the environment in spec: call it before. */
void process_init(struct process *p);

/*
 * spec: its fds may not name 1 and 2, its group is ours to say. Keeps outputs, reap. Returns 0; or
 * a code and a sentence, and then on_gone still comes, perhaps from inside.
 */
int process_start(struct process *p, struct outputs *outputs, struct reap *reap, struct spawn *spec,
		  struct err *err);

/* What it has written so far is handed over now. */
void process_drain(struct process *p);

/* To its group. */
void process_signal(struct process *p, int sig);

/* KILL to all that descends from it. */
void process_kill(struct process *p);
