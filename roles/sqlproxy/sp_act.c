/*
 * The commands that change something.
 *
 * Each reads all of its words, and only then acts. What they set - paused, drained, epoch - belongs
 * to the process (sp_health, sp_permit) and survives a reload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/sqlproxy/sp_facts.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_kill.h"
#include "roles/sqlproxy/sp_order.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_words.h"

/* Who did what is for the log, whatever comes of it. */
static void note(const struct sp_order *o, const char *what, const char *name)
{
	log_info("by the console: %s%s%s user=%s", what, name ? " " : "", name ? name : "",
		 o->user);
}

/* The word that may follow, and nothing more. False: the reply says what is wrong. */
static bool one_name(struct sp_words *w, struct sp_reply *r, const char **name)
{
	*name = sp_words_take(w);
	return sp_reply_ended(r, w);
}

static const struct sp_server *server_of(const struct sp_order *o, const char *name)
{
	return sp_setup_server(sp_proxy_setup(o->proxy), name, strlen(name));
}

static enum sp_reply_kind unknown_name(const struct sp_order *o, struct sp_reply *r,
				       const char *what, const char *name)
{
	const struct sp_setup *s = sp_proxy_setup(o->proxy);
	const char *names[64];
	size_t n = 0;

	for (int i = 0; i < s->servers_count && n < 64; i++)
		names[n++] = s->servers[i].name;
	const char *near = conf_near(name, names, n);
	return sp_reply_error(r, 1064, "42000", "there is no %s '%.64s'%s%s%s", what, name,
			      near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* ---- PAUSE, RESUME ------------------------------------------------------------------ */

static bool is_called(const struct sp_pool_fact *f, const char *name)
{
	char full[300];

	snprintf(full, sizeof(full), "%s/%s/%s", f->database, f->server, f->user);
	return strcmp(full, name) == 0 || strcmp(f->database, name) == 0 ||
	       strcmp(f->user, name) == 0;
}

/* Every pool of that name, database or user; NULL: all. Returns how many. */
static uint64_t pause_pools(const struct sp_order *o, const char *name, int on)
{
	struct sp_facts f;
	uint64_t n = 0;

	sp_facts_pools(o->proxy, &f);
	for (size_t i = 0; i < f.count; i++) {
		struct sp_pool_fact *pool = SP_FACT(&f, sp_pool_fact, i);
		if (name && !is_called(pool, name))
			continue;
		__atomic_store_n(&pool->permit->paused, on, __ATOMIC_RELAXED);
		n++;
	}
	sp_facts_fini(&f);
	return n;
}

static void pause_server(const struct sp_server *s, int on)
{
	__atomic_store_n(&s->health->paused, on, __ATOMIC_RELAXED);
	if (!on)
		__atomic_store_n(&s->health->drained, 0, __ATOMIC_RELAXED);
}

static uint64_t pause_servers(const struct sp_order *o, int on)
{
	const struct sp_setup *s = sp_proxy_setup(o->proxy);

	for (int i = 0; i < s->servers_count; i++)
		pause_server(&s->servers[i], on);
	return (uint64_t)s->servers_count;
}

static enum sp_reply_kind pause_or_resume(const struct sp_order *o, struct sp_words *w,
					  struct sp_reply *r, int on)
{
	const char *name, *did = on ? "paused" : "resumed";

	if (!one_name(w, r, &name))
		return r->kind;
	const struct sp_server *s = name ? server_of(o, name) : NULL;
	uint64_t n = 1;
	if (s) {
		pause_server(s, on);
	} else if (name) {
		n = pause_pools(o, name, on);
		if (n == 0)
			return unknown_name(o, r, "server, pool, database or user", name);
	} else {
		n = pause_servers(o, on);
		if (!on)
			pause_pools(o, NULL, 0);
	}
	note(o, did, name ? name : "everything");
	return sp_reply_done(r, n, "%s: %s", name ? name : "everything", did);
}

enum sp_reply_kind sp_act_pause(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	return pause_or_resume(o, w, r, 1);
}

enum sp_reply_kind sp_act_resume(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	return pause_or_resume(o, w, r, 0);
}

/* ---- DRAIN, RECONNECT ------------------------------------------------------------------ */

static void drain_here(struct sp_worker *w, void *arg)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->pools) {
		struct sp_pool *p = container_of(it, struct sp_pool, link);
		if (strcmp(p->server->name, arg) == 0)
			sp_pool_drain(p, true);
	}
}

enum sp_reply_kind sp_act_drain(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	const char *name;

	if (!one_name(w, r, &name))
		return r->kind;
	if (!name)
		return sp_reply_error(r, 1064, "42000", "DRAIN which server?");
	const struct sp_server *s = server_of(o, name);
	if (!s)
		return unknown_name(o, r, "server", name);
	__atomic_store_n(&s->health->drained, 1, __ATOMIC_RELAXED);
	for (int i = 0; sp_proxy_worker(o->proxy, i); i++)
		sp_worker_call(sp_proxy_worker(o->proxy, i), drain_here, (void *)s->name);
	note(o, "draining", name);
	return sp_reply_done(r, 1, "%s: gets no new work", name);
}

enum sp_reply_kind sp_act_reconnect(const struct sp_order *o, struct sp_words *w,
				    struct sp_reply *r)
{
	const struct sp_setup *setup = sp_proxy_setup(o->proxy);
	uint64_t n = 0;
	const char *name;

