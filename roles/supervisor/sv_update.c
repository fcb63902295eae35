#include "roles/supervisor/sv_update.h"

#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
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

/* One difference, as far as it concerns what is there already. */
static void take_over(void *data, const struct sv_difference *d)
{
	struct sv *sv = data;
	struct sv_team *t = d->old_group ? sv_team_find(sv, d->old_group->name) : NULL;
	struct sv_proc *p = d->old && d->old_group ? proc_of(sv, d->old_group, d->old) : NULL;

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

void sv_update(struct sv *sv, struct sv_setup *now)
{
	struct sv_setup *old = sv->setup;

	sv_update_pend(sv, NULL);
	sv->setup = now;
	sv_setup_diff(old, now, take_over, sv);
	for (size_t i = 0; i < now->group_count; i++) {
		const struct sv_group *g = &now->groups[i];
		struct sv_team *t = sv_team_find(sv, g->name);
		if (t) {
			rebind(t, g);
			add_missing(t);
		} else {
			sv_team_autostart(sv_team_add(sv, g));
		}
	}
	sv_changed(sv);
	sv_sockets_sweep(sv);
	sv_setup_drop(old);
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
