/*
 * private - what the engine's files share.
 *
 *	work --- topics: name -> topic --- ready: heap of tasks by priority, then turn
 *	     |                        \--- keys: name -> key --- parked: heap of tasks
 *	     |--- tasks: id -> task --- more (what few have) --- uniq, ext_id, key
 *	     |--- times: one heap for delays, expiry, time-outs, tokens; one timer
 *	     \--- takers --- subs (a topic each), those with something to take in a heap
 *
 * A task is in one place at a time: the state says which. The store's units point at payloads of
 * tasks that are STORING or ENDING; nothing else touches those until the unit is done.
 */
#pragma once

#include "core/base/list.h"
#include "core/net/poller.h"
#include "core/work/heap.h"
#include "core/work/work.h"

struct marks;

/* Kinds of nodes in `times`. */
enum {
	AT_TASK,
	AT_EXPIRY,
	AT_RUN,
	AT_TOPIC,
	AT_KEY,
	AT_UNIQ,
	AT_PLAN,
	AT_BATCH,
	AT_SWEEP,
	AT_HOURS
};

struct body {
	uint32_t size, meta;
	uint8_t data[]; /* payload, meta */
};

/* 64 bytes. node.a: state, .b: priority, .c: flags. */
struct task {
	uint64_t id;
	struct heap_node node; /* in times, a topic's ready or a key's parked */
	struct topic *topic;
	union {
		struct body *body; /* NULL: only the store has it */
		struct run *run;   /* RUNNING */
	};
	struct more *more;
	struct task *next; /* of the same bucket */
	uint32_t size : 27, crashes : 5;
	uint16_t attempts;
	uint16_t type;
};

enum {
	TASK_MOMENT = 1, /* due by the wall clock */
	TASK_TURN = 2,   /* node.key is its turn */
	TASK_STORED = 4, /* whatever its topic says by now */
	TASK_META = 8,   /* it has some, in memory or not */
	TASK_WELL = 16,  /* ENDING, and it has succeeded */
};

/* What few tasks have. */
struct more {
	struct task *task;
	struct heap_node expiry;
	char *ext_id;
	struct more *ext_next;
	struct key *key;
	struct uniq *uniq;
	struct batch *batch;
	struct work_lender *lender; /* whose it is; NULL: ours */
	char *backoff;
	uint64_t *blocks; /* those that wait for this one */
	int n_blocks;
	int waits;        /* for how many others */
	uint64_t failed;  /* one of those, which ended without success; 0: none */
	bool failed_dead; /* it died */
	int max_attempts;
	int64_t timeout, expires, keep; /* expires: monotonic; 0: none */
};

/* RUNNING. */
struct run {
	struct work_job job; /* first */
	struct work *w;
	struct task *task;
	struct work_taker *taker;
	struct list link; /* of the taker's */
	struct body *body;
	struct heap_node deadline;
	uint64_t turn;
	int64_t started, ready; /* monotonic */
	uint32_t mark;
	bool loading;
	int percent;
	char *text; /* own */
	struct tail *tail;
};

/* The end of what a task wrote. */
struct tail {
	size_t size;
	char bytes[];
};

struct bucket {
	double tokens;
	int64_t at;
};

struct key {
	struct key *next;
	struct topic *topic;
	struct heap parked;
	struct heap_node wake;
	struct bucket bucket;
	uint32_t running, users;
	char name[];
};

struct uniq {
	struct uniq *next;
	struct topic *topic;
	struct task *task; /* NULL: it outlives its task */
	uint64_t id;
	struct heap_node expiry;
	uint8_t hold;
	char name[];
};

struct sub {
	struct work_taker *taker;
	struct topic *topic;
	struct list link;      /* of the topic's */
	struct heap_node node; /* in the taker's */
	int place, weight;
	uint64_t pass;
};

struct topic {
	struct topic *next;
	struct work_topic_conf conf;
	struct heap ready;
	struct list subs;
	struct list hot; /* of the work's */
	struct heap_node wake;
	struct bucket bucket;
	struct key **keys;
	uint32_t n_keys, key_buckets;
	bool paused;
	int64_t paused_until; /* monotonic; 0: not for a time */
	uint64_t scheduled, waiting, parked, running, storing, ending, dead, bytes;
	uint64_t submitted, succeeded, failed, died, cancelled, expired;
	uint64_t run_ms, wait_ms;
	struct totals {
		uint64_t submitted, succeeded, failed, died, run, wait;
	} told; /* what is in the store's hours */
	char *note;
	struct work_outside outside;
	int64_t outside_since;
	char name[];
};

