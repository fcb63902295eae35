/*
 * private - what the files of the pools share.
 *
 *	pools --- pool --- setup (counted): what its section says, looked up and split
 *	  |         |----- workers: worker --- process: pid, its words, its tree
 *	  |         |                 \------- jobs, as they were started
 *	  |         \----- waiting: jobs that have no worker yet
 *	  \------ times: one heap for all deadlines; one timer
 *
 * A job is a task of the engine's, or a call. It is in one place: waiting, or a worker's.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/log/log.h"
#include "core/net/poller.h"
#include "core/net/stream.h"
#include "core/pool/pool.h"
#include "core/pool/process.h"
#include "core/pool/twp.h"
#include "core/proc/env.h"
#include "core/proc/limits.h"
#include "core/proc/reap.h"
#include "core/proc/user.h"
#include "core/work/heap.h"

struct http_client;
struct http_exchange;
struct http_url;
struct tls_ctx;
struct watch;

enum {
	POOL_NAME = 64,
	JOB_ID = 24,
	ROOM = 256 * 1024, /* of one read */
	LOG_KEPT = 16 * 1024,
	ERROR_MOST = 8 * 1024,
	STAY = 10000, /* ms that a worker must live to show that its pool is well */
	POOL_STATUSES = 600,
};

/* Kinds of nodes in `times`. */
enum { AT_JOB, AT_WORKER, AT_RETRY, AT_SCALE };

/* ---- setup.c: a section, looked up ---------------------------------------------------- */

struct setup {
	int holds;
	const struct conf *conf; /* held */
	const struct conf_item *item;
	const struct pool_values *v;
	char **argv;
	struct env env;
	struct user user;
	bool has_user;
	struct limit *limits;
	size_t n_limits;
	char **topics;
	int *weights;
	int n_topics;
	struct http_url *url; /* mode http */
	struct tls_ctx *tls;
	bool dead_on[POOL_STATUSES];
};

struct setup *setup_new(const struct conf *conf, const struct conf_item *item, struct err *err);
struct setup *setup_hold(struct setup *s);
void setup_drop(struct setup *s); /* NULL is fine */

enum setup_change {
	SETUP_SAME,
	SETUP_VALUES,  /* takes effect on what is there */
	SETUP_WORKERS, /* needs new processes */
	SETUP_POOL,    /* needs a new pool */
};

bool setup_has_topic(const struct setup *s, const char *topic);

enum setup_change setup_compare(const struct setup *old, const struct setup *now);

/* ---- objects ---------------------------------------------------------------------------- */

struct pools {
	uv_loop_t *loop;
	struct pools_conf conf;
	char *role;
	struct list pools;
	struct outputs outputs;
	struct reap reap;
	uv_timer_t timer;
	uv_prepare_t turn;
	struct poller_turn each_turn;
	uv_idle_t again;   /* active when the loop must not wait: our part of its turn is over */
	bool woken;        /* something is to be done before the loop waits */
	uint64_t timer_at; /* 0: off */
	struct heap times;
	struct list dirty; /* workers that have something to send */
	struct list ended; /* calls whose done is due */
	struct watch *watch;
	uint64_t last_call, chance;
	char *room;
	int handles; /* own ones, and workers: freed with the last */
	bool draining, closing, drain_told;
	bool held; /* not to be ended: it is being ended */
	void (*drained)(void *data);
	void *drained_data;
	void (*closed)(void *data);
	void *closed_data;
};

struct pool {
	struct list link;
	struct pools *all;
	struct setup *setup;
	struct work_taker *taker; /* NULL: only calls */
	struct http_client *http; /* mode http */
	char *name;
	int min, max, target; /* workers */
	int numbers;          /* of its last worker */
	struct list workers;
	struct list idle, partly; /* who has credit, by `turn` */
	struct list waiting;
	int n_live, n_starting, n_leaving, n_waiting, n_running, credit;
	struct worker *retiring; /* its successor is on the way */
	int fails, bad_rows;     /* in a row */
	uint64_t retry_at;
	struct heap_node retry, scale;
	uint64_t busy_since; /* without credit; 0: it has some */
	bool loops,
		going; /* going: another one has its name, or none; freed when nothing is left */
	uint64_t started, done, failed, crashed, protocol_errors;
	uint64_t ended[POOL_REASONS];
};

