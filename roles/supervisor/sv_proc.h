/*
 * sv_proc - one process that is to run, over all its lives.
 *
 *	          +----------- ended, restart --------- EXITED <--+
 *	          v                                               | ended
 *	STOPPED -> STARTING -- lived for startsecs --> RUNNING ---+
 *	    ^        |   ^ \                              |
 *	    |  ended |   |  \------- told to stop --------+--> STOPPING -> STOPPED
 *	    |        v   | later
 *	    +----- BACKOFF -- too often --> FATAL -- told to start, or flap's retry --> STARTING
 *
 * The states are supervisord's. What happened is stored (a death, a word from a person, time that
 * is over), then the machine runs; steps decide.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/base/sm.h"
#include "core/proc/child.h"
#include "roles/supervisor/sv_process.h"

struct sv;
struct sv_care;
struct sv_life;
struct sv_pipes;
struct sv_setup;
struct sv_slot;
struct sv_team;

enum sv_proc_state {
	SV_STOPPED,
	SV_STARTING,
	SV_RUNNING_STATE,
	SV_BACKOFF,
	SV_STOPPING,
	SV_EXITED,
	SV_FATAL_STATE,
	SV_UNKNOWN,
	SV_GONE, /* removed: freed when its last handle is closed */
};

/* Why a process is started anew; for people and figures. */
enum sv_reason {
	SV_BY_EXIT,
	SV_BY_HEALTH,
	SV_BY_WATCHDOG,
	SV_BY_MEMORY,
	SV_BY_AGE,
	SV_BY_FILES,
	SV_BY_ORDER,
	SV_BY_CHANGE,
	SV_REASONS,
};

struct sv_proc {
	struct list link; /* in its team */
	struct sv *sv;
	struct sv_team *team;
	struct sv_setup *setup; /* held: conf is its */
	const struct sv_process_conf *conf;
	struct sm sm;
	uv_timer_t timer; /* the one deadline of the state */
	struct sv_life *life;

	/* facts */
	bool wanted;  /* it is to run */
	bool ordered; /* a person or an update said so since the last start */
	bool due;     /* the deadline is over */
	bool ended;
	bool again; /* it is stopped to be started */
	bool removed;
	bool rests;                 /* it did so before us, too: it does not start by itself */
	bool ready, healthy, waits; /* waits: for what it depends on */
	struct child_end end;

	/* since the beginning of the state, or of the last life */
	bool fresh;                  /* the state has not been stepped yet */
	int from;                    /* the state before */
	bool rest_told, rest_killed; /* what it left was told to end, was killed */
	uint64_t rest_until;         /* loop time: then it is killed */
	uint64_t entered;            /* loop ms */
	int64_t started_at;          /* wall clock, ms; 0: never */
	int64_t stopped_at;
	int64_t next_start; /* by schedule or interval; 0: none */
	bool queued;        /* it starts once more when it has ended */
	uint64_t spawned;   /* loop ms */
	pid_t pid;          /* 0: none */
	pid_t last_pid;     /* also when it is over */
	int exit_status;    /* as supervisord tells it: the code, or -1 for a signal */
	bool has_exit;
	char *spawn_error;               /* NULL: none */
	char *status;                    /* STATUS= of sd_notify; NULL: none */
	size_t rest_slot;                /* sv_adopt.c */
	char *auto_out, *auto_err;       /* names of logs that are AUTO; NULL: none yet */
	uint64_t log_bytes, log_dropped; /* of earlier lives */
	struct sv_care *care;            /* NULL: nothing is looked after */
	uint64_t watchdog;               /* loop ms: its last word */
	unsigned tries;                  /* starts in a row that failed */
	unsigned row;                    /* restarts in a row, for the back-off */
	unsigned stop_step;
	uint64_t *flaps; /* loop ms of the last starts, a ring; NULL: nobody asks */
	unsigned flaps_at;
	uint32_t restarts[SV_REASONS];
	enum sv_reason reason; /* of the restart under way */
};

/* Stopped; setup is held. */
struct sv_proc *sv_proc_new(struct sv_team *team, const struct sv_process_conf *conf);

/* It runs already, see sv_adopt.h. false: it has ended; the pipes are taken over in any case. */
bool sv_proc_adopt(struct sv_proc *p, const struct sv_slot *s, struct sv_pipes *pipes);

/* It is not to run, see sv_adopt.h. */
void sv_proc_rest(struct sv_proc *p, const struct sv_slot *s);

/* It is to run. Goes on by itself. */
void sv_proc_start(struct sv_proc *p);

/* It is not to run. Over when it is in no state of sv_proc_is_running. */
void sv_proc_stop(struct sv_proc *p);

/* Stops it, and starts it when that is done. */
void sv_proc_restart(struct sv_proc *p, enum sv_reason reason);

/* To its main process. Returns 0 or a code. */
int sv_proc_signal(struct sv_proc *p, int sig);

/* The same configuration, of another setup. */
void sv_proc_rebind(struct sv_proc *p, const struct sv_process_conf *conf);

/* Another configuration: taken over as it runs, or by a restart. */
void sv_proc_change(struct sv_proc *p, const struct sv_process_conf *conf, bool restart);

/* Not to be seen any more; it has to be stopped. Frees itself. */
void sv_proc_remove(struct sv_proc *p);

/* At once, whatever runs: the end of everything. */
void sv_proc_close(struct sv_proc *p);

/* Something that it may wait for has happened. */
void sv_proc_poke(struct sv_proc *p);

enum sv_proc_state sv_proc_state(const struct sv_proc *p);

/* 0, 10, 20, 30, 40, 100, 200, 1000 */
int sv_proc_code(enum sv_proc_state s);
const char *sv_proc_state_name(enum sv_proc_state s);

/* It ended with one of `exitcodes`. */
bool sv_proc_is_expected(const struct sv_proc *p);

/* STARTING, RUNNING, BACKOFF */
bool sv_proc_is_running(const struct sv_proc *p);

/* It is RUNNING, and has said that it is ready where it has to. */
bool sv_proc_has_come(const struct sv_proc *p);

/* "group:name" */
const char *sv_proc_full(const struct sv_proc *p, char *into, size_t size);

/* "pid 12, uptime 0:01:02", "Exited too quickly (process log may have details)", ... */
char *sv_proc_description(const struct sv_proc *p, char *into, size_t size);

/* ---- called by its life ------------------------------------------------------ */

void sv_proc_died(struct sv_proc *p, const struct child_end *end);
void sv_proc_rest_killed(struct sv_proc *p);
void sv_proc_is_ready(struct sv_proc *p);
void sv_proc_says(struct sv_proc *p, const char *status);
void sv_proc_is_healthy(struct sv_proc *p, bool healthy);