struct work_taker {
	struct work *w;
	struct list link; /* of the work's */
	struct list hot;
	struct list runs;
	struct work_taker_conf conf; /* topics and weights are own */
	struct sub **subs;
	int n_subs;
	struct heap ready; /* subs whose topic may have something */
	uint64_t pass;
	int wants, loading; /* loading: of those that it wanted, payloads that are being read */
	bool served;        /* in this turn */
};

struct tasks {
	struct task **buckets;
	uint32_t n, mask;
	struct list chunks, spare; /* with room; empty */
};

struct names { /* ext_id -> more; uniq */
	void **buckets;
	uint32_t n, mask;
};

struct work {
	uv_loop_t *loop;
	struct work_conf conf;
	struct store *store; /* NULL: memory only */
	struct marks *marks;
	uv_prepare_t turn;
	struct poller_turn each_turn;
	uv_timer_t timer;
	uv_poll_t jump;
	int jump_fd, handles;
	bool closing, closed_store, turning;
	void (*on_closed)(void *data);
	void *closed_data;

	int64_t mono, wall; /* of this turn */
	int64_t offset;     /* wall - mono that moments were turned into due times with */
	int64_t timer_at;
	uint64_t last_id, last_turn, chance;
	struct tasks tasks;
	struct names exts, uniqs;
	struct plan *plans;
	struct batch *batches;
	struct work_topic_conf topic_conf; /* of those that nobody set */
	struct topic **topics;
	struct topic *topic_asked; /* mostly it is asked for again */
	uint32_t n_topics, topic_buckets;
	char **types;
	int n_types;
	struct heap times;
	struct list hot_topics, hot_takers, takers, lenders;
	bool wanting;    /* somebody has come to want more in this turn */
	uint64_t *loads; /* tasks that run, whose payload is to be read */
	size_t n_loads;
	uint64_t resident, dead;
	int reads; /* ends that wait for the store before they are written */
	struct heap_node sweep, hours;
	struct list laters; /* what is done before the next turn */
};

/* task.c: where tasks live */
struct task *task_new(struct work *w, uint64_t id);
void task_free(struct work *w, struct task *t);
struct task *task_find(struct work *w, uint64_t id);
void tasks_fini(struct work *w, void (*each)(struct work *w, struct task *t));
uint64_t tasks_memory(struct work *w);
struct more *task_more(struct task *t);

static inline enum work_state task_state(const struct task *t)
{
	return (enum work_state)t->node.a;
}

/* NULL when there is none that can be cancelled, moved, started. */
struct task *task_pending(struct work *w, uint64_t id);

/* names.c */
uint32_t name_hash(const char *s, const void *salt);
uint16_t type_number(struct work *w, const char *type);
struct task *ext_find(struct work *w, const char *ext_id);
void ext_add(struct work *w, struct more *m);
void ext_remove(struct work *w, struct more *m);
struct uniq *uniq_find(struct work *w, struct topic *t, const char *name);
struct uniq *uniq_hold(struct work *w, struct topic *t, const char *name, enum work_hold hold,
		       int64_t until);
void uniq_drop(struct work *w, struct uniq *u);
void names_fini(struct work *w);

/* topic.c */
struct topic *topic_find(struct work *w, const char *name);
struct topic *topic_get(struct work *w, const char *name); /* made when it is not there */
void topics_free(struct work *w);
struct key *key_get(struct topic *t, const char *name); /* one user more */
void key_give(struct work *w, struct key *k);
bool topic_is_paused(const struct work *w, const struct topic *t);
/* A task may start now; if not and time will tell, the time is in the heap. */
bool topic_open(struct work *w, struct topic *t);
bool key_open(struct work *w, struct key *k);
void topic_started(struct work *w, struct topic *t, struct key *k);
void topic_ended(struct work *w, struct topic *t, struct key *k);
void key_wake(struct work *w, struct key *k);
void topic_heat(struct work *w, struct topic *t);
uint64_t topic_pending(const struct topic *t);

/* What is done in the next turn of the loop, before it waits. */
struct later {
	struct list link;
	void (*go)(struct later *l);
};

