#include "roles/sqlproxy/sp_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_route.h"
#include "roles/sqlproxy/sp_show.h"
#include "roles/sqlproxy/sp_worker.h"

/* ---- words --------------------------------------------------------------------- */

static const char *const verbs[] = {
	[SP_VERB_NONE] = "none",
	[SP_VERB_OTHER] = "other",
	[SP_VERB_SELECT] = "select",
	[SP_VERB_SHOW] = "show",
	[SP_VERB_INSERT] = "insert",
	[SP_VERB_UPDATE] = "update",
	[SP_VERB_DELETE] = "delete",
	[SP_VERB_SET] = "set",
	[SP_VERB_USE] = "use",
	[SP_VERB_BEGIN] = "begin",
	[SP_VERB_COMMIT] = "commit",
	[SP_VERB_ROLLBACK] = "rollback",
	[SP_VERB_CALL] = "call",
	[SP_VERB_DO] = "do",
	[SP_VERB_LOAD] = "load",
	[SP_VERB_KILL] = "kill",
	[SP_VERB_PREPARE] = "prepare",
	[SP_VERB_EXECUTE] = "execute",
	[SP_VERB_DEALLOCATE] = "deallocate",
	[SP_VERB_DDL] = "ddl",
};

/* The lexer's flags in the order of their bits, and what a connection is kept for because of them;
 * SP_PIN_COUNT: nothing. */
static const struct {
	const char *name;
	enum sp_pin pin;
} flags[] = {
	{ "read", SP_PIN_COUNT },
	{ "several statements", SP_PIN_COUNT },
	{ "user variable", SP_PIN_COUNT },
	{ "sets user variables to literals", SP_PIN_COUNT },
	{ "sets user variables by expression", SP_PIN_USER_VAR },
	{ "last_insert_id()", SP_PIN_COUNT },
	{ "last_insert_id(expr)", SP_PIN_COUNT },
	{ "found_rows()", SP_PIN_COUNT },
	{ "sql_calc_found_rows", SP_PIN_COUNT },
	{ "row_count()", SP_PIN_COUNT },
	{ "reads warnings", SP_PIN_COUNT },
	{ "get_lock()", SP_PIN_GET_LOCK },
	{ "release_lock()", SP_PIN_COUNT },
	{ "release_all_locks()", SP_PIN_COUNT },
	{ "creates a temporary table", SP_PIN_TEMP },
	{ "drops a table", SP_PIN_COUNT },
	{ "locks tables", SP_PIN_LOCK },
	{ "unlocks tables", SP_PIN_COUNT },
	{ "handler", SP_PIN_HANDLER },
	{ "xa", SP_PIN_XA },
	{ "set statement", SP_PIN_COUNT },
	{ "sets the next transaction", SP_PIN_NEXT_TRX },
	{ "sets a session variable", SP_PIN_COUNT },
	{ "sets a global variable", SP_PIN_COUNT },
	{ "load local", SP_PIN_COUNT },
	{ "unknown function", SP_PIN_COUNT },
	{ "connection_id()", SP_PIN_COUNT },
	{ "read only transaction", SP_PIN_TRX },
	{ "hint: pin", SP_PIN_HINT },
	{ "hint: nopin", SP_PIN_COUNT },
	{ "sets session_track", SP_PIN_TRACK },
	{ "locking read", SP_PIN_COUNT },
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

static uint32_t pins_of(const struct sp_lex *lex)
{
	uint32_t pins = lex->verb == SP_VERB_BEGIN ? 1u << SP_PIN_TRX : 0;

	_Static_assert(FLAGS == 32, "a row for each bit");
	for (int i = 0; i < FLAGS; i++)
		if (lex->flags & 1u << i && flags[i].pin != SP_PIN_COUNT)
			pins |= 1u << flags[i].pin;
	return pins;
}

static const char *flags_text(uint32_t set, char out[1024])
{
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < FLAGS; i++)
		if (set & 1u << i)
			at += (size_t)snprintf(out + at, 1024 - at, "%s%s", at ? ", " : "",
					       flags[i].name);
	return out;
}

/* ---- on the worker's thread --------------------------------------------------------- */

struct answer {
	const struct sp_question *question;
	const char *error;
	struct sp_lex lex;
	char rule[64], refusal[200], user[128], database[65];
	char server[64], address[256], role[16], state[16];
	const char *why;
};

