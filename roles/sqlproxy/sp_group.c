#include "roles/sqlproxy/sp_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_packet.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_worker.h"

static struct sp_group *group_new(struct sp_worker *w, struct sp_setup *setup, const char *user,
				  const struct sp_database *d)
{
	struct sp_group *g = mem_new(sizeof(*g));

	g->worker = w;
	g->setup = sp_setup_hold(setup);
	g->retired = setup != w->setup; /* a reload came while its client logged in */
	g->database = d;
	snprintf(g->user, sizeof(g->user), "%s", user);
	g->known = sp_setup_user(setup, user, strlen(user));
	snprintf(g->backend_user, sizeof(g->backend_user), "%s",
		 g->known ? g->known->backend_user : g->user);
	g->pools = mem_new(sizeof(*g->pools) * (size_t)(d->servers_count + 1));
	for (int i = 0; i < d->servers_count; i++)
		g->pools[i] = sp_pool_new(g, d->servers[i]);
	list_init(&g->names);
	list_append(&w->groups, &g->link);
	return g;
}

/* A name in g->names. */
struct name {
	struct list link;
	char text[];
};

bool sp_group_knows(struct sp_group *g, const char *schema)
{
	struct list *it, *tmp;

	list_each (it, tmp, &g->names)
		if (strcmp(container_of(it, struct name, link)->text, schema) == 0)
			return true;
	return false;
}

void sp_group_learn(struct sp_group *g, const char *schema)
{
	if (sp_group_knows(g, schema))
		return;
	struct name *n = mem_new(sizeof(*n) + strlen(schema) + 1);
	strcpy(n->text, schema);
	list_append(&g->names, &n->link);
}

static bool unused(const struct sp_group *g)
{
	for (int i = 0; i < g->database->servers_count; i++)
		if (!sp_pool_unused(g->pools[i]))
			return false;
	return g->clients == 0;
}

static void group_free(struct sp_group *g)
{
	struct list *it, *tmp;

	for (int i = 0; i < g->database->servers_count; i++)
		sp_pool_free(g->pools[i]);
	list_each (it, tmp, &g->names) {
		list_remove(it);
		free(container_of(it, struct name, link));
	}
	free(g->pools);
	list_remove(&g->link);
	sp_secret_fini(&g->secret);
	sp_setup_drop(g->setup);
	free(g);
}

void sp_group_sweep(struct sp_worker *w)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->groups) {
		struct sp_group *g = container_of(it, struct sp_group, link);
		if (g->retired && unused(g))
			group_free(g);
	}
}

void sp_group_retire(struct sp_group *g)
{
	g->clients -= g->prepared && !g->retired;
	g->retired = true;
	for (int i = 0; i < g->database->servers_count; i++)
		sp_pool_drain(g->pools[i], true);
}

struct sp_group *sp_group_take(struct sp_worker *w, struct sp_setup *setup, const char *user,
			       const struct sp_database *d, const struct sp_secret *secret)
{
	struct list *it, *tmp;
	struct sp_group *g = NULL;

	list_each (it, tmp, &w->groups) {
		struct sp_group *have = container_of(it, struct sp_group, link);
		if (have->database == d && strcmp(have->user, user) == 0)
			g = have;
	}
	if (!g)
		g = group_new(w, setup, user, d);
	if (secret) {
		sp_secret_fini(&g->secret);
		sp_secret_copy(&g->secret, secret);
	}
	g->clients++;
	return g;
}

/* Enough is known of the user to log in without him. */
static bool can_log_in(const struct sp_user *u)
{
	const struct sp_secret *s = u->mapped ? &u->backend_secret : &u->secret;

	return s->password || s->has_stage1;
}

void sp_group_prepare(struct sp_worker *w)
{
	/* What clients of our day agree on; the first login of another kind corrects it */
	const uint64_t caps = SP_CAP_LONG_FLAG | SP_CAP_MULTI_RESULTS | SP_CAP_PS_MULTI_RESULTS |
			      SP_CAP_MULTI_STATEMENTS | SP_CAP_LOCAL_FILES;

	for (int i = 0; i < w->setup->databases_count; i++) {
		const struct sp_database *d = &w->setup->databases[i];
		for (int k = 0; k < w->setup->users_count; k++) {
			const struct sp_user *u = &w->setup->users[k];
			if ((!d->conf->initial && !d->conf->min) || !can_log_in(u) ||
			    !sp_user_may_use(u, d->name, strlen(d->name)))
				continue;
			struct sp_group *g =
				sp_group_take(w, w->setup, u->name, d,
					      u->mapped ? &u->backend_secret : &u->secret);
			g->model_caps = caps;
			g->model_charset = 45;
			g->prepared = true;
		}
	}
}

void sp_group_give(struct sp_group *g)
{
	g->clients--;
}
