#include "roles/sqlproxy/sp_route.h"

#include <string.h>

#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_worker.h"

static int writable(const struct sp_server *s)
{
	return __atomic_load_n(&s->health->writable, __ATOMIC_RELAXED);
}

bool sp_route_is_primary(const struct sp_server *s)
{
	switch (s->conf->role) {
	case SP_ROLE_PRIMARY:
		return true;
	case SP_ROLE_REPLICA:
		return false;
	default:
		return writable(s) != SP_WRITABLE_NO;
	}
}

static bool may_read(const struct sp_server *s)
{
	int64_t lag = __atomic_load_n(&s->health->lag, __ATOMIC_RELAXED);

	if (!sp_health_good(s->health) || sp_route_is_primary(s) || lag == SP_LAG_BROKEN)
		return false;
	return s->conf->max_lag == 0 || lag <= s->conf->max_lag;
}

static uint32_t load(const struct sp_pool *p)
{
	return p->busy_count + p->waiting_count;
}

/* One of the readable replicas, drawn by weight; NULL: none. */
static struct sp_pool *draw(struct sp_group *g, int64_t all)
{
	int64_t ticket = all > 0 ? sp_worker_random(g->worker) % all : 0;

	for (int i = 0; i < g->database->servers_count; i++) {
		const struct sp_server *s = g->database->servers[i];
		if (!may_read(s))
			continue;
		if (all == 0 || ticket < s->conf->weight)
			return g->pools[i];
		ticket -= s->conf->weight;
	}
	return NULL;
}

static struct sp_pool *replica(struct sp_group *g)
{
	int64_t all = 0;

	for (int i = 0; i < g->database->servers_count; i++)
		if (may_read(g->database->servers[i]))
			all += g->database->servers[i]->conf->weight;
	struct sp_pool *a = draw(g, all), *b = draw(g, all);
	return a && b && load(b) < load(a) ? b : a;
}

struct sp_pool *sp_route_primary(struct sp_group *g)
{
	struct sp_pool *best = NULL;

	for (int i = 0; i < g->database->servers_count; i++) {
		const struct sp_server *s = g->database->servers[i];
		if (!sp_route_is_primary(s))
			continue;
		bool up = sp_health_good(s->health), known = writable(s) == SP_WRITABLE_YES;
		if (up && (known || s->conf->role == SP_ROLE_PRIMARY)) {
			if (!best || !sp_health_good(best->server->health) ||
			    load(g->pools[i]) < load(best))
				best = g->pools[i];
		} else if (!best || (up && !sp_health_good(best->server->health))) {
			best = g->pools[i];
		}
	}
	return best ? best : g->pools[0];
}

static struct sp_pool *pool_of(struct sp_group *g, const struct sp_server *s)
{
	for (int i = 0; s && i < g->database->servers_count; i++)
		if (strcmp(g->database->servers[i]->name, s->name) == 0)
			return g->pools[i];
	return NULL;
}

static struct sp_pool *by_order(struct sp_client *c, enum sp_target *target, const char **why)
{
	const struct sp_cmd *cmd = &c->cmd;

	*why = "the session's own";
	if (cmd->target)
		return pool_of(c->group, cmd->target);
	*why = "a rule names the server";
	if (cmd->rule && cmd->rule->server)
		return pool_of(c->group, cmd->rule->server);
	*why = "a rule";
	if (cmd->rule && cmd->rule->conf->route != SP_TARGET_ANY)
		*target = (enum sp_target)cmd->rule->conf->route;
	if (cmd->lex.hint != SP_HINT_NONE)
		*why = "a hint";
	if (cmd->lex.hint == SP_HINT_PRIMARY)
		*target = SP_TARGET_PRIMARY;
	else if (cmd->lex.hint == SP_HINT_REPLICA)
		*target = SP_TARGET_REPLICA;
	else if (cmd->lex.hint == SP_HINT_SERVER)
		return pool_of(c->group, sp_setup_server(c->group->setup, cmd->lex.hint_server.at,
							 cmd->lex.hint_server.len));
	return NULL;
}

/* Neither a rule nor a hint decided. */
static enum sp_target by_kind(const struct sp_client *c, const char **why)
{
	bool read = c->cmd.lex.flags & SP_LEX_READ_ONLY_TRX ||
		    (c->cmd.lex.flags & SP_LEX_READ && c->session.status & SP_STATUS_AUTOCOMMIT);

	if (!read)
		*why = "it may write, or reads what only the primary has";
	else if (!c->cmd.whole)
		*why = "it is longer than statement_max";
	else if (!c->group->database->conf->split)
		*why = "it reads, but the database does not split";
	else
		*why = "it reads";
	return read && c->cmd.whole && c->group->database->conf->split ? SP_TARGET_REPLICA
								       : SP_TARGET_PRIMARY;
}

/* Any server that is up, for reads when neither replica nor primary is. */
static struct sp_pool *any_up(struct sp_group *g)
{
	for (int i = 0; i < g->database->servers_count; i++)
		if (sp_health_up(g->database->servers[i]->health))
			return g->pools[i];
	return NULL;
}

struct sp_pool *sp_route_explain(struct sp_client *c, const char **why)
{
	enum sp_target target = SP_TARGET_ANY;
	struct sp_pool *p = by_order(c, &target, why);

	if (p)
		return p;
	if (target == SP_TARGET_ANY)
		target = by_kind(c, why);
	struct sp_pool *primary = sp_route_primary(c->group);
	if (target != SP_TARGET_REPLICA)
		return primary;
	if ((p = replica(c->group)))
		return p;
	*why = "it reads, but no replica is up and near enough";
	p = sp_health_up(primary->server->health) ? NULL : any_up(c->group);
	return p ? p : primary;
}

struct sp_pool *sp_route(struct sp_client *c)
{
	const char *why;

	return sp_route_explain(c, &why);
}

bool sp_route_resets(struct sp_group *g)
{
	const struct sp_health *h = sp_route_primary(g)->server->health;
	const struct sp_greeting *seen = __atomic_load_n(&h->greeting, __ATOMIC_ACQUIRE);

	return !seen || seen->caps & SP_CAP_SESSION_TRACK;
}
