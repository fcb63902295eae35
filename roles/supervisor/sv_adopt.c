#include "roles/supervisor/sv_adopt.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/proc/procs.h"
#include "core/proc/procstat.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_sockets.h"
#include "roles/supervisor/sv_team.h"
#include "roles/supervisor/sv_wish.h"

/* ---- remembering ---------------------------------------------------------------- */

static void id_of(const struct sv_life *l, char what, char into[SV_KEEPER_ID])
{
	snprintf(into, SV_KEEPER_ID, "%s%c", l->mark, what);
}

static void keep(struct sv_life *l, char what, int fd)
{
	char id[SV_KEEPER_ID];

	id_of(l, what, id);
	sv_keeper_keep(&l->sv->keeper, id, fd);
}

static void drop(struct sv_life *l, char what)
{
	char id[SV_KEEPER_ID];

	id_of(l, what, id);
	sv_keeper_drop(&l->sv->keeper, id);
}

static void keep_pipes(struct sv_life *l)
{
	if (l->has_out)
		keep(l, 'o', output_fd(&l->out));
	if (l->has_err)
		keep(l, 'e', output_fd(&l->err));
	if (l->has_in)
		keep(l, 'i', input_fd(&l->in));
}

/* A name that is too long is left out: it is not found again then. */
static void put(char *into, size_t size, const char *text)
{
	snprintf(into, size, "%s", text && strlen(text) < size ? text : "");
}

static struct sv_slot *slot_of(const struct sv_life *l)
{
	return sv_state_slot(&l->sv->memory, l->slot);
}

void sv_adopt_born(struct sv_life *l)
{
	const struct sv_proc *p = l->proc;

	l->slot = sv_state_take(&l->sv->memory);
	struct sv_slot *s = slot_of(l);
	if (!s)
		return;
	put(s->mark, sizeof(s->mark), l->mark);
	put(s->group, sizeof(s->group), p->team->conf->name);
	put(s->name, sizeof(s->name), p->conf->name);
	put(s->auto_out, sizeof(s->auto_out), p->auto_out);
	put(s->auto_err, sizeof(s->auto_err), p->auto_err);
	s->started_at = p->started_at;
	s->wanted = true;
	s->once = p->team->once;
	__atomic_store_n(&s->use, SV_SLOT_BORN, __ATOMIC_RELEASE);
	keep_pipes(l);
}

void sv_adopt_lives(struct sv_life *l)
{
	struct sv_slot *s = slot_of(l);

	if (!s)
		return;
	s->pid = l->child.pid;
	s->born = l->child.born;
	__atomic_store_n(&s->use, SV_SLOT_LIVES, __ATOMIC_RELEASE);
}

