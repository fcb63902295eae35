#include "roles/sqlproxy/sp_show.h"

#include <string.h>
#include <strings.h>
#include <uv.h>

#include "core/net/addr.h"
#include "roles/sqlproxy/sp_facts.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_route.h"

/* ---- words ------------------------------------------------------------------- */

const char *sp_show_server_state(const struct sp_server *s)
{
	const struct sp_health *h = s->health;

	if (!__atomic_load_n(&h->up, __ATOMIC_RELAXED))
		return "down";
	if (__atomic_load_n(&h->drained, __ATOMIC_RELAXED))
		return "drained";
	return __atomic_load_n(&h->paused, __ATOMIC_RELAXED) ? "paused" : "up";
}

const char *sp_show_server_role(const struct sp_server *s)
{
	return sp_route_is_primary(s) ? "primary" : "replica";
}

const char *sp_show_version_of(const char *greeting)
{
	return strncmp(greeting, "5.5.5-", 6) == 0 ? greeting + 6 : greeting;
}

const char *sp_show_backend_state(int state)
{
	static const char *const names[] = {
		[SP_BACKEND_DIALING] = "dialing",
		[SP_BACKEND_GREETING] = "greeting",
		[SP_BACKEND_SECURING] = "securing",
		[SP_BACKEND_AUTHENTICATING] = "authenticating",
		[SP_BACKEND_PREPARING] = "preparing",
		[SP_BACKEND_IDLE] = "idle",
		[SP_BACKEND_BUSY] = "busy",
		[SP_BACKEND_CLOSED] = "closed",
	};

	return names[state];
}

static const char *client_state(const struct sp_client_fact *c)
{
	static const char *const names[] = {
		[SP_CLIENT_PROXY_HEADER] = "proxy header",
		[SP_CLIENT_LOGIN] = "login",
		[SP_CLIENT_READY] = "idle",
		[SP_CLIENT_WAITING] = "waiting",
		[SP_CLIENT_APPLYING] = "applying",
		[SP_CLIENT_SENDING] = "sending",
		[SP_CLIENT_BUSY] = "busy",
		[SP_CLIENT_FILE] = "sending a file",
		[SP_CLIENT_CLOSING] = "closing",
	};
	bool pinned = c->state == SP_CLIENT_READY && c->pins;

	return pinned ? "pinned" : names[c->state];
}

const char *sp_show_pins(uint32_t pins, char out[320])
{
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < SP_PIN_COUNT; i++) {
		const char *name = sp_pin_name((enum sp_pin)i);
		if (!(pins & 1u << i) || at + strlen(name) + 3 > 320)
			continue;
		at += (size_t)sprintf(out + at, "%s%s", at ? ", " : "", name);
	}
	return out;
}

