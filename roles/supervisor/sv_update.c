#include "roles/supervisor/sv_update.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_http.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_sockets.h"
#include "roles/supervisor/sv_team.h"

static struct sv_proc *proc_of(struct sv *sv, const struct sv_group *g,
			       const struct sv_process_conf *conf)
{
	const struct sv_team *t = sv_team_find(sv, g->name);

	return t ? sv_team_proc(t, conf->name) : NULL;
}

/* names: of the groups that are touched; NULL: all. */
struct updating {
	struct sv *sv;
	char *const *names;
};

static bool is_meant(const struct updating *u, const char *group)
{
	char *const *name = u->names;

	while (name && *name && strcmp(*name, group) != 0)
		name++;
	return !name || *name;
}

/* One difference, as far as it concerns what is there already. */
static void take_over(void *data, const struct sv_difference *d)
{
	const struct updating *u = data;
	struct sv *sv = u->sv;

	if (!is_meant(u, d->old_group ? d->old_group->name : d->now_group->name))
		return;
	struct sv_team *t = d->old_group ? sv_team_find(sv, d->old_group->name) : NULL;
	struct sv_proc *p = d->old && d->old_group ? proc_of(sv, d->old_group, d->old) : NULL;

	if (*d->line)
		log_info("update: %s", d->line);
	if (d->change == SV_GROUP_REMOVED && t)
		sv_team_remove(t);
	else if (d->change == SV_PROCESS_REMOVED && p)
		sv_proc_remove(p);
	else if ((d->change == SV_PROCESS_RESTART || d->change == SV_PROCESS_LIVE) && p)
		sv_proc_change(p, d->now, d->change == SV_PROCESS_RESTART);
}

/* What has not changed goes on under the new setup's words for it. */
static void rebind(struct sv_team *t, const struct sv_group *g)
{
	struct list *it, *tmp;

	sv_team_change(t, g);
	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		const struct sv_process_conf *conf = sv_group_process(g, p->conf->name);
		if (conf && p->setup != t->sv->setup)
			sv_proc_rebind(p, conf);
	}
}

/* Processes that a group has got. */
static void add_missing(struct sv_team *t)
{
	for (size_t i = 0; i < t->conf->count; i++) {
		const struct sv_process_conf *conf = t->conf->order[i];
		if (sv_team_proc(t, conf->name))
			continue;
		struct sv_proc *p = sv_team_add_proc(t, conf);
		if (sv_team_starts(conf))
			sv_proc_start(p);
	}
}

size_t sv_update_diff(const struct sv *sv, const struct sv_setup *now,
		      void (*tell)(void *data, const struct sv_difference *d), void *data)
{
	const struct sv_group **active = NULL;
	size_t n = 0;

	for (const struct list *it = sv->teams.next; it != &sv->teams; it = it->next) {
		const struct sv_team *t = container_of(it, struct sv_team, link);
		if (t->removed || t->once)
			continue;
		active = mem_resize(active, (n + 1) * sizeof(*active));
		active[n++] = t->conf;
	}
	size_t count = sv_groups_diff(active, n, now, tell, data);
	free(active);
	return count;
}

static void update_groups(struct updating *u, const struct sv_setup *now)
{
	struct sv *sv = u->sv;

	sv_update_diff(sv, now, take_over, u);
	for (size_t i = 0; i < now->group_count; i++) {
		const struct sv_group *g = &now->groups[i];
		struct sv_team *t = sv_team_find(sv, g->name);
		if (!is_meant(u, g->name))
			continue;
		if (t) {
			rebind(t, g);
			add_missing(t);
		} else {
			sv_team_autostart(sv_team_add(sv, g));
		}
	}
}

static void update(struct sv *sv, struct sv_setup *now, char *const *names)
{
	struct updating u = { .sv = sv, .names = names };
	struct sv_setup *old = sv->setup;

	sv_update_pend(sv, NULL);
	sv->setup = now;
	update_groups(&u, now);
	if (!names)
		sv_http_change(sv);
	sv_changed(sv);
	sv_sockets_sweep(sv);
	sv_setup_drop(old);
}

void sv_update(struct sv *sv, struct sv_setup *now)
{
	update(sv, now, NULL);
}

void sv_update_only(struct sv *sv, struct sv_setup *now, char *const *names)
{
	update(sv, now, names);
}

struct sv_setup *sv_update_read(struct sv *sv, struct err *err)
{
	const struct conf *conf;

	if (run_reread(sv->run, &conf, err) != 0)
		return NULL;
	struct sv_setup *now = sv_setup_new_as(conf, sv->wishes, err);
	conf_free(conf);
	return now;
}

void sv_update_pend(struct sv *sv, struct sv_setup *now)
{
	if (sv->pending)
		sv_setup_drop(sv->pending);
	sv->pending = now;
}

void sv_update_commit(struct sv *sv)
{
	if (!sv->pending)
		return;
	sv_setup_drop(sv->setup);
	sv->setup = sv->pending;
	sv->pending = NULL;
}
