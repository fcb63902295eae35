/*
 * sp_console - one administrator, connected in MySQL's protocol.
 *
 *	login -> (securing) -> (switched) -> ready <-> answering, checking
 *	              |-> delayed (refused; the answer waits)      any -> lingering -> gone
 *
 * While an answer is under way nothing is read; rows are written as the client takes them.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/base/list.h"

struct sp_proxy;

enum { SP_CONSOLES_MAX = 64 };

/* All of them. */
struct sp_consoles {
	struct sp_proxy *proxy;
	uv_loop_t *loop;
	struct list list;
	int count;
	uint32_t last_id;
	void (*on_gone)(struct sp_consoles *all); /* one has left */
};

void sp_console_accept(struct sp_consoles *all, int fd, const struct sockaddr_storage *peer);

/* Time passed: closes those whose deadline is over. */
void sp_console_tick(struct sp_consoles *all);

/* Closes all; on_gone follows for each. */
void sp_console_close_all(struct sp_consoles *all);
