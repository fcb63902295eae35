/* The tables of what the configuration says: rules, keys, addresses, users, versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/net/addr.h"
#include "core/run/run.h"
#include "core/run/settings.h"
#include "roles/sqlproxy/sp_facts.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_show.h"

/* ---- rules --------------------------------------------------------------------- */

const struct sp_column sp_show_rule_columns[] = {
	{ "rule", SP_TEXT },      { "match", SP_TEXT }, { "user", SP_TEXT },
	{ "database", SP_TEXT },  { "route", SP_TEXT }, { "server", SP_TEXT },
	{ "timeout_ms", SP_INT }, { "error", SP_TEXT }, { NULL, SP_TEXT },
};

void sp_show_rules(struct sp_proxy *p, struct sp_rows *r)
{
	static const char *const routes[] = { "any", "primary", "replica" };
	const struct sp_setup *s = sp_proxy_setup(p);

	for (int i = 0; i < s->rules_count; i++) {
		const struct sp_rule_conf *c = s->rules[i].conf;
		sp_rows_text(r, s->rules[i].name);
		sp_rows_text(r, c->match);
		sp_rows_text(r, c->user);
		sp_rows_text(r, c->database);
		sp_rows_text(r, routes[c->route]);
		sp_rows_text(r, c->server);
		sp_rows_number(r, c->timeout);
		sp_rows_text(r, c->error);
	}
}

/* ---- keys ------------------------------------------------------------------------ */

const struct sp_column sp_show_config_columns[] = {
	{ "key", SP_TEXT },  { "value", SP_TEXT },  { "default", SP_TEXT },
	{ "from", SP_TEXT }, { "change", SP_TEXT }, { NULL, SP_TEXT },
};

static void put_key(struct sp_rows *r, const struct conf_item *item, const struct conf_key *key)
{
	const char *gap = *item->name ? " " : "";

	sp_rows_fmt(r, "%s%s%s.%s", item->section->name, gap, item->name, key->name);
	sp_rows_text(r, conf_text(item, key));
	sp_rows_text(r, key->dflt);
	sp_rows_text(r, conf_has(item, key->name) ? "file" : "default");
	sp_rows_text(r, key->flags & CONF_RELOAD ? "reload" : "restart");
}

static void put_section(struct sp_rows *r, const struct conf *conf,
			const struct conf_section *section)
{
	const struct conf_item *item = NULL;

	while ((item = conf_next(conf, section->name, item)))
		for (const struct conf_key *key = item->section->keys; key->name; key++)
			put_key(r, item, key);
}

void sp_show_config(struct sp_proxy *p, struct sp_rows *r)
{
	const struct conf *conf = run_conf(sp_proxy_run(p));

	put_section(r, conf, &settings_section);
	for (const struct conf_section *s = sp_sections; s->name; s++)
		put_section(r, conf, s);
}

/* ---- addresses ---------------------------------------------------------------------- */

const struct sp_column sp_show_listener_columns[] = {
	{ "address", SP_TEXT }, { "for", SP_TEXT }, { "worker", SP_INT },
	{ "state", SP_TEXT },   { NULL, SP_TEXT },
};

void sp_show_listeners(struct sp_proxy *p, struct sp_rows *r)
{
	const struct settings *settings = settings_of(run_conf(sp_proxy_run(p)));
	const char *console = sp_proxy_setup(p)->main->admin;
	struct sp_facts f;
	char text[ADDR_TEXT];

	sp_facts_listeners(p, &f);
	for (size_t i = 0; i < f.count; i++) {
		const struct sp_listener_fact *l = SP_FACT(&f, sp_listener_fact, i);
		const struct sockaddr *at = (const struct sockaddr *)&l->address;
		sp_rows_text(r, l->open ? addr_text(at, text) : NULL);
		sp_rows_text(r, "clients");
		sp_rows_number(r, l->worker);
		sp_rows_text(r, l->open ? "open" : "closed");
	}
	sp_facts_fini(&f);
	for (int i = 0; i < 2; i++) {
		const char *at = i ? settings->admin : console;
		if (!at || !*at)
			continue;
		sp_rows_text(r, at);
		sp_rows_text(r, i ? "http" : "console");
		sp_rows_text(r, NULL);
		sp_rows_text(r, "open");
	}
}