void sv_adopt_forget(struct sv_life *l)
{
	if (!slot_of(l))
		return;
	sv_state_give(&l->sv->memory, l->slot);
	l->slot = SIZE_MAX;
	drop(l, 'o');
	drop(l, 'e');
	drop(l, 'i');
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void note_rest(struct sv_proc *p)
{
	struct sv_state *memory = &p->sv->memory;

	if (!sv_state_slot(memory, p->rest_slot))
		p->rest_slot = sv_state_take(memory);
	struct sv_slot *s = sv_state_slot(memory, p->rest_slot);
	if (!s)
		return;
	put(s->group, sizeof(s->group), p->team->conf->name);
	put(s->name, sizeof(s->name), p->conf->name);
	put(s->auto_out, sizeof(s->auto_out), p->auto_out);
	put(s->auto_err, sizeof(s->auto_err), p->auto_err);
	s->started_at = p->started_at;
	s->stopped_at = p->stopped_at ? p->stopped_at : clock_ms(CLOCK_REALTIME);
	s->has_exit = p->has_exit && sv_proc_state(p) == SV_EXITED;
	s->how = (uint8_t)p->end.how;
	s->code = p->end.code;
	__atomic_store_n(&s->use, SV_SLOT_RESTS, __ATOMIC_RELEASE);
}

void sv_adopt_drop(struct sv_proc *p)
{
	sv_state_give(&p->sv->memory, p->rest_slot);
	p->rest_slot = SIZE_MAX;
}

void sv_adopt_note(struct sv_proc *p)
{
	struct sv_slot *s = p->life ? slot_of(p->life) : NULL;
	enum sv_proc_state now = sv_proc_state(p);

	if (s) {
		s->wanted = p->wanted;
		s->ready = p->ready;
	}
	if (p->sv->stopping || p->team->once)
		return;
	if (!p->wanted && !p->removed && (now == SV_STOPPED || now == SV_EXITED))
		note_rest(p);
	else
		sv_adopt_drop(p);
}

void sv_adopt_heard(const struct sv_life *l, int state)
{
	struct sv_slot *s = slot_of(l);

	if (s)
		s->heard = (uint8_t)state;
}

/* ---- taking back ---------------------------------------------------------------- */

struct found {
	struct sv *sv;
	struct sv_kept *kept;
	int count;
	struct procs procs;
	bool looked; /* procs is filled */
	int adopted, gone;
};

/* The descriptor, which is the caller's now; -1: it was not kept. */
static int take(struct found *f, const char *mark, char what)
{
	size_t n = strlen(mark);

	for (int i = 0; i < f->count; i++) {
		struct sv_kept *k = &f->kept[i];
		if (k->fd >= 0 && strncmp(k->id, mark, n) == 0 && k->id[n] == what) {
			int fd = k->fd;
			k->fd = -1;
			return fd;
		}
	}
	return -1;
}

/* It was spawned, but we died before we could write down its number: its mark tells. */
static void find_by_mark(struct found *f, struct sv_slot *s)
{
	if (!f->looked)
		f->looked = procs_look(&f->procs) == 0;
	for (size_t i = 0; f->looked && i < f->procs.n; i++) {
		struct proc *p = &f->procs.all[i];
		if (strcmp(procs_mark(p), s->mark) == 0) {
			s->pid = p->pid;
			s->born = p->born;
			return; /* by number: the eldest, as a rule */
		}
	}
}

/* No program of that name any more: it gets the signal that ends most, and is not watched. */
static void send_away(const struct sv_slot *s)
{
	log_warn("no program of that name any more, ending it name=%s:%s pid=%d", s->group, s->name,
		 (int)s->pid);
	if (s->pid > 1 && procstat_born(s->pid) == s->born)
		kill(s->pid, SIGTERM);
}

/* What rested before this boot starts as ever. */
static bool is_of_this_boot(const struct sv_slot *s)
{
	return s->stopped_at >= clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME);
}

static void take_names(struct sv_proc *p, const struct sv_slot *s)
{
	p->started_at = s->started_at;
	if (*s->auto_out && !p->auto_out)
		p->auto_out = mem_str(s->auto_out);
	if (*s->auto_err && !p->auto_err)
		p->auto_err = mem_str(s->auto_err);
}

static void let_rest(struct found *f, size_t i, struct sv_proc *p)
{
	const struct sv_slot s = *sv_state_slot(&f->sv->memory, i);

	sv_state_give(&f->sv->memory, i);
	if (!p || p->life || !is_of_this_boot(&s))
		return;
	take_names(p, &s);
	sv_proc_rest(p, &s);
}

static void adopt_one(struct found *f, size_t i)
{
	struct sv_slot s = *sv_state_slot(&f->sv->memory, i);
	struct sv_team *t = sv_team_find(f->sv, s.group);
	if (!t && s.once)
		t = sv_wish_again(f->sv, s.group);
	struct sv_proc *p = t ? sv_team_proc(t, s.name) : NULL;

	if (s.use == SV_SLOT_RESTS) {
		let_rest(f, i, p);
		return;
	}
	if (s.use == SV_SLOT_BORN)
		find_by_mark(f, &s);
	struct sv_pipes pipes = { take(f, s.mark, 'i'), take(f, s.mark, 'o'),
				  take(f, s.mark, 'e') };
	sv_state_give(&f->sv->memory, i);
	if (!p || p->life) {
		send_away(&s);
		sv_pipes_close(&pipes);
		return;
	}
	take_names(p, &s);
	if (sv_proc_adopt(p, &s, &pipes))
		f->adopted++;
	else
		f->gone++;
}

