/*
 * jd_faktory_private - what the files of the Faktory listener share.
 *
 *	fk --- clients: connections --- worker, by its wid: several of one have the same
 *	   |                        \-- watch: the queues of its last FETCH (jd_watch)
 *	   |-- workers --- jobs: what it has fetched, whichever connection that was by
 *	   \-- asking: clients whose job's end is being stored
 *
 *	READING -- PUSH, PUSHB, BATCH --> PUSHING -- the engine has them ---\
 *	   |    -- FETCH ---------------> FETCHING -- a job, or 2 s are over -+-> READING
 *	   \    -- ACK, FAIL, TRACK, MUTATE -> ASKING -- the store has said it -/
 *
 * A worker whose connections are all gone, and that has not said BEAT for a while, is gone: what it
 * had is tried again, and counts as a crash of what it ran.
 */
#pragma once

#include "core/base/jsontext.h"
#include "roles/jobd/jd_conn.h"
#include "roles/jobd/jd_watch.h"

enum {
	JD_FK_JOBS = 1000,    /* of one PUSHB, at most: Faktory's own limit */
	JD_FK_BLOCK = 2000,   /* ms that a FETCH waits */
	JD_FK_LOGIN = 10000,  /* ms for HELLO */
	JD_FK_QUEUES = 100,   /* of one FETCH */
	JD_FK_RESERVE = 1800, /* seconds that a job may take */
	JD_FK_WIDS = 10000,   /* workers that are known at once */
};

enum jd_fk_state { JD_FK_PUSHING = JD_CONN_READING + 1, JD_FK_FETCHING, JD_FK_ASKING, JD_FK_GONE };

struct jd_fk_worker {
	struct list link;
	struct list jobs; /* work_job.place */
	int conns;
	int64_t heard; /* by work_clock */
	bool quiet;
	char wid[101];
	char host[101];
};

struct jd_fk_client {
	struct jd_conn conn; /* first */
	struct jd_fk *fk;
	struct jd_fk_worker *worker; /* NULL: it has fetched nothing, and has no wid */
	struct jd_watch *watch;
	struct list turn; /* in its watch's waiting, or in the server's asking */
	uint64_t id;      /* of the job whose end is waited for */
	void *answer;     /* what is being gathered for it; free() */
	bool greeted;
	bool asking; /* for a job's end; a drain waits for the answer */
	char nonce[17];
};

/* A job as it was pushed, for the engine. */
struct jd_fk_job {
	struct work_spec spec;
	char *jid, *type, *queue;
	char uniq[65], meta[24];
};

struct jd_fk {
	struct jd *jd;
	struct api *api;
	struct work *work;
	struct jd_conns conns;
	struct jd_watches watches;
	struct list workers, asking;
	struct work_taker *undertaker; /* takes what is to be dead; NULL: nothing was */
	int n_workers;
	uint64_t commands, pushed, fetched, acked, failed, lost;
	int64_t born;
};

static inline struct jd_fk_client *jd_fk_client_of(struct jd_conn *c)
{
	return (struct jd_fk_client *)(void *)c; /* its first member */
}

/* client.c */
extern const struct jd_protocol jd_fk_protocol;
void jd_fk_ok(struct jd_fk_client *c);
void jd_fk_nil(struct jd_fk_client *c);
void jd_fk_bulk(struct jd_fk_client *c, const void *p, size_t n);
/* "-WORD text"; word NULL: ERR. */
void jd_fk_err(struct jd_fk_client *c, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What the engine had to say is answered: on with what else the client has sent. */
void jd_fk_go_on(struct jd_fk_client *c);

/* job.c: false, and a sentence. A job points into what was read, and to what it owns: _fini in any
 * case. The second: whether the engine takes it, too. */
bool jd_fk_job_parse(const struct json *doc, struct jd_fk_job *out, struct err *err);
bool jd_fk_job_read(struct jd_fk *fk, const struct json *doc, struct jd_fk_job *out,
		    struct err *err);
void jd_fk_job_fini(struct jd_fk_job *job);
/* As its worker gets it: free() the result, NULL: as it is in job->payload. */
char *jd_fk_job_write(const struct work_job *job, size_t *n);
bool jd_fk_is_dropped(const struct work_job *job); /* one that fails is not to be kept */
/* What a command says of a jid. 0: there is none */
uint64_t jd_fk_id_of(struct jd_fk *fk, const struct json *doc);

/* push.c, batch.c */
void jd_fk_push(struct jd_fk_client *c, const struct json *doc);
void jd_fk_push_all(struct jd_fk_client *c, const struct json *doc);
void jd_fk_batch(struct jd_fk_client *c, const char *words, size_t n);

/* fetch.c */
extern const struct work_taker_conf jd_fk_taker_conf;
void jd_fk_fetch(struct jd_fk_client *c, const char *words, size_t n);
void jd_fk_stop_waiting(struct jd_fk_client *c);
void jd_fk_due(struct jd_conn *conn, int64_t now);

/* worker.c */
struct jd_fk_worker *jd_fk_worker_get(struct jd_fk *fk, const char *wid, const char *host);
void jd_fk_worker_leave(struct jd_fk_client *c);
void jd_fk_workers_sweep(struct jd_fk *fk);
void jd_fk_workers_free(struct jd_fk *fk); /* what they hold is given back */
void jd_fk_beat(struct jd_fk_client *c, const struct json *doc);

/* end.c */
void jd_fk_ack(struct jd_fk_client *c, const struct json *doc);
void jd_fk_fail(struct jd_fk_client *c, const struct json *doc);
void jd_fk_lose(struct jd_fk *fk, struct work_job *job);
void jd_fk_asks_no_more(struct jd_fk_client *c);

/* more.c: INFO, QUEUE, TRACK, FLUSH */
void jd_fk_info(struct jd_fk_client *c);
void jd_fk_queue(struct jd_fk_client *c, const char *words, size_t n);
void jd_fk_track(struct jd_fk_client *c, const char *words, size_t n);
void jd_fk_flush(struct jd_fk_client *c);

/* mutate.c */
void jd_fk_mutate(struct jd_fk_client *c, const struct json *doc);

/* The next word of a line, of *n bytes; moves on. NULL: there is none. */
const char *jd_fk_word(const char **at, const char *end, size_t *n);
