#include "roles/sqlproxy/sp_session.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "roles/sqlproxy/sp_backend.h"

static struct sp_span span(const char *s)
{
	return (struct sp_span){ s, strlen(s) };
}

/* ---- pins ---------------------------------------------------------------- */

const char *sp_pin_name(enum sp_pin pin)
{
	static const char *const names[SP_PIN_COUNT] = {
		[SP_PIN_TRX] = "transaction",        [SP_PIN_NEXT_TRX] = "set transaction",
		[SP_PIN_LOCK] = "table lock",        [SP_PIN_GET_LOCK] = "get_lock",
		[SP_PIN_TEMP] = "temporary table",   [SP_PIN_CURSOR] = "cursor",
		[SP_PIN_HANDLER] = "handler",        [SP_PIN_XA] = "xa",
		[SP_PIN_USER_VAR] = "user variable", [SP_PIN_PREPARE] = "text prepare",
		[SP_PIN_WARNINGS] = "warnings",      [SP_PIN_LONG_DATA] = "long data",
		[SP_PIN_TRACK] = "session_track",    [SP_PIN_STATE] = "session state",
		[SP_PIN_SYSVAR] = "system variable", [SP_PIN_HINT] = "hint",
		[SP_PIN_MODE] = "session mode",      [SP_PIN_STREAM] = "binary log",
	};

	return names[pin];
}

void sp_pin_set(struct sp_session *s, enum sp_pin pin, bool on, uint64_t now)
{
	if (!on) {
		s->pins &= ~(1u << pin);
		return;
	}
	if (!s->pins)
		s->pinned_since = now;
	s->pins |= 1u << pin;
}

void sp_session_pin_stmts(struct sp_session *s, const struct sp_stmts *stmts, uint64_t now)
{
	bool cursor = false, long_data = false;

	for (uint32_t i = 0; i < stmts->last; i++) {
		cursor |= stmts->list[i] && stmts->list[i]->cursor;
		long_data |= stmts->list[i] && stmts->list[i]->long_data;
	}
	sp_pin_set(s, SP_PIN_CURSOR, cursor, now);
	sp_pin_set(s, SP_PIN_LONG_DATA, long_data, now);
}

/* ---- life ---------------------------------------------------------------- */

void sp_session_reset(struct sp_session *s)
{
	char *db = s->db;
	uint8_t option = s->option; /* a reset leaves it alone */
	uint32_t mode = s->pins & 1u << SP_PIN_MODE;

	s->db = NULL;
	sp_session_fini(s);
	*s = (struct sp_session){ .db = db,
				  .option = option,
				  .pins = mode,
				  .status = SP_STATUS_AUTOCOMMIT,
				  .row_count = -1,
				  .found_rows = 1 };
}

void sp_session_fini(struct sp_session *s)
{
	sp_vars_clear(&s->vars);
	sp_uvars_clear(&s->user);
	sp_vars_clear(&s->temp);
	sp_named_clear(&s->texts);
	free(s->warning_rows);
	s->warning_rows = NULL;
	free(s->db);
	s->db = NULL;
}

void sp_session_set_db(struct sp_session *s, const char *db, size_t len)
{
	if (s->db && strlen(s->db) == len && memcmp(s->db, db, len) == 0)
		return;
	free(s->db);
	s->db = NULL;
	if (len == 0)
		return;
	s->db = mem_new(len + 1);
	memcpy(s->db, db, len);
}

unsigned sp_session_lex_mode(const struct sp_session *s)
{
	unsigned mode = s->status & SP_STATUS_NO_BACKSLASH ? SP_LEX_NO_BACKSLASH : 0;
	const struct sp_var *var = s->vars.count ? sp_vars_find(&s->vars, span("sql_mode")) : NULL;

	if (var && strstr(var->value, "ANSI_QUOTES"))
		mode |= SP_LEX_ANSI_QUOTES;
	return mode;
}

/* ---- trackers ------------------------------------------------------------ */

static bool in_list(struct sp_span name, const char *const *list)
{
	for (; *list; list++)
		if (sp_span_is(name, *list))
			return true;
	return false;
}

