#include "roles/supervisor/sv_life.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/proc/procstat.h"
#include "core/proc/spawn.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_adopt.h"
#include "roles/supervisor/sv_cgroup.h"
#include "roles/supervisor/sv_notify.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_sockets.h"
#include "roles/supervisor/sv_talk.h"
#include "roles/supervisor/sv_team.h"

enum { INPUT_MOST = 16 * 1024 * 1024, KILL_WITHIN = 10 * 1000, FDS_MOST = 8 };

/* What the child gets, and we close once it has it. */
struct ends {
	int in, out, err;
	struct spawn_fd fds[FDS_MOST];
	size_t n;
};

/* ---- the end of a life -------------------------------------------------------------- */

static void release(struct sv_life *l)
{
	struct sv *sv = l->sv;

	if (--l->open > 0)
		return;
	sv_talk_free(l);
	tree_fini(&l->tree);
	sv_cgroup_leave(l);
	procs_fini(&l->procs);
	free(l->out_path);
	free(l->err_path);
	free(l);
	sv->lives--;
	sv_settle(sv);
}

static void on_child_closed(struct child *c)
{
	release(c->owner);
}

static void on_output_closed(struct output *o)
{
	release(o->owner);
}

static void on_input_closed(struct input *i)
{
	release(i->owner);
}

/* What is in the pipes is read first. */
static void finish_outputs(struct sv_life *l)
{
	if (l->has_out)
		output_finish(&l->out, on_output_closed);
	if (l->has_err)
		output_finish(&l->err, on_output_closed);
	l->has_out = l->has_err = false;
}

void sv_life_let_go(struct sv_life *l)
{
	sv_talk_end(l);
	if (l->proc && l->proc->life == l)
		l->proc->life = NULL;
	l->proc = NULL;
	if (l->kill)
		tree_kill_cancel(l->kill);
	sv_notify_free(l->notify);
	l->notify = NULL;
	if (l->has_in)
		input_close(&l->in, on_input_closed);
	finish_outputs(l);
	sv_adopt_forget(l);
	child_close(&l->child, on_child_closed);
}

static void on_end(struct child *c, const struct child_end *end)
{
	struct sv_life *l = c->owner;

	sv_talk_drain(l);
	if (l->proc)
		sv_cgroup_ended(l, end);
	if (l->proc)
		sv_proc_died(l->proc, end);
}

/* ---- the beginning -------------------------------------------------------------------- */

static void log_spec(const struct sv_proc *p, const struct sv_log *log, const char *stream,
		     char *path, struct output_spec *spec)
{
	*spec = (struct output_spec){
		.name = p->conf->full,
		.stream = stream,
		.path = path,
		.file = { .max_size = log->maxbytes,
			  .keep = log->backups,
			  .zstd = log->compress == SV_COMPRESS_ZSTD },
		.format = log->format == SV_FORMAT_JSON     ? OUTPUT_JSON
			  : log->format == SV_FORMAT_PREFIX ? OUTPUT_PREFIX
							    : OUTPUT_RAW,
		.syslog = log->syslog,
		.strip_ansi = p->setup->main.conf->strip_ansi,
		.ring = path ? 0 : OUTPUT_RING,
	};
}

/* The file's name; of AUTO a new one for each process, which stays its own over its lives. */
static char *log_path(const struct sv_log *log, char **kept)
{
	char text[64];

	switch (log->to) {
	case SV_LOG_FILE:
		return mem_str(log->path);
	case SV_LOG_AUTO:
		if (!*kept) {
			char *made = mem_str(log->path);
			int fd = mkstemps(made, 4);
			if (fd < 0) {
				free(made);
				return NULL;
			}
			close(fd);
			*kept = made;
		}
		return mem_str(*kept);
	case SV_LOG_FD:
		snprintf(text, sizeof(text), "/dev/fd/%d", log->fd);
		return mem_str(text);
	default:
		return NULL;
	}
}

/* fd: the read end, which becomes the output's. */
static int read_output(struct sv_life *l, struct output *o, bool err_stream, int fd,
		       struct err *err)
{
	struct sv_proc *p = l->proc;
	const struct sv_log *log = err_stream ? &p->conf->err : &p->conf->out;
	char **path = err_stream ? &l->err_path : &l->out_path;
	struct output_spec spec;
	char id[INFLIGHT_ID];

