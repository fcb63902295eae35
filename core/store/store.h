/*
 * store - a file that keeps what it said it keeps: SQLite behind one writer.
 *
 *	loop                      writer thread                      keeper     reader
 *	store_commit(unit) ---->  all that is queued, in its order
 *	                          BEGIN, statements, COMMIT (one sync)  copies the log
 *	done(unit, status) <----  a bell                                behind it
 *	store_read(unit) ------------------------------------------------------>  SELECT
 *	done(unit, status) <--------------------------------------------------------
 *
 * A unit is a row of statements that are applied together or not at all. Units are applied in the
 * order in which they were committed; those that are queued when the writer is free share one
 * transaction and one sync, so load makes batches. Where several came at a time of late, the writer
 * waits for them, less long than a commit takes; one alone is written at once.
 *
 * When a transaction fails (the disk is full, an I/O error), nothing is pretended: units that ask
 * for something new are answered with the failure, and so is every one that comes until a write
 * has succeeded again. Units that tell what has happened (STORE_MUST) are kept, in order, and
 * written then. A unit whose own statement is wrong fails alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/list.h"
#include "core/stat/hist.h"

struct err;
struct store;

struct store_schema {
	int application;               /* marks the file as ours; not 0 */
	int version;                   /* how many migrations there are */
	const char *const *migrations; /* [i]: SQL that makes version i + 1 of version i */
	const char *const *statements; /* by number */
	int n_statements;
};

enum store_health {
	STORE_WELL,
	STORE_LAGGING, /* what is committed is safe, but the log can't be copied and grows */
	STORE_FAILING, /* nothing new is accepted */
};

struct store_conf {
	const char *path; /* the directory must be there */
	const struct store_schema *schema;
	int max_ops;              /* statements in one transaction; 0: 512 */
	int64_t max_bytes;        /* values in one transaction; 0: 1 MiB */
	int64_t checkpoint_bytes; /* of log before it is copied; 0: 8 MiB */
	int commit_delay;         /* us that a transaction waits for more units; 0 */
	int gather;               /* units that wait for store_hand_over at most; 0: none does */
	/* In the loop, at each change. why: one sentence. May be NULL. */
	void (*on_health)(void *data, enum store_health health, const char *why);
	void *data;
};

/*
 * Opens the file, or makes it. Refused with a sentence: a file of another program, a damaged one,
 * one that another process has open, one of a newer schema.
 */
int store_open(struct store **out, uv_loop_t *loop, const struct store_conf *conf, struct err *err);

/* Writes what is queued, then calls done from the loop. Nothing may be committed any more. */
void store_close(struct store *s, void (*done)(void *data), void *data);

/* ---- values ---------------------------------------------------------------- */

enum store_type { STORE_NULL, STORE_INT, STORE_TEXT, STORE_BLOB, STORE_STMT, STORE_GUARD };

struct store_value {
	uint8_t type;
	bool owned;
	uint32_t size; /* bytes of p; texts that were read have a 0 behind them */
	union {
		int64_t n;
		const void *p;
	};
};

/* ---- units ----------------------------------------------------------------- */

struct store_unit;

/*
 * In the loop. status: 0, or why it was not done. The unit's results can be read until it returns.
 */
typedef void (*store_done)(struct store_unit *u, int status);

struct store_unit {
	void *data; /* the caller's */

	/* what its SELECT or its guard found; cells of row r start at r * columns */
	struct store_value *cells;
	int rows, columns;

	/* private */
	struct list link;
	store_done done;
	struct store_value *items; /* STMT value... STMT value... */
	uint32_t n_items, cap;
	uint32_t statements;
	uint64_t bytes;
	int status;
	uint8_t sync, flags;
	struct store_value first[28];
};

struct store_unit *store_unit(void);
void store_drop(struct store_unit *u); /* one that was not committed */

/* What follows are the values of this statement, in its order. */
void store_stmt(struct store_unit *u, int statement);

/* The same for a SELECT: when it finds a row, the rest of the unit is not done. */
void store_guard(struct store_unit *u, int statement);

void store_null(struct store_unit *u);
void store_int(struct store_unit *u, int64_t n);
void store_text(struct store_unit *u, const char *s);           /* copied; NULL gives NULL */
void store_blob(struct store_unit *u, const void *p, size_t n); /* not copied; NULL gives NULL */
void store_copy(struct store_unit *u, const void *p, size_t n); /* a blob, copied */

enum store_sync {
	STORE_FSYNC, /* done: the disk has it */
	STORE_OS,    /* done: the operating system has it; a loss of power may undo the last ones */
};

enum { STORE_MUST = 1 };

/* The unit is the store's until done, which may be NULL, and freed after it. */
void store_commit(struct store *s, struct store_unit *u, enum store_sync sync, int flags,
		  store_done done);

/* Who lets units gather says when no more come for now, before the loop waits. */
void store_hand_over(struct store *s);

/* Its statements are SELECTs; all their rows are in u->cells. Not ordered with commits. */
void store_read(struct store *s, struct store_unit *u, store_done done);

/*
 * All rows of a statement, one by one, in the caller's thread: for the start. row: not 0 ends it,
 * and is returned. A damaged file gives UV_EILSEQ and a sentence.
 */
int store_scan(struct store *s, int statement,
	       int (*row)(void *data, const struct store_value *cells), void *data,
	       struct err *err);

/* Looks at the whole file, in the caller's thread. 0, or a sentence about the first fault. */
int store_check(struct store *s, struct err *err);

/* ---- care of the file --------------------------------------------------------- */

enum store_care {
	STORE_CHECK,   /* looks at the whole file */
	STORE_BACKUP,  /* writes a copy as of now to `path`, which must not be there */
	STORE_COMPACT, /* gives room of what was deleted back to the disk; commits wait meanwhile */
};

/*
 * Beside the work that goes on. done comes from the loop: 0, or why not in a sentence. The store is
 * not closed before.
 */
void store_look_after(struct store *s, enum store_care what, const char *path,
		      void (*done)(void *data, int status, const char *why), void *data);

/* ---- how it is -------------------------------------------------------------- */

struct store_figures {
	enum store_health health;
	uint64_t commits, units, failures, checkpoints;
	uint64_t log_bytes;
	const struct hist *commit_us, *batch; /* the store's; batch: units of a transaction */
};

void store_figures(struct store *s, struct store_figures *f);

static inline bool store_is_failing(struct store *s)
{
	struct store_figures f;

	store_figures(s, &f);
	return f.health == STORE_FAILING;
}
