#include "roles/supervisor/sv_probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/net/http_client.h"
#include "core/proc/env.h"
#include "core/proc/spawn.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"

/* ---- the end ------------------------------------------------------------------------------- */

static void settle(struct sv_probe_run *r)
{
	if (--r->open > 0)
		return;
	if (r->closed)
		r->closed(r);
	else
		r->done(r, *r->why ? r->why : NULL);
}

static void on_timer_closed(uv_handle_t *h)
{
	settle(h->data);
}

static void on_client_closed(void *data)
{
	settle(data);
}

static void on_child_closed(struct child *c)
{
	settle(c->owner);
}

static void finish(struct sv_probe_run *r, const char *why)
{
	if (r->over)
		return;
	r->over = true;
	snprintf(r->why, sizeof(r->why), "%s", why ? why : "");
	uv_close((uv_handle_t *)&r->deadline, on_timer_closed);
	if (r->dialing)
		dial_cancel(&r->dial);
	if (r->http)
		http_client_close(r->http, on_client_closed, r);
	if (r->has_child) {
		child_signal_group(&r->child, SIGKILL);
		child_close(&r->child, on_child_closed);
	}
}

static void on_deadline(uv_timer_t *t)
{
	finish(t->data, "no answer within health_timeout");
}

/* ---- HTTP and TCP ---------------------------------------------------------------------------- */

static void on_answer(void *data, const struct http_outcome *o)
{
	struct sv_probe_run *r = data;
	char text[64];

	if (!o->response) {
		finish(r, o->why);
	} else if (o->response->status < 400) {
		finish(r, NULL);
	} else {
		snprintf(text, sizeof(text), "it answers with status %d", o->response->status);
		finish(r, text);
	}
}

/* Only its status is of interest. */
static void ask(struct sv_probe_run *r, const struct sv_probe *probe, uint64_t timeout)
{
	r->http = http_client_new(r->proc->sv->loop, &(struct http_client_conf){ .idle = 0 });
	r->open++;
	http_client_ask(r->http, &(struct http_ask){ .method = "GET",
						     .url = probe->url,
						     .connect_timeout = timeout,
						     .done = on_answer,
						     .data = r });
}

static void on_dialed(struct dial *d, int status, int fd)
{
	struct sv_probe_run *r = d->data;

	r->dialing = false;
	if (r->over && fd >= 0)
		close(fd);
	else if (status)
		finish(r, uv_strerror(status));
	else {
		close(fd);
		finish(r, NULL);
	}
	settle(r);
}

/* ---- a command --------------------------------------------------------------------------------
 */

static void on_end(struct child *c, const struct child_end *end)
{
	struct sv_probe_run *r = c->owner;
	char text[96];

	if (end->how == CHILD_EXITED && end->code == 0)
		finish(r, NULL);
	else
		finish(r, child_end_text(end, text, sizeof(text)));
}

static int spawn_command(struct sv_proc *p, char **argv, pid_t *pid, int *pidfd, struct err *err)
{
	const struct sv_process_conf *conf = p->conf;
	struct env env;
	char number[16];

	env_init(&env);
	env_copy(&env, &p->sv->env);
	env_add(&env, conf->env);
	snprintf(number, sizeof(number), "%d", (int)p->pid);
	env_set(&env, "SUPERVISOR_PROCESS_NAME", conf->name);
	env_set(&env, "SUPERVISOR_PROCESS_PID", number);
	env_set(&env, "MAINPID", number);
	struct spawn s = { .argv = (const char *const *)argv,
			   .envp = env_vars(&env),
			   .path = env_get(&env, "PATH"),
			   .cwd = conf->directory,
			   .user = conf->program->has_user ? &conf->program->user : NULL,
			   .group = SPAWN_GROUP };
	int rc = spawn_program(&s, pid, pidfd, err);
	env_fini(&env);
	return rc;
}

static void run_command(struct sv_probe_run *r)
{
	struct err err = { 0 };
	int pidfd;
	pid_t pid;

	if (spawn_command(r->proc, r->proc->conf->health->argv, &pid, &pidfd, &err) != 0) {
		finish(r, err.text);
		return;
	}
	if (child_watch(&r->child, r->proc->sv->loop, pid, pidfd, on_end) != 0) {
		close(pidfd);
		finish(r, "its pidfd can't be watched");
		return;
	}
	r->child.owner = r;
	r->child.group = pid;
	r->has_child = true;
	r->open++;
	child_known(&r->child, &r->proc->sv->reap);
}

int sv_probe_command(struct sv_proc *p, char **argv, struct err *err)
{
	int pidfd;
	pid_t pid;
	int rc = spawn_command(p, argv, &pid, &pidfd, err);

	if (!rc)
		close(pidfd); /* reap buries it */
	return rc;
}

/* ---- start --------------------------------------------------------------------------------------
 */

void sv_probe_start(struct sv_probe_run *r, struct sv_proc *p, sv_probe_done done)
{
	const struct sv_probe *probe = p->conf->health;
	int64_t set = p->conf->program->conf->health_timeout;
	uint64_t timeout = set > 0 ? (uint64_t)set : 1000;
	void *data = r->data;

	*r = (struct sv_probe_run){ .data = data, .proc = p, .done = done, .open = 1 };
	uv_timer_init(p->sv->loop, &r->deadline);
	r->deadline.data = r;
	uv_timer_start(&r->deadline, on_deadline, timeout, 0);
	if (probe->by == SV_PROBE_EXEC) {
		run_command(r);
		return;
	}
	if (probe->by == SV_PROBE_HTTP) {
		ask(r, probe, timeout);
		return;
	}
	r->dial.data = r;
	r->open++;
	r->dialing = true;
	int rc = dial_start(&r->dial, p->sv->loop, &probe->addr, timeout, on_dialed);
	if (rc) {
		r->dialing = false;
		r->open--;
		finish(r, uv_strerror(rc));
	}
}

void sv_probe_cancel(struct sv_probe_run *r, sv_probe_closed closed)
{
	r->closed = closed;
	finish(r, "cancelled");
}
