#include "roles/sqlproxy/sp_order.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/conf/conf.h"
#include "roles/sqlproxy/sp_explain.h"
#include "roles/sqlproxy/sp_probe.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_setup.h"
#include "roles/sqlproxy/sp_show.h"
#include "roles/sqlproxy/sp_words.h"

/* ---- replies ---------------------------------------------------------------------- */

enum sp_reply_kind sp_reply_error(struct sp_reply *r, uint16_t code, const char *state,
				  const char *fmt, ...)
{
	va_list ap;

	sp_rows_fini(&r->rows);
	r->kind = SP_REPLY_ERROR;
	r->code = code;
	memcpy(r->state, state, 5);
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	return r->kind;
}

enum sp_reply_kind sp_reply_done(struct sp_reply *r, uint64_t affected, const char *fmt, ...)
{
	va_list ap;

	r->kind = SP_REPLY_OK;
	r->affected = affected;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	return r->kind;
}

enum sp_reply_kind sp_reply_rows(struct sp_reply *r)
{
	return r->kind = SP_REPLY_ROWS;
}

bool sp_reply_ended(struct sp_reply *r, const struct sp_words *w)
{
	if (sp_words_ended(w))
		return true;
	sp_reply_error(r, 1064, "42000", "nothing may follow here: '%.64s' (try: HELP)",
		       sp_words_peek(w)->text);
	return false;
}

void sp_reply_fini(struct sp_reply *r)
{
	sp_rows_fini(&r->rows);
}

/* ---- SHOW ----------------------------------------------------------------------------- */

static const char *lower(const char *word, char out[64])
{
	size_t n = 0;

	for (; n < 63 && word[n]; n++)
		out[n] = (char)tolower((unsigned char)word[n]);
	out[n] = '\0';
	return out;
}

static enum sp_reply_kind unknown_table(struct sp_reply *r, const char *name)
{
	const char *names[32];
	char word[64];
	size_t n = 0;