void later(struct work *w, struct later *l, void (*go)(struct later *l));

/* sched.c: between the places of a task */
void sched_clock(struct work *w);
void sched_place(struct work *w, struct task *t, int64_t due); /* due: monotonic */
void sched_ready(struct work *w, struct task *t);
void sched_unplace(struct work *w, struct task *t); /* out of wherever it waits */
void sched_due(struct work *w, struct heap_node *n);
void sched_forget(struct work *w, struct task *t);
void sched_sweep_by(struct work *w, int64_t mono);
void body_drop(struct work *w, struct task *t);
void body_let_go(struct work *w, struct body *b);
struct body *body_new(struct work *w, const struct work_spec *s);

/* At least 1: what is long over is no less a moment. */
static inline int64_t due_of_moment(const struct work *w, int64_t moment)
{
	int64_t due = moment - w->offset;

	return due > 1 ? due : 1;
}

/* end.c: a task's last transition, with all that goes with it in one unit */
struct ending {
	struct later later;
	struct work *w;
	struct task *task;
	struct submission *next;   /* NULL: none */
	struct submission *then;   /* what its batch brings forth; NULL: nothing */
	struct submission *follow; /* see work_conf; NULL: nothing */
	enum work_state how;
	uint64_t behind;      /* whose end without success this one's is; 0: nobody's */
	bool kept;            /* dead, and to be stored although the task was not */
	char *error, *worker; /* own */
	void *result;         /* own */
	size_t size;
	struct tail *tail; /* own */
	int64_t wait, run;
	int64_t delay; /* of one that was lent */
};

/* The task is in no heap. error: copied, cut at 8 KiB; may be NULL. */
struct ending *ending_new(struct work *w, struct task *t, enum work_state how, const char *error);
void ending_go(struct ending *e);
void end_waiting(struct work *w, struct task *t, enum work_state how, const char *error);
/* Of a task in no place: it ends when what it waited for is over without success. false: it has
 * not. */
bool end_behind(struct work *w, struct task *t);
/* The same, or when its time is over: what came to pass while it was STORING. */
bool end_stored(struct work *w, struct task *t);
void release_uniq(struct work *w, struct task *t);

/* taker.c, run.c */
void taker_topic(struct work *w, struct topic *t); /* a new one: who wants it? */
void takers_serve(struct work *w);
void taker_drop(struct work_taker *t);
void run_start(struct work_taker *taker, struct task *t);
void run_loaded(struct run *r, struct body *b);
void run_drop(struct run *r); /* without a word, when all is closed */

/* persist.c: tasks as rows */
extern const struct store_schema work_schema;

enum statement {
	S_PUT,
	S_RETRY,
	S_DELETE,
	S_DONE,
	S_TO_DEAD,
	S_DEP,
	S_DEP_OVER,
	S_SEE_OVER,
	S_DEP_DONE,
	S_DEP_FAILED,
	S_DEP_DROP,
	S_IDEM_FIND,
	S_IDEM_PUT,
	S_LOCK_PUT,
	S_LOCK_DROP,
	S_TOPIC,
	S_SCAN_JOBS,
	S_SCAN_DEPS,
	S_SCAN_DEAD,
	S_SCAN_TOPICS,
	S_SCAN_LOCKS,
	S_SCAN_LAST,
	S_CLEAN_DEPS,
	S_LOAD,
	S_GET_JOB,
	S_GET_DONE,
	S_GET_DEAD,
	S_LIST_JOBS,
	S_LIST_DONE,
	S_LIST_DEAD,
	S_SWEEP_DEAD,
	S_SWEEP_MORE,
	S_SWEEP_DONE,
	S_SWEEP_IDEM,
	S_SWEEP_LOCK,
	S_SWEEP_NEXT,
	S_REVIVE,
	S_DROP_DEAD,
	S_BATCH_PUT,
	S_BATCH_COUNT,
	S_BATCH_DROP,
	S_THEN_PUT,
	S_THEN_DROP,
	S_SCAN_BATCHES,
	S_SCAN_THENS,
	S_PLAN_PUT,
	S_PLAN_DROP,
	S_SCAN_PLANS,
	S_NOTE,
	S_EDIT,
	S_EDIT_LOCK,
	S_DEAD_IDS,
	S_REVIVE_IF,
	S_DROP_RAISED,
	S_DROP_ONE,
	S_FORGET_DEAD,
	S_FORGET_DONE,
	S_HOUR,
	S_SWEEP_HOURS,
	S_HOURS,
	STATEMENTS,
};

