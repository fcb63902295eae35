/*
 * redis - commands to a Redis server, over one connection that comes back by itself.
 *
 *	        (ask a Sentinel,) dial, TLS, AUTH, SELECT, (ROLE,) CLIENT ID
 *	DOWN ------------------------------------> UP --- redis_add ..., redis_send ---> done
 *	  ^                                         |
 *	  +---- closed, garbage, no answer in time -+   all under way: done with NULL
 *
 * Replies come in the order of the commands (RESP2, read by hiredis). Nothing is sent twice: a
 * command whose answer did not come may have been done. Pushed messages (SUBSCRIBE) go to
 * on_message.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/net/addr.h"

struct err;
struct redis;
struct tls_ctx;

enum { REDIS_SENTINELS = 8 };

/* redis://[[user]:password@]host[:port][/db], rediss:// by TLS, redis+unix://[...@]/path[?db=n],
 * redis+sentinel://[...@]host[:port][,host[:port]...]/MASTER[/db], rediss+sentinel:// by TLS; user
 * and password percent-encoded. */
struct redis_url {
	struct addr addr; /* with Sentinels: not known yet */
	bool tls;
	int db;
	char user[128], password[512];
	struct addr sentinels[REDIS_SENTINELS];
	int n_sentinels; /* 0: none */
	char master[128];
};

/* 0, or ERR_CONF and a sentence, which never has the password in it. */
int redis_url_read(struct redis_url *u, const char *text, struct err *err);

struct redis_conf {
	struct redis_url url;
	struct tls_ctx *tls;           /* with url.tls; held */
	const char *sentinel_password; /* NULL, "": they ask for none */
	const char *name;              /* CLIENT SETNAME; letters, digits, - _ . */
	uint64_t timeout;              /* ms: to be up; from a command to its answer */
	uint64_t retry_most; /* ms: the longest time between two tries; they begin at 100 ms, anew
			      * once it was up for so long */
	size_t most;         /* bytes of an answer, and of what is unsent */
	void (*on_up)(void *data);
	/* It was up, or could not get up: why, in words. All that was under way has been told. */
	void (*on_down)(void *data, const char *why);
	void (*on_message)(void *data, const redisReply *r); /* NULL: such an answer is garbage */
	void *data;
};

/* From the loop. r: ours; NULL: the connection broke, and no command may be given until it
 * returns. */
typedef void (*redis_done)(void *data, const redisReply *r);

/* Begins to connect. */
struct redis *redis_new(uv_loop_t *loop, const struct redis_conf *conf);

/* All under way: done with NULL, before it returns. closed: the last callback; may be NULL. */
void redis_close(struct redis *r, void (*closed)(void *data), void *data);

bool redis_is_up(const struct redis *r);

/* Where it is, or was tried last. */
const struct addr *redis_addr(const struct redis *r);

/* Of this connection, as CLIENT ID says. */
int64_t redis_client_id(const struct redis *r);

/*
 * A command, whose words follow; nothing goes out before redis_send. done: may be NULL. While it
 * is down, done comes from redis_send, with NULL.
 */
void redis_begin(struct redis *r, int words, redis_done done, void *data);
void redis_word(struct redis *r, const void *p, size_t n);
void redis_text(struct redis *r, const char *s);
void redis_number(struct redis *r, int64_t n);
void redis_send(struct redis *r);

/* Ends the connection, as if it had broken; it comes back. */
void redis_break(struct redis *r, const char *why);
