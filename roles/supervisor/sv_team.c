#include "roles/supervisor/sv_team.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_pool.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_schedule.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_tell.h"

static bool comes_before(const struct sv_team *a, const struct sv_team *b)
{
	if (a->conf->priority != b->conf->priority)
		return a->conf->priority < b->conf->priority;
	return strcmp(a->conf->name, b->conf->name) < 0;
}

/* Among the others. */
static void place(struct sv_team *t)
{
	struct list *it, *tmp, *before = &t->sv->teams;

	list_each (it, tmp, &t->sv->teams)
		if (before == &t->sv->teams &&
		    comes_before(t, container_of(it, struct sv_team, link)))
			before = it;
	list_append(before, &t->link);
}

struct sv_team *sv_team_add(struct sv *sv, const struct sv_group *conf)
{
	struct sv_team *t = mem_new(sizeof(*t));

	t->sv = sv;
	t->setup = sv_setup_hold(sv->setup);
	t->conf = conf;
	list_init(&t->procs);
	place(t);
	if (conf->kind == SV_LISTENER)
		t->pool = sv_pool_new(t);
	sv_tell_look(sv);
	sv_tell_group(sv, SV_EVENT_PROCESS_GROUP_ADDED, conf);
	for (size_t i = 0; i < conf->count; i++)
		sv_team_add_proc(t, conf->order[i]);
	return t;
}

struct sv_proc *sv_team_add_proc(struct sv_team *t, const struct sv_process_conf *conf)
{
	struct sv_proc *p = sv_proc_new(t, conf);

	list_append(&t->procs, &p->link);
	return p;
}

void sv_team_settle(struct sv_team *t)
{
	if (!t->removed || !list_empty(&t->procs))
		return;
	list_remove(&t->link);
	sv_pool_free(t->pool);
	sv_tell_look(t->sv);
	if (!t->sv->drained)
		sv_tell_group(t->sv, SV_EVENT_PROCESS_GROUP_REMOVED, t->conf);
	sv_setup_drop(t->setup);
	free(t);
}

void sv_team_remove(struct sv_team *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->procs)
		sv_proc_remove(container_of(it, struct sv_proc, link));
	t->removed = true; /* only now: the last one would have taken it along */
	sv_team_settle(t);
}

void sv_team_change(struct sv_team *t, const struct sv_group *conf)
{
	sv_setup_drop(t->setup);
	t->setup = sv_setup_hold(t->sv->setup);
	t->conf = conf;
	list_remove(&t->link);
	place(t);
	sv_tell_look(t->sv);
}

/* What has its times waits for them, unless its section says otherwise. */
bool sv_team_starts(const struct sv_process_conf *conf)
{
	const struct sv_program *g = conf->program;

	if (sv_schedule_has(g) && !conf_has(g->item, "autostart"))
		return false;
	return g->conf->autostart && !conf->spare;
}

void sv_team_autostart(struct sv_team *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (sv_team_starts(p->conf) && !p->life && !p->rests)
			sv_proc_start(p);
	}
}

void sv_team_stop(struct sv_team *t)
{
	for (struct list *it = t->procs.prev, *prev; it != &t->procs; it = prev) {
		prev = it->prev;
		sv_proc_stop(container_of(it, struct sv_proc, link));
	}
}

bool sv_team_is_stopped(const struct sv_team *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->procs) {
		const struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (sv_proc_is_running(p) || sv_proc_state(p) == SV_STOPPING)
			return false;
	}
	return true;
}

struct sv_team *sv_team_find(const struct sv *sv, const char *name)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->teams) {
		struct sv_team *t = container_of(it, struct sv_team, link);
		if (!t->removed && strcmp(t->conf->name, name) == 0)
			return t;
	}
	return NULL;
}

struct sv_proc *sv_team_proc(const struct sv_team *t, const char *name)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (!p->removed && strcmp(p->conf->name, name) == 0)
			return p;
	}
	return NULL;
}

struct sv_proc *sv_team_lookup(const struct sv *sv, const char *full)
{
	const char *colon = strchr(full, ':');
	char group[256];
	size_t n = colon ? (size_t)(colon - full) : strlen(full);

	if (n >= sizeof(group))
		return NULL;
	memcpy(group, full, n);
	group[n] = '\0';
	const struct sv_team *t = sv_team_find(sv, group);
	return t ? sv_team_proc(t, colon ? colon + 1 : group) : NULL;
}
