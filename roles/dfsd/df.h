/* df - one node: its peers, its shares, and the pairs of both. */
#pragma once

#include "core/base/list.h"
#include "core/net/acceptor.h"
#include "core/net/addr.h"
#include "core/net/dial.h"
#include "roles/dfsd/df_apply.h"
#include "roles/dfsd/df_feed.h"
#include "roles/dfsd/df_keys.h"
#include "roles/dfsd/df_link.h"

struct df_share;
struct run;

struct df {
	struct run *run;
	const struct conf *conf;
	struct df_self self;
	char node[DF_NODE_NAME + 1];
	struct list peers, shares, doors;
	struct list guests; /* links whose name is not known yet */
	uv_timer_t tick;
	int open; /* what is not closed yet */
	bool draining, stopping;
};

struct df_peer {
	struct list link;
	struct df *df;
	const char *name;
	struct addr address;
	bool has_address;
	struct df_link *l; /* NULL: none that is up */
	struct dial dial;
	bool dialling;
	struct df_link *calling; /* dialled, and not up yet */
	int64_t next, wait;      /* when it is dialled again */
	struct list pairs;
	char why[200]; /* it is not there */
	uint64_t connects;
};

/* A share and somebody who has it, too. */
struct df_pair {
	struct list of_peer, of_share;
	struct df_peer *peer;
	struct df_share *share;
	struct df_known known;
	bool said, heard;      /* SHARE, on this connection */
	uint16_t number;       /* the peer's for the share */
	int roles, mode;       /* the peer's */
	uint8_t epoch[16];     /* the peer's */
	uint64_t their_cursor; /* of ours, that the peer knows */
	bool their_epoch, empty;
	bool held;   /* the peer has paused it */
	bool wants;  /* something is to be asked of it */
	df_id asked; /* up to which it was */
	struct df_feed *feed;
	struct df_apply *apply;
};

/* ---- df_peer.c ----------------------------------------------------------------------------- */

void df_peers_open(struct df *df);
void df_peers_tick(struct df *df, int64_t now);
void df_peers_close(struct df *df);
void df_peers_free(struct df *df);

/* Somebody has called. */
void df_guest(struct df *df, int fd);

/* Says a share that is ready to who is there. */
void df_pair_greet(struct df_pair *pair);

/* The share is paused, or is not any more: the peer is told. */
void df_pair_hold(struct df_pair *pair);

/* ---- df_share.c ---------------------------------------------------------------------------- */

struct df_share_figures {
	const char *name, *state;
	uint64_t nodes, last, watches, events, lost, unwatched, errors, conflicts, waiting;
};

/* state: the folder for their indexes. */
int df_shares_open(struct df *df, const char *state, struct err *err);
void df_shares_close(struct df *df);
void df_shares_tick(struct df *df, int64_t now);
void df_share_figures(const struct df_share *s, struct df_share_figures *f);

const char *df_share_name(const struct df_share *s);
uint16_t df_share_number(const struct df_share *s);
const struct df_share_keys *df_share_keys(const struct df_share *s);
struct df_tree *df_share_tree(struct df_share *s);
struct list *df_share_link(struct df_share *s); /* in df.shares */
struct df_share *df_share_of(struct list *link);
bool df_share_is_ready(const struct df_share *s);
void df_share_pair(struct df_share *s, struct df_pair *pair);

/* There is something to do for it, in this turn or the next. */
void df_share_wake(struct df_share *s);
/* A place is to be looked at. */
void df_share_look(struct df_share *s, df_id parent, struct df_bytes name);
/* Whether all that was done is in the index for good. */
bool df_share_commit(struct df_share *s);
/* Says what is wanted of a peer that is there. Returns whether there is more. */
bool df_pair_want(struct df_pair *pair);

/* Nothing of it is sent, or wanted, from now on. */
void df_share_pause(struct df_share *s, const char *why);
/* false: a guard has paused it, and it is not forced. */
bool df_share_resume(struct df_share *s, bool force);
const char *df_share_paused(const struct df_share *s); /* why, NULL: it is not */
/* path: "" for all of it. false: there is no such path. */
bool df_share_rescan(struct df_share *s, const char *path);

/* What was begun has ended: when it was the last, the node is freed. */
void df_closed(struct df *df);
