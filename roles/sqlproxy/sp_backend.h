/*
 * sp_backend - one connection to a server.
 *
 *	dialing -> greeting -> (securing) -> authenticating -> preparing -> idle <-> busy -> closed
 *
 * A busy one has a queue of expected answers: those of the commands that re-applied a client's
 * state, which it swallows, and then the client's own, which it passes on as it comes. An answer
 * is followed by its packet headers (sp_scan); only OK packets are read, for what they tell about
 * the state, and only OK packets are ever changed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/net/dial.h"
#include "core/net/stream.h"
#include "roles/sqlproxy/sp_packet.h"
#include "roles/sqlproxy/sp_scan.h"
#include "roles/sqlproxy/sp_session.h"
#include "roles/sqlproxy/sp_stmt.h"

struct sp_client;
struct sp_pool;
struct sp_secret;

enum sp_backend_state {
	SP_BACKEND_DIALING,
	SP_BACKEND_GREETING,
	SP_BACKEND_SECURING,
	SP_BACKEND_AUTHENTICATING,
	SP_BACKEND_PREPARING, /* our own settings are on their way */
	SP_BACKEND_IDLE,
	SP_BACKEND_BUSY,
	SP_BACKEND_CLOSED,
};

/* What an expected answer is for. */
enum sp_expect_kind {
	SP_EXPECT_CLIENT,  /* passed on */
	SP_EXPECT_STATE,   /* RESET, SET: must be OK */
	SP_EXPECT_DB,      /* INIT_DB: must be OK; its error is the client's */
	SP_EXPECT_PREPARE, /* of `text`; its error is the client's */
	/* from here on an error does no harm */
	SP_EXPECT_LAST_ID,  /* SELECT LAST_INSERT_ID() for the session `id` */
	SP_EXPECT_WARNINGS, /* SHOW WARNINGS for the session `id` */
	SP_EXPECT_IGNORED,
};

struct sp_expect {
	enum sp_expect_kind kind;
	enum sp_answer answer;
	uint32_t id;
	struct sp_text *text;
};

enum { SP_EXPECTS = 32 }; /* more than a prefix and its command have */

struct sp_backend {
	struct list link; /* in its pool's idle, busy or opening list */
	struct sp_pool *pool;
	enum sp_backend_state state;
	struct stream stream;
	struct dial dial;
	uint32_t number;      /* of this connection in its worker, never used again */
	uint32_t thread_id;   /* the server's */
	uint64_t caps;        /* agreed on */
	uint64_t client_caps; /* the part of them that clients see: what a client must match */
	uint16_t charset;     /* of our login */
	uint64_t server_caps;
	bool has_reset, has_track, mariadb;

	struct sp_client *client; /* attached */
	uint32_t owner;           /* the last session: whose state it has; 0: nobody's */
	struct sp_vars vars;      /* system variables that differ from a new connection's */
	struct sp_vars login;     /* of a new connection, those that DEFAULT would not put back */
	struct sp_vars texts;     /* PREPAREs in text that its owner made: hashes */
	char *db;
	uint64_t user_hash; /* of the user variables that were set on it for its owner */
	uint8_t option;     /* enum sp_option, as set last */
	bool dirty;         /* has state that only a reset removes */
	bool untold;        /* something changed in a transaction: its next OK tells what */
	bool doomed;        /* closed as soon as it is free */
	uint32_t leftovers_of,
		warnings_of;     /* clients whose LAST_INSERT_ID() and such it still holds */
	uint32_t warnings_asked; /* the client for whom they are being fetched */
	uint64_t last_id;        /* its LAST_INSERT_ID(), where that is known */
	bool last_id_unknown;
	struct sp_table prepared;

	struct sp_expect expects[SP_EXPECTS];
	uint8_t expects_at, expects_count;
	struct sp_scan scan;
	bool answered;       /* a byte of the client's answer was passed on */
	bool failed;         /* a state command failed: nothing may be passed on */
	struct buf in;       /* the beginning of a packet that is not whole yet */
	struct buf held;     /* closes that go out with the next command */
	struct buf sent;     /* the command under way, where it may be needed again */
	struct buf captured; /* an answer that is kept for the client that left it */
	uint64_t born, used, epoch, deadline; /* ms */
	uint64_t uses;
	struct sp_secret *secret; /* while logging in */
	uint8_t scramble[SP_SCRAMBLE_MAX];
	uint8_t scramble_len;
	char plugin[64];
	uint8_t login_seq;
	uint8_t settings; /* answers still to come while preparing */
	char errand[64];  /* this connection is here to run this one statement */
	uint32_t trial;   /* ... to try the password of this client */
	struct sp_secret *secret_own;
};

struct sp_backend *sp_backend_open(struct sp_pool *pool, uint64_t client_caps, uint16_t charset);

/* Closes it, whatever it does; a client on it hears of it by sp_client_lost. Freed later. */
void sp_backend_close(struct sp_backend *b, const char *why);

/* Closes it with a reason of two parts. */
void sp_backend_refuse(struct sp_backend *b, const char *what, const char *detail);

/* Appends an expected answer; false: too many. */
bool sp_backend_expect(struct sp_backend *b, struct sp_expect e);

/* The answers are on their way. */
void sp_backend_start(struct sp_backend *b);

void sp_backend_set_db(struct sp_backend *b, const char *db, size_t len);

/* A reset was sent: all state is gone with it. */
void sp_backend_forget(struct sp_backend *b);
