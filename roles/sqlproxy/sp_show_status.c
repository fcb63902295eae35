/* The figures of `status`, /metrics and the admin page, and the table that SMProxy's status had. */
#include <stdio.h>
#include <string.h>

#include "core/stat/stat.h"
#include "roles/sqlproxy/sp_facts.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_show.h"

enum { CONNECTIONS_SHOWN = 100 };

static void tell_totals(struct sp_proxy *p, struct stat_out *out)
{
	struct sp_totals t;

	sp_facts_totals(p, &t);
	const struct sp_figures *f = &t.figures;
	stat_table(out, "", "All workers.");
	stat_row(out);
	stat_gauge(out, "workers", "Threads that carry traffic.", (double)t.workers);
	stat_gauge(out, "clients", "Clients connected.", (double)t.clients);
	stat_gauge(out, "connections", "Connections to servers.", (double)t.connections);
	stat_counter(out, "clients_accepted", "Clients accepted.", f->clients_accepted);
	stat_counter(out, "clients_refused", "Clients turned away by a limit.", f->clients_refused);
	stat_counter(out, "logins_failed", "Logins refused.", f->logins_failed);
	stat_counter(out, "accept_failures", "Times no client could be accepted.",
		     f->accept_failures);
	stat_counter(out, "queries", "Statements answered.", f->queries);
	stat_counter(out, "to_primary", "Statements sent to a primary.", f->to_primary);
	stat_counter(out, "to_replica", "Statements sent to a replica.", f->to_replica);
	stat_counter(out, "errors", "Answers that were errors.", f->errors);
	stat_counter(out, "slow", "Statements over log_slow.", f->slow);
	stat_counter(out, "pins", "Times a client kept its connection.", f->pins);
	stat_counter(out, "resets", "Connections reset before another client.", f->resets);
	stat_counter(out, "prefixes", "Statements with state sent ahead.", f->prefixes);
	stat_counter(out, "prepares", "Statements prepared again on a connection.", f->prepares);
	stat_counter(out, "retries", "Reads run again on another connection.", f->retries);
	stat_counter(out, "lost", "Connections lost under a client.", f->lost);
	stat_counter(out, "kills", "Clients and statements killed.", f->kills);
	stat_counter(out, "queue_timeouts", "Clients that waited in vain.", f->queue_timeouts);
	stat_counter(out, "bytes_in", "Bytes from clients.", f->bytes_in);
	stat_counter(out, "bytes_out", "Bytes to clients.", f->bytes_out);
	stat_times(out, "latency", "Time from a statement to the end of its answer.", &t.latency);
}

static void tell_server(const struct sp_server *s, struct stat_out *out)
{
	const struct sp_health *h = s->health;
	int64_t lag = __atomic_load_n(&h->lag, __ATOMIC_RELAXED);
	const char *state = sp_show_server_state(s);

	stat_row(out);
	stat_label(out, "server", s->name);
	stat_word(out, "address", s->conf->address);
	stat_word(out, "role", sp_show_server_role(s));
	stat_word(out, "state", state);
	stat_gauge(out, "up", "1 while it takes work.", strcmp(state, "up") == 0);
	stat_gauge(out, "primary", "1 for a primary.", *sp_show_server_role(s) == 'p');
	if (lag >= 0)
		stat_gauge(out, "lag_seconds", "Behind the primary.", (double)lag / 1000);
	stat_gauge(out, "open", "Connections to it.", __atomic_load_n(&h->open, __ATOMIC_RELAXED));
	stat_gauge(out, "max", "Connections allowed.", (double)s->conf->max_connections);
}

static void tell_servers(struct sp_proxy *p, struct stat_out *out)
{
	const struct sp_setup *s = sp_proxy_setup(p);

	stat_table(out, "server", "Servers.");
	for (int i = 0; i < s->servers_count; i++)
		tell_server(&s->servers[i], out);
}

static void tell_pool(const struct sp_pool_fact *f, struct stat_out *out)
{
	stat_row(out);
	stat_label(out, "database", f->database);
	stat_label(out, "server", f->server);
	stat_label(out, "user", f->user);
	stat_gauge(out, "idle", "Connections that wait for work.", f->idle);
	stat_gauge(out, "busy", "Connections at work.", f->busy);
	stat_gauge(out, "opening", "Connections being opened.", f->opening);
	stat_gauge(out, "waiting", "Clients in the queue.", f->waiting);
	stat_gauge(out, "max", "Connections allowed.", (double)f->max);
	stat_counter(out, "queries", "Times a connection was handed out.", f->queries);
	stat_counter(out, "opened", "Connections opened.", f->opened);
	stat_counter(out, "failures", "Connections that failed to open.", f->failures);
	stat_counter(out, "timeouts", "Clients that waited in vain.", f->timeouts);
	stat_times(out, "wait", "Time in the queue.", &f->wait);
}

static void tell_pools(struct sp_proxy *p, struct stat_out *out)
{
	struct sp_facts f;

	sp_facts_pools(p, &f);
	stat_table(out, "pool", "Pools: a user's connections to one server.");
	for (size_t i = 0; i < f.count; i++)
		tell_pool(SP_FACT(&f, sp_pool_fact, i), out);
	sp_facts_fini(&f);
}

static void word_number(struct stat_out *out, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	stat_word(out, name, text);
}

/* Words only: they are nothing for Prometheus. */
static void tell_connections(struct sp_proxy *p, struct stat_out *out)
{
	struct sp_facts f;

	sp_facts_backends(p, &f);
	stat_table(out, "connection", "Connections to servers, a hundred at most.");
	for (size_t i = 0; i < f.count && i < CONNECTIONS_SHOWN; i++) {
		const struct sp_backend_fact *b = SP_FACT(&f, sp_backend_fact, i);
		stat_row(out);
		word_number(out, "id", b->thread_id);
		stat_word(out, "user", b->user);
		stat_word(out, "server", b->server);
		stat_word(out, "db", b->database);
		stat_word(out, "state", sp_show_backend_state(b->state));
		word_number(out, "time", b->used_ms / 1000);
		word_number(out, "client", b->client);
		stat_word(out, "server_version", b->version);
		word_number(out, "server_status", b->status);
		stat_word(out, "info", b->info);
	}
	sp_facts_fini(&f);
}

void sp_show_status(struct sp_proxy *p, struct stat_out *out)
{
	tell_totals(p, out);
	tell_servers(p, out);
	tell_pools(p, out);
	tell_connections(p, out);
}
