/*
 * work - tasks that are kept until they are done.
 *
 *	submit
 *	  |  STORING: done(0) comes once the store has it
 *	  v
 *	SCHEDULED (delay, run_at) and WAITING (after)
 *	  |  due, and all of `after` have succeeded
 *	  v
 *	READY <-----------------------+------------- work_retry --- DEAD
 *	  |  taken: credit, rate,     |                               ^
 *	  |  concurrency, no pause    | work_release                  |
 *	  v                           |                               |
 *	RUNNING ----------------------+                               |
 *	  |--- work_ack ------------------> SUCCEEDED                 |
 *	  |--- work_fail, attempts left --> SCHEDULED                 |
 *	  \--- work_fail, none left ---------------------------------/
 *
 *	CANCELLED by work_cancel from any place, EXPIRED from any but RUNNING
 *
 * Everything happens in one loop's thread. What is pending is known in memory (about 100 bytes a
 * task, and payloads up to `resident`); the store has what must outlive us. Taking writes nothing:
 * what runs when we die is ready again at the next start, and is charged a crash when it had begun
 * (work_begun). Delivery is therefore at least once; id and attempt together name one delivery.
 *
 * What comes of a task's end is in the end's own transaction: tasks handed on by work_ack, those of
 * its batch, what work_conf.follow says. Those that wait for it end one by one after it; the store
 * knows of them until they have, so that a kill between lets none run for which a task was missing.
 * One that comes to wait for what is dead by then, or kept as cancelled or expired, ends so at
 *once.
 *
 * A taker asks for tasks of some topics and is handed as many as it said it wants, from the loop,
 * once per turn of it. It must say how each of them ended: work_ack, work_fail or work_release.
 *
 * Times are milliseconds; delays and time-outs pass as the monotonic clock does, moments (run_at)
 * follow the wall clock when it is set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/store/store.h"
#include "core/work/backoff.h"
#include "core/work/ident.h"

struct err;
struct work;

enum work_state {
	WORK_STORING,
	WORK_WAITING, /* for other tasks */
	WORK_SCHEDULED,
	WORK_READY,
	WORK_RUNNING,
	WORK_ENDING, /* over; the store does not know yet */
	/* over */
	WORK_SUCCEEDED,
	WORK_DEAD,
	WORK_CANCELLED,
	WORK_EXPIRED,
};

const char *work_state_name(enum work_state s);

/* ---- open, close --------------------------------------------------------------- */

struct work_event {
	enum work_state state; /* what it became */
	uint64_t id;
	const char *topic, *type, *error; /* type, error: NULL when there is none */
	const void *result;
	size_t result_size;
	const void *meta; /* for `follow` only */
	size_t meta_size;
	int attempts, crashes;
	int64_t wait, run; /* ms: ready until started; started until over */
	int percent;       /* of one that runs: -1, or how far it says it is, */
	const char *text;  /* in words; NULL: none */
};

struct work_spec;

struct work_conf {
	const char *dir;         /* a directory that is there; NULL: all is kept in memory only */
	int64_t resident;        /* bytes of payloads kept in memory beside the store; 0: 64 MiB */
	int64_t keep_dead;       /* ms; 0: 180 days */
	int max_dead;            /* 0: 100,000; the oldest go first */
	struct store_conf store; /* path, schema, on_health and data are ours */

	/* All in the loop; each may be NULL. */
	void (*on_event)(void *data, const struct work_event *e);
	void (*on_health)(void *data, enum store_health health, const char *why);
	/*
	 * A task with meta is about to be over: e->meta is there, and wait and run. What is to
	 * follow it, in *spec, is committed with its end; false: nothing is. What spec points to
	 * is copied before anything of the engine's is called again.
	 */
	bool (*follow)(void *data, const struct work_event *e, struct work_spec *spec);
	void (*clock)(void *data, int64_t *mono, int64_t *wall); /* ms; for tests */
	void *data;
};

/*
 * Reads all that is pending. Refuses what store_open refuses, each with a sentence; what was
 * opened by then closes in the loop.
 */
int work_open(struct work **out, uv_loop_t *loop, const struct work_conf *conf, struct err *err);

/* We are in its part of the loop's turn, right before the loop waits: what is put off to a prepare
 * handle now would be late. */
bool work_is_turning(const struct work *w);