/* Reported, but no state that a client set for good. */
static bool is_noise(struct sp_span name)
{
	static const char *const list[] = { "last_gtid",          "last_insert_id",
					    "identity",           "character_set_database",
					    "collation_database", "warning_count",
					    "error_count",        NULL };

	return in_list(name, list);
}

/* Set for one statement or for replication: replaying it would do harm. */
static bool is_unsafe(struct sp_span name, struct sp_span value)
{
	static const char *const list[] = {
		"timestamp",        "insert_id",   "rand_seed1", "rand_seed2",
		"pseudo_thread_id", "gtid_seq_no", "gtid_next",  "pseudo_slave_mode",
		"skip_replication", "debug",       "debug_dbug", "debug_sync",
		"wsrep_on",         NULL
	};
	/* an INSERT's id is found once: whether it was is known to the connection only */
	bool finds_id = sp_span_is(name, "sql_auto_is_null") && sp_span_is(value, "ON");

	return finds_id || in_list(name, list);
}

/* routine: told while a procedure runs, which has a sql_mode of its own. */
static void track_var(struct sp_session *s, struct sp_backend *b, struct sp_reader *r,
		      struct sp_told *told, bool routine)
{
	struct sp_span name = sp_read_lenenc_bytes(r);
	struct sp_span value = sp_read_lenenc_bytes(r);

	told->last_id |= sp_span_is(name, "last_insert_id") || sp_span_is(name, "identity");
	if (r->bad || is_noise(name) || (routine && sp_span_is(name, "sql_mode")))
		return;
	told->charset |= sp_span_is(name, "character_set_connection");
	told->collation |= sp_span_is(name, "collation_connection");
	told->results |= sp_span_is(name, "character_set_results");
	if (name.len > 14 && strncasecmp(name.at, "session_track_", 14) == 0) {
		told->track_var = true;
	} else if (is_unsafe(name, value)) {
		told->unsafe_var = true;
	} else if (!sp_vars_set(&s->vars, name, value) || !sp_vars_set(&b->vars, name, value)) {
		told->unsafe_var = true;
	}
}

void sp_session_track(struct sp_session *s, struct sp_backend *b, struct sp_span track,
		      const struct sp_lex *lex, struct sp_told *told)
{
	bool several = lex->flags & SP_LEX_MULTI;
	bool routine =
		lex->verb == SP_VERB_CALL || (!several && s->status & SP_STATUS_MORE_RESULTS);
	bool temporary = lex->flags & SP_LEX_SET_STATEMENT;
	enum sp_track type;
	struct sp_span data;

	while (sp_track_next(&track, &type, &data)) {
		struct sp_reader r = sp_reader(data.at, data.len);
		struct sp_span text = { NULL, 0 };
		switch (type) {
		case SP_TRACK_SYSVAR:
			while (!temporary && sp_reader_left(&r) && !r.bad)
				track_var(s, b, &r, told, routine);
			break;
		case SP_TRACK_SCHEMA:
			if (routine) /* a procedure's, while it runs */
				break;
			text = sp_read_lenenc_bytes(&r);
			sp_session_set_db(s, text.at, text.len);
			sp_backend_set_db(b, text.at, text.len);
			break;
		case SP_TRACK_STATE:
			told->state = true;
			break;
		case SP_TRACK_TRX_CHAR:
			s->trx_char = sp_read_lenenc_bytes(&r).len > 0;
			break;
		case SP_TRACK_TRX_STATE:
			text = sp_read_lenenc_bytes(&r);
			s->trx_state = false;
			for (size_t i = 0; i < text.len; i++)
				s->trx_state |= text.at[i] != '_';
			told->trx_state_seen = true;
			break;
		default:
			break;
		}
	}
}

/* ---- re-applying --------------------------------------------------------- */

static bool is_number(const char *v)
{
	bool digit = false;

	for (v += *v == '-'; *v; v++) {
		if (!isdigit((unsigned char)*v) && *v != '.')
			return false;
		digit |= *v != '.';
	}
	return digit;
}

static void put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* Quotes so that it reads the same in every sql_mode: a quote is doubled, a backslash is not
 * liked by all modes, and no variable's value has one. */
