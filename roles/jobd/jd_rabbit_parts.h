/*
 * jd_rabbit_parts - what the files of the RabbitMQ source share.
 *
 *	jb --- take: a channel for each topic, one for questions      put: a channel, with confirms
 *	   \--- topics --- tags: loans, in the order they came
 *	   |           \-- lost: those whose delivery is void, until the server delivers them again
 *	   \--- puts: what is to be published, and what is not confirmed yet
 */
#pragma once

#include "core/work/work.h"
#include "roles/jobd/jd_amqp.h"
#include "roles/jobd/jd_forward.h"
#include "roles/jobd/jd_ladder.h"
#include "roles/jobd/jd_source.h"
#include "roles/jobd/jd_tags.h"

enum {
	JB_NAME = 256,
	JB_BUCKETS = 4096,
	JB_WINDOW = 256,
	JB_TARGETS = 2 + JD_LADDER_STEPS,
	JB_ERROR = 1024,
	JB_AHEAD = 1000, /* stored tasks that wait: above it no more are stored */
};

struct marks;

/* A queue that we publish to, by the topic it belongs to. */
enum { JB_QUEUE, JB_DEAD, JB_WAIT /* and the steps after it */ };

struct jb_target {
	bool passive;        /* it is there by other arguments, or is not ours to make */
	bool known;          /* the server has said that it is there */
	unsigned asked;      /* 0: no question is open; else its turn */
	uint64_t made_at;    /* when it was last declared */
	uint64_t not_before; /* it could not be, and is not tried again before then */
};

/* One message on its way to a queue. All it points to lives until done. */
struct jb_put {
	struct list link; /* of puts to be sent, or sent; empty: of neither */
	struct jb_topic *topic;
	int target;
	const struct jd_amqp_message *message;
	struct jd_amqp_state state;
	bool has_state;
	uint64_t seq;
	int returns;
	bool doubtful; /* another to that queue came back: it is to be sent again */
	/* 0: it is there. UV_ECONNRESET: it may be, or not. Else it was refused: why. */
	void (*done)(struct jb_put *p, int status, const char *why);
};

enum jb_fate {
	JB_HERE,
	JB_STORING, /* in our own store, soon */
	JB_HELD,    /* to be stored when there is room */
	JB_MOVING,  /* to another queue, and then: */
	JB_DONE,    /* to be acknowledged */
};

/* A message that we have not acknowledged. */
struct jb_loan {
	struct jb_loan *next; /* of its bucket */
	struct jd_tag tag;    /* first in topic->tags; when lost, its place is in topic->lost */
	struct list again;    /* held, or refused: to be tried again */
	struct jb_topic *topic;
	struct jd_amqp_event *event; /* the message */
	struct jb_put put;           /* JB_MOVING */
	struct jb_storing *storing;
	uint64_t id;
	enum jb_fate fate;
	bool lost, lent; /* lent: in the table by its id */
	uint64_t lost_at;
	int attempts; /* as it was lent */
	uint32_t mark;
	char *error;
};

enum jb_topic_state { JB_SHUT, JB_OPENING, JB_DECLARING, JB_STARTING, JB_CONSUMING };

struct jb_topic {
	struct jd_rabbit_source *jb;
	char name[130], queue[200], dead[216];
	unsigned channel; /* 0: it is only written */
	enum jb_topic_state state;
	bool open; /* the channel */
	bool paused;
	int answers;          /* to declarations, since it was opened */
	bool ask_dead;        /* the queue of its dead is there, or may be */
	bool raise;           /* its dead are to be raised */
	uint64_t retry_at;    /* when it is tried again; 0: it needs not */
	uint64_t retry;       /* ms */
	int prefetch, n_over; /* n_over: since the server was last told */
	struct jd_tags tags;
	struct list lost;
	struct jb_target targets[JB_TARGETS];
	uint64_t left, buried, since; /* there, as far as we know */
};