/*
 * Nothing is handed out any more; what runs and was not answered is ready at the next start, and
 * not charged. done comes from the loop when the store has all. Takers are freed with it.
 */
void work_close(struct work *w, void (*done)(void *data), void *data);

/* ---- topics --------------------------------------------------------------------- */

enum work_durability { WORK_FSYNC, WORK_OS, WORK_MEMORY };

struct work_rate {
	double per_s; /* 0: no limit */
	double burst; /* at least 1 */
};

struct work_topic_conf {
	enum work_durability durability;
	int max_attempts, max_crashes;
	struct backoff backoff;
	int64_t timeout, expires, keep; /* 0: none */
	struct work_rate rate, key_rate;
	int concurrency, key_concurrency; /* 0: no limit */
	uint64_t max_jobs, max_bytes;     /* 0: no limit; of what is pending */
};

/* What a topic has that nobody configured. */
void work_topic_defaults(struct work_topic_conf *c);

/* Makes the topic when it is not there; changes hold from the next task on. name: 1..128 bytes;
 * NULL: what topics have from now on that come to be by a task. */
int work_topic_set(struct work *w, const char *name, const struct work_topic_conf *c);

/* As it was set; false: there is no such topic. */
bool work_topic_get(struct work *w, const char *name, struct work_topic_conf *c);

/* A text of the caller's that is kept with a topic; NULL takes it away. UV_ENOENT. */
int work_topic_note(struct work *w, const char *name, const char *note);

uint64_t work_topics_count(struct work *w);

/* NULL: there is none. Holds until the next one is set. */
const char *work_topic_noted(struct work *w, const char *name);

/* Whether there is a taker for it. */
bool work_is_taken(struct work *w, const char *topic);

/* A paused topic takes in but hands nothing out; that outlives a restart. UV_ENOENT. */
int work_pause(struct work *w, const char *topic, bool paused);

/* For so many ms from now; 0: no longer. A restart ends it, and so does work_pause. Makes the topic
 * when it is not there. */
void work_pause_for(struct work *w, const char *topic, int64_t ms);

struct work_topic_figures {
	const char *name;
	bool paused;
	int64_t pause_left; /* ms; of one that is paused for a time */
	uint64_t ready, scheduled, waiting, running, dead, bytes;
	uint64_t outside; /* ready with a lender; what is scheduled and dead there is in the sums */
	uint64_t submitted, succeeded, failed, died, cancelled, expired; /* since the start */
	int64_t oldest; /* ms that the first of the ready ones has waited, here or outside; 0: none
			 */
};

/* UV_ENOENT. */
int work_topic_figures(struct work *w, const char *name, struct work_topic_figures *f);

/* By name; row: each once. */
void work_topics(struct work *w, void (*row)(void *data, const struct work_topic_figures *f),
		 void *data);

/* What came to pass in an hour. The last minute of it is lost when the process is killed. */
struct work_hour {
	const char *topic;
	int64_t hour; /* ms since 1970, its beginning */
	uint64_t submitted, succeeded, failed, died;
	uint64_t run, wait; /* ms, of all that were over */
};

/* row: NULL at the end. topic: NULL: all. Hours that began at `since` or later, in their order. */
void work_hours(struct work *w, const char *topic, int64_t since,
		void (*row)(void *data, const struct work_hour *h, int status), void *data);

struct work_figures {
	uint64_t tasks, resident, memory; /* memory: bytes of all but payloads */
	struct store_figures store;
};

void work_figures(struct work *w, struct work_figures *f);

/* Whether what is new would be refused with UV_EROFS. */
bool work_is_failing(struct work *w);

/* Whether any task is dead. */
bool work_has_dead(struct work *w);

/* ---- tasks in -------------------------------------------------------------------- */

enum work_hold { WORK_UNTIL_FINISH, WORK_UNTIL_START, WORK_UNTIL_TTL };

enum {
	WORK_PRIO = 128, /* 0..255, lower first */
	WORK_MAX_TEXT = 256,
	WORK_MAX_AFTER = 64,
	WORK_MAX_ATTEMPTS = 1000,
};