	for (const struct sp_show *s = sp_shows; s->name; s++)
		names[n++] = s->name;
	const char *near = conf_near(lower(name, word), names, n);
	return sp_reply_error(r, 1146, "42S02", "there is no table '%.64s'%s%s%s (try: HELP)", name,
			      near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void show_tables(struct sp_rows *rows)
{
	static const struct sp_column columns[] = { { "Tables_in_troupe", SP_TEXT },
						    { NULL, SP_TEXT } };

	sp_rows_init(rows, columns);
	for (const struct sp_show *s = sp_shows; s->name; s++)
		sp_rows_text(rows, s->name);
}

static void show_databases(struct sp_rows *rows)
{
	static const struct sp_column columns[] = { { "Database", SP_TEXT }, { NULL, SP_TEXT } };

	sp_rows_init(rows, columns);
	sp_rows_text(rows, "troupe");
}

static void show_warnings(struct sp_rows *rows)
{
	static const struct sp_column columns[] = {
		{ "Level", SP_TEXT }, { "Code", SP_INT }, { "Message", SP_TEXT }, { NULL, SP_TEXT }
	};

	sp_rows_init(rows, columns);
}

/* What tools ask a server for, whatever it is. */
static bool show_as_servers_do(struct sp_words *w, struct sp_rows *rows)
{
	if (sp_words_accept(w, "TABLES"))
		show_tables(rows);
	else if (sp_words_accept(w, "DATABASES") || sp_words_accept(w, "SCHEMAS"))
		show_databases(rows);
	else if (sp_words_accept(w, "WARNINGS") || sp_words_accept(w, "ERRORS"))
		show_warnings(rows);
	else if (sp_words_accept(w, "VARIABLES") || sp_words_accept(w, "STATUS"))
		sp_select_variables(rows);
	else
		return false;
	return true;
}

static enum sp_reply_kind show(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	const struct sp_show *table = NULL;
	const char *name;

	if (!sp_words_accept(w, "FULL") && !sp_words_accept(w, "GLOBAL"))
		sp_words_accept(w, "SESSION");
	if (!show_as_servers_do(w, &r->rows)) {
		if (sp_words_accept(w, "PROCESSLIST"))
			table = sp_show_find("clients");
		else if ((name = sp_words_take(w)) && !(table = sp_show_find(name)))
			return unknown_table(r, name);
		if (!table)
			return sp_reply_error(r, 1064, "42000", "SHOW what? (try: HELP)");
		sp_show_fill(table, o->proxy, &r->rows);
	}
	return sp_select_tail(w, r);
}

/* What a person types before he knows the tables. */
static enum sp_reply_kind status(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	if (!sp_reply_ended(r, w))
		return r->kind;
	sp_show_fill(sp_show_find("stats"), o->proxy, &r->rows);
	return sp_reply_rows(r);
}

/* DESC table: its columns. */
static enum sp_reply_kind describe(struct sp_words *w, struct sp_reply *r)
{
	static const struct sp_column columns[] = { { "Field", SP_TEXT },
						    { "Type", SP_TEXT },
						    { NULL, SP_TEXT } };
	static const char *const types[] = { "varchar", "bigint", "double" };
	const char *name = sp_words_take(w);
	const struct sp_show *table = name ? sp_show_find(name) : NULL;

	if (!table)
		return unknown_table(r, name ? name : "");
	if (!sp_reply_ended(r, w))
		return r->kind;
	sp_rows_init(&r->rows, columns);
	for (const struct sp_column *c = table->columns; c->name; c++) {
		sp_rows_text(&r->rows, c->name);
		sp_rows_text(&r->rows, types[c->kind]);
	}
	return sp_reply_rows(r);
}

static enum sp_reply_kind explain(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	struct sp_question q = { 0 };
	const char *error;

	if (!sp_words_accept(w, "ROUTE"))
		return describe(w, r);
	bool whole = (q.sql = sp_words_take(w));
	while (whole && !sp_words_ended(w)) {
		if (sp_words_accept(w, "USER"))
			whole = (q.user = sp_words_take(w));
		else
			whole = sp_words_accept(w, "DATABASE") && (q.database = sp_words_take(w));
	}
	if (!whole)
		return sp_reply_error(r, 1064, "42000",
				      "EXPLAIN ROUTE '<sql>' [USER 'u'] [DATABASE 'd']");
	if (!sp_explain(o->proxy, &q, &r->rows, &error))
		return sp_reply_error(r, 1049, "42000", "%s", error);
	return sp_reply_rows(r);
}

/* ---- CHECK ------------------------------------------------------------------------------- */

static enum sp_reply_kind check(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	(void)o;
	if (sp_reply_ended(r, w))
		r->kind = SP_REPLY_CHECK;
	return r->kind;
}

static void check_one(const struct sp_server *s, const struct sp_setup *setup, struct sp_rows *rows)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool good = sp_probe_report(s, setup->monitor, out);

	fclose(out);
	text[strcspn(text, "\n")] = '\0';
	const char *colon = strstr(text, ": ");
	sp_rows_text(rows, s->name);
	sp_rows_text(rows, s->conf->address);
	sp_rows_text(rows, good ? "yes" : "no");
	sp_rows_text(rows, colon ? colon + 2 : text);
	free(text);
}

void sp_order_check(const struct sp_setup *setup, struct sp_rows *rows)
{
	static const struct sp_column columns[] = { { "server", SP_TEXT },
						    { "address", SP_TEXT },
						    { "good", SP_TEXT },
						    { "found", SP_TEXT },
						    { NULL, SP_TEXT } };

	sp_rows_init(rows, columns);
	for (int i = 0; i < setup->servers_count; i++)
		check_one(&setup->servers[i], setup, rows);
}

/* ---- the table ------------------------------------------------------------------------------ */

/* What a client says to any server, and what means nothing here. */
static enum sp_reply_kind nothing(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	(void)o;
	w->at = w->count;
	return sp_reply_done(r, 0, "%s", "");
}

static enum sp_reply_kind help(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);

static const struct command {
	const char *name;
	enum sp_right right;
	enum sp_reply_kind (*act)(const struct sp_order *o, struct sp_words *w, struct sp_reply *r);
	const char *usage, *help; /* NULL: not worth a word */
} commands[] = {
	{ "SHOW", SP_RIGHT_LOOK, show, "SHOW table [LIKE 'pattern']",
	  "a table, see below; the pattern is for its first column" },
	{ "SELECT", SP_RIGHT_LOOK, sp_select,
	  "SELECT *|columns|count(*) FROM table [WHERE column = value [AND ...]] "
	  "[ORDER BY column [DESC]] [LIMIT n]",
	  "the same tables; = != < <= > >= LIKE" },
	{ "EXPLAIN", SP_RIGHT_LOOK, explain, "EXPLAIN ROUTE '<sql>' [USER 'u'] [DATABASE 'd']",
	  "how a statement reads, what it pins, where it would go and why" },
	{ "PAUSE", SP_RIGHT_ALL, sp_act_pause, "PAUSE [server|pool|database|user]",
	  "statements wait, at most their queue_timeout" },
	{ "RESUME", SP_RIGHT_ALL, sp_act_resume, "RESUME [server|pool|database|user]",
	  "ends PAUSE and DRAIN" },
	{ "DRAIN", SP_RIGHT_ALL, sp_act_drain, "DRAIN server",
	  "no new work for it; its connections close when they are free" },
	{ "RECONNECT", SP_RIGHT_ALL, sp_act_reconnect, "RECONNECT [server]",
	  "every connection is replaced as soon as it is free" },
	{ "KILL", SP_RIGHT_ALL, sp_act_kill, "KILL [QUERY] id",
	  "a client, or its statement; the id is that of SHOW CLIENTS" },
	{ "RELOAD", SP_RIGHT_ALL, sp_act_reload, "RELOAD",
	  "takes over the changed file, or says why not" },
	{ "CHECK", SP_RIGHT_ALL, check, "CHECK", "asks every server" },
	{ "SET", SP_RIGHT_LOOK, sp_act_set, "SET log_level = error|warn|info|debug",
	  "until the next reload" },
	{ "SHUTDOWN", SP_RIGHT_ALL, sp_act_shutdown, "SHUTDOWN [GRACEFUL seconds]",
	  "waits for what is under way, by default for drain_timeout" },
	{ "HELP", SP_RIGHT_LOOK, help, "HELP", "this" },
	{ "COMMANDS", SP_RIGHT_LOOK, help, NULL, NULL }, /* `troupe ctl help` is another's */
	{ "STATUS", SP_RIGHT_LOOK, status, NULL, NULL },
	{ "DESC", SP_RIGHT_LOOK, explain, NULL, NULL },
	{ "DESCRIBE", SP_RIGHT_LOOK, explain, NULL, NULL },
	{ "USE", SP_RIGHT_LOOK, nothing, NULL, NULL },
	{ "BEGIN", SP_RIGHT_LOOK, nothing, NULL, NULL },
	{ "START", SP_RIGHT_LOOK, nothing, NULL, NULL },
	{ "COMMIT", SP_RIGHT_LOOK, nothing, NULL, NULL },
	{ "ROLLBACK", SP_RIGHT_LOOK, nothing, NULL, NULL },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static enum sp_reply_kind help(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	static const struct sp_column columns[] = { { "command", SP_TEXT },
						    { "what it does", SP_TEXT },
						    { NULL, SP_TEXT } };

	(void)o;
	w->at = w->count;
	sp_rows_init(&r->rows, columns);
	for (size_t i = 0; i < COMMANDS && commands[i].usage; i++) {
		sp_rows_text(&r->rows, commands[i].usage);
		sp_rows_text(&r->rows, commands[i].help);
	}
	for (const struct sp_show *s = sp_shows; s->name; s++) {
		sp_rows_fmt(&r->rows, "table %s", s->name);
		sp_rows_text(&r->rows, s->help);
	}
	return sp_reply_rows(r);
}

static const struct command *find(const char *word)
{
	for (size_t i = 0; word && i < COMMANDS; i++)
		if (strcasecmp(commands[i].name, word) == 0)
			return &commands[i];
	return NULL;
}

bool sp_order_knows(const char *word)
{
	return find(word);
}

static enum sp_reply_kind unknown_command(struct sp_reply *r, const char *word)
{
	char names[COMMANDS][64], low[64];
	const char *list[COMMANDS];

	for (size_t i = 0; i < COMMANDS; i++)
		list[i] = lower(commands[i].name, names[i]);
	const char *near = conf_near(lower(word, low), list, COMMANDS);
	return sp_reply_error(r, 1064, "42000", "no such command: %.64s%s%s%s (try: HELP)", word,
			      near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum sp_reply_kind carry_out(const struct sp_order *o, struct sp_words *w,
				    struct sp_reply *r)
{
	const char *word = sp_words_take(w);
	const struct command *c = find(word);

	if (!word)
		return sp_reply_error(r, 1065, "42000", "Query was empty");
	if (!c)
		return unknown_command(r, word);
	if (c->right > o->right)
		return sp_reply_error(r, 1227, "42000",
				      "Access denied: user '%.64s' may only look; %s needs "
				      "admin_user",
				      o->user, c->name);
	return c->act(o, w, r);
}

void sp_order(const struct sp_order *o, struct sp_reply *r)
{
	struct sp_words w;
	const char *error;

	memset(r, 0, sizeof(*r));
	if (sp_words_cut(&w, o->text, o->len, &error))
		carry_out(o, &w, r);
	else
		sp_reply_error(r, 1064, "42000", "%s", error);
	sp_words_fini(&w);
}