static void put_value(struct buf *out, const struct sp_var *var)
{
	if (is_number(var->value)) {
		put(out, var->value);
		return;
	}
	if (!*var->value && strcmp(var->name, "character_set_results") == 0) {
		put(out, "NULL");
		return;
	}
	put(out, "'");
	for (const char *c = var->value; *c; c++) {
		buf_put(out, c, 1);
		if (*c == '\'')
			buf_put(out, c, 1);
	}
	put(out, "'");
}

static void separate(struct buf *out, bool *any)
{
	put(out, *any ? "," : "SET ");
	*any = true;
}

static void put_var(struct buf *out, const struct sp_var *var, bool *any)
{
	separate(out, any);
	put(out, var->name);
	put(out, "=");
	put_value(out, var);
}

static bool same_var(const struct sp_vars *v, const struct sp_var *var)
{
	const struct sp_var *other = sp_vars_find(v, span(var->name));

	return other && other->hash == var->hash;
}

/* SET NAMES charset COLLATE collation: no variable says what it does to the results' collation. */
static const char names[] = "names";

void sp_session_set_names(struct sp_vars *vars, struct sp_span collation)
{
	const struct sp_var *charset = sp_vars_find(vars, span("character_set_connection"));
	char text[128];

	sp_vars_remove(vars, span(names));
	sp_vars_remove(vars, span("collation_connection"));
	if (!collation.at || !charset)
		return;
	snprintf(text, sizeof(text), "%.40s COLLATE %.*s", charset->value,
		 (int)(collation.len < 70 ? collation.len : 70), collation.at);
	sp_vars_set(vars, span(names), span(text));
	sp_vars_remove(vars, span("character_set_client"));
	sp_vars_remove(vars, span("character_set_results"));
	sp_vars_remove(vars, span("character_set_connection"));
}

/* NAMES sets three more, a connection's character set its collation: their order. */
static int turn(const struct sp_var *var)
{
	return strcmp(var->name, names) == 0                    ? 0
	       : strcmp(var->name, "collation_connection") == 0 ? 2
								: 1;
}

static bool is_charset(const char *name)
{
	return strncmp(name, "character_set_", 14) == 0 || strncmp(name, "collation_", 10) == 0;
}

/* What a login and SET NAMES decide. */
static bool is_login_charset(const char *name)
{
	return strcmp(name, "character_set_client") == 0 ||
	       strcmp(name, "character_set_results") == 0 ||
	       strcmp(name, "character_set_connection") == 0 ||
	       strcmp(name, "collation_connection") == 0;
}

/* Set back to its DEFAULT, such a variable would not be what a login made it. */
static bool is_set_by_login(const char *name)
{
	return is_login_charset(name) || strcmp(name, "wait_timeout") == 0 ||
	       strcmp(name, "sql_auto_is_null") == 0;
}

void sp_session_track_login(struct sp_backend *b, struct sp_span track)
{
	enum sp_track type;
	struct sp_span data;
	char text[64];

	while (sp_track_next(&track, &type, &data)) {
		struct sp_reader r = sp_reader(data.at, data.len);
		while (type == SP_TRACK_SYSVAR && sp_reader_left(&r) && !r.bad) {
			struct sp_span name = sp_read_lenenc_bytes(&r);
			struct sp_span value = sp_read_lenenc_bytes(&r);
			if (r.bad || name.len >= sizeof(text))
				continue;
			snprintf(text, sizeof(text), "%.*s", (int)name.len, name.at);
			if (is_set_by_login(text))
				sp_vars_set(&b->login, name, value);
		}
	}
}

static const struct sp_span collation = { "collation_connection", 20 };

/* What a login's collation is known for: it tells the character sets too. */
static bool is_lost(const struct sp_backend *b, const char *name)
{
	bool known = sp_vars_find(&b->login, is_login_charset(name) || strcmp(name, names) == 0
						     ? collation
						     : span(name));

	return (is_set_by_login(name) || strcmp(name, names) == 0) && !known;
}

bool sp_session_login_lost(const struct sp_backend *b, const struct sp_vars *vars)
{
	if (b->vars.hash == vars->hash)
		return false;
	for (uint32_t i = 0; i < b->vars.count; i++) {
		const char *name = b->vars.list[i].name;
		if (is_lost(b, name) && !sp_vars_find(vars, span(name)))
			return true;
	}
	return false;
}

static void put_names(struct buf *out, const struct sp_var *var, bool *any)
{
	separate(out, any);
	put(out, "NAMES ");
	put(out, var->value);
}