/* All is copied. Zeros and NULLs mean: none, or the topic's; but prio, which must be set. */
struct work_spec {
	const char *topic, *type;
	const char *ext_id; /* the caller's own name, one pending task each */
	const void *payload;
	size_t size;
	const void *meta; /* what the caller wants to find again beside it */
	size_t meta_size;
	int prio;
	int64_t delay;  /* ms from now, */
	int64_t run_at; /* or a moment, ms since 1970 */
	int max_attempts;
	const char *backoff; /* see backoff.h */
	int64_t timeout, expires, keep;
	int64_t expires_at; /* or a moment, ms since 1970, which may be over */
	const char *uniq;   /* one pending task of the topic with this key */
	enum work_hold hold;
	int64_t uniq_ttl; /* ms; with WORK_UNTIL_TTL at least 1 */
	const char *key;  /* what the limits per key go by */
	const uint64_t *after;
	int n_after;
	uint64_t batch;       /* one that is open */
	bool fleeting;        /* kept in memory only, whatever its topic says */
	const char *idem_key; /* the same request again finds the first one's task */
	const void *idem_hash;
	size_t idem_hash_size;
	int64_t idem_ttl;
};

struct work_receipt {
	uint64_t id;    /* of the task, or of the one that was there before it */
	bool duplicate; /* that one; nothing was submitted */
	bool conflict; /* and it was not the same request (idem_hash), or another task holds uniq */
};

/* status: 0, or why nothing of it was taken. receipts: n, until it returns. */
typedef void (*work_submitted)(void *data, int status, const struct work_receipt *receipts, int n);

/* What is wrong with it: 0, or a sentence. ERR_LIMIT: the topic is full. */
int work_spec_check(struct work *w, const struct work_spec *spec, struct err *err);

/*
 * All of them in one transaction; idem_key only with n = 1. Returns what work_spec_check says of
 * the first bad one, or UV_EROFS when the store is failing; then done does not come. done comes
 * later, when the store has them: from then on they are not lost.
 */
int work_submit(struct work *w, const struct work_spec *specs, int n, work_submitted done,
		void *data);

/* ---- tasks of others ------------------------------------------------------------------ */

/*
 * Whose tasks only run here: a queue elsewhere that has them until they are over. They are kept in
 * memory alone and are tried once: whether and when a task is to be tried again, by the rules of
 * its topic, is told to the lender, who keeps it in mind.
 */
struct work_lender {
	/* It is over, or (WORK_SCHEDULED) to be tried again in `delay` ms, or given back unharmed:
	 * e->attempts and e->crashes are those to be lent with then. It is forgotten here. */
	void (*back)(void *data, const struct work_event *e, int64_t delay);
	/* A worker is at it: see work_begun. May be NULL. */
	void (*begun)(void *data, uint64_t id);
	/* Somebody wants tasks, see work_room: at the end of a turn of the loop. */
	void (*hungry)(void *data);
	void *data;
	struct list link; /* ours */
};

struct work_loan {
	struct work_spec spec; /* no ext_id, uniq, idem_key, after, batch */
	uint64_t id;           /* of work_ids, or that of an earlier time */
	int attempts, crashes; /* so far */
};

void work_lender_add(struct work *w, struct work_lender *l);

/* It is asked for nothing more; what it has lent still comes back. */
void work_lender_remove(struct work_lender *l);

/* It goes now: of what it has lent, and runs, it is told nothing more. */
void work_lender_forget(struct work *w, struct work_lender *l);

/* The first of n ids that follow each other, and are no other task's. */
uint64_t work_ids(struct work *w, int n);

/* 0; UV_EEXIST: one of that id is here; UV_ECANCELED: closing; what work_spec_check says, but of
 * its topic's limits. */
int work_lend(struct work *w, struct work_lender *l, const struct work_loan *loan);

/* Whether it ran when the last process died. */
bool work_was_running(struct work *w, uint64_t id);

/* Of a topic, here. */
uint64_t work_ready(struct work *w, const char *topic);

/* It is forgotten, without a word. false: it runs, or is none that was lent. */
bool work_recall(struct work *w, uint64_t id);

/* How many more tasks of a topic would be handed out at once; it need not be there yet. */
int work_room(struct work *w, const char *topic);

/* What of a topic is elsewhere, for work_backlog and figures. */
struct work_outside {
	uint64_t ready, scheduled, dead;
	int64_t oldest; /* ms that the first of the ready ones has waited */
};

void work_outside(struct work *w, const char *topic, const struct work_outside *o);

/* ---- tasks out -------------------------------------------------------------------- */

