#include "roles/supervisor/sv_essential.h"

#include <signal.h>

#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"

enum { BY_SIGNAL = 128 };

static int exit_of(const struct sv_proc *p)
{
	if (!p->has_exit)
		return 1; /* it was never started */
	return p->end.how == CHILD_EXITED ? p->end.code : BY_SIGNAL + p->end.code;
}

void sv_essential_ended(struct sv_proc *p)
{
	if (!p->conf->program->conf->essential || p->sv->stopping)
		return;
	int status = exit_of(p);
	if (status == 0 && sv_proc_state(p) == SV_FATAL_STATE)
		status = 1;
	log_info("essential name=%s has ended, and so do we, status=%d", p->conf->full, status);
	run_exit(p->sv->run, status);
	run_stop(p->sv->run);
}
