/*
 * private - the store's threads and what they share.
 *
 * Who owns what: `writing`, `reading`, `copying` are connections of one thread each; the rings
 * `in`, `out`, `queries` and the words below them are everybody's under `lock`; the rest is the
 * writer's. Health is the writer's to say (the keeper's word is taken in by it).
 */
#pragma once

#include "core/net/poller.h"
#include "core/store/db.h"
#include "core/store/store.h"

struct store {
	uv_loop_t *loop;
	struct store_conf conf;
	char *path;
	int lock_fd;
	struct db writing, reading, copying;
	uv_thread_t writer, reader, keeper;
	struct poller_item bell; /* of an eventfd */
	int under_way;           /* units that were not answered; the loop's */
	struct list fresh;       /* the loop's: committed, not yet handed over */
	int n_fresh;
	bool closing;
	void (*on_closed)(void *data);
	void *closed_data;

	uv_mutex_t lock;
	uv_cond_t wake_writer, wake_reader, wake_keeper;
	struct list in, out, queries;
	int n_in, wanted;         /* units in `in`; how many of them the writer waits for */
	struct list cares, cared; /* compactions: asked for, done */
	bool stop;
	bool last;      /* to the writer: nothing comes any more */
	bool copy;      /* to the keeper */
	bool copy_rest; /* from the keeper to the writer */
	enum store_health health, told;
	char why[4500];
	bool lags;
	char lag_why[300];

	struct list work;    /* the writer's: taken in, not yet written; in order */
	uint64_t usual_16th; /* of late, times 16: units of a group and those behind it */
	uint64_t usual_ns;   /* of late: from a group's begin to its end */
	int sync_now;        /* what PRAGMA synchronous is set to */
	bool dirty;          /* committed since the log was last copied in full */
	uint64_t retry_at;
	uint64_t log_pages; /* atomic */
	uint64_t commits, units, failures, checkpoints;
	struct hist commit_us, batch;
};

/* The bodies of the threads. */
void writer_run(void *store);
void keeper_run(void *store);
void reader_run(void *store);

/* care.c; in the writer, and in the loop. */
void care_compact(struct store *s);
void care_answer(struct store *s);

/* Closes when it is told to and nothing is under way. */
void store_settle(struct store *s);

/* Wakes the loop. (Not by uv_async: libuv 1.44 waits in a hot loop until who sends it has come back
 * from the kernel, and on the same core he can't.) */
void store_ring(struct store *s);

/* Gives answered units to the loop. */
void store_answer(struct store *s, struct list *units);

static inline uint64_t store_log_bytes(struct store *s)
{
	return __atomic_load_n(&s->log_pages, __ATOMIC_RELAXED) * 4096;
}
