/*
 * persist - tasks as rows.
 *
 * A row of `job` is all that a restart needs; where it waits follows from run_at and dep. Taking
 * writes nothing. job has one partial index, which costs those rows only that use it.
 */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/work/private.h"

#define JOB                                                                                        \
	"id, topic, type, prio, run_at, attempts, crashes, max_attempts, timeout, expires_at, "    \
	"keep, backoff, ext_id, uniq, hold, uniq_until, key, meta, error, payload, batch"

#define JOB_COLUMNS                                                                                \
	"id INTEGER PRIMARY KEY, topic TEXT NOT NULL, type TEXT, prio INT NOT NULL, "              \
	"run_at INT NOT NULL, attempts INT NOT NULL, crashes INT NOT NULL, max_attempts INT, "     \
	"timeout INT, expires_at INT, keep INT, backoff TEXT, ext_id TEXT, uniq TEXT, hold INT, "  \
	"uniq_until INT, key TEXT, meta BLOB, error TEXT, payload BLOB, batch INT"

#define RECOVERED                                                                                  \
	"id, topic, type, prio, run_at, attempts, crashes, max_attempts, timeout, expires_at, "    \
	"keep, backoff, ext_id, uniq, hold, uniq_until, key, batch, "                              \
	"coalesce(length(payload), 0) + coalesce(length(meta), 0), length(meta)"

static const char *const migrations[] = {
	"CREATE TABLE job(" JOB_COLUMNS ") STRICT;"
	"CREATE UNIQUE INDEX job_ext ON job(ext_id) WHERE ext_id IS NOT NULL;"
	"CREATE TABLE dep(job INT, after INT, PRIMARY KEY(after, job)) WITHOUT ROWID;"
	"CREATE TABLE done(id INTEGER PRIMARY KEY, topic TEXT, type TEXT, state INT,"
	" finished_at INT, run_ms INT, attempts INT, crashes INT, worker TEXT, result BLOB,"
	" error TEXT, keep_until INT) STRICT;"
	"CREATE INDEX done_until ON done(keep_until);"
	"CREATE TABLE dead(" JOB_COLUMNS ", died_at INT NOT NULL) STRICT;"
	"CREATE INDEX dead_at ON dead(died_at);"
	"CREATE TABLE idem(key TEXT PRIMARY KEY, hash BLOB, job INT, until INT) WITHOUT ROWID;"
	"CREATE INDEX idem_until ON idem(until);"
	"CREATE TABLE lock(job INTEGER PRIMARY KEY, topic TEXT, key TEXT, until INT) STRICT;"
	"CREATE TABLE topic(name TEXT PRIMARY KEY, paused INT) WITHOUT ROWID;",

	"CREATE TABLE plan(name TEXT PRIMARY KEY, cron TEXT, every INT, overlap INT, missed INT,"
	" jitter INT, topic TEXT, type TEXT, prio INT, payload BLOB, meta BLOB, next_at INT,"
	" last_at INT, last_task INT, paused INT) WITHOUT ROWID;"
	"CREATE TABLE batch(id INTEGER PRIMARY KEY, total INT, failed INT, open INT, died INT,"
	" over_at INT) STRICT;"
	"CREATE TABLE then_task(batch INT, which INT, topic TEXT, type TEXT, prio INT, payload "
	"BLOB,"
	" meta BLOB, PRIMARY KEY(batch, which)) WITHOUT ROWID;",

	"ALTER TABLE done ADD COLUMN log BLOB;"
	"ALTER TABLE dead ADD COLUMN log BLOB;"
	"ALTER TABLE topic ADD COLUMN note TEXT;"
	"CREATE TABLE stat(topic TEXT, hour INT, enq INT, ok INT, fail INT, dead INT, run_ms INT,"
	" wait_ms INT, PRIMARY KEY(hour, topic)) WITHOUT ROWID;",

	/* From here on a row of dep is there until its `after` has succeeded. */
	"DELETE FROM dep WHERE after NOT IN (SELECT id FROM job);",
};

