/*
 * pool - runs the tasks of some topics: in processes that stay (TWP/1), in a process for each, or
 * by HTTP requests.
 *
 *	work (core/work) -- taker --+                +--> worker 1 -- socketpair -- php w.php
 *	                            +--> pool mail --+--> worker 2
 *	pools_call ------ waiting --+                +--> (as many as there is work for)
 *
 * A pool takes no more tasks than its workers have credit for. What a worker says becomes work_ack,
 * work_fail, work_release, work_touch, or a new task; what a worker's death leaves becomes a crash
 * of the task that it was at, and the rest is released free of charge. Calls (pools_call) are run
 * by the same workers, are stored nowhere, and go before tasks.
 *
 *	STARTING -READY-> SERVING -recycled, BYE-> LEAVING -its jobs are done, QUIT-> gone
 *	   | start_timeout   | hard time-out, cancel,  | kill_grace                    |
 *	   +-----------------+ garbage ----------------+--> STOPPING (TERM, KILL) -----+
 *
 * All pools of a role are one `struct pools`, in one loop's thread. The protocol is twp.h's.
 * Everything given to a function is copied unless it says otherwise; what callbacks are given holds
 * until they return.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/conf/conf.h"
#include "core/work/work.h"

struct err;
struct pools;
struct pool;
struct pool_call;
struct stat_out;

/* ---- configuration ------------------------------------------------------------------ */

enum pool_mode { POOL_WORKER, POOL_EXEC, POOL_HTTP };
enum pool_scale_by { POOL_BY_WAIT, POOL_BY_LENGTH, POOL_BY_NONE };
enum pool_ready { POOL_READY_EXPLICIT, POOL_READY_IMPLICIT };

/* What a section [pool NAME] fills; ms and bytes. */
struct pool_values {
	int mode, topic_order, scale_by, ready;
	char *command, *directory, *user;
	char **topics; /* names or patterns, "mail*3": a weight */
	char **env, **rlimit, **watch;
	int64_t workers_min, workers_max, credit;
	int64_t scale_target_wait, scale_target_length, scale_up_step, scale_down_after;
	int64_t start_timeout, job_timeout, soft_timeout, cancel_grace, kill_grace, heartbeat;
	int64_t max_jobs, max_time, max_rss, idle_ttl, recycle_jitter; /* jitter: per cent */
	int64_t restart_max;
	int64_t nice, max_body, result_max, max_calls;
	char *url, *secret, *tls_ca;
	bool tls_verify;
	char **dead_on; /* "404", "4xx" */
	int64_t connect_timeout;
};

/*
 * For a role's table of sections:
 *	{ .name = "pool", .help = pool_help, .keys = pool_keys, .size = sizeof(struct pool_values),
 *	  .named = true, .reload = true }
 */
extern const struct conf_key pool_keys[];
extern const char pool_help[];

/* For a role's check: rules between the keys of all [pool NAME]. */
void pools_check(const struct conf *conf, struct conf_errors *errors);

/* ---- open, close ---------------------------------------------------------------------- */

/* What the role adds to a job on its way out. Born empty; zero-terminated. */
struct pool_extra {
	char args[1024];   /* "trace=abc type=mail": key=value, values percent-encoded */
	char fields[4096]; /* mode http: "Name: value\r\n" for each */
};

enum pool_what {
	POOL_STARTED,  /* worker: a process was started */
	POOL_READY,    /* worker: takes jobs */
	POOL_ENDED,    /* worker: its process is gone; text: why */
	POOL_LOOPS,    /* its workers don't come up, or die at once, or its url can't be reached: it
			* waits between starts; text */
	POOL_RECOVERS, /* and no longer */
	POOL_PROGRESS, /* job: percent, text */
	POOL_SAID, /* job (0: none, or several run): a line of its output, or a LOG; level, text */
};

struct pool_event {
	enum pool_what what;
	const char *pool, *worker; /* "report", "report-3"; worker may be NULL */
	uint64_t job;
	int percent; /* 0..100 */
	int level;   /* enum log_level */
	const char *text;
};

/* In the loop. All may be NULL. */
struct pools_conf {
	const char *role;  /* "taskd"; for HELLO and TROUPE_ROLE; borrowed */
	struct work *work; /* NULL: only calls are run */
	/* A task starts. sync: somebody waits for its result (JOB ... sync=1). */
	bool (*on_start)(void *data, const struct work_job *job, struct pool_extra *extra);
	/* A worker enqueues this. May change it (what it points to lives until return); an error
	 * refuses it, and is told to the worker. */
	int (*on_push)(void *data, struct work_spec *spec, struct err *err);
	void (*on_event)(void *data, const struct pool_event *e);
	void *data;
};

/* No pool as yet. The loop is kept alive while there are workers. Cannot fail for what is peers'.
 */
int pools_open(struct pools **out, uv_loop_t *loop, const struct pools_conf *conf, struct err *err);

/*
 * The pools of conf, which passed pools_check: new ones start, missing ones drain and go, those
 * with changed keys go on by them: what can only be had by a new process (command, env, user, ...)
 * replaces workers one by one, a successor first. Looks up users, reads certificates. On failure
 * nothing has changed. Also for the first time.
 */
int pools_apply(struct pools *p, const struct conf *conf, struct err *err);

/* No new tasks and calls; done once nothing runs. What waited in the pools for a worker is released
 * (tasks) or answered with UV_ECANCELED (calls). */