	*path = log_path(log, err_stream ? &p->auto_err : &p->auto_out);
	log_spec(p, log, err_stream ? "stderr" : "stdout", *path, &spec);
	snprintf(id, sizeof(id), "%s%c", l->mark, err_stream ? 'e' : 'o');
	spec.id = id;
	int rc = output_open(o, &l->sv->outputs, fd, &spec, err);
	if (rc)
		return rc;
	o->owner = l;
	l->open++;
	return 0;
}

static int open_output(struct sv_life *l, struct output *o, bool err_stream, int *end,
		       struct err *err)
{
	int ends[2];
	int rc = output_pipe(ends);

	if (rc)
		return err_set(err, rc, "pipe: %s", uv_strerror(rc));
	rc = read_output(l, o, err_stream, ends[0], err);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	*end = ends[1];
	return 0;
}

static int open_input(struct sv_life *l, int *end, struct err *err)
{
	int ends[2];
	int rc = input_pipe(ends);

	if (rc)
		return err_set(err, rc, "pipe: %s", uv_strerror(rc));
	rc = input_open(&l->in, l->sv->loop, ends[1], INPUT_MOST);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return err_set(err, rc, "stdin: %s", uv_strerror(rc));
	}
	l->in.owner = l;
	l->has_in = true;
	l->open++;
	*end = ends[0];
	return 0;
}

static int open_streams(struct sv_life *l, struct ends *e, struct err *err)
{
	const struct sv_program *g = l->proc->conf->program;
	int rc = 0;

	if (g->kind == SV_FCGI)
		e->in = sv_sockets_fcgi(l->proc, err);
	else
		rc = open_input(l, &e->in, err);
	if (rc || e->in < 0)
		return rc ? rc : e->in;
	rc = open_output(l, &l->out, false, &e->out, err);
	l->has_out = rc == 0;
	if (!rc && !g->conf->redirect_stderr) {
		rc = open_output(l, &l->err, true, &e->err, err);
		l->has_err = rc == 0;
	}
	return rc;
}