#define SEEN_JOB  JOB ", 0 AS state"
#define SEEN_DEAD JOB ", died_at, log"
#define SEEN_DONE                                                                                  \
	"id, topic, type, state, finished_at, run_ms, attempts, crashes, worker, result, error, "  \
	"keep_until, log"

#define REVIVE                                                                                     \
	"INTO job SELECT id, coalesce(?2, topic), type, coalesce(?3, prio), coalesce(?4, 0), 0,"   \
	" 0, max_attempts, timeout, NULL, keep, backoff, ext_id, uniq, hold, uniq_until, key,"     \
	" meta, error, coalesce(?5, payload), NULL FROM dead WHERE id = ?1 RETURNING " RECOVERED

/* from, topic, text, limit, type, until */
#define FILTERED                                                                                   \
	"id > ?1 AND (?2 IS NULL OR topic = ?2) AND (?5 IS NULL OR type = ?5)"                     \
	" AND (?6 = 0 OR id <= ?6)"

/* ?3: the first state of those that are ends without success */
#define IF_FAILED                                                                                  \
	"WHERE EXISTS(SELECT 1 FROM dead WHERE id = ?2)"                                           \
	" OR EXISTS(SELECT 1 FROM done WHERE id = ?2 AND state >= ?3)"

static const char *const statements[STATEMENTS] = {
	[S_PUT] = "INSERT INTO job(" JOB ") VALUES(?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7, ?8, ?9, ?10,"
		  " ?11, ?12, ?13, ?14, ?15, ?16, NULL, ?17, ?18)",
	[S_RETRY] = "UPDATE job SET run_at = ?2, attempts = ?3, crashes = ?4,"
		    " error = coalesce(?5, error) WHERE id = ?1",
	[S_DELETE] = "DELETE FROM job WHERE id = ?1",
	[S_DONE] = "INSERT OR REPLACE INTO done(id, topic, type, state, finished_at, run_ms,"
		   " attempts, crashes, worker, result, error, keep_until, log)"
		   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[S_TO_DEAD] = "INSERT OR REPLACE INTO dead SELECT id, topic, type, prio, run_at, ?4, ?5,"
		      " max_attempts, timeout, expires_at, keep, backoff, ext_id, uniq, hold,"
		      " uniq_until, key, meta, coalesce(?3, error), payload, batch, ?2, ?6"
		      " FROM job WHERE id = ?1",
	[S_DEP] = "INSERT OR IGNORE INTO dep(job, after) VALUES(?1, ?2)",
	[S_DEP_OVER] = "INSERT OR IGNORE INTO dep(job, after) SELECT ?1, ?2 " IF_FAILED
		       " RETURNING job, after, EXISTS(SELECT 1 FROM dead WHERE id = after)",
	[S_SEE_OVER] = "SELECT ?1, ?2, EXISTS(SELECT 1 FROM dead WHERE id = ?2) " IF_FAILED,
	[S_DEP_DONE] = "DELETE FROM dep WHERE after = ?1",
	[S_DEP_FAILED] = "DELETE FROM dep WHERE after = ?1 AND job NOT IN (SELECT id FROM job)",
	[S_DEP_DROP] = "DELETE FROM dep WHERE after = ?1 AND job = ?2",
	[S_IDEM_FIND] = "SELECT job, hash IS ?2 FROM idem WHERE key = ?1 AND until > ?3",
	[S_IDEM_PUT] = "INSERT OR REPLACE INTO idem(key, hash, job, until) VALUES(?1, ?2, ?3, ?4)",
	[S_LOCK_PUT] = "INSERT INTO lock(job, topic, key, until) VALUES(?1, ?2, ?3, ?4)",
	[S_LOCK_DROP] = "DELETE FROM lock WHERE job = ?1",
	[S_TOPIC] = "INSERT INTO topic(name, paused) VALUES(?1, ?2)"
		    " ON CONFLICT(name) DO UPDATE SET paused = excluded.paused",
	[S_NOTE] = "INSERT INTO topic(name, paused, note) VALUES(?1, 0, ?2)"
		   " ON CONFLICT(name) DO UPDATE SET note = excluded.note",
	[S_SCAN_JOBS] = "SELECT " RECOVERED " FROM job ORDER BY id",
	[S_SCAN_DEPS] = "SELECT job, after, EXISTS(SELECT 1 FROM dead WHERE id = after) FROM dep",
	[S_SCAN_DEAD] = "SELECT topic, count(*) FROM dead GROUP BY topic",
	[S_SCAN_TOPICS] = "SELECT name, paused, note FROM topic",
	[S_SCAN_LOCKS] = "SELECT job, topic, key, until FROM lock",
	[S_SCAN_LAST] = "SELECT max(coalesce((SELECT max(id) FROM job), 0),"
			" coalesce((SELECT max(id) FROM done), 0),"
			" coalesce((SELECT max(id) FROM dead), 0),"
			" coalesce((SELECT max(id) FROM batch), 0),"
			" coalesce((SELECT max(job) FROM idem), 0))",
	[S_CLEAN_DEPS] = "DELETE FROM dep WHERE job NOT IN (SELECT id FROM job)",
	[S_LOAD] = "SELECT id, payload, meta FROM job WHERE id = ?1",
	[S_GET_JOB] = "SELECT " SEEN_JOB " FROM job WHERE id = ?1",
	[S_GET_DONE] = "SELECT " SEEN_DONE " FROM done WHERE id = ?1",
	[S_GET_DEAD] = "SELECT " SEEN_DEAD " FROM dead WHERE id = ?1",
	[S_LIST_JOBS] = "SELECT " SEEN_JOB " FROM job WHERE " FILTERED
			" AND (?3 IS NULL OR instr(payload, ?3) OR instr(error, CAST(?3 AS TEXT)))"
			" ORDER BY id LIMIT ?4",
	[S_LIST_DONE] = "SELECT " SEEN_DONE " FROM done WHERE " FILTERED
			" AND (?3 IS NULL OR instr(result, ?3) OR instr(error, CAST(?3 AS TEXT)))"
			" AND state = ?7 ORDER BY id LIMIT ?4",
	[S_LIST_DEAD] = "SELECT " SEEN_DEAD " FROM dead WHERE " FILTERED
			" AND (?3 IS NULL OR instr(payload, ?3) OR instr(error, CAST(?3 AS TEXT)))"
			" ORDER BY id LIMIT ?4",
	[S_SWEEP_DEAD] = "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE died_at <= ?1"
			 " ORDER BY died_at LIMIT 1000) RETURNING topic",
	[S_SWEEP_MORE] = "DELETE FROM dead WHERE id IN (SELECT id FROM dead ORDER BY died_at"
			 " LIMIT ?1) RETURNING topic",
	[S_SWEEP_DONE] = "DELETE FROM done WHERE id IN"
			 " (SELECT id FROM done WHERE keep_until <= ?1 LIMIT 1000)",
	[S_SWEEP_IDEM] = "DELETE FROM idem WHERE key IN"
			 " (SELECT key FROM idem WHERE until <= ?1 LIMIT 1000)",
	[S_SWEEP_LOCK] = "DELETE FROM lock WHERE until <= ?1",
	[S_SWEEP_NEXT] = "SELECT min(coalesce((SELECT min(keep_until) FROM done), 1 << 62),"
			 " coalesce((SELECT min(until) FROM idem), 1 << 62),"
			 " coalesce((SELECT min(died_at) FROM dead) + ?1, 1 << 62))",
	[S_REVIVE] = "INSERT " REVIVE,
	[S_BATCH_PUT] = "INSERT INTO batch(id, total, failed, open, died, over_at)"
			" VALUES(?1, 0, 0, 1, 0, 0)",
	[S_BATCH_COUNT] = "UPDATE batch SET total = total + ?2, failed = failed + ?3, open = ?4,"
			  " died = ?5, over_at = ?6 WHERE id = ?1",
	[S_BATCH_DROP] = "DELETE FROM batch WHERE id = ?1",
	[S_THEN_PUT] = "INSERT INTO then_task(batch, which, topic, type, prio, payload, meta)"
		       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[S_THEN_DROP] = "DELETE FROM then_task WHERE batch = ?1",
	[S_SCAN_BATCHES] = "SELECT id, total, failed, open, died, over_at FROM batch",
	[S_SCAN_THENS] = "SELECT batch, which, topic, type, prio, payload, meta FROM then_task",
	[S_PLAN_PUT] = "INSERT OR REPLACE INTO plan(name, cron, every, overlap, missed, jitter,"
		       " topic, type, prio, payload, meta, next_at, last_at, last_task, paused)"
		       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[S_PLAN_DROP] = "DELETE FROM plan WHERE name = ?1",
	[S_SCAN_PLANS] = "SELECT name, cron, every, overlap, missed, jitter, topic, type, prio,"
			 " payload, meta, next_at, last_at, last_task, paused FROM plan",
	[S_EDIT] = "UPDATE job SET topic = ?2, prio = ?3, run_at = ?4,"
		   " payload = coalesce(?5, payload) WHERE id = ?1",
	[S_EDIT_LOCK] = "UPDATE lock SET topic = ?2 WHERE job = ?1",
	[S_DEAD_IDS] = "SELECT id FROM dead WHERE id > ?1 AND (?2 IS NULL OR topic = ?2)"
		       " AND (?3 = 0 OR died_at <= ?3) ORDER BY id LIMIT ?4",
	[S_REVIVE_IF] = "INSERT OR IGNORE " REVIVE,
	[S_DROP_RAISED] = "DELETE FROM dead WHERE id = ?1"
			  " AND EXISTS(SELECT 1 FROM job WHERE id = ?1)",
	[S_FORGET_DEAD] = "DELETE FROM dead WHERE id IN (SELECT id FROM dead"
			  " WHERE (?1 IS NULL OR topic = ?1) AND (?2 = 0 OR died_at <= ?2)"
			  " LIMIT 1000) RETURNING topic",
	[S_FORGET_DONE] = "DELETE FROM done WHERE id IN (SELECT id FROM done"
			  " WHERE (?1 IS NULL OR topic = ?1) AND (?2 = 0 OR finished_at <= ?2)"
			  " AND state = ?3 LIMIT 1000) RETURNING topic",
	[S_HOUR] = "INSERT INTO stat(topic, hour, enq, ok, fail, dead, run_ms, wait_ms)"
		   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(hour, topic) DO UPDATE SET"
		   " enq = enq + excluded.enq, ok = ok + excluded.ok, fail = fail + excluded.fail,"
		   " dead = dead + excluded.dead, run_ms = run_ms + excluded.run_ms,"
		   " wait_ms = wait_ms + excluded.wait_ms",
	[S_SWEEP_HOURS] = "DELETE FROM stat WHERE hour < ?1",
	[S_HOURS] = "SELECT topic, hour, enq, ok, fail, dead, run_ms, wait_ms FROM stat"
		    " WHERE hour >= ?1 AND (?2 IS NULL OR topic = ?2) ORDER BY hour, topic",
	[S_DROP_DEAD] = "DELETE FROM dead WHERE id = ?1",
	[S_DROP_ONE] = "DELETE FROM dead WHERE id = ?1 RETURNING topic",
};