static void adopt_all(struct found *f)
{
	size_t count = f->sv->memory.count;

	for (size_t i = 0; i < count; i++) {
		uint32_t use = sv_state_slot(&f->sv->memory, i)->use;
		if (use != SV_SLOT_FREE && use != SV_SLOT_WISH)
			adopt_one(f, i);
	}
	for (int i = 0; i < f->count; i++) {
		const struct sv_kept *k = &f->kept[i];
		if (k->fd >= 0 && k->id[0] == SV_SOCKETS_KEPT) {
			sv_sockets_adopt(f->sv, k->id + 1, k->fd);
		} else if (k->fd >= 0) {
			if (k->id[0] != SV_INFLIGHT_KEPT) /* its id is that of the new one */
				sv_keeper_drop(&f->sv->keeper, k->id);
			close(k->fd);
		}
	}
	outputs_recalled(&f->sv->outputs);
	sv_sockets_sweep(f->sv);
	if (f->adopted || f->gone)
		log_info("took back what runs adopted=%d ended_meanwhile=%d", f->adopted, f->gone);
}

/* ---- life ----------------------------------------------------------------------- */

/* Bytes that the earlier supervisor had read and not written are in what the keeper has, too. */
static void keep_inflight(struct found *f)
{
	static const char id[] = { SV_INFLIGHT_KEPT, '\0' };
	struct sv *sv = f->sv;
	int rc = UV_ENOENT;

	if (sv->keeper.link < 0)
		return;
	for (int i = 0; i < f->count && rc; i++) {
		struct sv_kept *k = &f->kept[i];
		if (k->id[0] != SV_INFLIGHT_KEPT)
			continue;
		rc = outputs_keep(&sv->outputs, k->fd);
		if (rc)
			log_warn("what was read and not written before is lost: %s",
				 uv_strerror(rc));
		else
			k->fd = -1;
	}
	if (!rc)
		return;
	rc = outputs_keep(&sv->outputs, -1);
	if (rc)
		log_warn("a crash may lose what was read and not written: %s", uv_strerror(rc));
	else
		sv_keeper_keep(&sv->keeper, id, outputs_kept(&sv->outputs));
}

static bool paths(const struct sv *sv, char state[4096], char keeper[4096])
{
	const char *given = sv->setup->main.conf->state;
	const char *control = run_control_path(sv->run);

	if (!sv->setup->main.conf->adopt || (given && strcmp(given, "off") == 0))
		return false;
	if (given && *given)
		snprintf(state, 4096, "%.4000s", given);
	else if (*control)
		snprintf(state, 4096, "%.4000s.state", control);
	else
		return false;
	snprintf(keeper, 4096, "%.4000s.keeper", state);
	return true;
}

void sv_adopt_open(struct sv *sv)
{
	char state[4096], keeper[4096];
	struct err err = { 0 };

	sv->keeper.link = -1;
	if (!paths(sv, state, keeper))
		return;
	if (sv_state_refuse(state, &err) != 0) {
		log_error("nothing is taken back, programs that run may be started twice: %s",
			  err.text);
		unlink(keeper); /* what it holds is not understood either */
	}
	if (sv_state_open(&sv->memory, state, &err) != 0)
		log_warn("nothing will be taken back after a crash: %s", err.text);
	sv_wish_recall(sv);
}

void sv_adopt_all(struct sv *sv)
{
	struct found f = { .sv = sv };
	char state[4096], keeper[4096];
	struct err err = { 0 };

	if (!sv->memory.slots || !paths(sv, state, keeper))
		return;
	int n = sv_keeper_join(&sv->keeper, keeper, &f.kept);
	if (n < 0 && sv_keeper_start(&sv->keeper, keeper, &err) != 0)
		log_warn("no output will be kept over a crash: %s", err.text);
	f.count = n > 0 ? n : 0;
	keep_inflight(&f);
	procs_init(&f.procs);
	adopt_all(&f);
	procs_fini(&f.procs);
	free(f.kept);
}

void sv_adopt_close(struct sv *sv, bool forget)
{
	if (forget)
		sv_keeper_end(&sv->keeper);
	else if (sv->keeper.link >= 0)
		close(sv->keeper.link);
	sv->keeper.link = -1;
	sv_state_close(&sv->memory, forget);
}
