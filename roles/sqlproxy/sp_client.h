/*
 * sp_client - one client of the proxy.
 *
 *	greeting -> (securing) -> logging in -> ready -> waiting -> busy -> ready ...  -> closed
 *
 * login:   sp_client.c, sp_login.c     who is it, and is it true
 * command: sp_command.c                what does it want, and where does that go
 * attach:  sp_attach.c                 the session's state onto a connection
 * answer:  sp_answer.c                 what did it change, and who keeps the connection
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/net/stream.h"
#include "roles/sqlproxy/sp_auth.h"
#include "roles/sqlproxy/sp_found.h"
#include "roles/sqlproxy/sp_lex.h"
#include "roles/sqlproxy/sp_packet.h"
#include "roles/sqlproxy/sp_session.h"
#include "roles/sqlproxy/sp_setup.h"
#include "roles/sqlproxy/sp_stmt.h"

struct sp_backend;
struct sp_group;
struct sp_pool;
struct sp_worker;
struct sp_zip;

enum sp_client_state {
	SP_CLIENT_PROXY_HEADER, /* of the PROXY protocol, awaited before the greeting */
	SP_CLIENT_LOGIN,        /* sp_login.c says how far */
	SP_CLIENT_READY,        /* for a command */
	SP_CLIENT_WAITING,      /* in a pool's queue */
	SP_CLIENT_APPLYING,     /* state goes first, the command follows when that is done */
	SP_CLIENT_SENDING,      /* a command longer than what was read is passed on as it comes */
	SP_CLIENT_BUSY,         /* the answer comes */
	SP_CLIENT_FILE,         /* the server asked for a file: what the client sends is it */
	SP_CLIENT_CLOSING,
};

/* Where a login is. */
enum sp_login_step {
	SP_LOGIN_RESPONSE, /* the client's answer to the greeting */
	SP_LOGIN_SECURING,
	SP_LOGIN_SWITCHED, /* its answer to another plugin */
	SP_LOGIN_FULL,     /* sha2: its password, or its wish for a key */
	SP_LOGIN_KEY,      /* sha2: its password under our key */
	SP_LOGIN_LOOKUP,   /* an account is read from the primary */
	SP_LOGIN_TRIAL,    /* its password or database is tried on a server */
	SP_LOGIN_DELAYED,  /* refused; the answer waits */
};

/* The command under way, all that is known about it. */
struct sp_cmd {
	uint8_t code;
	bool read_known; /* classified: running it again skips that */
	bool applied;    /* the session's state is on the connection */
	bool whole;      /* all of it is in memory */
	bool open_ended; /* its last chunk is full: more chunks follow */
	bool replica;    /* was sent to one */
	bool retried;
	bool file;        /* the server asked for one: the answer's part before it goes out first */
	bool eof_changed; /* an EOF said that state changed; what, comes with a later OK */
	bool told;        /* by trackers, whatever */
	bool told_state, told_unsafe, told_track, told_charset, told_collation, told_results,
		told_last_id;
	bool scoped;                  /* a SET was rewritten, see sp_rewrite_set */
	bool stale_rows, stale_found; /* ROW_COUNT(), FOUND_ROWS() there are not the client's */
	bool found_within;            /* see sp_found_within */
	enum sp_found found;          /* what it does to FOUND_ROWS() */
	const uint8_t *packet;        /* where it was classified: the lexer's spans point there */
	struct sp_lex lex;
	struct sp_span sql; /* the text, where it is needed after the answer: see sp_command.c */
	struct sp_stmt *stmt;
	struct sp_text *text; /* of a PREPARE */
	const struct sp_rule *rule;
	const struct sp_server *target; /* by rule, hint or KILL */
	uint64_t left;                  /* bytes of it that are still to be passed on */
	uint64_t started;               /* us */
	uint32_t digest;                /* slot in the worker's table, 0: none */
	uint16_t error;
	uint64_t affected, insert_id;
	uint16_t warnings;
	uint8_t captured[1]; /* did GET_LOCK or RELEASE_LOCK say 1? */
	uint8_t captured_len;
	uint8_t option; /* of COM_SET_OPTION */
};

/* Why the command at the head of the input can't be run. */
struct sp_refusal {
	uint16_t code;
	char state[6];
	char text[480];
};

struct sp_client {
	struct list link; /* in the worker's clients or logins */
	struct list wait; /* in a pool's queue */
	struct sp_client *next_id;
	struct sp_worker *worker;
	struct stream stream;
	struct sp_setup *setup; /* of its login; held */
	struct sp_group *group;
	struct sp_backend *backend;
	struct sp_pool *pool; /* whose queue it stands in */
	enum sp_client_state state;
	uint32_t id;
	uint32_t owner;        /* names this session to connections; another one after a reset */
	uint32_t last_backend; /* number of the connection it had last */
	uint64_t caps;
	uint16_t charset;
	uint8_t seq;                /* of the packet that an answer of ours follows */
	struct sp_backend *given;   /* by the pool, while it waited */
	struct sp_refusal *refusal; /* the answer to the command that waits */
	bool reading;               /* inside its own read: don't start another */
	bool eof;
	bool counted, user_counted;
	uint16_t address_slot, user_slot; /* sp_limits.c */
	struct sp_zip *zip;
	struct buf in; /* received and not yet used */
	struct sp_session session;
	struct sp_stmts stmts;
	struct sp_cmd cmd;
	uint64_t since;     /* ms: of the state; in the queue: of its arrival */
	uint64_t last_read; /* ms */
	uint64_t deadline;  /* ms: of the login, the wait, the statement, the linger; 0: none */
	uint64_t wait_us;   /* when it began to wait */
	char *lost;         /* why its pinned connection is gone: told with its next command */
	struct sp_login_state *login; /* NULL when logged in */
	struct sockaddr_storage peer;
	char user[64 + 1];
	char database[64 + 1]; /* as the client said it; "": none */
};

