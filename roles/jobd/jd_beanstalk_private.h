/*
 * jd_beanstalk_private - what the files of the beanstalkd listener share.
 *
 *	bs --- clients --- used: a tube
 *	   |           |-- watch: the tubes that it reserves from, shared by all who watch the same
 *	   |           \-- jobs: what it has reserved
 *	   |-- watches --- taker (core/work), waiting: clients, in their order (jd_watch)
 *	   |-- tubes: name -> tube, as far as somebody uses them
 *	   \-- marks: id -> what happened to a job that came back
 *
 * A client does one command after the other:
 *
 *	READING -- put ----------> PUTTING --- the engine has them -----\
 *	   |    -- reserve ------> WAITING --- a job, or no time left ---+-> READING
 *	   |    -- reserve-job --> TAKING ---- it, or it is not there ---+
 *	   \    -- peek, kick ---> ASKING ---- the store has said it ---/
 *
 * All puts that stand behind each other in what was read go to the engine together, and their
 * answers back in one write. Whoever waits, and holds no job, costs no timer and no loop.
 */
#pragma once

#include "roles/jobd/jd_beanstalk_parse.h"
#include "roles/jobd/jd_conn.h"
#include "roles/jobd/jd_watch.h"

enum {
	JD_BS_PUTS = 256,      /* that go to the engine together */
	JD_BS_META = 64,       /* of a job */
	JD_BS_MARKS = 100000,  /* the oldest are forgotten */
	JD_BS_PRI = 1024,      /* what is less is urgent */
	JD_BS_SAFE = 1000,     /* ms before a job's time is up: DEADLINE_SOON */
	JD_BS_PATIENCE = 5000, /* ms that the store may take to read a payload */
};

enum jd_bs_state {
	JD_BS_PUTTING = JD_CONN_READING + 1,
	JD_BS_WAITING,
	JD_BS_TAKING,
	JD_BS_ASKING,
	JD_BS_GONE,
};

struct jd_bs_tube {
	struct jd_bs_tube *next;
	uint64_t deletes, pauses;
	int64_t pause; /* seconds, as it was told */
	int using;
	bool takes; /* the engine has the topic */
	char name[];
};

struct jd_bs_client {
	struct jd_conn conn; /* first */
	struct jd_bs *bs;
	struct jd_bs_tube *used;
	struct jd_watch *watch;
	struct list turn; /* in its watch's waiting, or in the server's asking */
	struct list jobs; /* work_job.place */
	enum jd_bs_verb asked;
	uint64_t id;        /* of the job that it asked for */
	int64_t wait_until; /* by work_clock; 0: for ever */
	uint64_t skip;      /* bytes of a body that was too big */
	int n_found;
	bool skipping_line, producer, worker;
};

/* What happened to a job beside being put; gone with it. */
struct jd_bs_mark {
	struct jd_bs_mark *next;
	struct list age;
	uint64_t id;
	uint32_t pri, delay;
	bool has_pri, buried;
	uint32_t reserves, timeouts, releases, buries, kicks;
};

struct jd_bs_marks {
	struct jd_bs_mark **buckets;
	uint32_t n, mask;
	struct list ages;
};

struct jd_bs_body {
	const void *data;
	size_t n;
};

struct jd_bs {
	struct jd *jd;
	struct api *api;
	struct work *work;
	struct jd_conns conns;
	struct jd_watches watches;
	struct jd_bs_tube **tubes;
	uint32_t n_tubes, tube_mask;
	struct jd_bs_marks marks;
	struct list asking;      /* clients: TAKING, and those who wait for a job's end */
	struct work_spec *specs; /* of puts that were read */
	char (*metas)[JD_BS_META];
	int n_specs;
	uint64_t counts[JD_BS_VERBS], timeouts;
	char id[17];
};

static inline struct jd_bs_client *jd_bs_client_of(struct jd_conn *c)
{
	return (struct jd_bs_client *)(void *)c; /* its first member */
}