const struct store_schema work_schema = {
	.application = 0x74727770, /* "trwp" */
	.version = sizeof(migrations) / sizeof(migrations[0]),
	.migrations = migrations,
	.statements = statements,
	.n_statements = STATEMENTS,
};

static void int_or_null(struct store_unit *u, int64_t n)
{
	if (n)
		store_int(u, n);
	else
		store_null(u);
}

static void put_idem(struct store_unit *u, struct work *w, struct task *t,
		     const struct work_spec *s)
{
	store_stmt(u, S_IDEM_PUT);
	store_text(u, s->idem_key);
	store_copy(u, s->idem_hash, s->idem_hash_size);
	store_int(u, (int64_t)t->id);
	store_int(u, w->wall + s->idem_ttl);
	sched_sweep_by(w, w->mono + s->idem_ttl + 1000);
}

static void put_lock(struct store_unit *u, struct work *w, struct task *t,
		     const struct work_spec *s)
{
	store_stmt(u, S_LOCK_PUT);
	store_int(u, (int64_t)t->id);
	store_text(u, t->topic->name);
	store_text(u, s->uniq);
	store_int(u, w->wall + s->uniq_ttl);
}

static void put_dep(struct store_unit *u, enum statement s, const struct task *t, uint64_t after)
{
	store_stmt(u, s);
	store_int(u, (int64_t)t->id);
	store_int(u, (int64_t)after);
	if (s != S_DEP)
		store_int(u, WORK_DEAD);
}

