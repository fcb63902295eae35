/* What a process is told: to run or not, to be taken back, to go on under other words. */
#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_adopt.h"
#include "roles/supervisor/sv_care.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_state.h"

bool sv_proc_adopt(struct sv_proc *p, const struct sv_slot *s, struct sv_pipes *pipes)
{
	p->life = sv_life_adopt(p, s, pipes);
	if (!p->life)
		return false;
	p->pid = p->last_pid = s->pid;
	p->ready = s->ready;
	p->wanted = s->wanted;
	p->spawned = uv_now(p->sv->loop);
	p->fresh = true;
	p->from = SV_STOPPED;
	log_info("adopted name=%s pid=%d", p->conf->full, (int)p->pid);
	sm_move(&p->sm, SV_RUNNING_STATE);
	sv_proc_poke(p);
	return true;
}

void sv_proc_rest(struct sv_proc *p, const struct sv_slot *s)
{
	p->rests = true;
	p->stopped_at = s->stopped_at;
	if (s->has_exit) {
		p->end = (struct child_end){ .how = (enum child_how)s->how, .code = s->code };
		p->has_exit = true;
		p->exit_status = p->end.how == CHILD_EXITED ? p->end.code : -1;
		sm_move(&p->sm, SV_EXITED);
	}
	sv_adopt_note(p);
}

void sv_proc_start(struct sv_proc *p)
{
	p->wanted = p->ordered = true;
	p->tries = p->row = 0;
	p->flaps_at = 0;
	p->rests = false;
	sv_adopt_note(p);
	sv_proc_poke(p);
}

void sv_proc_stop(struct sv_proc *p)
{
	p->wanted = p->ordered = p->again = p->waits = false;
	sv_adopt_note(p);
	sv_proc_poke(p);
	sv_settle(p->sv);
}

void sv_proc_restart(struct sv_proc *p, enum sv_reason reason)
{
	p->wanted = p->ordered = true;
	p->reason = reason;
	p->again = p->life && !p->ended;
	sv_proc_poke(p);
}

int sv_proc_signal(struct sv_proc *p, int sig)
{
	return p->life && !p->ended ? sv_life_signal(p->life, sig, false) : UV_ESRCH;
}

void sv_proc_rebind(struct sv_proc *p, const struct sv_process_conf *conf)
{
	struct sv_setup *old = p->setup;

	p->setup = sv_setup_hold(p->sv->setup);
	p->conf = conf;
	sv_setup_drop(old);
}

void sv_proc_change(struct sv_proc *p, const struct sv_process_conf *conf, bool restart)
{
	sv_proc_rebind(p, conf);
	if (restart && sv_proc_is_running(p))
		sv_proc_restart(p, SV_BY_CHANGE);
	else if (!restart && p->life)
		sv_life_change(p->life);
	if (!restart && sv_proc_state(p) == SV_RUNNING_STATE) {
		sv_care_end(p);
		sv_care_begin(p);
	}
}
