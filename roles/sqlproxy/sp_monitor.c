#include "roles/sqlproxy/sp_monitor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_probe.h"
#include "roles/sqlproxy/sp_route.h"
#include "roles/sqlproxy/sp_setup.h"
#include "roles/sqlproxy/sp_worker.h"

/* Somebody wants to log in. */
struct lookup {
	struct lookup *next;
	struct sp_worker *worker;
	uint32_t client;
	bool found;
	struct sp_secret secret;
	char user[65];
};

enum { SERVERS_MAX = 64 };

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sp_setup *setup, *next_setup; /* held */
	struct lookup *lookups;
	bool running, stopping;
	struct sp_probe *probes[SERVERS_MAX];
} monitor = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- looking -------------------------------------------------------------------- */

static void note(const struct sp_server *s, const struct sp_look *look)
{
	struct sp_health *h = s->health;
	int writable = look->read_only || (look->galera && !look->galera_ready) ? SP_WRITABLE_NO
										: SP_WRITABLE_YES;
	int before = __atomic_exchange_n(&h->writable, writable, __ATOMIC_RELAXED);

	__atomic_store_n(&h->lag, look->lag, __ATOMIC_RELAXED);
	if (before != writable && s->conf->role == SP_ROLE_AUTO)
		log_info("server is %s server=%s",
			 writable == SP_WRITABLE_YES ? "a primary" : "a replica", s->name);
}

static void look_at(const struct sp_setup *setup, const struct sp_server *s)
{
	const struct sp_monitor_conf *m = setup->monitor;
	struct sp_probe **probe = &monitor.probes[s->index];
	struct sp_look look = { 0 };
	struct sp_reason reason;

	if (!*probe)
		*probe = sp_probe_new();
	bool good = sp_probe_look(*probe, s, m, &look, &reason);
	if (good && look.galera && !look.galera_ready) {
		snprintf(reason.text, sizeof(reason.text), "Galera is not ready");
		good = false;
	}
	if (good)
		note(s, &look);
	sp_health_report(s->health, good ? NULL : reason.text, (int)m->fall, (int)m->rise);
}

static void drop_probes(void)
{
	for (int i = 0; i < SERVERS_MAX; i++) {
		sp_probe_free(monitor.probes[i]);
		monitor.probes[i] = NULL;
	}
}

/* ---- accounts --------------------------------------------------------------------- */

static void deliver(struct sp_worker *w, void *arg)
{
	struct lookup *l = arg;

	sp_login_looked_up(w, l->client, l->found ? &l->secret : NULL);
	sp_secret_fini(&l->secret);
	free(l);
}

static void look_up(const struct sp_setup *setup, struct lookup *l)
{
	struct sp_reason reason = { "no server is up" };

	for (int i = 0; i < setup->servers_count && !l->found; i++) {
		const struct sp_server *s = &setup->servers[i];
		struct sp_look look;
		if (!sp_route_is_primary(s) || !monitor.probes[i] ||
		    !sp_probe_look(monitor.probes[i], s, setup->monitor, &look, &reason))
			continue;
		reason.text[0] = '\0';
		l->found = sp_probe_account(monitor.probes[i], l->user, &l->secret, &reason);
		break;
	}
	if (!l->found && *reason.text)
		log_warn("can't read an account: %s user=%s", reason.text, l->user);
	sp_worker_post(l->worker, deliver, l);
}

void sp_monitor_lookup(struct sp_worker *w, uint32_t client, const char *user)
{
	struct lookup *l = mem_new(sizeof(*l));

	l->worker = w;
	l->client = client;
	snprintf(l->user, sizeof(l->user), "%s", user);
	pthread_mutex_lock(&monitor.lock);
	l->next = monitor.lookups;
	monitor.lookups = l;
	pthread_cond_signal(&monitor.wake);
	pthread_mutex_unlock(&monitor.lock);
}

static void serve_lookups(void)
{
	for (;;) {
		pthread_mutex_lock(&monitor.lock);
		struct lookup *l = monitor.lookups;
		if (l)
			monitor.lookups = l->next;
		pthread_mutex_unlock(&monitor.lock);
		if (!l)
			return;
		look_up(monitor.setup, l);
	}
}

/* ---- the thread ---------------------------------------------------------------------- */

/* Returns false when it is told to stop. */
static bool wait_until(uint64_t at)
{
	struct timespec ts = { (time_t)(at / 1000000000u), (long)(at % 1000000000u) };

	pthread_mutex_lock(&monitor.lock);
	while (!monitor.stopping && !monitor.lookups && !monitor.next_setup && uv_hrtime() < at)
		pthread_cond_timedwait(&monitor.wake, &monitor.lock, &ts);
	struct sp_setup *next = monitor.next_setup;
	monitor.next_setup = NULL;
	bool go_on = !monitor.stopping;
	pthread_mutex_unlock(&monitor.lock);
	if (next) {
		drop_probes();
		sp_setup_drop(monitor.setup);
		monitor.setup = next;
	}
	return go_on;
}

static void *watch(void *unused)
{
	uint64_t at = uv_hrtime();

	(void)unused;
	while (wait_until(at)) {
		const struct sp_setup *s = monitor.setup;
		serve_lookups();
		if (uv_hrtime() < at)
			continue;
		for (int i = 0; s->monitor->user && i < s->servers_count && i < SERVERS_MAX; i++)
			look_at(s, &s->servers[i]);
		at = uv_hrtime() + (uint64_t)s->monitor->interval * 1000000u;
	}
	drop_probes();
	return NULL;
}

void sp_monitor_start(struct sp_setup *setup)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* uv_hrtime's */
	pthread_cond_init(&monitor.wake, &attr);
	monitor.setup = sp_setup_hold(setup);
	monitor.running = pthread_create(&monitor.thread, NULL, watch, NULL) == 0;
}

void sp_monitor_change(struct sp_setup *setup)
{
	pthread_mutex_lock(&monitor.lock);
	sp_setup_drop(monitor.next_setup);
	monitor.next_setup = sp_setup_hold(setup);
	pthread_cond_signal(&monitor.wake);
	pthread_mutex_unlock(&monitor.lock);
}

void sp_monitor_stop(void)
{
	if (!monitor.running)
		return;
	pthread_mutex_lock(&monitor.lock);
	monitor.stopping = true;
	pthread_cond_signal(&monitor.wake);
	pthread_mutex_unlock(&monitor.lock);
	pthread_join(monitor.thread, NULL);
	monitor.running = false;
	sp_setup_drop(monitor.setup);
	sp_setup_drop(monitor.next_setup);
	while (monitor.lookups) {
		struct lookup *l = monitor.lookups;
		monitor.lookups = l->next;
		free(l);
	}
}