/*
 * What only memory has is forgotten with us: nobody waits for that then. What we don't know any
 * more may be over without success: see submission_done.
 */
void persist_deps(struct store_unit *u, struct work *w, struct task *t, const struct work_spec *s)
{
	for (int i = 0; i < s->n_after; i++) {
		struct task *other = task_find(w, s->after[i]);
		if (!other)
			put_dep(u, task_is_stored(t) ? S_DEP_OVER : S_SEE_OVER, t, s->after[i]);
		else if (task_before(w, t, s->after[i]) && task_is_stored(other) &&
			 task_is_stored(t))
			put_dep(u, S_DEP, t, s->after[i]);
	}
}

static int64_t moment_of(const struct work *w, struct task *t, const struct work_spec *s)
{
	int64_t due = (int64_t)t->node.key;

	if (s->run_at)
		return s->run_at;
	return due > w->mono ? w->wall + due - w->mono : 0;
}

void persist_task(struct store_unit *u, struct work *w, struct task *t, const struct work_spec *s)
{
	struct more *m = t->more;
	struct body *b = t->body;

	store_stmt(u, S_PUT);
	store_int(u, (int64_t)t->id);
	store_text(u, t->topic->name);
	store_text(u, s->type && *s->type ? s->type : NULL);
	store_int(u, t->node.b);
	store_int(u, moment_of(w, t, s));
	int_or_null(u, s->max_attempts);
	int_or_null(u, s->timeout);
	int_or_null(u, m && m->expires ? w->wall + m->expires - w->mono : 0);
	int_or_null(u, s->keep);
	store_text(u, s->backoff);
	store_text(u, s->ext_id);
	store_text(u, s->uniq);
	int_or_null(u, s->uniq ? s->hold : 0);
	int_or_null(u, s->uniq && s->uniq_ttl ? w->wall + s->uniq_ttl : 0);
	store_text(u, s->key);
	store_blob(u, b && b->meta ? b->data + b->size : NULL, b ? b->meta : 0);
	store_blob(u, b ? b->data : NULL, b ? b->size : 0);
	int_or_null(u, (int64_t)s->batch);
	if (s->idem_key)
		put_idem(u, w, t, s);
	if (s->uniq && s->hold == WORK_UNTIL_TTL)
		put_lock(u, w, t, s);
}

