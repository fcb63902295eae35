#include "roles/supervisor/sv_depend.h"

#include <stdio.h>

#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_team.h"

static bool is_so(const struct sv_proc *p, enum sv_until until)
{
	bool runs = sv_proc_state(p) == SV_RUNNING_STATE;

	switch (until) {
	case SV_UNTIL_STARTED:
		return runs;
	case SV_UNTIL_READY:
		return sv_proc_has_come(p);
	case SV_UNTIL_HEALTHY:
		return runs && p->healthy;
	case SV_UNTIL_EXITED:
		return sv_proc_state(p) == SV_EXITED && p->end.how == CHILD_EXITED &&
		       p->exit_status == 0;
	}
	return false;
}

static bool all_are(const struct sv_proc *p, const struct sv_depend *d)
{
	const struct sv_team *t = sv_team_find(p->sv, d->program->group->name);

	for (size_t i = 0; t && i < d->program->count; i++) {
		const struct sv_process_conf *conf = &d->program->processes[i];
		const struct sv_proc *other = sv_team_proc(t, conf->name);
		bool meant = !conf->spare && (!d->process || d->process == conf);
		if (meant && other && !is_so(other, d->until))
			return false;
	}
	return t;
}

/* The first that is not met, or NULL. */
static const struct sv_depend *unmet(const struct sv_proc *p)
{
	const struct sv_program *g = p->conf->program;

	for (size_t i = 0; i < g->depend_count; i++)
		if (!all_are(p, &g->depends[i]))
			return &g->depends[i];
	return NULL;
}

bool sv_depend_met(const struct sv_proc *p)
{
	return !unmet(p);
}

void sv_depend_text(const struct sv_proc *p, char *into, size_t size)
{
	static const char *const words[] = { "have started", "be ready", "be healthy",
					     "exit with status 0" };
	const struct sv_depend *d = unmet(p);

	if (d)
		snprintf(into, size, "waits for %s to %s",
			 d->process ? d->process->full : d->program->name, words[d->until]);
	else
		snprintf(into, size, "is about to start");
}
