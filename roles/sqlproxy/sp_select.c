/*
 * SELECT for those who have no other words: over the tables of SHOW, and without FROM for what
 * clients ask any server when they connect.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_order.h"
#include "roles/sqlproxy/sp_show.h"
#include "roles/sqlproxy/sp_words.h"

enum { CONDITIONS_MAX = 16 };

static enum sp_reply_kind syntax(struct sp_reply *r, const struct sp_words *w, const char *what)
{
	const struct sp_word_text *at = sp_words_peek(w);

	return sp_reply_error(r, 1064, "42000", "%s%s%.64s%s (try: HELP)", what,
			      at ? " before '" : "", at ? at->text : "", at ? "'" : "");
}

/* ---- WHERE ------------------------------------------------------------------------------ */

enum test { TEST_EQ, TEST_NE, TEST_LT, TEST_LE, TEST_GT, TEST_GE, TEST_LIKE };

struct condition {
	int column;
	bool number;
	enum test test;
	const char *value;
};

struct conditions {
	struct condition list[CONDITIONS_MAX];
	int count;
};

static bool holds(const struct condition *c, const char *text)
{
	if (!text)
		return false;
	if (c->test == TEST_LIKE)
		return sp_rows_like(text, (struct sp_span){ c->value, strlen(c->value) });
	double a = atof(text), b = atof(c->value);
	int n = c->number ? (a > b) - (a < b) : strcasecmp(text, c->value);
	switch (c->test) {
	case TEST_EQ:
		return n == 0;
	case TEST_NE:
		return n != 0;
	case TEST_LT:
		return n < 0;
	case TEST_LE:
		return n <= 0;
	case TEST_GT:
		return n > 0;
	default:
		return n >= 0;
	}
}

static bool all_hold(const char *const *row, const void *data)
{
	const struct conditions *all = data;

	for (int i = 0; i < all->count; i++)
		if (!holds(&all->list[i], row[all->list[i].column]))
			return false;
	return true;
}

static bool read_test(struct sp_words *w, enum test *test)
{
	if (sp_words_accept(w, "LIKE")) {
		*test = TEST_LIKE;
	} else if (sp_words_mark(w, '=')) {
		*test = TEST_EQ;
	} else if (sp_words_mark(w, '!')) {
		*test = TEST_NE;
		return sp_words_mark(w, '=');
	} else if (sp_words_mark(w, '<')) {
		*test = sp_words_mark(w, '=') ? TEST_LE : sp_words_mark(w, '>') ? TEST_NE : TEST_LT;
	} else if (sp_words_mark(w, '>')) {
		*test = sp_words_mark(w, '=') ? TEST_GE : TEST_GT;
	} else {
		return false;
	}
	return true;
}

/* Returns the column, or -1 with the reply made. */
static int read_column(struct sp_words *w, struct sp_reply *r)
{
	const char *name = sp_words_take(w);
	const char *dot = name ? strrchr(name, '.') : NULL;

	if (!name) {
		syntax(r, w, "a column's name is missing");
		return -1;
	}
	name = dot ? dot + 1 : name;
	int column = sp_rows_column(&r->rows, (struct sp_span){ name, strlen(name) });
	if (column < 0)
		sp_reply_error(r, 1054, "42S22", "Unknown column '%.64s'", name);
	return column;
}

static bool read_condition(struct sp_words *w, struct sp_reply *r, struct conditions *all)
{
	struct condition c = { .column = read_column(w, r) };

	if (c.column < 0)
		return false;
	c.number = r->rows.columns[c.column].kind != SP_TEXT;
	if (!read_test(w, &c.test) || !(c.value = sp_words_take(w)) ||
	    all->count == CONDITIONS_MAX) {
		syntax(r, w, "a condition is: column = value");
		return false;
	}
	all->list[all->count++] = c;
	return true;
}

static bool where(struct sp_words *w, struct sp_reply *r)
{
	struct conditions all = { .count = 0 };

	if (sp_words_accept(w, "LIKE")) { /* SHOW's: of the first column */
		const char *pattern = sp_words_take(w);
		if (!pattern) {
			syntax(r, w, "LIKE needs a pattern");
			return false;
		}
		all.list[all.count++] = (struct condition){ 0, false, TEST_LIKE, pattern };
	}
	if (sp_words_accept(w, "WHERE")) {
		do
			if (!read_condition(w, r, &all))
				return false;
		while (sp_words_accept(w, "AND"));
	}
	sp_rows_keep(&r->rows, all_hold, &all);
	return true;
}

/* ---- ORDER BY, LIMIT --------------------------------------------------------------------------
 */

