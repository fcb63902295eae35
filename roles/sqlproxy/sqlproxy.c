/*
 * sqlproxy - a pool of MySQL connections that clients see as one server.
 *
 * The main thread owns configuration, console and figures; workers carry the traffic; the monitor
 * watches the servers. README.md beside this file follows a statement through them.
 */
#include "roles/sqlproxy/sqlproxy.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/net/listen.h"
#include "core/run/run.h"
#include "roles/sqlproxy/sp_account.h"
#include "roles/sqlproxy/sp_admin.h"
#include "roles/sqlproxy/sp_import.h"
#include "roles/sqlproxy/sp_monitor.h"
#include "roles/sqlproxy/sp_probe.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_setup.h"
#include "roles/sqlproxy/sp_show.h"
#include "roles/sqlproxy/sp_worker.h"

struct sp_proxy {
	struct run *run;
	struct sp_setup *setup;
	struct sp_worker *workers;
	int count;
	int fds[SP_LISTENERS_MAX]; /* of the worker being built */
	int ports[SP_LISTENERS_MAX];
	uv_async_t drained;
	int drained_workers; /* atomic */
	struct sp_admin *admin;
	bool draining;
};

struct sp_worker *sp_proxy_worker(struct sp_proxy *p, int index)
{
	return index < p->count ? &p->workers[index] : NULL;
}

struct sp_setup *sp_proxy_setup(struct sp_proxy *p)
{
	return p->setup;
}

struct run *sp_proxy_run(struct sp_proxy *p)
{
	return p->run;
}

void sp_proxy_drained(struct sp_proxy *p)
{
	if (__atomic_add_fetch(&p->drained_workers, 1, __ATOMIC_ACQ_REL) == p->count)
		uv_async_send(&p->drained);
}

static void on_drained(uv_async_t *h)
{
	run_drained(((struct sp_proxy *)h->data)->run);
}

/* ---- start ------------------------------------------------------------------- */

static int worker_count(const struct sp_main_conf *m)
{
	int cores = (int)uv_available_parallelism();

	if (m->workers > 0)
		return (int)m->workers;
	return cores <= 2 ? 1 : cores;
}

/* Every worker gets a socket for each address; a port that was chosen once is everybody's. */
static int open_fds(struct sp_proxy *p, int worker, struct err *err)
{
	const struct sp_main_conf *m = p->setup->main;
	int n = 0;

	for (; n < SP_LISTENERS_MAX && m->listen[n]; n++) {
		struct addr a;
		int rc = addr_parse(&a, m->listen[n], 3366, err);
		if (!rc && worker > 0 && a.is_unix) {
			p->fds[n] = -1; /* one worker serves a unix socket */
			continue;
		}
		if (!rc && worker > 0 && a.port == 0) {
			a.port = p->ports[n];
			((struct sockaddr_in *)(void *)&a.socket)->sin_port =
				htons((uint16_t)a.port);
		}
		p->fds[n] = rc ? rc : listen_open(&a, (int)m->backlog, p->count > 1, err);
		if (p->fds[n] < 0)
			return p->fds[n];
		if (worker > 0)
			continue;
		p->ports[n] = a.is_unix ? 0 : listen_port(p->fds[n]);
		if (a.is_unix)
			log_info("listening on unix:%s", a.host);
		else
			log_info("listening on %s:%d", *a.host ? a.host : "*", p->ports[n]);
	}
	return n;
}

static int start_workers(struct sp_proxy *p, struct err *err)
{
	p->count = worker_count(p->setup->main);
	p->workers = mem_new(sizeof(*p->workers) * (size_t)p->count);
	for (int i = 0; i < p->count; i++) {
		int fds[SP_LISTENERS_MAX], used = 0;
		int n = open_fds(p, i, err);
		if (n < 0)
			return n;
		for (int k = 0; k < n; k++)
			if (p->fds[k] >= 0)
				fds[used++] = p->fds[k];
		p->workers[i].index = i;
		sp_worker_start(&p->workers[i], p, p->setup, fds, used);
	}
	return 0;
}

static void on_async_closed(uv_handle_t *h)
{
	free(h->data);
}

static void stop(void *self)
{
	struct sp_proxy *p = self;

	sp_admin_stop(p->admin);
	sp_monitor_stop();
	for (int i = 0; i < p->count; i++)
		if (p->workers[i].running)
			sp_worker_stop(&p->workers[i]);
	free(p->workers);
	sp_setup_drop(p->setup);
	sp_account_forget_all();
	uv_close((uv_handle_t *)&p->drained, on_async_closed);
}

static int init(struct run *run, const struct conf *conf, void **self, struct err *err)
{
	struct sp_proxy *p = mem_new(sizeof(*p));

	p->run = run;
	p->setup = sp_setup_new(conf, err);
	if (!p->setup) {
		free(p);
		return ERR_CONF;
	}
	uv_async_init(run_loop(run), &p->drained, on_drained);
	p->drained.data = p;
	sp_monitor_start(p->setup);
	int rc = start_workers(p, err);
	if (!rc)
		rc = sp_admin_start(&p->admin, p, run_loop(run), err);
	if (rc) {
		stop(p);
		return rc;
	}
	*self = p;
	return 0;
}

static int reload(void *self, const struct conf *conf, struct err *err)
{
	struct sp_proxy *p = self;
	struct sp_setup *now = sp_setup_new(conf, err);

	if (!now)
		return ERR_CONF;
	for (int i = 0; i < p->count; i++)
		sp_worker_change(&p->workers[i], now);
	sp_monitor_change(now);
	sp_setup_drop(p->setup);
	p->setup = now;
	return 0;
}

static void drain(void *self)
{
	struct sp_proxy *p = self;

	p->draining = true;
	for (int i = 0; i < p->count; i++)
		sp_worker_drain(&p->workers[i]);
}

/* ---- look -------------------------------------------------------------------- */

static void status(void *self, struct stat_out *out)
{
	sp_show_status(self, out);
}

static int probe(const struct conf *conf, FILE *out)
{
	struct err err = { 0 };
	struct sp_setup *s = sp_setup_new(conf, &err);
	int bad = 0;

	if (!s) {
		fprintf(out, "%s\n", err.text);
		return 1;
	}
	for (int i = 0; i < s->servers_count; i++)
		bad += sp_probe_report(&s->servers[i], s->monitor, out) ? 0 : 1;
	sp_setup_drop(s);
	return bad;
}

static const struct role_command commands[] = {
	{ "import-smproxy", "an ini from SMProxy's database.json and server.json: DIR [OUT]",
	  sp_import_main },
	{ NULL },
};

const struct role sqlproxy_role = {
	.name = "sqlproxy",
	.summary = "MySQL connection pool and read/write splitter",
	.sections = sp_sections,
	.check = sp_setup_check,
	.probe = probe,
	.init = init,
	.reload = reload,
	.drain = drain,
	.stop = stop,
	.status = status,
	.ctl = sp_admin_ctl,
	.ctl_help = sp_admin_ctl_help,
	.commands = commands,
};