/* The user's pools there, with nobody in them, for one who has none. */
static struct sp_group *make_group(struct sp_worker *w, const char *user,
				   const struct sp_database *d)
{
	struct sp_group *g = mem_new(sizeof(*g));

	g->worker = w;
	g->setup = w->setup;
	g->database = d;
	snprintf(g->user, sizeof(g->user), "%s", user);
	g->pools = mem_new(sizeof(*g->pools) * (size_t)(d->servers_count + 1));
	for (int i = 0; i < d->servers_count; i++) {
		g->pools[i] = mem_new(sizeof(struct sp_pool));
		g->pools[i]->worker = w;
		g->pools[i]->group = g;
		g->pools[i]->server = d->servers[i];
	}
	return g;
}

static void free_group(struct sp_group *g)
{
	for (int i = 0; i < g->database->servers_count; i++)
		free(g->pools[i]);
	free(g->pools);
	free(g);
}

static struct sp_group *find_group(struct sp_worker *w, const char *user,
				   const struct sp_database *d)
{
	struct list *it, *tmp;

	list_each (it, tmp, &w->groups) {
		struct sp_group *g = container_of(it, struct sp_group, link);
		if (g->database == d && strcmp(g->user, user) == 0)
			return g;
	}
	return NULL;
}

static void classify(struct answer *a, struct sp_client *c)
{
	const char *sql = a->question->sql;
	struct sp_span span = { sql, strlen(sql) };

	sp_lex(span.at, span.len, sp_session_lex_mode(&c->session), &c->cmd.lex);
	c->cmd.code = SP_COM_QUERY;
	c->cmd.whole = span.len < (size_t)c->setup->main->statement_max;
	c->cmd.rule = sp_command_rule(c, span);
}

static void route(struct answer *a, struct sp_client *c)
{
	const struct sp_rule *rule = c->cmd.rule;
	const struct sp_server *s;

	s = sp_route_explain(c, &a->why)->server;
	a->lex = c->cmd.lex;
	snprintf(a->server, sizeof(a->server), "%s", s->name);
	snprintf(a->address, sizeof(a->address), "%s", s->conf->address);
	snprintf(a->role, sizeof(a->role), "%s", sp_show_server_role(s));
	snprintf(a->state, sizeof(a->state), "%s", sp_show_server_state(s));
	if (rule)
		snprintf(a->rule, sizeof(a->rule), "%s", rule->name);
	if (rule && rule->conf->error)
		snprintf(a->refusal, sizeof(a->refusal), "%s", rule->conf->error);
}

static void explain_here(struct sp_worker *w, void *arg)
{
	struct answer *a = arg;
	const struct sp_question *q = a->question;
	const struct sp_setup *s = w->setup;
	struct sp_client c = { .worker = w, .setup = w->setup };

	c.session.status = SP_STATUS_AUTOCOMMIT;
	snprintf(c.user, sizeof(c.user), "%s",
		 q->user          ? q->user
		 : s->users_count ? s->users[0].name
				  : "");
	snprintf(c.database, sizeof(c.database), "%s", q->database ? q->database : "");
	const struct sp_database *d = sp_setup_database(s, c.database, strlen(c.database));
	if (!d) {
		a->error = "no [database] section has that database";
		return;
	}
	struct sp_group *have = find_group(w, c.user, d);
	c.group = have ? have : make_group(w, c.user, d);
	classify(a, &c);
	route(a, &c);
	snprintf(a->user, sizeof(a->user), "%s", c.user);
	snprintf(a->database, sizeof(a->database), "%s", d->name);
	if (!have)
		free_group(c.group);
}

/* ---- as rows ------------------------------------------------------------------------- */

static void put(struct sp_rows *r, const char *name, const char *value)
{
	sp_rows_text(r, name);
	sp_rows_text(r, *value ? value : NULL);
}

static void put_route(struct sp_rows *r, const struct answer *a)
{
	if (*a->refusal) {
		put(r, "refused", a->refusal);
		return;
	}
	put(r, "server", a->server);
	put(r, "address", a->address);
	put(r, "role", a->role);
	put(r, "state", a->state);
	put(r, "why", a->why);
}

bool sp_explain(struct sp_proxy *p, const struct sp_question *q, struct sp_rows *rows,
		const char **error)
{
	static const struct sp_column columns[] = { { "what", SP_TEXT },
						    { "is", SP_TEXT },
						    { NULL, SP_TEXT } };
	struct answer a = { .question = q };
	char text[1024], pins[320];

	sp_worker_call(sp_proxy_worker(p, 0), explain_here, &a);
	*error = a.error;
	if (a.error)
		return false;
	sp_rows_init(rows, columns);
	put(rows, "user", a.user);
	put(rows, "database", a.database);
	put(rows, "verb", verbs[a.lex.verb]);
	put(rows, "flags", flags_text(a.lex.flags, text));
	put(rows, "pins", sp_show_pins(pins_of(&a.lex), pins));
	put(rows, "rule", a.rule);
	put_route(rows, &a);
	return true;
}