static void put_login(const struct sp_backend *b, const char *name, struct buf *out, bool *any)
{
	const struct sp_var *login = sp_vars_find(&b->login, span(name));

	if (login) {
		put_var(out, login, any);
		return;
	}
	separate(out, any);
	put(out, name);
	put(out, "=DEFAULT");
}

static bool is_missing(const struct sp_vars *vars, const struct sp_backend *b, struct sp_span name)
{
	return sp_vars_find(&b->vars, name) && !sp_vars_find(vars, name);
}

/* As the login was: the results' collation is set by NAMES only, and no variable tells it. */
static void put_login_names(const struct sp_backend *b, struct buf *out, bool *any)
{
	const struct sp_var *var = sp_vars_find(&b->login, collation);
	char text[160];

	separate(out, any);
	if (var)
		snprintf(text, sizeof(text), "NAMES %.*s COLLATE %s", (int)strcspn(var->value, "_"),
			 var->value, var->value);
	else
		snprintf(text, sizeof(text), "NAMES DEFAULT");
	put(out, text);
}

/* Character sets that `vars` has not become the login's. Returns whether the connection's did. */
static bool put_login_charsets(const struct sp_vars *vars, const struct sp_backend *b,
			       struct buf *out, bool *any)
{
	const struct sp_span client = span("character_set_client");
	const struct sp_span charset = span("character_set_connection");

	if (sp_vars_find(&b->vars, span(names)) ||
	    is_missing(vars, b, span("character_set_results"))) {
		put_login_names(b, out, any);
		return true;
	}
	if (is_missing(vars, b, client))
		put_login(b, client.at, out, any);
	bool other = sp_vars_find(&b->vars, charset) || sp_vars_find(&b->vars, collation);
	if (!other || sp_vars_find(vars, collation))
		return false;
	if (!sp_vars_find(vars, charset)) /* set as well by its collation */
		put_login(b, collation.at, out, any);
	return true;
}

/* Variables that `vars` has not become what they were. */
static bool put_missing(const struct sp_vars *vars, const struct sp_backend *b, struct buf *out,
			bool *any)
{
	for (uint32_t i = 0; i < b->vars.count; i++) {
		const char *name = b->vars.list[i].name;
		if (!sp_vars_find(vars, span(name)) && strcmp(name, names) != 0 &&
		    !is_login_charset(name))
			put_login(b, name, out, any);
	}
	return !sp_vars_find(vars, span(names)) && put_login_charsets(vars, b, out, any);
}

/* On top of the NAMES that `vars` has: then those have to be said again. */
static bool has_other_charsets(const struct sp_backend *b, const struct sp_vars *vars)
{
	for (uint32_t i = 0; i < b->vars.count; i++)
		if (is_login_charset(b->vars.list[i].name) &&
		    !sp_vars_find(vars, span(b->vars.list[i].name)))
			return true;
	return false;
}

static void put_vars(const struct sp_vars *vars, struct sp_backend *b, struct buf *out, bool *any)
{
	bool moved = put_missing(vars, b, out, any); /* a character set was, and others with it */
	bool renamed = has_other_charsets(b, vars);

	for (int now = 0; now < 3; now++)
		for (uint32_t i = 0; i < vars->count; i++) {
			const struct sp_var *var = &vars->list[i];
			bool put_again = now == 0 ? renamed : moved && is_charset(var->name);
			if (turn(var) != now || (same_var(&b->vars, var) && !put_again))
				continue;
			if (now == 0)
				put_names(out, var, any);
			else
				put_var(out, var, any);
			moved |= now == 0 || strcmp(var->name, "character_set_connection") == 0;
		}
	sp_vars_copy(&b->vars, vars);
}

bool sp_session_write_set(const struct sp_vars *vars, struct sp_backend *b, const uint64_t *last_id,
			  struct buf *out)
{
	bool any = false;
	char number[40];

	if (vars->hash != b->vars.hash || vars->count != b->vars.count)
		put_vars(vars, b, out, &any);
	if (last_id) {
		separate(out, &any);
		snprintf(number, sizeof(number), "last_insert_id=%llu",
			 (unsigned long long)*last_id);
		put(out, number);
	}
	return any;
}