static inline bool is_stored(const struct topic *t)
{
	return t->conf.durability != WORK_MEMORY;
}

static inline bool task_is_stored(const struct task *t)
{
	return t->node.c & TASK_STORED;
}

static inline enum store_sync sync_of(const struct topic *t)
{
	return t->conf.durability == WORK_FSYNC ? STORE_FSYNC : STORE_OS;
}

/* run.c: no attempt is left, or it has crashed too often */
bool task_is_used_up(const struct task *t);

void persist_task(struct store_unit *u, struct work *w, struct task *t, const struct work_spec *s);
void persist_deps(struct store_unit *u, struct work *w, struct task *t, const struct work_spec *s);
void persist_retry(struct work *w, struct task *t, int64_t run_at, const char *error);
void persist_place(struct work *w, struct task *t, int64_t run_at);
void persist_unstored(struct store_unit *u, struct work *w, struct task *t);
void persist_loads(struct work *w);
struct body *body_of_row(struct work *w, const struct store_value *cells); /* of S_LOAD */
void persist_sweep(struct work *w);

/* recover.c */
int recover(struct work *w, struct err *err);
struct task *task_of_row(struct work *w, const struct store_value *cells);

/* edit.c: `how` is S_REVIVE, or S_REVIVE_IF; its row then becomes a task */
void put_revival(struct work *w, struct store_unit *u, enum statement how,
		 const struct work_edit *e, uint64_t id);
void raise_row(struct work *w, const struct store_value *cells);

/* hours.c */
void hours_touch(struct work *w); /* a topic's counts have changed */
void hours_flush(struct work *w, store_done done, void *data);

/* submit.c: whom t has to wait for by that id; NULL: nobody, or one that has succeeded. */
struct task *task_before(struct work *w, struct task *t, uint64_t id);

/* tasks that come with something else's end, or alone */
int submission_new(struct work *w, const struct work_spec *specs, int n, struct submission **out);
bool submission_put(struct submission *s, struct store_unit *u); /* whether there were rows */
void submission_done(struct submission *s, const struct store_unit *u, int status);

struct submitted {
	const struct work_spec *specs;
	int n;
	work_submitted done;
	void (*put)(void *data, struct store_unit *u); /* NULL: nothing */
	void *data;
};

/* As work_submit; `put` adds to the same transaction, with w->last_id the last task's. */
int submit_with(struct work *w, const struct submitted *what);

/* Unchecked: what it is made from was checked. specs: until its rows are put. */
struct submission *submission_make(struct work *w, const struct work_spec *specs, int n);
/* A unit that must be done, with s in it (NULL: nothing); u: NULL when nothing is stored. */
void submission_commit(struct work *w, struct submission *s, struct store_unit *u);
struct task *submit_task(struct work *w, const struct work_spec *s, uint64_t id);
int submit_check(const struct work_spec *s, struct err *err); /* without what its topic says */

/* lend.c */
static inline struct work_lender *task_lender(const struct task *t)
{
	return t->more ? t->more->lender : NULL;
}

void lenders_ask(struct work *w);

/* batch.c */
struct batch *batch_find(struct work *w, uint64_t id);
bool batch_is_open(struct work *w, uint64_t id);
void batch_enter(struct batch *b);
void batch_leave(struct batch *b);
void batch_rejoin(struct batch *b);
void batch_count(struct batch *b, struct store_unit *u, int total, int failed);
struct submission *batch_ended(struct batch *b, enum work_state how, struct store_unit *u);
void batch_due(struct work *w, struct heap_node *n);
int batch_of_row(void *work, const struct store_value *cells);
int then_of_row(void *work, const struct store_value *cells);
void batches_check(struct work *w);
void batches_free(struct work *w);

/* plan.c */
void plan_due(struct work *w, struct heap_node *n);
int plan_of_row(void *work, const struct store_value *cells);
void plans_free(struct work *w);

/* work.c: it is closing, and nothing is to be written any more. */
void work_close_store(struct work *w);

void tell(struct work *w, struct task *t, enum work_state what, const struct ending *e);
