/*
 * sv - the supervisor as it runs: what all of its parts share. Everything is on the main loop.
 *
 *	sv -- teams (groups as they run) -- procs -- a life each, from spawn to the last byte
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/proc/env.h"
#include "core/proc/output.h"
#include "core/proc/reap.h"
#include "roles/supervisor/sv_cgroup.h"
#include "roles/supervisor/sv_keeper.h"
#include "roles/supervisor/sv_pool.h"
#include "roles/supervisor/sv_state.h"
#include "roles/supervisor/sv_tell.h"
#include "roles/supervisor/sv_times.h"

struct run;
struct sv_files;
struct sv_proc;
struct sv_setup;
struct sv_wish;

/* supervisord's own numbers. */
enum sv_phase { SV_FATAL = 2, SV_RUNNING = 1, SV_RESTARTING = 0, SV_SHUTDOWN = -1 };

struct sv {
	struct run *run;
	uv_loop_t *loop;
	struct sv_setup *setup;   /* held; that of the last update */
	struct sv_setup *pending; /* held; was read, and is not in force yet; NULL: none */
	enum sv_phase state;
	struct list teams;     /* in the order of their start */
	struct list watchers;  /* struct sv_watch */
	struct list sockets;   /* sv_sockets.c */
	struct list listeners; /* sv_http.c */
	struct list readers;   /* sv_stream.c */
	struct sv_pools pools; /* of listeners */
	struct sv_tell tell;
	struct sv_times times;
	struct list scalers;    /* sv_scale.c */
	struct sv_files *files; /* sv_files.c; NULL: none is watched */
	struct outputs outputs;
	struct reap reap;
	struct sv_keeper keeper;
	struct sv_state memory; /* of what runs */
	struct env env;         /* of every child, before its own */
	uv_signal_t quit, usr2;
	uv_timer_t soon;        /* looks whether all is over */
	uv_timer_t shed;        /* a start or a change is over */
	uv_timer_t anew;        /* a new image was ordered */
	int open;               /* of the five */
	uint64_t born;          /* uv_hrtime(): tells images apart */
	unsigned lives;         /* that are not closed yet, their own handles too */
	unsigned marks;         /* given out */
	unsigned runs;          /* commands that were run once */
	struct sv_wish *wishes; /* sv_wish.c; NULL: none */
	bool stopping;          /* all is to end */
	struct sv_cgroups cgroups;
	bool drained, closing;
	bool leave; /* the children are to go on without us */
	bool left;  /* some do */
};

/* A state that a process moved to. */
struct sv_watch {
	struct list link;
	void *owner;
	void (*on_move)(struct sv_watch *w, struct sv_proc *p, int from);
	void (*on_end)(struct sv_watch *w); /* all is to end; NULL: it need not know */
};

void sv_watch(struct sv *sv, struct sv_watch *w);
void sv_unwatch(struct sv_watch *w);

/* Another setup is in force. */
void sv_changed(struct sv *sv);

/* Tells all of them; and those who wait for this process to be ready go on. */
void sv_moved(struct sv *sv, struct sv_proc *p, int from);

/* Tells all watchers that all is to end. */
void sv_ending(struct sv *sv);

/* The last handle of a process is closed: what is left of us goes too. */
void sv_close(struct sv *sv);

/* Something ended: is everything that was to end over? */
void sv_settle(struct sv *sv);
