/*
 * df_link - one connection between two nodes: who is there, frames in, frames out.
 *
 *	SECURING (TLS) -> GREETING (HELLO both ways, at once) -> PROVING (AUTH, where TLS did not)
 *	               -> UP -> closed
 *
 * Frames that are put in one turn go out together. Whoever puts a lot looks at df_link_full, and
 * goes on when on_room is called. The peer is told an error before the connection ends.
 */
#pragma once

#include "core/net/stream.h"
#include "roles/dfsd/df_entry.h"
#include "roles/dfsd/df_frame.h"

struct df_link;

enum df_security { DF_TLS_PSK, DF_HMAC, DF_NONE };

enum { DF_KEY = 32, DF_ID = 16 };

/* What we are; it outlives the links. */
struct df_self {
	uv_loop_t *loop;
	enum df_security security;
	uint8_t key[DF_KEY];
	uint8_t id[DF_ID];
	const char *name;
	struct tls_ctx *server, *client; /* of DF_TLS_PSK */
	int64_t handshake, silence;      /* ms: for all of the first; without a byte */
};

struct df_link_on {
	void (*up)(struct df_link *l); /* the name is known; df_link_fail refuses it */
	void (*frame)(struct df_link *l, const struct df_frame *f);
	void (*room)(struct df_link *l);                  /* df_link_full is over */
	void (*turn)(struct df_link *l);                  /* what came at once is done */
	void (*down)(struct df_link *l, const char *why); /* the last one; it frees itself */
};

enum df_link_state { DF_SECURING, DF_GREETING, DF_PROVING, DF_UP, DF_DOWN };

struct df_link {
	struct stream stream;
	const struct df_self *self;
	const struct df_link_on *on;
	void *owner;
	enum df_link_state state;
	bool dialled; /* by us */
	bool full;
	uint8_t *in; /* a frame that is not whole yet */
	size_t in_n, in_room;
	uint8_t *out;
	size_t out_n, out_room;
	int64_t since, heard, asked; /* ms: when it began, the last byte, the last PING */
	uint8_t peer_id[DF_ID];
	char peer[DF_NODE_NAME + 1], address[300];
	int64_t skew;      /* ms that the peer's clock is ahead, about */
	uint8_t *greeting; /* our HELLO */
	size_t greeting_n;
	uint8_t proof[DF_KEY]; /* what the peer has to say */
	uint64_t bytes_in, bytes_out;
	char why[200];
	struct poller_turn each_turn;
};

/* Takes over a connected socket. Its address is written by who opens it. */
struct df_link *df_link_open(const struct df_self *self, int fd, bool dialled,
			     const struct df_link_on *on, void *owner);

/* down is called, soon. why is for our log; told: the peer is told it. */
void df_link_fail(struct df_link *l, bool told, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Room for a payload of up to n bytes, then what became of it: up to `end`. */
uint8_t *df_link_room(struct df_link *l, size_t n);
void df_link_put(struct df_link *l, struct df_frame f, const uint8_t *end);

/* More should not be put now. */
bool df_link_full(struct df_link *l);

/* Once a second: who is silent for too long goes. */
void df_link_tick(struct df_link *l, int64_t now);
