/*
 * jd_conn - the connections of a listener whose clients say a command and get an answer.
 *
 *	socket --> scratch, or in (what could not be done yet) --> take, again and again
 *	                                                              |
 *	socket <-- stream <-- out (of the one that is served) <-- jd_conn_put
 *
 * A client does one command after the other: while its state is another than JD_CONN_READING, what
 * it sends waits, up to a ceiling. So it is when it does not read what it was answered. Commands
 * that came as a whole are not copied; their answers go out in one write.
 *
 * There is one heap and one timer for all who wait for a time.
 */
#pragma once

#include "core/api/api.h"
#include "core/base/buf.h"
#include "core/net/stream.h"
#include "core/work/heap.h"
#include "roles/jobd/jd_door.h"

struct jd;
struct jd_conn;
struct jd_conns;

enum { JD_CONN_READING = 0, JD_CONN_PIECE = 64 * 1024 }; /* a state; bytes read at once */

struct jd_protocol {
	const char *name; /* said in the log */
	size_t size;      /* of what a struct jd_conn is the first member of */
	void (*open)(struct jd_conn *c);
	/* Bytes that are done with, of those that were read; 0: it can't go on with these. */
	size_t (*take)(struct jd_conn *c, const char *p, size_t n);
	void (*taken)(struct jd_conn *c); /* nothing more of what was read; may be NULL */
	void (*eof)(struct jd_conn *c);   /* nothing more comes: it waits in vain */
	void (*gone)(struct jd_conn *c);  /* all but the socket is given up */
	void (*free)(struct jd_conn *c);  /* what it owns; may be NULL */
	void (*due)(struct jd_conn *c, int64_t now); /* the time of jd_conn_due has come */
	void (*tick)(struct jd_conns *s);            /* then, after all of them; may be NULL */
};

struct jd_conn {
	struct list link;
	struct jd_conns *all;
	struct stream stream;
	struct buf in; /* read, and not done */
	struct heap_node due;
	int state;   /* the protocol's; 0: JD_CONN_READING */
	int pending; /* answers of the engine that are under way */
	bool going, eof, closed, lingering;
};

struct jd_conns {
	const struct jd_protocol *protocol;
	struct jd *jd;
	struct api *api;
	struct jd_door door;
	struct list list;
	struct heap due;
	uv_timer_t timer;
	int64_t timer_at; /* 0: it does not run */
	struct buf out;   /* answers to `out_to` that were not written yet */
	struct jd_conn *out_to;
	char *scratch;
	size_t most; /* bytes that are kept of what is not done */
	int n;
	int depth;     /* how many clients' commands are being done right now */
	uint64_t held; /* jobs, by all of them */
	uint64_t accepted, refused;
	bool draining, drained, closing;
};

/* ---- the listener ----------------------------------------------------------------------- */

/* Nobody is let in before jd_conns_listen. most: the longest command. */
void jd_conns_init(struct jd_conns *s, struct jd *jd, const struct jd_protocol *p, size_t most);
int jd_conns_listen(struct jd_conns *s, char *const *addresses, struct err *err);

/* Calls jd_drained from the loop when nobody holds a job any more; see jd_conns_settle. */
void jd_conns_drain(struct jd_conns *s);
void jd_conns_close(struct jd_conns *s);
void jd_conns_fini(struct jd_conns *s);

/* The timer goes off then, or before. */
void jd_conns_wake(struct jd_conns *s, int64_t at);

/* A job less is held: a drain may be over, when what this is the end of is answered. */
void jd_conns_settle(struct jd_conns *s);

/* ---- out -------------------------------------------------------------------------------- */

void jd_conn_put(struct jd_conn *c, const void *data, size_t n);
void jd_conn_printf(struct jd_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void jd_conns_flush(struct jd_conns *s);

/* Decimal digits at p; returns their end. */
char *jd_conn_number(char *p, uint64_t n);

/* ---- what becomes of it ------------------------------------------------------------------ */

void jd_conn_close(struct jd_conn *c);

/* What it was answered goes out, then it is closed. */
void jd_conn_leave(struct jd_conn *c);

/* It is READING again: what else it has sent is done. */
void jd_conn_go_on(struct jd_conn *c);

/* The same, from the loop: for where the engine is in the middle of something. */
void jd_conn_go_on_later(struct jd_conn *c);

/* READING again after something came to be known, wherever that came from. */
void jd_conn_answered_now(struct jd_conn *c);

/* One answer of the engine less to come. false: the client is gone, and may be freed by now. */
bool jd_conn_answered(struct jd_conn *c);

void jd_conn_set_due(struct jd_conn *c, int64_t at);
void jd_conn_not_due(struct jd_conn *c);
