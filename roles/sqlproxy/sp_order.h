/*
 * sp_order - the console's commands, whoever gave them: MySQL's protocol or `troupe ctl`.
 *
 *	text -> words -> a row of the table of commands -> its function -> a reply
 *
 * All of it on the main loop. What must wait - CHECK asks the servers - is only named in the
 * reply; the caller runs sp_order_check where it may block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_rows.h"

struct sp_proxy;
struct sp_setup;
struct sp_words;

enum sp_right { SP_RIGHT_LOOK, SP_RIGHT_ALL };

struct sp_order {
	struct sp_proxy *proxy;
	enum sp_right right;
	const char *user;
	uint32_t id; /* of the console's connection */
	const char *text;
	size_t len;
};

enum sp_reply_kind { SP_REPLY_OK, SP_REPLY_ROWS, SP_REPLY_ERROR, SP_REPLY_CHECK };

struct sp_reply {
	enum sp_reply_kind kind;
	uint16_t code; /* of an error, MySQL's */
	char state[6];
	char text[480]; /* of an error, or what was done */
	uint64_t affected;
	struct sp_rows rows;
};

void sp_order(const struct sp_order *o, struct sp_reply *reply);
void sp_reply_fini(struct sp_reply *reply);

/* Asks every server, one after the other, each for at most the monitor's time-out. */
void sp_order_check(const struct sp_setup *setup, struct sp_rows *rows);

/* All of these and all commands return r->kind: `return sp_reply_error(...)` ends a command. */
enum sp_reply_kind sp_reply_error(struct sp_reply *r, uint16_t code, const char *state,
				  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
enum sp_reply_kind sp_reply_done(struct sp_reply *r, uint64_t affected, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* r->rows is filled. */
enum sp_reply_kind sp_reply_rows(struct sp_reply *r);
/* Nothing may follow. False: the reply says so; to be asked before anything is done. */
bool sp_reply_ended(struct sp_reply *r, const struct sp_words *w);

bool sp_order_knows(const char *word);

/* ---- sp_select.c */
enum sp_reply_kind sp_select(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
/* SHOW's name was read: [LIKE 'pattern'] and what a SELECT may end with. */
enum sp_reply_kind sp_select_tail(struct sp_words *w, struct sp_reply *r);
/* The variables that clients ask for. */
void sp_select_variables(struct sp_rows *rows);

/* ---- sp_act.c: what changes something */
enum sp_reply_kind sp_act_pause(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
enum sp_reply_kind sp_act_resume(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
enum sp_reply_kind sp_act_drain(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
enum sp_reply_kind sp_act_reconnect(const struct sp_order *o, struct sp_words *w,
				    struct sp_reply *r);
enum sp_reply_kind sp_act_kill(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
enum sp_reply_kind sp_act_reload(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
enum sp_reply_kind sp_act_set(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
enum sp_reply_kind sp_act_shutdown(const struct sp_order *o, struct sp_words *w,
				   struct sp_reply *r);