/* ---- users ---------------------------------------------------------------------------- */

const struct sp_column sp_show_user_columns[] = {
	{ "user", SP_TEXT },           { "source", SP_TEXT },
	{ "backend_user", SP_TEXT },   { "clients", SP_INT },
	{ "max_clients", SP_INT },     { "connections", SP_INT },
	{ "max_connections", SP_INT }, { "databases", SP_TEXT },
	{ "local_infile", SP_TEXT },   { NULL, SP_TEXT },
};

static int64_t clients_of(const struct sp_facts *clients, const char *user)
{
	int64_t n = 0;

	for (size_t i = 0; i < clients->count; i++)
		n += strcmp(SP_FACT(clients, sp_client_fact, i)->user, user) == 0;
	return n;
}

static void put_list(struct sp_rows *r, char **list)
{
	char text[1024] = "";
	size_t at = 0;

	for (; *list && at + strlen(*list) + 3 < sizeof(text); list++)
		at += (size_t)sprintf(text + at, "%s%s", at ? ", " : "", *list);
	sp_rows_text(r, *text ? text : NULL);
}

static int64_t open_of(const char *user)
{
	char key[512];

	snprintf(key, sizeof(key), "\n%s", user);
	return __atomic_load_n(&sp_permit_find(key)->open, __ATOMIC_RELAXED);
}

static void user_row(const struct sp_user *u, const struct sp_facts *clients, struct sp_rows *r)
{
	sp_rows_text(r, u->name);
	sp_rows_text(r, "file");
	sp_rows_text(r, u->backend_user);
	sp_rows_number(r, clients_of(clients, u->name));
	sp_rows_number(r, u->conf->max_clients);
	sp_rows_number(r, open_of(u->name));
	sp_rows_number(r, u->conf->max_connections);
	put_list(r, u->conf->databases);
	sp_rows_text(r, u->conf->local_infile ? "yes" : "no");
}

/* Somebody whose password a server knows. */
static void guest_row(const char *name, const struct sp_facts *clients, struct sp_rows *r)
{
	sp_rows_text(r, name);
	sp_rows_text(r, "server");
	sp_rows_text(r, name);
	sp_rows_number(r, clients_of(clients, name));
	sp_rows_number(r, 0);
	sp_rows_number(r, open_of(name));
	sp_rows_number(r, 0);
	sp_rows_text(r, NULL);
	sp_rows_text(r, "yes");
}

static bool shown(const struct sp_rows *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(sp_rows_at(r, i, 0), name) == 0)
			return true;
	return false;
}

void sp_show_users(struct sp_proxy *p, struct sp_rows *r)
{
	const struct sp_setup *s = sp_proxy_setup(p);
	struct sp_facts clients;

	sp_facts_clients(p, &clients);
	for (int i = 0; i < s->users_count; i++)
		user_row(&s->users[i], &clients, r);
	for (size_t i = 0; i < clients.count; i++) {
		const struct sp_client_fact *c = SP_FACT(&clients, sp_client_fact, i);
		bool in = c->state != SP_CLIENT_LOGIN && c->state != SP_CLIENT_PROXY_HEADER;
		if (in && *c->user && !shown(r, c->user))
			guest_row(c->user, &clients, r);
	}
	sp_facts_fini(&clients);
}

/* ---- version ----------------------------------------------------------------------------- */

const struct sp_column sp_show_version_columns[] = {
	{ "name", SP_TEXT },
	{ "value", SP_TEXT },
	{ NULL, SP_TEXT },
};

static void put_fact(struct sp_rows *r, const char *name, const char *value)
{
	sp_rows_text(r, name);
	sp_rows_text(r, value);
}

void sp_show_version(struct sp_proxy *p, struct sp_rows *r)
{
	char pid[16], workers[16];
	int n = 0;

	while (sp_proxy_worker(p, n))
		n++;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	snprintf(workers, sizeof(workers), "%d", n);
	put_fact(r, "version", "troupe " TROUPE_VERSION);
	put_fact(r, "role", "sqlproxy");
	put_fact(r, "pid", pid);
	put_fact(r, "workers", workers);
	put_fact(r, "libuv", uv_version_string());
	put_fact(r, "compiler", __VERSION__);
}