void pools_drain(struct pools *p, void (*done)(void *data), void *data);

/* Ends all: QUIT, and TERM to who holds jobs; kill_grace later KILL to what is left of the trees.
 * Tasks that ran are released. Comes before work_close. done: once, from the loop, then p is gone.
 */
void pools_close(struct pools *p, void (*done)(void *data), void *data);

/* ---- orders ---------------------------------------------------------------------------- */

/* NULL: none of that name. A pool holds until the next turn of the loop. */
struct pool *pools_find(struct pools *p, const char *name);

/* How many tasks of a topic all of them can have in hand together, at their most. */
int64_t pools_credit(struct pools *p, const char *topic);

/* Until the next pools_apply that changes these. Returns 0; UV_EINVAL: not 0 <= min <= max, max 1
 * to 10,000. */
int pool_scale(struct pool *pool, int min, int max);

/* Replaces all workers, one by one, a successor first. */
void pool_recycle(struct pool *pool);

/* ---- calls: somebody waits for the answer ----------------------------------------------- */

struct pool_answer {
	/*
	 * 0: ACK. POOL_FAILED: the worker said FAIL; body is its message. UV_ETIMEDOUT: not within
	 * `timeout`. UV_EPIPE: its worker died. UV_ECANCELED: pool_call_cancel, drain, close.
	 * UV_EAGAIN: the worker gave it back (RELEASE); delay.
	 */
	int status;
	const void *body;
	size_t size;
	bool retry;    /* POOL_FAILED: might go well another time */
	int64_t delay; /* ms; -1: not said */
};

enum { POOL_FAILED = -6020 };

struct pool_call_spec {
	const char *topic; /* decides the pool: the first whose topics match */
	const char *extra; /* "trace=abc"; NULL: none */
	const void *body;
	size_t size;
	int64_t timeout; /* ms from now to the answer; at least 1 */
	/* A piece of the answer (DATA), before it is whole. NULL: pieces are gathered, up to
	 * max_body, before the rest of the answer. */
	void (*on_part)(void *data, const void *bytes, size_t n);
	void (*done)(void *data, const struct pool_answer *a);
	void *data;
};

/*
 * done comes exactly once, later, from the loop. Returns 0; UV_ENOENT: no pool has such a topic;
 * ERR_LIMIT: `max_calls` wait already; UV_ECANCELED: draining; UV_E2BIG: over max_body; UV_EAGAIN:
 * its workers don't come up. *call holds until done; out may be NULL.
 */
int pools_call(struct pools *p, const struct pool_call_spec *spec, struct pool_call **out);

/* Nobody waits any more: done comes soon, with UV_ECANCELED; the worker is told to stop. */
void pool_call_cancel(struct pool_call *call);

/* ---- looking ----------------------------------------------------------------------------- */

enum pool_worker_state {
	POOL_WORKER_STARTING,
	POOL_WORKER_IDLE, /* serving */
	POOL_WORKER_BUSY, /* serving */
	POOL_WORKER_LEAVING,
	POOL_WORKER_STOPPING,
};

const char *pool_worker_state_name(enum pool_worker_state s);

struct pool_worker_figures {
	const char *pool, *name;
	pid_t pid; /* 0: mode http */
	enum pool_worker_state state;
	int64_t age;           /* ms since its start */
	int64_t rss;           /* bytes, read now */
	uint64_t done, failed; /* jobs, since its start */
	int jobs;              /* it holds */
	uint64_t job;          /* the one it is at, by our knowledge; 0: none, or a call */
	const char *topic;     /* of that one; NULL: none */
	int64_t job_age;       /* ms */
};

/* Each once, pool by pool. pool: NULL: of all. */
void pools_workers(struct pools *p, const char *pool,
		   void (*row)(void *data, const struct pool_worker_figures *f), void *data);

enum pool_reason {
	POOL_BY_MAX_JOBS,
	POOL_BY_MAX_TIME,
	POOL_BY_MAX_RSS,
	POOL_BY_IDLE,
	POOL_BY_CRASH,
	POOL_BY_TIMEOUT,
	POOL_BY_PROTOCOL,
	POOL_BY_RELOAD, /* watched files, configuration, pool_recycle */
	POOL_BY_ITSELF, /* BYE, or it just ended with status 0 and without a job */
	POOL_BY_CANCEL,
	POOL_BY_SCALE, /* not replaced */
	POOL_REASONS,
};

const char *pool_reason_name(enum pool_reason r);

struct pool_figures {
	const char *name;
	enum pool_mode mode;
	int min, max;
	int starting, idle, busy, leaving; /* workers; mode exec: running jobs are busy ones */
	int running, waiting; /* jobs; waiting: calls, and tasks before a first worker */
	bool loops;
	uint64_t started, done, failed, crashed, protocol_errors;
	uint64_t ended[POOL_REASONS]; /* workers */
};

void pools_figures(struct pools *p, void (*row)(void *data, const struct pool_figures *f),
		   void *data);

/* A task that runs, as its worker told; false: it does not run here. Holds until the next event. */
struct pool_running {
	const char *pool, *worker;
	int64_t started; /* ms since 1970 */
	int percent;     /* -1: not told */
	const char *text;
	const char *log; /* the last 16 KiB of what it said (see POOL_SAID); "" */
};

bool pools_running(struct pools *p, uint64_t job, struct pool_running *out);

/* Tables "workers" and "worker_restarts" for status, /metrics and the page. */
void pools_status(struct pools *p, struct stat_out *out);
