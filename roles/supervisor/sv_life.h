/*
 * sv_life - one life of a process, from its spawn to its last byte.
 *
 *	proc --> life: child, stdin, stdout, stderr, mark
 *	           \-- ended: the proc goes on without it; what its pipes still hold is read, then
 *it closes itself
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/proc/child.h"
#include "core/proc/input.h"
#include "core/proc/output.h"
#include "core/proc/tree.h"

struct err;
struct sv;
struct sv_cgroup;
struct sv_notify;
struct sv_proc;
struct sv_slot;
struct sv_talk;

struct sv_life {
	struct sv *sv;
	struct sv_proc *proc; /* NULL: it has ended */
	struct child child;
	struct output out, err;
	struct input in;
	bool has_out, has_err, has_in;
	struct tree tree;
	struct procs procs;
	struct sv_cgroup *cgroup; /* NULL: none of its own */
	struct tree_kill *kill;   /* NULL: none is under way */
	struct sv_notify *notify; /* its socket of sd_notify, or pipe; NULL: none */
	struct sv_talk *talk;     /* NULL: it says nothing to us */
	char mark[48];
	size_t slot;               /* sv_adopt.c */
	char *out_path, *err_path; /* NULL: no file */
	int open;                  /* parts that are not closed yet */
};

/* Our ends; -1: there is none. */
struct sv_pipes {
	int in, out, err;
};

void sv_pipes_close(struct sv_pipes *p);

/* Takes the pipes over, and watches a process that runs already. NULL: it has ended; what it wrote
 * is in its log. */
struct sv_life *sv_life_adopt(struct sv_proc *p, const struct sv_slot *s, struct sv_pipes *pipes);

/* Starts the process. NULL and one sentence on failure. */
struct sv_life *sv_life_start(struct sv_proc *p, struct err *err);

/* Its configuration has changed in what needs no restart: where the logs go. */
void sv_life_change(struct sv_life *l);

/* Bytes to its standard input. Returns 0 or a code. */
int sv_life_write(struct sv_life *l, const void *data, size_t n);

/* A signal to the process; whole: to its group as well. Returns 0 or a code. */
int sv_life_signal(struct sv_life *l, int sig, bool whole);

/* How many of its descendants live, itself not counted; those that forked twice too. */
size_t sv_life_left(struct sv_life *l);

/* Whether we hear of their ends: as their sub-reaper we bury them. Not of those whom another one of
 * us has started. */
bool sv_life_is_told(const struct sv_life *l);

/* A signal to all that sv_life_left counted; group_knows: beside those of its process group. */
void sv_life_signal_left(struct sv_life *l, int sig, bool group_knows);

/* Kills what is left, however it hides; sv_proc_poke comes when it is done. */
void sv_life_kill_left(struct sv_life *l);

/* The proc goes on without it. */
void sv_life_let_go(struct sv_life *l);