static void put_seconds(struct sp_rows *r, uint64_t ms)
{
	sp_rows_fmt(r, "%llu.%03u", (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
}

static void put_ms(struct sp_rows *r, const struct hist *h, double share)
{
	sp_rows_fmt(r, "%.2f", (double)hist_percentile(h, share) / 1000);
}

/* NULL for what is not there. */
static void put_id(struct sp_rows *r, uint32_t id)
{
	if (id)
		sp_rows_number(r, id);
	else
		sp_rows_text(r, NULL);
}

static void put_name(struct sp_rows *r, const char *name)
{
	sp_rows_text(r, *name ? name : NULL);
}

/* ---- pools --------------------------------------------------------------------- */

static const struct sp_column pool_columns[] = {
	{ "pool", SP_TEXT },        { "database", SP_TEXT },    { "server", SP_TEXT },
	{ "user", SP_TEXT },        { "state", SP_TEXT },       { "idle", SP_INT },
	{ "busy", SP_INT },         { "opening", SP_INT },      { "waiting", SP_INT },
	{ "open", SP_INT },         { "max", SP_INT },          { "oldest_wait_s", SP_REAL },
	{ "queries", SP_INT },      { "opened", SP_INT },       { "closed", SP_INT },
	{ "failures", SP_INT },     { "timeouts", SP_INT },     { "wait_p50_ms", SP_REAL },
	{ "wait_p95_ms", SP_REAL }, { "wait_p99_ms", SP_REAL }, { "last_failure", SP_TEXT },
	{ NULL, SP_TEXT },
};

static const char *pool_state(const struct sp_pool_fact *f)
{
	if (f->retired)
		return "retired";
	return __atomic_load_n(&f->permit->paused, __ATOMIC_RELAXED) ? "paused" : "up";
}

static void pool_row(const struct sp_pool_fact *f, struct sp_rows *r)
{
	sp_rows_fmt(r, "%s/%s/%s", f->database, f->server, f->user);
	sp_rows_text(r, f->database);
	sp_rows_text(r, f->server);
	sp_rows_text(r, f->user);
	sp_rows_text(r, pool_state(f));
	sp_rows_number(r, f->idle);
	sp_rows_number(r, f->busy);
	sp_rows_number(r, f->opening);
	sp_rows_number(r, f->waiting);
	sp_rows_number(r, __atomic_load_n(&f->permit->open, __ATOMIC_RELAXED));
	sp_rows_number(r, f->max);
	put_seconds(r, f->oldest);
	sp_rows_number(r, (int64_t)f->queries);
	sp_rows_number(r, (int64_t)f->opened);
	sp_rows_number(r, (int64_t)f->closed);
	sp_rows_number(r, (int64_t)f->failures);
	sp_rows_number(r, (int64_t)f->timeouts);
	put_ms(r, &f->wait, 0.5);
	put_ms(r, &f->wait, 0.95);
	put_ms(r, &f->wait, 0.99);
	put_name(r, f->reason);
}

static void fill_pools(struct sp_proxy *p, struct sp_rows *r)
{
	struct sp_facts f;

	sp_facts_pools(p, &f);
	for (size_t i = 0; i < f.count; i++)
		pool_row(SP_FACT(&f, sp_pool_fact, i), r);
	sp_facts_fini(&f);
}

/* ---- servers -------------------------------------------------------------------- */

static const struct sp_column server_columns[] = {
	{ "server", SP_TEXT },
	{ "address", SP_TEXT },
	{ "role", SP_TEXT },
	{ "state", SP_TEXT },
	{ "since_s", SP_REAL },
	{ "lag_ms", SP_INT },
	{ "busy", SP_INT },
	{ "idle", SP_INT },
	{ "waiting", SP_INT },
	{ "open", SP_INT },
	{ "max_connections", SP_INT },
	{ "weight", SP_INT },
	{ "queries", SP_INT },
	{ "failures", SP_INT },
	{ "version", SP_TEXT },
	{ "reason", SP_TEXT },
	{ NULL, SP_TEXT },
};

/* A server's pools added up. */
struct load {
	uint64_t busy, idle, waiting, queries, failures;
};

static struct load load_of(const struct sp_facts *pools, const char *server)
{
	struct load l = { 0 };

	for (size_t i = 0; i < pools->count; i++) {
		const struct sp_pool_fact *f = SP_FACT(pools, sp_pool_fact, i);
		if (strcmp(f->server, server) != 0)
			continue;
		l.busy += f->busy;
		l.idle += f->idle;
		l.waiting += f->waiting;
		l.queries += f->queries;
		l.failures += f->failures;
	}
	return l;
}

static void put_lag(struct sp_rows *r, int64_t lag)
{
	if (lag >= 0)
		sp_rows_number(r, lag);
	else
		sp_rows_text(r, NULL);
}

static const char *why(const struct sp_health *h, const char *state)
{
	if (__atomic_load_n(&h->lag, __ATOMIC_RELAXED) == SP_LAG_BROKEN)
		return "replication is broken";
	return strcmp(state, "down") == 0 ? __atomic_load_n(&h->reason, __ATOMIC_ACQUIRE) : NULL;
}

static void server_row(const struct sp_server *s, const struct sp_facts *pools, struct sp_rows *r)
{
	const struct sp_health *h = s->health;
	const struct sp_greeting *g = __atomic_load_n(&h->greeting, __ATOMIC_ACQUIRE);
	const char *state = sp_show_server_state(s);
	struct load l = load_of(pools, s->name);
	int64_t now = (int64_t)(uv_hrtime() / 1000000);

	sp_rows_text(r, s->name);
	sp_rows_text(r, s->conf->address);
	sp_rows_text(r, sp_show_server_role(s));
	sp_rows_text(r, state);
	put_seconds(r, (uint64_t)(now - __atomic_load_n(&h->since, __ATOMIC_RELAXED)));
	put_lag(r, __atomic_load_n(&h->lag, __ATOMIC_RELAXED));
	sp_rows_number(r, (int64_t)l.busy);
	sp_rows_number(r, (int64_t)l.idle);
	sp_rows_number(r, (int64_t)l.waiting);
	sp_rows_number(r, __atomic_load_n(&h->open, __ATOMIC_RELAXED));
	sp_rows_number(r, s->conf->max_connections);
	sp_rows_number(r, s->conf->weight);
	sp_rows_number(r, (int64_t)l.queries);
	sp_rows_number(r, (int64_t)l.failures);
	sp_rows_text(r, g ? sp_show_version_of(g->version) : NULL);
	sp_rows_text(r, why(h, state));
}

static void fill_servers(struct sp_proxy *p, struct sp_rows *r)
{
	const struct sp_setup *s = sp_proxy_setup(p);
	struct sp_facts pools;

	sp_facts_pools(p, &pools);
	for (int i = 0; i < s->servers_count; i++)
		server_row(&s->servers[i], &pools, r);
	sp_facts_fini(&pools);
}

/* ---- clients, pins ---------------------------------------------------------------- */

static const struct sp_column client_columns[] = {
	{ "id", SP_INT },      { "user", SP_TEXT },       { "host", SP_TEXT },
	{ "db", SP_TEXT },     { "state", SP_TEXT },      { "time_s", SP_REAL },
	{ "server", SP_TEXT }, { "thread_id", SP_INT },   { "pins", SP_TEXT },
	{ "tls", SP_TEXT },    { "compressed", SP_TEXT }, { "worker", SP_INT },
	{ "info", SP_TEXT },   { NULL, SP_TEXT },
};

static void client_row(const struct sp_client_fact *c, struct sp_rows *r)
{
	char host[ADDR_TEXT], pins[320];

	sp_rows_number(r, c->id);
	put_name(r, c->user);
	sp_rows_text(r, addr_text((const struct sockaddr *)&c->peer, host));
	put_name(r, c->database);
	sp_rows_text(r, client_state(c));
	put_seconds(r, c->ms);
	put_name(r, c->server);
	put_id(r, c->thread_id);
	put_name(r, sp_show_pins(c->pins, pins));
	sp_rows_text(r, c->secure ? "yes" : "no");
	sp_rows_text(r, c->packed ? "yes" : "no");
	sp_rows_number(r, c->worker);
	put_name(r, c->info);
}

static void fill_clients(struct sp_proxy *p, struct sp_rows *r)
{
	struct sp_facts f;

	sp_facts_clients(p, &f);
	for (size_t i = 0; i < f.count; i++)
		client_row(SP_FACT(&f, sp_client_fact, i), r);
	sp_facts_fini(&f);
}

static const struct sp_column pin_columns[] = {
	{ "client", SP_INT },   { "user", SP_TEXT },   { "pins", SP_TEXT },
	{ "since_s", SP_REAL }, { "server", SP_TEXT }, { "thread_id", SP_INT },
	{ "db", SP_TEXT },      { "host", SP_TEXT },   { NULL, SP_TEXT },
};

static void pin_row(const struct sp_client_fact *c, struct sp_rows *r)
{
	char host[ADDR_TEXT], pins[320];

	sp_rows_number(r, c->id);
	sp_rows_text(r, c->user);
	sp_rows_text(r, sp_show_pins(c->pins, pins));
	put_seconds(r, c->pinned_ms);
	put_name(r, c->server);
	put_id(r, c->thread_id);
	put_name(r, c->database);
	sp_rows_text(r, addr_text((const struct sockaddr *)&c->peer, host));
}

static void fill_pins(struct sp_proxy *p, struct sp_rows *r)
{
	struct sp_facts f;

	sp_facts_clients(p, &f);
	for (size_t i = 0; i < f.count; i++)
		if (SP_FACT(&f, sp_client_fact, i)->pins)
			pin_row(SP_FACT(&f, sp_client_fact, i), r);
	sp_facts_fini(&f);
}

/* ---- connections -------------------------------------------------------------------- */

static const struct sp_column backend_columns[] = {
	{ "server", SP_TEXT },   { "thread_id", SP_INT }, { "user", SP_TEXT },
	{ "db", SP_TEXT },       { "state", SP_TEXT },    { "client", SP_INT },
	{ "age_s", SP_REAL },    { "used_s", SP_REAL },   { "uses", SP_INT },
	{ "prepared", SP_INT },  { "vars", SP_INT },      { "dirty", SP_TEXT },
	{ "replaced", SP_TEXT }, { "tls", SP_TEXT },      { "worker", SP_INT },
	{ "number", SP_INT },    { "info", SP_TEXT },     { NULL, SP_TEXT },
};

static void backend_row(const struct sp_backend_fact *b, struct sp_rows *r)
{
	sp_rows_text(r, b->server);
	put_id(r, b->thread_id);
	sp_rows_text(r, b->user);
	put_name(r, b->database);
	sp_rows_text(r, sp_show_backend_state(b->state));
	put_id(r, b->client);
	put_seconds(r, b->age_ms);
	put_seconds(r, b->used_ms);
	sp_rows_number(r, (int64_t)b->uses);
	sp_rows_number(r, b->prepared);
	sp_rows_number(r, b->vars);
	sp_rows_text(r, b->dirty ? "yes" : "no");
	sp_rows_text(r, b->doomed ? "yes" : "no");
	sp_rows_text(r, b->secure ? "yes" : "no");
	sp_rows_number(r, b->worker);
	sp_rows_number(r, b->number);
	put_name(r, b->info);
}

static void fill_backends(struct sp_proxy *p, struct sp_rows *r)
{
	struct sp_facts f;

	sp_facts_backends(p, &f);
	for (size_t i = 0; i < f.count; i++)
		backend_row(SP_FACT(&f, sp_backend_fact, i), r);
	sp_facts_fini(&f);
}

/* ---- digests ---------------------------------------------------------------------------- */

static const struct sp_column digest_columns[] = {
	{ "digest", SP_TEXT }, { "user", SP_TEXT }, { "db", SP_TEXT },       { "count", SP_INT },
	{ "errors", SP_INT },  { "rows", SP_INT },  { "total_ms", SP_REAL }, { "avg_ms", SP_REAL },
	{ "max_ms", SP_REAL }, { NULL, SP_TEXT },
};

static void digest_row(const struct sp_digest_fact *d, struct sp_rows *r)
{
	sp_rows_text(r, d->text);
	put_name(r, d->user);
	put_name(r, d->database);
	sp_rows_number(r, (int64_t)d->count);
	sp_rows_number(r, (int64_t)d->errors);
	sp_rows_number(r, (int64_t)d->rows);
	sp_rows_fmt(r, "%.3f", (double)d->us / 1000);
	sp_rows_fmt(r, "%.3f", (double)d->us / 1000 / (double)d->count);
	sp_rows_fmt(r, "%.3f", (double)d->us_max / 1000);
}

static void fill_digests(struct sp_proxy *p, struct sp_rows *r)
{
	struct sp_facts f;

	sp_facts_digests(p, &f);
	for (size_t i = 0; i < f.count; i++)
		digest_row(SP_FACT(&f, sp_digest_fact, i), r);
	sp_facts_digests_fini(&f);
}

/* ---- figures ------------------------------------------------------------------------------- */

static const struct sp_column stat_columns[] = {
	{ "name", SP_TEXT },
	{ "value", SP_INT },
	{ NULL, SP_TEXT },
};

static const struct {
	const char *name;
	size_t offset;
} figures[] = {
	{ "clients_accepted", offsetof(struct sp_figures, clients_accepted) },
	{ "clients_refused", offsetof(struct sp_figures, clients_refused) },
	{ "logins_failed", offsetof(struct sp_figures, logins_failed) },
	{ "accept_failures", offsetof(struct sp_figures, accept_failures) },
	{ "queries", offsetof(struct sp_figures, queries) },
	{ "to_primary", offsetof(struct sp_figures, to_primary) },
	{ "to_replica", offsetof(struct sp_figures, to_replica) },
	{ "errors", offsetof(struct sp_figures, errors) },
	{ "slow", offsetof(struct sp_figures, slow) },
	{ "pins", offsetof(struct sp_figures, pins) },
	{ "resets", offsetof(struct sp_figures, resets) },
	{ "prefixes", offsetof(struct sp_figures, prefixes) },
	{ "prepares", offsetof(struct sp_figures, prepares) },
	{ "retries", offsetof(struct sp_figures, retries) },
	{ "lost", offsetof(struct sp_figures, lost) },
	{ "kills", offsetof(struct sp_figures, kills) },
	{ "queue_timeouts", offsetof(struct sp_figures, queue_timeouts) },
	{ "bytes_in", offsetof(struct sp_figures, bytes_in) },
	{ "bytes_out", offsetof(struct sp_figures, bytes_out) },
};

static void put_stat(struct sp_rows *r, const char *name, uint64_t n)
{
	sp_rows_text(r, name);
	sp_rows_number(r, (int64_t)n);
}

static void fill_stats(struct sp_proxy *p, struct sp_rows *r)
{
	struct sp_totals t;

	sp_facts_totals(p, &t);
	put_stat(r, "workers", t.workers);
	put_stat(r, "clients", t.clients);
	put_stat(r, "connections", t.connections);
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		put_stat(r, figures[i].name,
			 *(const uint64_t *)(const void *)((const char *)&t.figures +
							   figures[i].offset));
	put_stat(r, "latency_us_p50", hist_percentile(&t.latency, 0.5));
	put_stat(r, "latency_us_p95", hist_percentile(&t.latency, 0.95));
	put_stat(r, "latency_us_p99", hist_percentile(&t.latency, 0.99));
}

/* ---- all of them ------------------------------------------------------------------------------
 */

const struct sp_show sp_shows[] = {
	{ "pools", "a user's connections to a server, and who waits for one", pool_columns,
	  fill_pools },
	{ "servers", "roles, health, lag, load", server_columns, fill_servers },
	{ "clients", "who is connected, and what each does", client_columns, fill_clients },
	{ "backends", "connections to the servers", backend_columns, fill_backends },
	{ "pins", "clients that keep their connection, why and since when", pin_columns,
	  fill_pins },
	{ "digests", "kinds of statements and what they cost, the dearest first", digest_columns,
	  fill_digests },
	{ "rules", "what happens to statements that match", sp_show_rule_columns, sp_show_rules },
	{ "config", "every key in force, and where it comes from", sp_show_config_columns,
	  sp_show_config },
	{ "stats", "figures of the whole process", stat_columns, fill_stats },
	{ "listeners", "where clients and administrators connect", sp_show_listener_columns,
	  sp_show_listeners },
	{ "users", "who may log in, and who has", sp_show_user_columns, sp_show_users },
	{ "version", "of this program", sp_show_version_columns, sp_show_version },
	{ NULL, NULL, NULL, NULL },
};

const struct sp_show *sp_show_find(const char *name)
{
	for (const struct sp_show *s = sp_shows; s->name; s++)
		if (strcasecmp(s->name, name) == 0)
			return s;
	return NULL;
}

void sp_show_fill(const struct sp_show *show, struct sp_proxy *p, struct sp_rows *rows)
{
	sp_rows_init(rows, show->columns);
	show->fill(p, rows);
}