static bool order(struct sp_words *w, struct sp_reply *r)
{
	if (!sp_words_accept(w, "ORDER"))
		return true;
	if (!sp_words_accept(w, "BY")) {
		syntax(r, w, "ORDER BY column");
		return false;
	}
	int column = read_column(w, r);
	if (column < 0)
		return false;
	bool descending = sp_words_accept(w, "DESC");
	if (!descending)
		sp_words_accept(w, "ASC");
	sp_rows_sort(&r->rows, column, descending);
	return true;
}

static bool read_limit(struct sp_words *w, struct sp_reply *r, size_t *most)
{
	*most = SIZE_MAX;
	if (!sp_words_accept(w, "LIMIT"))
		return true;
	const char *text = sp_words_take(w);
	char *end = NULL;
	if (text)
		*most = strtoul(text, &end, 10);
	if (text && *text >= '0' && *text <= '9' && !*end)
		return true;
	syntax(r, w, "LIMIT needs a number");
	return false;
}

enum sp_reply_kind sp_select_tail(struct sp_words *w, struct sp_reply *r)
{
	size_t most;

	if (!where(w, r) || !order(w, r) || !read_limit(w, r, &most) || !sp_reply_ended(r, w))
		return r->kind;
	sp_rows_limit(&r->rows, most);
	return sp_reply_rows(r);
}

/* ---- SELECT ... FROM
 * ----------------------------------------------------------------------------- */

static void count_rows(struct sp_rows *rows)
{
	size_t n = rows->count;

	sp_rows_fini(rows);
	sp_rows_add_column(rows, "count(*)", SP_INT);
	sp_rows_number(rows, (int64_t)n);
}

/* What stands between SELECT and FROM, by its words. */
struct list {
	int from, to;
};

static bool is_word(const struct sp_words *w, int at, const char *word)
{
	return at < w->count && !w->list[at].quoted && !w->list[at].mark &&
	       strcasecmp(w->list[at].text, word) == 0;
}

static bool is_count(const struct sp_words *w, struct list l)
{
	return l.to - l.from >= 3 && is_word(w, l.from, "COUNT") && w->list[l.from + 1].mark == '(';
}

static enum sp_reply_kind project(struct sp_words *w, struct list l, struct sp_reply *r)
{
	int columns[SP_COLUMNS_MAX], n = 0, end = w->at;

	if (is_count(w, l)) {
		count_rows(&r->rows);
		return r->kind;
	}
	if (l.to - l.from == 1 && is_word(w, l.from, "*"))
		return r->kind;
	w->at = l.from;
	do {
		int column = n < SP_COLUMNS_MAX ? read_column(w, r) : -1;
		if (column < 0)
			return r->kind;
		columns[n++] = column;
	} while (sp_words_mark(w, ','));
	if (w->at != l.to)
		return syntax(r, w, "columns, * or count(*)");
	w->at = end;
	sp_rows_project(&r->rows, columns, n);
	return r->kind;
}

static enum sp_reply_kind select_from(const struct sp_order *o, struct sp_words *w, struct list l,
				      struct sp_reply *r)
{
	const char *name = sp_words_take(w);
	const char *dot = name ? strrchr(name, '.') : NULL;
	const struct sp_show *show = name ? sp_show_find(dot ? dot + 1 : name) : NULL;

	if (!show)
		return sp_reply_error(r, 1146, "42S02", "there is no table '%.64s' (try: HELP)",
				      name ? name : "");
	sp_show_fill(show, o->proxy, &r->rows);
	if (sp_select_tail(w, r) == SP_REPLY_ERROR)
		return r->kind;
	return project(w, l, r);
}

/* ---- SELECT without FROM
 * ----------------------------------------------------------------------------- */

static const struct {
	const char *name, *value;
} variables[] = {
	{ "auto_increment_increment", "1" },
	{ "autocommit", "1" },
	{ "character_set_client", "utf8mb4" },
	{ "character_set_connection", "utf8mb4" },
	{ "character_set_results", "utf8mb4" },
	{ "character_set_server", "utf8mb4" },
	{ "collation_connection", "utf8mb4_general_ci" },
	{ "collation_server", "utf8mb4_general_ci" },
	{ "have_ssl", "DISABLED" },
	{ "init_connect", "" },
	{ "interactive_timeout", "28800" },
	{ "license", "MIT" },
	{ "lower_case_table_names", "0" },
	{ "max_allowed_packet", "65536" },
	{ "net_write_timeout", "60" },
	{ "performance_schema", "0" },
	{ "query_cache_size", "0" },
	{ "query_cache_type", "OFF" },
	{ "sql_mode", "" },
	{ "system_time_zone", "UTC" },
	{ "time_zone", "SYSTEM" },
	{ "transaction_isolation", "REPEATABLE-READ" },
	{ "tx_isolation", "REPEATABLE-READ" },
	{ "tx_read_only", "0" },
	{ "version", "5.7.99-troupe-" TROUPE_VERSION },
	{ "version_comment", "troupe sqlproxy console (try: HELP)" },
	{ "wait_timeout", "28800" },
};

