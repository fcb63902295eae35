#include "roles/supervisor/supervisor.h"

#include <signal.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "core/stat/stat.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_adopt.h"
#include "roles/supervisor/sv_client.h"
#include "roles/supervisor/sv_ctl.h"
#include "roles/supervisor/sv_files.h"
#include "roles/supervisor/sv_front.h"
#include "roles/supervisor/sv_http.h"
#include "roles/supervisor/sv_import.h"
#include "roles/supervisor/sv_keys.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_reexec.h"
#include "roles/supervisor/sv_scale.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_show.h"
#include "roles/supervisor/sv_sockets.h"
#include "roles/supervisor/sv_stream.h"
#include "roles/supervisor/sv_team.h"
#include "roles/supervisor/sv_tell.h"
#include "roles/supervisor/sv_update.h"
#include "roles/supervisor/sv_wish.h"

/* ---- logs ------------------------------------------------------------------------------- */

static void on_log_trouble(struct logfiles *all, const char *path, int code, uint64_t dropped)
{
	(void)all;
	if (code)
		log_error("log %s takes nothing: %s; what comes is dropped", path,
			  uv_strerror(code));
	else
		log_warn("log %s takes bytes again, dropped=%llu", path,
			 (unsigned long long)dropped);
}

static void open_outputs(struct sv *sv)
{
	outputs_init(&sv->outputs, sv->loop);
	sv->outputs.files.owner = sv;
	sv->outputs.files.block = (uint64_t)sv->setup->main.conf->log_block;
	sv->outputs.files.on_trouble = on_log_trouble;
}

/* ---- signals ------------------------------------------------------------------------------ */

/* An orphan has been buried: somebody may have waited for it. */
static void on_stranger(struct reap *r, pid_t pid, int status)
{
	struct sv *sv = r->owner;
	struct list *it, *tmp, *in, *next;

	(void)status;
	log_debug("reaped a stranger pid=%d", (int)pid);
	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (sv_proc_state(p) == SV_STOPPING && p->ended)
				sv_proc_poke(p);
		}
}

static void on_signal(uv_signal_t *h, int signo)
{
	struct sv *sv = h->data;
	struct err err = { 0 };

	if (signo == SIGQUIT)
		run_stop(sv->run);
	else if (sv_reexec(sv, &err) != 0)
		log_error("not executed anew: %s", err.text);
}

/* ---- life --------------------------------------------------------------------------------- */

static void fill_env(struct sv *sv)
{
	env_fini(&sv->env);
	env_init(&sv->env);
	env_inherit(&sv->env);
	env_set(&sv->env, "NOTIFY_SOCKET", NULL); /* is ours, not theirs */
	env_set(&sv->env, "LISTEN_FDS", NULL);
	env_set(&sv->env, "LISTEN_PID", NULL);
	env_add(&sv->env, sv->setup->main.env);
}

static void start_all(struct sv *sv)
{
	struct list *it, *tmp;

	sv_adopt_open(sv);
	for (size_t i = 0; i < sv->setup->group_count; i++)
		sv_team_add(sv, &sv->setup->groups[i]);
	sv_tell_state(sv, SV_EVENT_SUPERVISOR_STATE_CHANGE_RUNNING);
	sv_adopt_all(sv);
	list_each (it, tmp, &sv->teams)
		sv_team_autostart(container_of(it, struct sv_team, link));
	sv_changed(sv);
}

static int reload(void *self, const struct conf *conf, struct err *err)
{
	struct sv *sv = self;
	struct sv_setup *now = sv_setup_new_as(conf, sv->wishes, err);

	if (!now)
		return ERR_CONF;
	sv_update(sv, now);
	fill_env(sv);
	return 0;
}

static void drain(void *self)
{
	struct sv *sv = self;

	sv->stopping = true;
	sv->state = SV_SHUTDOWN;
	sv_tell_state(sv, SV_EVENT_SUPERVISOR_STATE_CHANGE_STOPPING);
	sv->leave = sv->setup->main.conf->on_exit == SV_EXIT_LEAVE;
	if (sv->leave)
		log_info("no process is started again; waiting for those that run to end");
	sv_ending(sv);
	sv_settle(sv);
}

static void on_outputs_closed(struct logfiles *all)
{
	struct sv *sv = all->owner;

	sv_adopt_close(sv, !sv->left);
	sv_front_leave(sv);
	sv_setup_drop(sv->setup);
	sv_update_pend(sv, NULL);
	env_fini(&sv->env);
	sv_wish_free(sv->wishes);
	free(sv);
}

static void on_reap_closed(struct reap *r)
{
	struct sv *sv = r->owner;

	outputs_close(&sv->outputs, on_outputs_closed);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct sv *sv = h->data;

	if (--sv->open == 0)
		reap_close(&sv->reap, on_reap_closed);
}

