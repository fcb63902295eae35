#include "roles/supervisor/sv_cgroup.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/proc/cgroup.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"

static struct cgroup_limits limits_of(const struct sv_program *p)
{
	const struct sv_program_conf *c = p->conf;

	return (struct cgroup_limits){ .memory_max = c->memory_max,
				       .memory_high = c->memory_high,
				       .pids_max = c->pids_max,
				       .cpu_max = p->cpu_max,
				       .cpu_weight = c->cpu_weight };
}

static bool has_limits(const struct sv_program *p)
{
	const struct sv_program_conf *c = p->conf;

	return c->memory_max || c->memory_high || c->pids_max || p->cpu_max || c->cpu_weight;
}

static bool find_folder(struct sv *sv)
{
	const char *where = sv->setup->main.conf->cgroup;
	struct err err = { 0 };

	if (strcmp(where, "off") == 0)
		log_warn("limits by cgroup are not in force: cgroup = off");
	else if (cgroup_open(sv->cgroups.folder, where, &err) != 0)
		log_warn("limits by cgroup are not in force: %s", err.text);
	else
		return true;
	return false;
}

/* Where they all are; "" when there is no such place, which is said once. */
static const char *folder_of(struct sv *sv, bool limits)
{
	struct sv_cgroups *all = &sv->cgroups;
	struct err err = { 0 };

	if (all->open && (all->limits || !limits))
		return all->folder;
	if (!all->open && !find_folder(sv))
		*all->folder = '\0';
	all->open = true;
	if (*all->folder && limits && cgroup_switch_on(all->folder, &err) != 0)
		log_warn("limits by cgroup are not in force: %s", err.text);
	all->limits |= limits;
	return all->folder;
}

static void limit(const struct sv_life *l)
{
	const struct cgroup_limits limits = limits_of(l->proc->conf->program);
	struct err err = { 0 };

	if (cgroup_limit(l->cgroup->path, &limits, &err) != 0)
		log_warn("%s name=%s", err.text, l->proc->conf->full);
}

void sv_cgroup_enter(struct sv_life *l)
{
	const struct sv_process_conf *conf = l->proc->conf;
	bool limits = has_limits(conf->program);
	char path[CGROUP_PATH];
	struct err err = { 0 };

	if (!limits && conf->program->conf->kill_tree != SV_TREE_CGROUP)
		return;
	const char *folder = folder_of(l->sv, limits);
	if (!*folder)
		return;
	if (cgroup_make(folder, conf->full, path, &err) != 0) {
		log_warn("%s name=%s", err.text, conf->full);
		return;
	}
	l->cgroup = mem_new(sizeof(*l->cgroup) + strlen(path) + 1);
	strcpy(l->cgroup->path, path);
	l->cgroup->oom_kills = cgroup_oom_kills(path);
	limit(l);
}

/* Those that it has already had, too. */
static void move_all(struct sv_life *l)
{
	const struct tree_member *m;

	sv_life_left(l);
	for (size_t i = 0; (m = tree_alive(&l->tree, i)); i++)
		cgroup_move(l->cgroup->path, m->pid);
}

const char *sv_cgroup_kills(const struct sv_life *l)
{
	int by = l->proc->conf->program->conf->kill_tree;

	return l->cgroup && (by == SV_TREE_CGROUP || by == SV_TREE_AUTO) ? l->cgroup->path : NULL;
}

void sv_cgroup_catch(struct sv_life *l)
{
	if (l->cgroup) {
		limit(l);
	} else {
		sv_cgroup_enter(l);
		if (l->cgroup)
			move_all(l);
	}
	l->tree.cgroup = sv_cgroup_kills(l);
}

void sv_cgroup_ended(const struct sv_life *l, const struct child_end *end)
{
	if (l->cgroup && end->how == CHILD_KILLED && end->code == SIGKILL &&
	    cgroup_oom_kills(l->cgroup->path) > l->cgroup->oom_kills)
		log_warn("killed for its memory: memory_max=%lld name=%s",
			 (long long)l->proc->conf->program->conf->memory_max, l->proc->conf->full);
}

void sv_cgroup_leave(struct sv_life *l)
{
	if (l->cgroup)
		cgroup_remove(l->cgroup->path);
	free(l->cgroup);
	l->cgroup = NULL;
}