enum worker_state {
	WORKER_STARTING,
	WORKER_SERVING,
	WORKER_LEAVING,  /* gets no more jobs; QUIT when it has none */
	WORKER_STOPPING, /* TERM was sent */
	WORKER_KILLING,
	WORKER_GONE, /* its process has ended */
};

struct worker {
	struct list link;
	struct list turn;  /* of the pool's idle or partly */
	struct list dirty; /* of the pools' */
	struct pool *pool;
	struct setup *setup; /* held: as it was started */
	struct process process;
	struct http_exchange *exchange; /* mode http: in place of a process; NULL: it is over */
	struct stream stream;
	bool has_stream, has_process;
	enum worker_state state;
	enum pool_reason why; /* it ends, or is to end */
	bool doomed;          /* to be replaced */
	bool never_ready;     /* stopped while it was starting */
	bool hung_up;
	bool nobody_pays; /* the culprit has answered since */
	bool asked_to_quit;
	bool pings;
	int number, credit, n_jobs, open;
	char name[POOL_NAME + 16];
	struct list jobs;
	struct list pushes; /* on their way into the store */
	struct buf in, out;
	struct job *culprit; /* for whom it is stopped; NULL: none */
	struct heap_node due;
	uint64_t born, busy_since, heard; /* uv_now */
	uint64_t handed, done, failed;
	uint64_t spoke; /* uv_now of its last line of output */
	uint64_t most_jobs, dies_at, rss_at, look_at, asked_at; /* 0: none */
	int free;                                               /* its part of the pool's credit */
};

struct push {
	struct push *next;
	struct work_spec spec;
	struct list link; /* of the worker's pushes */
	struct worker *worker;
	int64_t ref; /* -1: none */
	uint64_t *after;
	char *text; /* all its strings */
};

struct job {
	struct list link; /* of the worker's, or the pool's waiting */
	struct pool *pool;
	struct worker *worker;  /* NULL: it waits */
	struct work_job *task;  /* NULL: a call, or a task that is over by the engine's word */
	struct pool_call *call; /* NULL: a task, or a call for which nobody waits any more */
	char id[JOB_ID];
	struct heap_node due;
	uint64_t soft, hard, started; /* uv_now; 0: none */
	int64_t started_at;           /* ms since 1970 */
	bool told;                    /* to stop */
	bool charged;                 /* with its worker's death */
	bool alive;                   /* it sent TOUCH or PROGRESS */
	struct push *pushes;          /* to be committed with its end */
	int percent;
	char *text;
	struct buf log, parts;
};

struct pool_call {
	struct job *job; /* NULL: it is over */
	struct pools *all;
	struct list link; /* of the pools' ended */
	char *topic, *extra;
	void *body;
	size_t size;
	uint64_t until; /* uv_now */
	void (*on_part)(void *data, const void *bytes, size_t n);
	void (*done)(void *data, const struct pool_answer *a);
	void *data;
	int status;
};

/* ---- pools.c ------------------------------------------------------------------------------ */

uint64_t pools_now(const struct pools *p);
void pools_at(struct pools *p, struct heap_node *n, uint64_t when); /* 0: never */
void pools_wake(struct pools *p);                                   /* before the loop waits */
void pools_flush(struct pools *p);
void pools_flushed(struct pools *p);
void pools_settle(struct pools *p);
void pools_release(struct pools *p); /* one of its handles is closed */
uint64_t pools_chance(struct pools *p, uint64_t below);
void pools_tell(struct pool *pool, struct pool_event e);

/* ---- pool.c: how many workers, and who gets what ------------------------------------------ */