void sv_close(struct sv *sv)
{
	sv->closing = false; /* once */
	sv_sockets_close(sv);
	uv_close((uv_handle_t *)&sv->quit, on_handle_closed);
	uv_close((uv_handle_t *)&sv->usr2, on_handle_closed);
	uv_close((uv_handle_t *)&sv->soon, on_handle_closed);
	uv_close((uv_handle_t *)&sv->shed, on_handle_closed);
	uv_close((uv_handle_t *)&sv->anew, on_handle_closed);
}

/* Whoever still runs is killed, unless he is to be left. */
static void end_life(struct sv *sv, struct sv_proc *p)
{
	struct sv_life *l = p->life;

	if (!l)
		return;
	if (sv->leave) { /* the next supervisor takes it back */
		sv->left = true;
		l->slot = SIZE_MAX;
	} else {
		sv_life_signal(l, SIGKILL, true);
		if (sv_life_left(l) > 0)
			sv_life_signal_left(l, SIGKILL, false);
	}
	sv_life_let_go(l);
}

static void stop(void *self)
{
	struct sv *sv = self;
	struct list *it, *tmp, *in, *next;

	sv->stopping = sv->drained = true;
	sv_stream_close_all(sv);
	sv_http_close(sv);
	sv_tell_close(sv);
	sv_times_close(sv);
	sv_scale_close(sv);
	sv_files_close(sv);
	list_each (it, tmp, &sv->teams) {
		struct sv_team *t = container_of(it, struct sv_team, link);
		t->removed = false;
		list_each (in, next, &t->procs) {
			struct sv_proc *p = container_of(in, struct sv_proc, link);
			end_life(sv, p);
			sv_proc_close(p);
		}
		sv_team_remove(t);
	}
	sv->closing = true;
	sv_settle(sv);
}

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct sv_setup *setup = sv_setup_new(conf, err);

	if (!setup)
		return err->code ? err->code : ERR_CONF;
	struct sv *sv = mem_new(sizeof(*sv));
	sv->run = run;
	sv->loop = run_loop(run);
	sv->setup = setup;
	sv->state = SV_RUNNING;
	sv->keeper.link = -1;
	list_init(&sv->teams);
	list_init(&sv->watchers);
	list_init(&sv->sockets);
	list_init(&sv->listeners);
	list_init(&sv->readers);
	list_init(&sv->scalers);
	sv_tell_open(sv);
	env_init(&sv->env);
	fill_env(sv);
	open_outputs(sv);
	sv->reap.owner = sv;
	sv->reap.on_stranger = on_stranger;
	int rc = reap_open(&sv->reap, sv->loop, setup->main.conf->subreaper);
	if (rc)
		return err_set(err, rc, "reaping: %s", uv_strerror(rc));
	rc = sv_times_open(sv);
	if (rc)
		return err_set(err, rc, "timerfd: %s", uv_strerror(rc));
	uv_signal_init(sv->loop, &sv->quit);
	uv_signal_init(sv->loop, &sv->usr2);
	uv_timer_init(sv->loop, &sv->soon);
	uv_timer_init(sv->loop, &sv->shed);
	uv_timer_init(sv->loop, &sv->anew);
	sv->quit.data = sv->usr2.data = sv->soon.data = sv->shed.data = sv->anew.data = sv;
	sv->open = 5;
	sv->born = uv_hrtime();
	uv_signal_start(&sv->usr2, on_signal, SIGUSR2);
	uv_signal_start(&sv->quit, on_signal, SIGQUIT); /* keeps the loop alive, whoever runs */
	*self = sv;
	rc = sv_http_open(sv, err);
	if (rc) {
		stop(sv);
		return rc;
	}
	rc = sv_front_settle(sv, err);
	if (rc) {
		stop(sv);
		return rc;
	}
	start_all(sv);
	sv_front_clean(sv);
	return 0;
}

static void status(void *self, struct stat_out *out)
{
	sv_show_status(self, out);
}

static const struct role_command commands[] = {
	{ "import", "multiprocess|procfile|pm2 FILE: what another tool runs, as an ini",
	  sv_import_main },
	{ "--one", "[-g] [-e N] [-p SIGNAL] [-r A:B] COMMAND: as process 1 of a container",
	  sv_one_main },
	{ NULL, NULL, NULL },
};

static const struct role_name names[] = {
	{ "supervisord", "As supervisord, with its options and files.", sv_front_supervisord },
	{ "supervisorctl", "Its client.", sv_front_supervisorctl },
	{ "--one", "One command, as process 1 of a container.", sv_front_one },
	{ NULL, NULL, NULL },
};

const struct role supervisor_role = {
	.name = "supervisor",
	.summary = "keeps processes alive, with supervisord's files and tools",
	.sections = sv_sections,
	.check = sv_setup_check,
	.init = init,
	.reload = reload,
	.drain = drain,
	.stop = stop,
	.status = status,
	.patient = true,
	.prepare = sv_front_prepare,
	.ctl_later = sv_ctl_later,
	.client = sv_client_ctl,
	.ctl_help = "call         METHOD [PARAMS]: a method of the API, in JSON\n"
		    "stream       /logtail/NAME/stdout, /mainlogtail or /events\n",
	.commands = commands,
	.names = names,
};