	if (!one_name(w, r, &name))
		return r->kind;
	for (int i = 0; i < setup->servers_count; i++) {
		const struct sp_server *s = &setup->servers[i];
		if (name && strcmp(s->name, name) != 0)
			continue;
		__atomic_add_fetch(&s->health->epoch, 1, __ATOMIC_RELAXED);
		n++;
	}
	if (n == 0)
		return unknown_name(o, r, "server", name);
	note(o, "reconnecting", name ? name : "everything");
	return sp_reply_done(r, n, "connections are replaced as they get free");
}

/* ---- KILL -------------------------------------------------------------------------------- */

struct victim {
	uint32_t id;
	bool query, found;
};

static void kill_here(struct sp_worker *w, void *arg)
{
	struct victim *v = arg;

	v->found = sp_kill_here(w, v->id, v->query);
}

enum sp_reply_kind sp_act_kill(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	struct victim v = { .query = sp_words_accept(w, "QUERY") };
	const char *text;
	char *end;

	if (!v.query)
		sp_words_accept(w, "CONNECTION");
	if (!one_name(w, r, &text))
		return r->kind;
	unsigned long id = text ? strtoul(text, &end, 10) : 0;
	if (!text || *end || id == 0 || id > UINT32_MAX)
		return sp_reply_error(r, 1064, "42000",
				      "KILL [QUERY] id; the id is that of SHOW "
				      "CLIENTS");
	v.id = (uint32_t)id;
	for (int i = 0; !v.found && sp_proxy_worker(o->proxy, i); i++)
		sp_worker_call(sp_proxy_worker(o->proxy, i), kill_here, &v);
	if (!v.found)
		return sp_reply_error(r, 1094, "HY000", "Unknown thread id: %lu", id);
	note(o, v.query ? "killed the statement of" : "killed", text);
	return sp_reply_done(r, 1, "killed");
}

/* ---- RELOAD, SET, SHUTDOWN ------------------------------------------------------------------ */

static void add_lines(struct sp_rows *rows, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		sp_rows_text(rows, line);
}

enum sp_reply_kind sp_act_reload(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	static const struct sp_column columns[] = { { "what happened", SP_TEXT },
						    { NULL, SP_TEXT } };
	char *text;
	size_t size;

	if (!sp_reply_ended(r, w))
		return r->kind;
	note(o, "reload", NULL);
	FILE *out = open_memstream(&text, &size);
	int rc = run_reload(sp_proxy_run(o->proxy), out);
	fclose(out);
	if (rc) {
		for (char *c = text; (c = strchr(c, '\n'));)
			*c = c[1] ? ' ' : '\0';
		sp_reply_error(r, 1105, "HY000", "%s", text);
	} else {
		sp_rows_init(&r->rows, columns);
		add_lines(&r->rows, text);
		sp_reply_rows(r);
	}
	free(text);
	return r->kind;
}

static enum sp_reply_kind set_log_level(const struct sp_order *o, struct sp_words *w,
					struct sp_reply *r)
{
	const char *word;

	sp_words_mark(w, '=');
	if (!one_name(w, r, &word))
		return r->kind;
	int level = word ? log_level_of(word) : -1;
	if (level < 0)
		return sp_reply_error(r, 1231, "42000",
				      "log_level is one of error, warn, info, debug");
	if (o->right < SP_RIGHT_ALL)
		return sp_reply_error(r, 1227, "42000", "Access denied: user '%.64s' may only look",
				      o->user);
	log_set_level((enum log_level)level);
	note(o, "log_level", word);
	return sp_reply_done(r, 1, "log_level: %s", word);
}

/* What a driver sets on any server when it connects: nothing to us. */
static bool is_a_drivers(const char *name)
{
	static const char *const begins[] = { "names",
					      "autocommit",
					      "character",
					      "charset",
					      "collation",
					      "sql_",
					      "@",
					      "time_zone",
					      "transaction",
					      "tx_",
					      "net_",
					      "wait_timeout",
					      "interactive_timeout",
					      "max_execution_time",
					      "max_statement_time",
					      "foreign_key",
					      "unique_checks",
					      "innodb_",
					      "lock_wait_timeout",
					      "session_track" };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (strncasecmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

enum sp_reply_kind sp_act_set(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	if (!sp_words_accept(w, "GLOBAL") && !sp_words_accept(w, "SESSION"))
		sp_words_accept(w, "LOCAL");
	if (sp_words_accept(w, "log_level"))
		return set_log_level(o, w, r);
	const char *name = sp_words_take(w);
	if (name && is_a_drivers(name))
		return sp_reply_done(r, 0, "%s", "");
	return sp_reply_error(r, 1193, "HY000",
			      "'%.64s' can't be set here, only log_level; what the file says is "
			      "changed there, then RELOAD",
			      name ? name : "");
}

enum sp_reply_kind sp_act_shutdown(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	enum { SECONDS_MAX = 30 * 24 * 3600 };
	bool graceful = sp_words_accept(w, "GRACEFUL");
	const char *text;
	char *end;

	if (!one_name(w, r, &text))
		return r->kind;
	long seconds = text ? strtol(text, &end, 10) : -1;
	if ((text && !graceful) || (text && (*end || seconds < 0 || seconds > SECONDS_MAX)))
		return sp_reply_error(r, 1064, "42000", "SHUTDOWN [GRACEFUL seconds]");
	note(o, "shutdown", text);
	run_stop_within(sp_proxy_run(o->proxy), text ? seconds * 1000 : -1);
	return sp_reply_done(r, 0, "ends when what is under way is done");
}