struct jd_rabbit_source {
	struct jd_source source; /* first */
	const struct jd_source_keys *keys;
	uv_loop_t *loop;
	struct work *work;
	struct work_lender lender;
	struct marks *marks;
	uint64_t *charged; /* what ran when the last process died, by hash; 0: charged */
	size_t n_charged;
	struct jd_amqp *take, *put;
	bool take_up, put_up, blocked;
	bool asking;          /* the channel for questions is open */
	int asked;            /* 2 * topic, + 1: about its dead; -1: no question is open */
	unsigned asked_epoch; /* of that channel */
	struct jb_topic **topics;
	int n_topics, n_all; /* those that are taken; with those only written */
	struct jb_loan *buckets[JB_BUCKETS];
	size_t n_loans;
	struct list again; /* loans */
	struct list to_send, sent;
	int n_sent;
	bool put_open;
	uint64_t seq;
	unsigned asks; /* how many targets were asked about so far */
	struct jb_raise *raising;
	struct jd_forward forward;
	uv_timer_t tick, flush;
	uint64_t told, counted_at, again_at;
	uint64_t deadline;
	int open;
	bool draining, leaving, closing, shut;
};

/* jd_rabbit.c */
void jd_rabbit_plan(struct jd_rabbit_source *jb);   /* when the next tick is */
void jd_rabbit_settle(struct jd_rabbit_source *jb); /* leaving, closing: is it over? */

/* jd_rabbit_topic.c: channels, queues, consumers */
struct jb_topic *jd_rabbit_topic_new(struct jd_rabbit_source *jb, const char *name);
void jd_rabbit_queue(const struct jb_topic *t, int target, char name[JB_NAME],
		     struct jd_amqp_queue *q);
void jd_rabbit_topics_up(struct jd_rabbit_source *jb);
void jd_rabbit_topics_down(struct jd_rabbit_source *jb);
void jd_rabbit_topic_tick(struct jb_topic *t);
void jd_rabbit_topic_event(struct jb_topic *t, const struct jd_amqp_event *e);
void jd_rabbit_stop(struct jb_topic *t); /* no more jobs of it; what does not run goes back */

/* jd_rabbit_ask.c: how many there are; the dead, raised */
bool jd_rabbit_ask_event(struct jd_rabbit_source *jb, struct jd_amqp_event *e);
void jd_rabbit_ask_up(struct jd_rabbit_source *jb);
void jd_rabbit_ask_tick(struct jd_rabbit_source *jb);
void jd_rabbit_ask_down(struct jd_rabbit_source *jb);
void jd_rabbit_raise(struct jd_rabbit_source *jb, const char *topic);

/* jd_rabbit_take.c: jobs in. true: the event is kept */
bool jd_rabbit_take(struct jb_topic *t, struct jd_amqp_event *e);
void jd_rabbit_again(struct jd_rabbit_source *jb); /* those held or refused */
void jd_rabbit_storing_forget(struct jb_loan *l);
int jd_rabbit_priority(int prio); /* an engine's as a message's; -1: none */
int64_t jd_rabbit_wall(void);     /* ms since 1970 */

/* jd_rabbit_end.c: jobs over */
struct jb_loan *jd_rabbit_loan(struct jb_topic *t, struct jd_amqp_event *e);
void jd_rabbit_loan_id(struct jb_loan *l, uint64_t id);
void jd_rabbit_loan_free(struct jb_loan *l);
void jd_rabbit_lose(struct jb_topic *t); /* its channel is gone */
struct jb_loan *jd_rabbit_find_lost(struct jb_topic *t, uint64_t hash);
void jd_rabbit_over(struct jb_loan *l);      /* to be acknowledged */
void jd_rabbit_give_back(struct jb_loan *l); /* as if it had never come */
/* To be tried again when it is due, or dead. s->error is copied, s->id is the loan's. */
void jd_rabbit_move(struct jb_loan *l, const struct jd_amqp_state *s, bool dead);
void jd_rabbit_back(void *data, const struct work_event *e, int64_t delay);
void jd_rabbit_begun(void *data, uint64_t id);
void jd_rabbit_flush(struct jd_rabbit_source *jb);
void jd_rabbit_forget_lost(struct jd_rabbit_source *jb);

/* jd_rabbit_put.c: publishing */
void jd_rabbit_put(struct jd_rabbit_source *jb, struct jb_put *p);
void jd_rabbit_put_forget(struct jb_put *p); /* nobody waits for it any more */
void jd_rabbit_put_event(struct jd_rabbit_source *jb, const struct jd_amqp_event *e);
void jd_rabbit_puts_go(struct jd_rabbit_source *jb);    /* what may be sent is */
void jd_rabbit_puts_leave(struct jd_rabbit_source *jb); /* what can't be sent is given up */
void jd_rabbit_drop_puts(struct jd_rabbit_source *jb);  /* all are */
void jd_rabbit_forward_open(struct jd_rabbit_source *jb);
void jd_rabbit_forward(struct jd_rabbit_source *jb); /* what decides whether it may has changed */