/* A task that runs: the taker's until it says how it ended. */
struct work_job {
	uint64_t id;
	const char *topic, *type, *ext_id; /* type, ext_id: NULL when it has none */
	const void *payload, *meta;
	size_t size, meta_size;
	const char *uniq;           /* its unique key, until on_job returns; NULL: none */
	int64_t uniq_left;          /* ms that it is held for whatever becomes of it; 0: none */
	int attempt, crashes, prio; /* attempt: from 1 */
	int64_t submitted;          /* ms since 1970 */
	int64_t timeout;            /* ms from its start; 0: none */
	int64_t deadline;  /* when that is over, by the engine's monotonic clock; 0: never */
	int64_t wait;      /* ms that it was ready */
	bool cancelled;    /* work_fail makes it CANCELLED */
	void *taker;       /* data of the taker that has it */
	void *data;        /* the taker's own, */
	struct list place; /* as is this: an empty one */
};

enum work_order {
	WORK_STRICT,   /* the first topic that has something, as they were told */
	WORK_WEIGHTED, /* in proportion to their weights */
	WORK_FAIR,     /* each in turn */
	WORK_URGENT,   /* what is first of all topics together: by priority, then as it came */
};

struct work_taker_conf {
	const char *const
		*topics;    /* names, or patterns with * and ?, which match no first dot; copied */
	const int *weights; /* NULL: all 1 */
	int n_topics;
	enum work_order order;
	/* A job's time-out has passed: end it and say so. Comes once, again after work_touch. */
	void (*on_overdue)(void *data, struct work_job *job);
	/* Somebody wants it to end. */
	void (*on_cancel)(void *data, struct work_job *job, bool now);
	void (*on_job)(void *data, struct work_job *job);
	/* What it was handed in this turn is all: now is the time to send it on. May be NULL. */
	void (*on_served)(void *data);
	const void *owner; /* of several takers: see work_job_of */
	void *data;
};

struct work_taker;

struct work_taker *work_taker_new(struct work *w, const struct work_taker_conf *conf);

/* Its jobs must have been answered. */
void work_taker_free(struct work_taker *t);

/* Something is at this job: a crash of ours is charged to it. Until then it only waits with its
 * taker. */
void work_begun(struct work_job *job);

/* It may be handed n more from now on, those included whose payload is being read. */
void work_want(struct work_taker *t, int n);

struct work_backlog {
	uint64_t ready; /* of all its topics, here and outside */
	int64_t oldest; /* ms that the first of them has waited */
};

void work_backlog(struct work_taker *t, struct work_backlog *b);

/* New tasks may be committed with the end of this one: n specs, in the same transaction. */
struct work_end {
	const void *result;
	size_t size;
	const struct work_spec *next;
	int n_next;
	const char *worker;
};

/* end: may be NULL. Returns what work_submit returns for `next`; then nothing has happened. */
int work_ack(struct work_job *job, const struct work_end *end);

enum work_fault { WORK_FAULT_FAILED, WORK_FAULT_TIMEOUT, WORK_FAULT_CRASHED };

/* error: up to 8 KiB are kept. retry: false: dead now. delay: ms until it is ready, or -1. */
void work_fail(struct work_job *job, enum work_fault fault, const char *error, bool retry,
	       int64_t delay);

/* Given back: costs nothing; with delay 0 it is the next of its topic again. */
void work_release(struct work_job *job, int64_t delay);

/* The same with another priority: among equals it keeps its turn. */
void work_release_as(struct work_job *job, int64_t delay, int prio);

/* Dead by the taker's will, as by work_fail without retry, but that it costs no attempt, and that
 * it is kept also where its topic is in memory only (if anything is stored at all). */
void work_bury(struct work_job *job, int prio, const char *error);

/* A task that is ready or scheduled, whatever its turn and its topic's limits: on_job comes now, or
 * when its payload was read. UV_ENOENT: there is none in such a state. */
int work_take(struct work_taker *t, uint64_t id);

/* Looks for one task for it now, rather than in the next turn. false: there is none for it. true:
 * on_job was called, or will be when a payload was read. */
bool work_serve(struct work_taker *t);

/* Of one that runs with a taker of that owner; NULL. */
struct work_job *work_job_of(struct work *w, uint64_t id, const void *owner);

/* Now, by the clock of deadlines. */
int64_t work_clock(struct work *w);