void persist_retry(struct work *w, struct task *t, int64_t run_at, const char *error)
{
	struct store_unit *u = store_unit();

	store_stmt(u, S_RETRY);
	store_int(u, (int64_t)t->id);
	store_int(u, run_at);
	store_int(u, t->attempts);
	store_int(u, t->crashes);
	store_text(u, error);
	store_commit(w->store, u, sync_of(t->topic), STORE_MUST, NULL);
}

/* Its priority, too. */
void persist_place(struct work *w, struct task *t, int64_t run_at)
{
	struct store_unit *u = store_unit();

	store_stmt(u, S_EDIT);
	store_int(u, (int64_t)t->id);
	store_text(u, t->topic->name);
	store_int(u, t->node.b);
	store_int(u, run_at);
	store_null(u);
	store_commit(w->store, u, sync_of(t->topic), STORE_MUST, NULL);
}

/* A task that had no row gets one; what it holds is no longer its own. Its payload stays in memory
 * until the unit is done. */
void persist_unstored(struct store_unit *u, struct work *w, struct task *t)
{
	struct more *m = t->more;
	struct work_spec s = { .type = t->type ? w->types[t->type] : NULL, .run_at = w->wall };

	if (m) {
		s.max_attempts = m->max_attempts;
		s.timeout = m->timeout;
		s.keep = m->keep;
		s.backoff = m->backoff;
		s.ext_id = m->ext_id;
		s.key = m->key ? m->key->name : NULL;
	}
	persist_task(u, w, t, &s);
}