struct pool *pool_new(struct pools *all, struct setup *setup);
void pool_change(struct pool *pool, struct setup *setup);
void pool_go(struct pool *pool);      /* its jobs end, then it does */
void pool_settle(struct pool *pool);  /* frees it when it is going and nothing is left */
void pool_balance(struct pool *pool); /* starts, replaces, lets go; asks for as much as it may */
void pool_retry_due(struct pool *pool);
void pool_place(struct job *job);    /* to a worker, or to those that wait */
void pool_failed(struct pool *pool); /* a worker ended without having been of any use */
void pool_did_well(struct worker *w);
void pool_release_waiting(struct pool *pool);

/* scale.c */
void pool_scale_due(struct pool *pool);
void pool_scale_look(struct pool *pool);

/* ---- worker.c: its life ------------------------------------------------------------------- */

struct worker *worker_start(struct pool *pool, struct job *job, struct err *err);
void worker_release(struct worker *w);
void worker_env(const struct worker *w, struct env *env);
int worker_socket(struct worker *w, int *theirs, struct err *err);
int worker_spawn(struct worker *w, struct env *env, struct spawn *spec, struct err *err);
void worker_ready(struct worker *w, int credit);
void worker_leave(struct worker *w, enum pool_reason why);
void worker_stop(struct worker *w, enum pool_reason why, struct job *culprit);
void worker_kill(struct worker *w, enum pool_reason why, struct job *culprit);
void worker_due(struct worker *w);
void worker_has_room(struct worker *w); /* its place among those that have credit */
void worker_job_over(struct worker *w, struct job *job, bool well);
void worker_settle(struct worker *w);  /* leaving: has it nothing left to do? */
void worker_recycle(struct worker *w); /* is it time to? */
void worker_has_work(struct worker *w);
void worker_hear_out(struct worker *w);
void worker_hung_up(struct worker *w);
void worker_bad(struct worker *w, const char *why, struct twp_word bytes);

/* speak.c: what it hears and says */
void speak_open(struct worker *w);
void speak_job(struct worker *w, struct job *job);
void speak_line(struct worker *w, struct twp_line *l);
void speak_flush(struct worker *w);
void speak_drain(struct worker *w); /* reads what is there */
void speak_quit(struct worker *w);
void speak_on_event(struct stream *s, enum stream_event event);

/* push.c */
void push_take(struct worker *w, const struct twp_frame *f);
void push_forget(struct worker *w);
void push_free_all(struct push *p);

/* ---- job.c: one job, from its start to its end --------------------------------------------- */

struct job *job_of_task(struct pool *pool, struct work_job *task);
struct job *job_of_call(struct pool *pool, struct pool_call *call);
void job_drop(struct job *job);
void job_begin(struct job *job, struct worker *w); /* its clocks run */
void job_at_it(struct job *job); /* its worker is, by all we know: the first, or one it spoke of */
void job_unbegin(struct job *job);           /* it did not come to that */
void job_touch(struct job *job, int64_t ms); /* -1: as long as it had */
void job_due(struct job *job);
void job_cancel(struct job *job, bool now);
void job_said(struct job *job, struct worker *w, enum log_level level, const char *text);
void job_progress(struct job *job, int percent, struct twp_word text);
void job_part(struct job *job, struct twp_word bytes);
/* Its ends: it is freed. */
void job_ack(struct job *job, struct twp_word result);
void job_fail(struct job *job, enum work_fault fault, const char *error, int64_t delay);
void job_fail_by(struct job *job, struct twp_word message, bool retry, int64_t delay);
void job_release(struct job *job, int64_t delay);
size_t job_size(const struct job *job);
const void *job_payload(const struct job *job);
const char *job_topic(const struct job *job);
/* The end of a call's waiting, from the loop's turn. */
void call_over(struct pool_call *call, int status);
void calls_tell(struct pools *p);

/* ---- exec.c, request.c: the other modes ----------------------------------------------------- */

int exec_start(struct worker *w, struct job *job, struct err *err);
void exec_ended(struct worker *w, const struct child_end *end);

void request_start(struct worker *w, struct job *job);
void request_stop(struct worker *w); /* soon; its end is told as that of any other */
struct http_client *request_client(struct pool *pool);
void request_client_close(struct pool *pool);