/* Of a task that runs (any other: nothing). percent: 0 to 100, or -1; of the text 1 KiB is kept. */
void work_progress(struct work *w, uint64_t id, int percent, const char *text);

/* What it wrote. The last 16 KiB are kept with it, and beyond its end as its result is. */
void work_log(struct work *w, uint64_t id, const void *text, size_t n);

/* It goes on: its time-out counts from now, ms (0: as long as it was). */
void work_touch(struct work_job *job, int64_t ms);

/* ---- tasks in between --------------------------------------------------------------- */

/* The pending task of a name: an id as text, or an ext_id. */
bool work_find(struct work *w, const char *name, uint64_t *id);

/*
 * 0: it is gone or going. UV_EALREADY: it runs, and its taker was told (now: without grace).
 * UV_ENOENT: no such pending task.
 */
int work_cancel(struct work *w, uint64_t id, bool now);

/* A scheduled one becomes ready. UV_ENOENT, UV_EINVAL in another state. */
int work_run_now(struct work *w, uint64_t id);

/* Those of a topic that are due first, up to n of them; each: may be NULL. Returns how many. */
uint64_t work_run_some(struct work *w, const char *topic, uint64_t n,
		       void (*each)(void *data, uint64_t id), void *data);

/* The next of a topic: state: WORK_READY, or WORK_SCHEDULED. 0: there is none. */
uint64_t work_first(struct work *w, const char *topic, enum work_state state);

/* Of a task that is not over; NULL: there is none. */
const char *work_topic_of(struct work *w, uint64_t id);

/* How many of a topic are ready with a priority that is more urgent than that. */
uint64_t work_ready_before(struct work *w, const char *topic, int prio);

/* Of one that is pending; WORK_STORING: there is none. */
enum work_state work_state_of(struct work *w, uint64_t id);

/* What is NULL, or -1, stays as it is. */
struct work_edit {
	const char *topic;
	const void *payload;
	size_t size;
	int64_t delay; /* ms from now; -1: as it was */
	int prio;      /* -1: as it was */
};

/*
 * Another topic, time, payload for a pending one. UV_ENOENT; UV_EBUSY: it runs, or is lent;
 * UV_EEXIST: what it holds (unique) is another's there; UV_EROFS: the store is failing; what
 * work_spec_check says. done: when the store has it; not called unless 0 is returned.
 */
int work_edit(struct work *w, uint64_t id, const struct work_edit *e,
	      void (*done)(void *data, int status), void *data);

/* Those of a topic (NULL: all) that are as old as `before` (submitted; dead: died), or all: 0. */
struct work_range {
	const char *topic;
	int64_t before; /* ms since 1970 */
	uint64_t limit; /* for work_retry_all: the first so many; 0: all */
};

/* All that is pending there and does not run: as by cancel. Returns how many. */
uint64_t work_purge(struct work *w, const struct work_range *r);

typedef void (*work_counted)(void *data, int status, uint64_t n);

/* state: WORK_DEAD, or another end whose results are kept: they are forgotten. */
void work_forget(struct work *w, enum work_state state, const struct work_range *r,
		 work_counted done, void *data);

/* All the dead there as by work_retry; those whose own name (ext_id) is another's by now stay. */
void work_retry_all(struct work *w, const struct work_range *r, work_counted done, void *data);

struct work_status {
	uint64_t id;
	enum work_state state;
	const char *topic, *type, *ext_id, *error, *worker;
	int prio, attempts, crashes;
	int64_t submitted, run_at, started, finished; /* ms since 1970; 0: not yet */
	int64_t run;
	int64_t timeout; /* ms, of one that is pending; 0: none */
	int64_t left; /* ms until it is due, or, of one that runs, must be over; 0: no time is set
		       */
	int percent;  /* of one that runs; -1: it does not say */
	const char *text; /* its progress in words */
	const void *payload, *meta, *result, *log;
	size_t size, meta_size, result_size, log_size;
};

/* item: NULL at the end, then next is where to go on (0: there is no more); status with it. */
typedef void (*work_seen)(void *data, const struct work_status *item, int status, uint64_t next);

/* One task wherever it is: pending, done and kept, dead. item once or not at all, then the end. */
void work_get(struct work *w, uint64_t id, work_seen seen, void *data);