/* ---- payloads that are not in memory ------------------------------------------- */

struct body *body_of_row(struct work *w, const struct store_value *cells)
{
	struct work_spec s = {
		.payload = cells[1].size ? cells[1].p : NULL,
		.size = cells[1].size,
		.meta = cells[2].size ? cells[2].p : NULL,
		.meta_size = cells[2].size,
	};

	return body_new(w, &s);
}

struct loading {
	struct work *w;
	size_t n;
	uint64_t ids[];
};

/* What could not be read goes back, and is tried again in a while. */
static void give_back(struct work *w, uint64_t id)
{
	struct task *t = task_find(w, id);

	if (t && task_state(t) == WORK_RUNNING && t->run->loading)
		work_release(&t->run->job, 1000);
}

static void on_loaded(struct store_unit *u, int status)
{
	struct loading *l = u->data;
	struct work *w = l->w;

	if (status != 0)
		log_error("payloads can't be read error=%s", uv_strerror(status));
	sched_clock(w);
	for (int i = 0; i < u->rows && !w->closing; i++) {
		const struct store_value *cells = &u->cells[i * u->columns];
		struct task *t = task_find(w, (uint64_t)cells[0].n);
		if (t && task_state(t) == WORK_RUNNING && t->run->loading)
			run_loaded(t->run, body_of_row(w, cells));
	}
	for (size_t i = 0; i < l->n && !w->closing; i++)
		give_back(w, l->ids[i]);
	free(l);
}

void persist_loads(struct work *w)
{
	if (!w->n_loads)
		return;
	struct store_unit *u = store_unit();
	struct loading *l = mem_new(sizeof(*l) + w->n_loads * sizeof(uint64_t));
	l->w = w;
	l->n = w->n_loads;
	for (size_t i = 0; i < w->n_loads; i++) {
		l->ids[i] = w->loads[i];
		store_stmt(u, S_LOAD);
		store_int(u, (int64_t)w->loads[i]);
	}
	w->n_loads = 0;
	u->data = l;
	store_read(w->store, u, on_loaded);
}

/* ---- what is kept for a time only -------------------------------------------------- */

static void on_next(struct store_unit *u, int status)
{
	static const int64_t never = (int64_t)1 << 61;
	struct work *w = u->data;
	int64_t at = status == 0 && u->rows ? u->cells[0].n : never;

	if (w->closing || at > never)
		return;
	sched_clock(w);
	sched_sweep_by(w, w->mono + (at > w->wall ? at - w->wall : 0) + 1000);
}

static void on_swept(struct store_unit *u, int status)
{
	struct work *w = u->data;

	if (status != 0 || w->closing)
		return;
	for (int i = 0; i < u->rows; i++) {
		struct topic *t = topic_get(w, u->cells[i].p);
		t->dead -= t->dead > 0;
		w->dead -= w->dead > 0;
	}
	struct store_unit *next = store_unit();
	next->data = w;
	store_stmt(next, S_SWEEP_NEXT);
	store_int(next, w->conf.keep_dead);
	store_read(w->store, next, on_next);
}

void persist_sweep(struct work *w)
{
	struct store_unit *u = store_unit();
	uint64_t most = (uint64_t)w->conf.max_dead;

	u->data = w;
	store_stmt(u, S_SWEEP_DEAD);
	store_int(u, w->wall - w->conf.keep_dead);
	store_stmt(u, S_SWEEP_MORE);
	store_int(u, w->dead > most ? (int64_t)(w->dead - most) : 0);
	store_stmt(u, S_SWEEP_DONE);
	store_int(u, w->wall);
	store_stmt(u, S_SWEEP_IDEM);
	store_int(u, w->wall);
	store_stmt(u, S_SWEEP_LOCK);
	store_int(u, w->wall);
	store_commit(w->store, u, STORE_OS, STORE_MUST, on_swept);
}
