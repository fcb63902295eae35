/*
 * jd_redis_parts - what the files of the Redis source share.
 *
 *	jr --- cmd: takes, ends, ticks    wake: told when a list that was empty has something
 *	   \--- topics --- loans: what the engine has of it
 *	                   \--- over: what the engine has said of some, until Redis knows
 */
#pragma once

#include "core/net/redis.h"
#include "core/work/work.h"
#include "roles/jobd/jd_forward.h"
#include "roles/jobd/jd_script.h"
#include "roles/jobd/jd_source.h"

enum { JR_PREFIX = 600, JR_BUCKETS = 4096, JR_IDS = 1000, JR_SHA = 41 };

enum jr_fate { JR_HERE, JR_DONE, JR_RETURN, JR_DEAD };

struct jr_topic;

/* A job that Redis has in our name. */
struct jr_loan {
	struct jr_loan *next; /* of its bucket */
	struct list mine;     /* of the topic's loans */
	struct list link;     /* of those that are over, or in a command's */
	struct jr_topic *topic;
	uint64_t id;
	enum jr_fate fate;
	int64_t delay;
	char *head;    /* JR_RETURN, JR_DEAD; NULL: as it was */
	unsigned seen; /* in which look at what Redis has of ours */
	bool lost;     /* it is another node's by now */
};

struct jr_topic {
	struct jr *jr;
	char *name, *list, *run, *at, *job, *dead, *corpse, *meta, *runs;
	struct list loans;
	struct list done; /* JR_DONE, to be told */
	int64_t left;     /* ready there, as far as we know */
	int64_t later, buried;
	uint64_t since;   /* there is something */
	bool known;       /* what we have there has been looked at */
	bool asking;      /* a take is under way */
	bool armed;       /* a message comes when there is something */
	bool broken;      /* until the next tick */
	int paused;       /* -1: not known */
	int lately, pace; /* jobs that were over: since `lately_at`; in 10 ms */
	uint64_t lately_at;
	uint64_t held; /* until then there is nothing for us */
};

struct jr {
	struct jd_source source; /* first */
	const struct jd_source_keys *keys;
	struct redis *cmd, *wake;
	enum jd_layout layout;
	char sha[JD_SCRIPTS][JR_SHA];
	struct work_lender lender;
	struct work *work;
	uv_loop_t *loop;
	struct jr_topic *topics;
	int n_topics;
	struct jr_loan *buckets[JR_BUCKETS];
	size_t n_loans;
	struct list others; /* JR_RETURN, JR_DEAD, to be told */
	uv_timer_t tick, flush;
	uint64_t told; /* when ends were last sent */
	unsigned look;
	struct jd_forward forward; /* of topics that are only written */
	int telling;               /* commands with ends that are under way */
	int open;                  /* timers and connections */
	bool watched;              /* by Sentinels, which say where it is */
	bool ticking, tracking, draining, leaving, closing, shut;
	uint64_t pinged;   /* the wake connection */
	uint64_t deadline; /* of closing */
	char node[300];
};

/* jd_redis_take.c: jobs in */
void jd_redis_consider(struct jr_topic *t);
void jd_redis_hungry(void *data);
void jd_redis_arm(struct jr_topic *t);
void jd_redis_left(struct jr_topic *t, int64_t left);

/* jd_redis_end.c: jobs over */
struct jr_loan *jd_loan_find(struct jr *jr, uint64_t id);
struct jr_loan *jd_loan_new(struct jr_topic *t, uint64_t id);
void jd_loan_free(struct jr_loan *l);
void jd_redis_over(struct jr_loan *l, enum jr_fate fate);
void jd_redis_back(void *data, const struct work_event *e, int64_t delay);
void jd_redis_flush(struct jr *jr);
void jd_redis_give_back(struct jr *jr); /* what does not run */
void jd_redis_reconcile(struct jr_topic *t, const redisReply *reply);

/* jd_redis_forward.c: topics that are only written */
void jd_redis_forward_open(struct jr *jr);
void jd_redis_forward(struct jr *jr); /* it is up, down, or draining by now */

/* jd_redis.c; words: those that follow the script */
void jd_redis_eval(struct jr *jr, enum jd_script script, int words, redis_done done, void *data);
void jd_redis_tick_by(struct jr *jr, int64_t ms);      /* something is due then */
void jd_redis_odd(struct jr *jr, const redisReply *r); /* an answer that can't be */
const char *jd_redis_folder(const struct jr *jr);      /* before the names of its lists */
void jd_redis_settle(struct jr *jr);                   /* closing: is it over? */