struct work_filter {
	const char *topic;     /* NULL: all */
	enum work_state state; /* of those in the store: any pending one, SUCCEEDED, DEAD, ... */
	const char *type;      /* NULL: any */
	const char *text;      /* in payload or error; NULL: any */
	uint64_t from;         /* ids after it */
	uint64_t until;        /* ids up to it; 0: all */
	int limit;             /* 1..1000 */
};

/* In the order of ids. Tasks of topics that are kept in memory only are not listed. */
void work_list(struct work *w, const struct work_filter *f, work_seen seen, void *data);

/*
 * A dead one becomes ready, with all its attempts again, and as `e` says (NULL: as it was). done:
 * 0, UV_ENOENT, UV_EEXIST when its own name is another's by now, or the store's. UV_ENOENT at once
 * where nothing is stored; then done does not come.
 */
int work_retry(struct work *w, uint64_t id, const struct work_edit *e,
	       void (*done)(void *data, int status), void *data);

/* A dead one goes. done: 0 and its topic, or UV_ENOENT. As work_retry where nothing is stored. */
int work_drop(struct work *w, uint64_t id, void (*done)(void *data, int status, const char *topic),
	      void *data);

/* The store's file; see store_look_after. UV_ENOTSUP where nothing is stored. */
int work_look_after(struct work *w, enum store_care what, const char *path,
		    void (*done)(void *data, int status, const char *why), void *data);

/* ---- batches: tasks that are waited for together ---------------------------------------- */

/* What follows; each may be NULL. topic, type, prio, payload and meta of them are kept. */
struct work_batch {
	const struct work_spec *on_success;  /* all have succeeded */
	const struct work_spec *on_complete; /* all are over, however */
	const struct work_spec *on_death;    /* the first one has died */
};

/* done: its id is the receipt's. Returns what work_submit does. Tasks enter by work_spec.batch. */
int work_batch_new(struct work *w, const struct work_batch *b, work_submitted done, void *data);

/* No more tasks come; it is over with its last one. 0 or UV_ENOENT; closing twice does nothing. */
int work_batch_close(struct work *w, uint64_t id);

/* Its tasks as by work_cancel, and closes it. */
int work_batch_cancel(struct work *w, uint64_t id);

struct work_batch_figures {
	uint64_t total, pending, failed; /* failed: dead, cancelled or expired */
	bool open;
	int64_t over; /* when it was, ms since 1970; 0: it is not */
};

/* 0; UV_ENOENT, also an hour after it was over. A dead task that is raised is not of it again. */
int work_batch_get(struct work *w, uint64_t id, struct work_batch_figures *f);

/* ---- plans: tasks that come by the clock ---------------------------------------------- */

enum work_overlap {
	WORK_OVERLAP_SKIP,    /* not while its last task is pending or runs */
	WORK_OVERLAP_QUEUE,   /* in any case */
	WORK_OVERLAP_REPLACE, /* the last one is cancelled first */
};

/* Of moments that are over a minute ago when we come to them. */
enum work_missed { WORK_MISSED_SKIP, WORK_MISSED_ONCE, WORK_MISSED_ALL /* at most 1,000 */ };

struct work_plan {
	const char *name;
	const char *cron; /* see core/base/cron.h, with its zone; NULL: */
	int64_t every;    /* ms, at least 1,000; the first time one interval from now */
	enum work_overlap overlap;
	enum work_missed missed;
	int64_t jitter;        /* ms: each task is delayed by up to that */
	struct work_spec task; /* topic, type, prio, payload and meta of it are kept */
};

/* Makes it, or changes the one of that name, which then goes on. All is copied, and stored. */
int work_plan_set(struct work *w, const struct work_plan *plan, struct err *err);

/* These three: 0 or UV_ENOENT. */
int work_plan_drop(struct work *w, const char *name);
int work_plan_pause(struct work *w, const char *name, bool paused);

/* Now, once more; also UV_EALREADY while one is being stored, and what work_submit returns. */
int work_plan_run(struct work *w, const char *name);

struct work_plan_figures {
	const struct work_plan *plan;
	bool paused;
	int64_t next, last; /* ms since 1970; 0: never */
	uint64_t last_task;
	uint64_t runs, skipped, missed; /* since the start */
};

void work_plans(struct work *w, void (*row)(void *data, const struct work_plan_figures *f),
		void *data);

/* ---- time --------------------------------------------------------------------------- */

/* What is due now. The engine's own timer calls it; tests with a clock of their own do. */
void work_tick(struct work *w);