void sp_select_variables(struct sp_rows *rows)
{
	static const struct sp_column columns[] = { { "Variable_name", SP_TEXT },
						    { "Value", SP_TEXT },
						    { NULL, SP_TEXT } };

	sp_rows_init(rows, columns);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		sp_rows_text(rows, variables[i].name);
		sp_rows_text(rows, variables[i].value);
	}
}

static const char *variable(const char *name)
{
	const char *dot = strrchr(name, '.');

	name = dot ? dot + 1 : name;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (strcasecmp(variables[i].name, name) == 0)
			return variables[i].value;
	return NULL;
}

/* One expression: its value, and in `name` how it was written. */
struct scalar {
	char name[128];
	char value[256];
	bool null, number;
};

static bool function(const struct sp_order *o, const char *name, struct scalar *s)
{
	if (strcasecmp(name, "VERSION") == 0)
		snprintf(s->value, sizeof(s->value), "%s", variable("version"));
	else if (strcasecmp(name, "DATABASE") == 0 || strcasecmp(name, "SCHEMA") == 0)
		s->null = true;
	else if (strcasecmp(name, "CONNECTION_ID") == 0)
		snprintf(s->value, sizeof(s->value), "%u", o->id);
	else if (strcasecmp(name, "USER") == 0 || strcasecmp(name, "CURRENT_USER") == 0 ||
		 strcasecmp(name, "SESSION_USER") == 0)
		snprintf(s->value, sizeof(s->value), "%s@console", o->user);
	else
		return false;
	return true;
}

static bool read_scalar(const struct sp_order *o, struct sp_words *w, struct scalar *s)
{
	const struct sp_word_text *first = sp_words_peek(w);
	const char *text = sp_words_take(w), *found;

	if (!text)
		return false;
	memset(s, 0, sizeof(*s));
	bool call = sp_words_mark(w, '(');
	if (call && !sp_words_mark(w, ')'))
		return false;
	snprintf(s->name, sizeof(s->name), "%.100s%s", text, call ? "()" : "");
	if (first->quoted) {
		snprintf(s->value, sizeof(s->value), "%s", text);
	} else if (strncmp(text, "@@", 2) == 0) {
		found = variable(text + 2);
		s->null = !found;
		snprintf(s->value, sizeof(s->value), "%s", found ? found : "");
	} else if (*text == '@' || strcasecmp(text, "NULL") == 0) {
		s->null = true;
	} else if (*text >= '0' && *text <= '9') {
		s->number = true;
		snprintf(s->value, sizeof(s->value), "%s", text);
	} else if (!call && strcasecmp(text, "CURRENT_USER") != 0) {
		return false;
	} else {
		return function(o, text, s);
	}
	return true;
}

static void read_alias(struct sp_words *w, struct scalar *s)
{
	const struct sp_word_text *next = sp_words_peek(w);
	bool as = sp_words_accept(w, "AS");

	if (!as && (!next || next->mark || strcasecmp(next->text, "LIMIT") == 0))
		return;
	const char *alias = sp_words_take(w);
	if (alias)
		snprintf(s->name, sizeof(s->name), "%s", alias);
}

static enum sp_reply_kind select_scalars(const struct sp_order *o, struct sp_words *w,
					 struct sp_reply *r)
{
	struct scalar *list = mem_new(sizeof(*list) * SP_COLUMNS_MAX);
	int n = 0;
	bool good;
	size_t most;

	do {
		good = n < SP_COLUMNS_MAX && read_scalar(o, w, &list[n]);
		if (good)
			read_alias(w, &list[n++]);
	} while (good && sp_words_mark(w, ','));
	if (!good)
		syntax(r, w, "SELECT columns FROM a table, or @@variables");
	if (good && read_limit(w, r, &most) && sp_reply_ended(r, w)) {
		for (int i = 0; i < n; i++)
			sp_rows_add_column(&r->rows, list[i].name,
					   list[i].number ? SP_INT : SP_TEXT);
		for (int i = 0; i < n && most > 0; i++)
			sp_rows_text(&r->rows, list[i].null ? NULL : list[i].value);
		sp_reply_rows(r);
	}
	free(list);
	return r->kind;
}

enum sp_reply_kind sp_select(const struct sp_order *o, struct sp_words *w, struct sp_reply *r)
{
	struct list l = { w->at, w->at };

	while (l.to < w->count && !is_word(w, l.to, "FROM"))
		l.to++;
	if (l.to == w->count)
		return select_scalars(o, w, r);
	w->at = l.to + 1;
	return select_from(o, w, l, r);
}