/* Accepts; the client lives until its stream is closed. */
void sp_client_accept(struct sp_worker *w, int fd, const struct sockaddr_storage *peer);

/* Sends an error as the answer to what is under way; the client goes on. */
void sp_client_error(struct sp_client *c, uint16_t code, const char *state, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* An OK as the answer to what is under way. */
void sp_client_ok(struct sp_client *c);

/* Bytes towards the client, through compression. */
int sp_client_put(struct sp_client *c, const void *data, size_t n);

/* An error as last words, then the end. */
void sp_client_fail(struct sp_client *c, uint16_t code, const char *state, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The end. Its connection is reset or closed as its state demands. */
void sp_client_close(struct sp_client *c, const char *why);

/* Its connection, if it has one, goes back as its state allows; the session is over. */
void sp_client_give_back(struct sp_client *c);

/* A connection that it was given, and does not need any more, goes back. */
void sp_client_release(struct sp_client *c);

/* All of its state is gone: a COM_RESET_CONNECTION, a COM_CHANGE_USER. */
void sp_client_forget(struct sp_client *c);

/* ---- sp_login.c */
void sp_login_start(struct sp_client *c);
void sp_login_input(struct sp_client *c); /* c->in has grown */
void sp_login_secured(struct sp_client *c);
void sp_login_free(struct sp_client *c);
void sp_login_change_user(struct sp_client *c, const uint8_t *payload, size_t len);
/* A connection came, or didn't, for the trial of a database or password. */
void sp_login_tried(struct sp_client *c, const char *error, uint16_t code);
/* The same for a password, by the client's id: it may be gone. error: NULL for success. */
void sp_login_trial_done(struct sp_worker *w, uint32_t id, const char *error);
/* Time passed: a delayed refusal may go out. */
void sp_login_tick(struct sp_client *c);

/* ---- sp_command.c */
void sp_command_work(struct sp_client *c); /* does what can be done with c->in */
size_t sp_command_take(struct sp_client *c, const uint8_t *data, size_t len);
void sp_command_file(struct sp_client *c);
/* The first rule that matches, NULL: none. */
const struct sp_rule *sp_command_rule(const struct sp_client *c, struct sp_span sql);
/* A command that was answered here, later, is done. */
void sp_command_done(struct sp_client *c);
/* The connection broke before the answer began: the command, which only reads, goes to another. */
void sp_command_again(struct sp_client *c, const struct sp_backend *b);

/* ---- sp_attach.c */
enum sp_attached { SP_ATTACHED, SP_ATTACH_STAGED, SP_ATTACH_FAILED };
enum sp_attached sp_attach(struct sp_client *c, struct sp_backend *b, struct buf *prefix);

/* The command may read LAST_INSERT_ID(), FOUND_ROWS(), or leave it as it was: it has to be there.
 */
bool sp_attach_needs_id(const struct sp_client *c);
bool sp_attach_needs_found(const struct sp_client *c);

/* It may change variables, and the server does not tell which. */
bool sp_attach_unseen(const struct sp_client *c, const struct sp_backend *b);
/* To the schema and the variables that a text means. */
void sp_attach_move(struct sp_backend *b, const char *db, const struct sp_vars *vars,
		    struct buf *prefix);

/*
 * Its client is gone and left locks or a transaction: it is reset now, and free when that is
 * answered.
 */
void sp_attach_clean(struct sp_backend *b);
/* What it holds for its last client is fetched; then it is free again. */
void sp_attach_fetch(struct sp_backend *b);

/* ---- sp_note.c */
/* The command's answer is complete: what it changed. */
void sp_note(struct sp_client *c);
/* The state ahead of it was refused, and it was not sent. */
void sp_note_refused(struct sp_client *c);

/* ---- sp_answer.c: called by the connection */
/* A packet that means something; it may be changed in place. Returns its new length. */
size_t sp_answer_mark(struct sp_client *c, uint8_t *packet, size_t len);
/* Bytes of the answer, to be passed on. */
void sp_answer_bytes(struct sp_client *c, const uint8_t *data, size_t len);
/* All of it is passed on. */
void sp_answer_done(struct sp_client *c);
/* The client's connection goes back to its pool, with its leftovers. */
void sp_answer_detach(struct sp_client *c);
/* The connection is gone in the middle of whatever. */
void sp_client_lost(struct sp_client *c, const char *why);
/* State was applied, or not: error is the packet that said so, NULL: all well. */
void sp_client_applied(struct sp_client *c, const uint8_t *error, size_t len);
/*
 * An error of state that went ahead by itself, and is on the connection but for that: it is the
 * command's, told when the rest is answered. False: the command is on its way already.
 */
bool sp_client_put_off(struct sp_client *c, const uint8_t *error, size_t len);
/* The pool has one, or gives up. */
void sp_client_granted(struct sp_client *c, struct sp_backend *b);
void sp_client_refused(struct sp_client *c, uint16_t code, const char *state, const char *text);