/* client.c */
extern const struct jd_protocol jd_bs_protocol;
void jd_bs_say(struct jd_bs_client *c, const char *line);
void jd_bs_put_id(struct jd_bs_client *c, const char *word, uint64_t id); /* "WORD id" */
/* "WORD id n", the body, the end of the line. */
void jd_bs_put_job(struct jd_bs_client *c, const char *word, uint64_t id, struct jd_bs_body body);

/* put.c: whether it was done, with the body that stands there; otherwise more is to be read, or
 * what came before is to be answered first */
bool jd_bs_do_put(struct jd_bs_client *c, const struct jd_bs_command *cmd,
		  const struct jd_bs_body *rest);
void jd_bs_submit(struct jd_bs_client *c);

/* do.c */
void jd_bs_count_delete(struct jd_bs *bs, const char *topic);
void jd_bs_do(struct jd_bs_client *c, const struct jd_bs_command *cmd);

/* ask.c: what the store has to say */
void jd_bs_peek(struct jd_bs_client *c, const struct jd_bs_command *cmd);
void jd_bs_kick(struct jd_bs_client *c, uint64_t n);
void jd_bs_kick_job(struct jd_bs_client *c, uint64_t id);
void jd_bs_drop(struct jd_bs_client *c, uint64_t id);
void jd_bs_reserve_job(struct jd_bs_client *c, uint64_t id);

/* reserve.c */
void jd_bs_reserve(struct jd_bs_client *c, int64_t timeout);
void jd_bs_take(struct jd_bs_client *c, uint64_t id);
void jd_bs_stop_waiting(struct jd_bs_client *c);
/* A job that the client has reserved; NULL. */
struct work_job *jd_bs_held(struct jd_bs_client *c, uint64_t id);
/* The job is out of its client's hands: what becomes of it is said to the engine next, then
 * jd_watch_settle for what this returns. */
struct jd_watch *jd_bs_unhold(struct work_job *job);
void jd_bs_give_back_all(struct jd_bs_client *c);
extern const struct work_taker_conf jd_bs_taker_conf;
void jd_bs_due(struct jd_conn *conn, int64_t now);

/* watch.c */
void jd_bs_do_watch(struct jd_bs_client *c, const char *name);
void jd_bs_do_ignore(struct jd_bs_client *c, const char *name);
struct jd_bs_tube *jd_bs_tube_find(struct jd_bs *bs, const char *name);
struct jd_bs_tube *jd_bs_tube_get(struct jd_bs *bs, const char *name);
void jd_bs_tube_settle(struct jd_bs *bs, struct jd_bs_tube *t);
void jd_bs_use(struct jd_bs_client *c, const char *name);
bool jd_bs_tube_exists(struct jd_bs *bs, const char *name);
void jd_bs_tubes_free(struct jd_bs *bs);

/* job.c */
int jd_bs_prio_of(uint32_t pri);
uint32_t jd_bs_pri_of(int prio); /* the least of those that are mapped to it */
struct jd_bs_facts {
	uint32_t pri, delay, ttr;
};
size_t jd_bs_meta_write(char to[JD_BS_META], const struct jd_bs_facts *f);
bool jd_bs_meta_read(const void *meta, size_t n, struct jd_bs_facts *f);
struct jd_bs_mark *jd_bs_mark_find(struct jd_bs *bs, uint64_t id);
struct jd_bs_mark *jd_bs_mark_get(struct jd_bs *bs, uint64_t id);
void jd_bs_mark_drop(struct jd_bs *bs, uint64_t id);
void jd_bs_marks_free(struct jd_bs *bs);

/* stats.c */
void jd_bs_stats(struct jd_bs_client *c);
void jd_bs_stats_tube(struct jd_bs_client *c, const char *name);
void jd_bs_stats_job(struct jd_bs_client *c, const struct work_status *s);
void jd_bs_list_tubes(struct jd_bs_client *c);
void jd_bs_list_watched(struct jd_bs_client *c);