static void close_ends(struct ends *e)
{
	int fds[] = { e->in, e->out, e->err };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void fill_env(const struct sv_life *l, struct env *env)
{
	const struct sv_proc *p = l->proc;

	env_copy(env, &l->sv->env);
	env_set(env, "SUPERVISOR_ENABLED", "1");
	if (p->setup->main.serverurl)
		env_set(env, "SUPERVISOR_SERVER_URL",
			p->conf->program->conf->serverurl ? p->conf->program->conf->serverurl
							  : p->setup->main.serverurl);
	env_set(env, "SUPERVISOR_PROCESS_NAME", p->conf->name);
	env_set(env, "SUPERVISOR_GROUP_NAME", p->team->conf->name);
	env_add(env, p->conf->env);
	env_set(env, TREE_MARK, l->mark);
}

static int spawn_it(struct sv_life *l, struct ends *e, struct err *err)
{
	const struct sv_process_conf *conf = l->proc->conf;
	const struct sv_program *g = conf->program;
	struct env env;
	struct sv_passed passed;
	int pidfd, rc;
	pid_t pid;

	env_init(&env);
	fill_env(l, &env);
	e->fds[e->n++] = (struct spawn_fd){ 0, e->in };
	e->fds[e->n++] = (struct spawn_fd){ 1, e->out };
	e->fds[e->n++] = (struct spawn_fd){ 2, e->err >= 0 ? e->err : e->out };
	if (l->notify)
		sv_notify_pass(l->notify, &env, e->fds, &e->n);
	rc = sv_sockets_pass(l->proc, &passed, err);
	if (rc) {
		env_fini(&env);
		return rc;
	}
	struct spawn s = {
		.argv = (const char *const *)conf->argv,
		.envp = env_vars(&env),
		.path = env_get(&env, "PATH"),
		.root = conf->chroot,
		.cwd = conf->directory,
		.cgroup = l->cgroup ? l->cgroup->path : NULL,
		.user = g->has_user ? &g->user : NULL,
		.limits = g->limits,
		.n_limits = g->limit_count,
		.fds = e->fds,
		.n_fds = e->n,
		.listen = passed.fds,
		.n_listen = passed.n,
		.listen_names = passed.names,
		.group = SPAWN_GROUP,
		.nice = (int)g->conf->niceness,
		.set_umask = g->umask >= 0,
		.umask = (mode_t)g->umask,
		.set_oom_score_adj = conf_has(g->item, "oom_score_adj"),
		.oom_score_adj = (int)g->conf->oom_score_adj,
		.no_new_privs = g->conf->no_new_privs,
		.set_caps = g->caps_set,
		.caps = g->caps,
		.cpus = g->cpus,
		.n_cpus = SV_CPUS / 64,
	};
	rc = spawn_program(&s, &pid, &pidfd, err);
	env_fini(&env);
	sv_notify_passed(l->notify);
	if (rc)
		return rc;
	rc = child_watch(&l->child, l->sv->loop, pid, pidfd, on_end);
	if (rc) {
		kill(pid, SIGKILL);
		close(pidfd);
		return err_set(err, rc, "its pidfd: %s", uv_strerror(rc));
	}
	l->child.owner = l;
	l->child.group = pid;
	child_known(&l->child, &l->sv->reap);
	tree_init(&l->tree, pid, l->child.born);
	l->tree.mark = l->mark;
	l->tree.reap = &l->sv->reap;
	l->tree.cgroup = sv_cgroup_kills(l);
	return 0;
}

/* Not started: what was opened is closed, and nobody hears of it again. */
static struct sv_life *give_up(struct sv_life *l)
{
	l->proc = NULL;
	sv_adopt_forget(l);
	sv_notify_free(l->notify);
	l->notify = NULL;
	if (l->has_in)
		input_close(&l->in, on_input_closed);
	if (l->has_out)
		output_close(&l->out, on_output_closed);
	if (l->has_err)
		output_close(&l->err, on_output_closed);
	release(l);
	return NULL;
}

static struct sv_life *life_new(struct sv_proc *p)
{
	struct sv_life *l = mem_new(sizeof(*l));

	l->sv = p->sv;
	l->proc = p;
	l->open = 1; /* the child */
	l->slot = SIZE_MAX;
	l->sv->lives++;
	procs_init(&l->procs);
	snprintf(l->mark, sizeof(l->mark), "%x-%llx-%x", (unsigned)getpid(),
		 (unsigned long long)uv_hrtime(), ++l->sv->marks);
	return l;
}

struct sv_life *sv_life_start(struct sv_proc *p, struct err *err)
{
	struct sv_life *l = life_new(p);
	struct ends e = { -1, -1, -1, { { 0, 0 } }, 0 };

	int rc = open_streams(l, &e, err);
	if (!rc)
		rc = sv_notify_new(l, &l->notify, err);
	if (!rc) {
		sv_adopt_born(l);
		sv_cgroup_enter(l);
		rc = spawn_it(l, &e, err);
	}
	close_ends(&e);
	if (rc)
		return give_up(l);
	sv_adopt_lives(l);
	sv_talk_begin(l);
	return l;
}

/* ---- a life that goes on -------------------------------------------------------------- */

void sv_pipes_close(struct sv_pipes *p)
{
	int fds[] = { p->in, p->out, p->err };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static bool take_output(struct sv_life *l, struct output *o, bool err_stream, int *fd)
{
	struct err err = { 0 };

	if (*fd < 0)
		return false;
	int rc = read_output(l, o, err_stream, *fd, &err);
	if (rc)
		log_error("%s: %s", l->proc->conf->full, err.text);
	else
		*fd = -1;
	return rc == 0;
}

static void take_pipes(struct sv_life *l, struct sv_pipes *pipes)
{
	l->has_out = take_output(l, &l->out, false, &pipes->out);
	l->has_err = take_output(l, &l->err, true, &pipes->err);
	if (pipes->in >= 0 && input_open(&l->in, l->sv->loop, pipes->in, INPUT_MOST) == 0) {
		l->in.owner = l;
		l->has_in = true;
		l->open++;
		pipes->in = -1;
	}
	sv_pipes_close(pipes);
}

static void recall_outputs(struct sv_life *l)
{
	if (l->has_out)
		output_recall(&l->out);
	if (l->has_err)
		output_recall(&l->err);
}

/* After an exec of ours it still is; after a crash it is init's. */
static bool is_our_child(pid_t pid)
{
	struct procstat s;

	return procstat_read(&s, pid) == 0 && s.ppid == getpid();
}

struct sv_life *sv_life_adopt(struct sv_proc *p, const struct sv_slot *s, struct sv_pipes *pipes)
{
	struct sv_life *l = life_new(p);
	struct err err = { 0 };

	snprintf(l->mark, sizeof(l->mark), "%s", s->mark);
	take_pipes(l, pipes);
	if (sv_notify_new(l, &l->notify, &err) != 0)
		log_warn("%s: %s", p->conf->full, err.text);
	int rc = s->pid > 1 ? child_adopt(&l->child, l->sv->loop, s->pid, s->born, on_end)
			    : UV_ESRCH;
	if (rc) { /* what is in its pipes is still read */
		recall_outputs(l);
		finish_outputs(l);
		return give_up(l);
	}
	l->child.owner = l;
	l->child.group = s->pid;
	child_known(&l->child, &l->sv->reap);
	tree_init(&l->tree, s->pid, s->born);
	l->tree.mark = l->mark;
	l->tree.reap = is_our_child(s->pid) ? &l->sv->reap : NULL;
	sv_cgroup_catch(l);
	sv_adopt_born(l);
	sv_adopt_lives(l);
	sv_talk_begin(l);
	sv_talk_adopted(l, s->heard);
	recall_outputs(l);
	return l;
}

void sv_life_change(struct sv_life *l)
{
	struct err err = { 0 };
	struct output_spec spec;

	for (int i = 0; i < 2; i++) {
		struct output *o = i ? &l->err : &l->out;
		const struct sv_log *log = i ? &l->proc->conf->err : &l->proc->conf->out;
		char **path = i ? &l->err_path : &l->out_path;
		if (!(i ? l->has_err : l->has_out))
			continue;
		char *now = log_path(log, i ? &l->proc->auto_err : &l->proc->auto_out);
		log_spec(l->proc, log, i ? "stderr" : "stdout", now, &spec);
		if (output_change(o, &spec, &err) != 0)
			log_error("%s: %s, its log goes on as before", l->proc->conf->full,
				  err.text);
		free(*path);
		*path = now;
	}
	sv_talk_change(l);
	sv_cgroup_catch(l);
}

/* ---- while it lives --------------------------------------------------------------------- */

int sv_life_write(struct sv_life *l, const void *data, size_t n)
{
	return l->has_in ? input_write(&l->in, data, n) : UV_EBADF;
}

int sv_life_signal(struct sv_life *l, int sig, bool whole)
{
	if (whole && child_signal_group(&l->child, sig) == 0)
		return 0; /* once: the leader is of the group */
	return child_signal(&l->child, sig);
}

size_t sv_life_left(struct sv_life *l)
{
	const struct tree_member *m;
	size_t n;

	if (tree_read(&l->tree, &l->procs) != 0)
		return 0;
	n = tree_look(&l->tree, &l->procs);
	for (size_t i = 0; (m = tree_alive(&l->tree, i)); i++)
		n -= m->pid == l->child.pid && m->born == l->child.born;
	return n;
}

bool sv_life_is_told(const struct sv_life *l)
{
	return l->tree.reap;
}

void sv_life_signal_left(struct sv_life *l, int sig, bool group_knows)
{
	if (group_knows)
		tree_signal_beside(&l->tree, sig, l->child.group);
	else
		tree_signal(&l->tree, sig);
}

static void on_killed(struct tree_kill *k, size_t left)
{
	struct sv_life *l = k->data;
	struct sv_proc *p = l->proc;

	free(k);
	l->kill = NULL;
	if (left && p)
		log_error("%zu processes can't be killed name=%s", left, p->conf->full);
	if (p)
		sv_proc_rest_killed(p);
	release(l);
}

void sv_life_kill_left(struct sv_life *l)
{
	l->kill = mem_new(sizeof(*l->kill));
	l->kill->data = l;
	l->open++;
	tree_kill_start(l->kill, l->sv->loop, &l->tree, KILL_WITHIN, on_killed);
}
