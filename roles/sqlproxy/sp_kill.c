#include "roles/sqlproxy/sp_kill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_worker.h"

enum outcome { NOT_HERE, KILLED, NOT_YOURS };

/* A wish on its way through the workers. */
struct wish {
	uint32_t id;
	bool query;
	char user[65];
	struct sp_worker *from;
	uint32_t client;
	int next; /* worker to ask */
	enum outcome outcome;
};

static void kill_client(struct sp_client *c, bool query)
{
	struct sp_backend *b = c->backend;
	char sql[64];

	c->worker->figures.kills++;
	if (b && b->state == SP_BACKEND_BUSY && b->expects_count > 0) {
		snprintf(sql, sizeof(sql), "KILL %s %u", query ? "QUERY" : "CONNECTION",
			 b->thread_id);
		sp_pool_errand(b->pool, sql);
	} else if (query && c->state == SP_CLIENT_WAITING) {
		sp_pool_leave(c);
		sp_client_refused(c, 1317, "70100", "Query execution was interrupted");
	}
	if (!query)
		sp_client_close(c, "killed");
}

static enum outcome kill_here(struct sp_worker *w, const struct wish *wish)
{
	struct sp_client *c = sp_worker_client(w, wish->id);

	if (!c)
		return NOT_HERE;
	if (strcmp(c->user, wish->user) != 0)
		return NOT_YOURS;
	kill_client(c, wish->query);
	return KILLED;
}

bool sp_kill_here(struct sp_worker *w, uint32_t id, bool query)
{
	struct sp_client *c = sp_worker_client(w, id);

	if (c)
		kill_client(c, query);
	return c != NULL;
}

static void answer(struct sp_client *c, const struct wish *wish)
{
	if (wish->outcome == KILLED)
		sp_client_ok(c);
	else if (wish->outcome == NOT_YOURS)
		sp_client_error(c, 1095, "HY000", "You are not owner of thread %u", wish->id);
	else
		sp_client_error(c, 1094, "HY000", "Unknown thread id: %u", wish->id);
}

/* Back where the wish came from: its command is done. */
static void on_answered(struct sp_worker *w, void *arg)
{
	struct wish *wish = arg;
	struct sp_client *c = sp_worker_client(w, wish->client);

	if (c && c->state == SP_CLIENT_BUSY) {
		answer(c, wish);
		sp_command_done(c);
	}
	free(wish);
}

static void on_asked(struct sp_worker *w, void *arg)
{
	struct wish *wish = arg;
	struct sp_worker *next = sp_proxy_worker(w->proxy, ++wish->next);

	wish->outcome = kill_here(w, wish);
	if (next == wish->from)
		next = sp_proxy_worker(w->proxy, ++wish->next);
	if (wish->outcome == NOT_HERE && next)
		sp_worker_post(next, on_asked, wish);
	else
		sp_worker_post(wish->from, on_answered, wish);
}

static void wish_for(struct sp_client *c, uint32_t id, bool query)
{
	struct wish *wish = mem_new(sizeof(*wish));
	struct sp_worker *w = c->worker, *first;

	*wish = (struct wish){ .id = id, .query = query, .from = w, .client = c->id };
	snprintf(wish->user, sizeof(wish->user), "%s", c->user);
	wish->outcome = kill_here(w, wish);
	first = sp_proxy_worker(w->proxy, 0);
	if (first == w)
		first = sp_proxy_worker(w->proxy, ++wish->next);
	if (wish->outcome != NOT_HERE || !first) {
		if (c->state != SP_CLIENT_CLOSING)
			answer(c, wish);
		free(wish);
		return;
	}
	c->state = SP_CLIENT_BUSY;
	sp_worker_post(first, on_asked, wish);
}

/* The id that is to be killed; 0: none of ours. */
static uint32_t id_of(const struct sp_client *c, const uint8_t *payload, size_t len)
{
	const struct sp_lex *lex = &c->cmd.lex;
	char text[16];

	if (c->cmd.code == SP_COM_PROCESS_KILL)
		return len >= 5 ? sp_u32(payload + 1) : 0;
	if (c->cmd.code != SP_COM_QUERY || lex->verb != SP_VERB_KILL || !lex->object.at ||
	    lex->kill_query_id || lex->object.len >= sizeof(text) || lex->flags & SP_LEX_MULTI)
		return 0;
	memcpy(text, lex->object.at, lex->object.len);
	text[lex->object.len] = '\0';
	return (uint32_t)strtoul(text, NULL, 10);
}

bool sp_kill(struct sp_client *c, const uint8_t *payload, size_t len)
{
	uint32_t id = id_of(c, payload, len);

	if (id < 1u << 30)
		return false;
	wish_for(c, id, c->cmd.code == SP_COM_QUERY && c->cmd.lex.kill_query);
	return true;
}
