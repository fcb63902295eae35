#include "roles/sqlproxy/sp_rewrite.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "roles/sqlproxy/sp_packet.h"

enum { NAME_MOST = 255 }; /* bytes of a column's name */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Behind a quoted thing or a comment that begins at sql[i]; i when none does. */
static size_t skip(const char *sql, size_t len, size_t i)
{
	char q = sql[i];

	if (q == '/' && i + 2 < len && sql[i + 1] == '*' && sql[i + 2] != '!') {
		const char *end = memmem(sql + i + 2, len - i - 2, "*/", 2);
		return end ? (size_t)(end - sql) + 2 : len;
	}
	if (q == '#' ||
	    (q == '-' && i + 2 < len && sql[i + 1] == '-' && isspace((unsigned char)sql[i + 2]))) {
		const char *end = memchr(sql + i, '\n', len - i);
		return end ? (size_t)(end - sql) + 1 : len;
	}
	if (q != '\'' && q != '"' && q != '`')
		return i;
	for (i++; i < len && sql[i] != q; i++)
		if (sql[i] == '\\' && q != '`')
			i++;
	return i < len ? i + 1 : len;
}

/* The length of NAME ( ) at sql[i], or 0. */
static size_t call_at(const char *sql, size_t len, size_t i, const char *name)
{
	size_t n = strlen(name), at = i + n;

	if (at >= len ||
	    (i > 0 && (is_word(sql[i - 1]) || sql[i - 1] == '.' || sql[i - 1] == '@')) ||
	    strncasecmp(sql + i, name, n) != 0)
		return 0;
	while (at < len && isspace((unsigned char)sql[at]))
		at++;
	if (at >= len || sql[at++] != '(')
		return 0;
	while (at < len && isspace((unsigned char)sql[at]))
		at++;
	return at < len && sql[at] == ')' ? at + 1 - i : 0;
}

static bool ends_with_word(const char *sql, size_t end, const char *word)
{
	size_t n = strlen(word);

	return end >= n && strncasecmp(sql + end - n, word, n) == 0 &&
	       (end == n || !is_word(sql[end - n - 1]));
}

/* SELECT call , FROM or the end: the call is a column of its own and without an alias. */
static bool is_column(const char *sql, size_t len, size_t i, size_t after)
{
	size_t before = i;

	while (before > 0 && isspace((unsigned char)sql[before - 1]))
		before--;
	while (after < len && isspace((unsigned char)sql[after]))
		after++;
	bool opens =
		(before > 0 && sql[before - 1] == ',') || ends_with_word(sql, before, "SELECT");
	bool closes = after == len || sql[after] == ',' || sql[after] == ';' ||
		      (len - after > 4 && strncasecmp(sql + after, "from", 4) == 0 &&
		       !is_word(sql[after + 4]));
	return opens && closes;
}

static void put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* The call that begins at sql[i]: what takes its place, and its length. NULL: none. */
static const char *find_call(struct sp_span sql, size_t i, const struct sp_calls *calls, bool first,
			     size_t *n)
{
	const struct {
		const char *name, *literal;
		bool anywhere, columns_only;
	} all[] = {
		{ "connection_id", calls->connection_id, true, true },
		{ "row_count", calls->row_count, false, false },
		{ "found_rows", calls->found_rows, false, false },
	};
	char letter = (char)(sql.at[i] | 0x20);

	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		if (letter != *all[k].name || !*all[k].literal || !(first || all[k].anywhere))
			continue;
		*n = call_at(sql.at, sql.len, i, all[k].name);
		if (*n > 0 && (!all[k].columns_only || is_column(sql.at, sql.len, i, i + *n)))
			return all[k].literal;
	}
	return NULL;
}

static size_t word_at(struct sp_span sql, size_t i)
{
	size_t n = 0;

	while (i + n < sql.len && is_word(sql.at[i + n]))
		n++;
	return n;
}

static bool is_one_of(struct sp_span word, const char *const *list)
{
	for (; *list; list++)
		if (sp_span_is(word, *list))
			return true;
	return false;
}

enum part { PART_NONE, PART_WORD, PART_OPERATOR_WORD, PART_QUOTED, PART_CLOSE, PART_OTHER };

/* The token at i, and where it ends. */
static enum part part_at(struct sp_span sql, size_t i, size_t *end)
{
	static const char *const operators[] = { "and",    "or",      "xor",     "not",  "like",
						 "in",     "is",      "between", "div",  "mod",
						 "case",   "collate", "when",    "then", "else",
						 "regexp", "rlike",   "binary",  NULL };
	size_t next = skip(sql.at, sql.len, i), n = word_at(sql, i);

	*end = next > i ? next : n ? i + n : i + 1;
	if (next > i)
		return strchr("'\"`", sql.at[i]) ? PART_QUOTED : PART_NONE;
	if (n > 0)
		return is_one_of((struct sp_span){ sql.at + i, n }, operators) ? PART_OPERATOR_WORD
									       : PART_WORD;
	return isspace((unsigned char)sql.at[i]) ? PART_NONE
	       : sql.at[i] == ')'                ? PART_CLOSE
						 : PART_OTHER;
}

/* Does the column that ends there have a name of its own: AS name, or expression name? */
static bool has_alias(struct sp_span sql, size_t i)
{
	enum part before = PART_NONE, last = PART_NONE;
	struct sp_span word = { NULL, 0 };

	for (size_t end; i < sql.len; i = end) {
		enum part part = part_at(sql, i, &end);
		if (part == PART_NONE)
			continue;
		before = last;
		last = part;
		word = (struct sp_span){ sql.at + i, end - i };
	}
	return (last == PART_WORD || last == PART_QUOTED) && !sp_span_is(word, "end") &&
	       (before == PART_WORD || before == PART_QUOTED || before == PART_CLOSE);
}

/* Where the columns of the outermost SELECT are. */
struct columns {
	bool inside, touched;
	int depth, base; /* of parentheses; of those around that SELECT */
	size_t start;    /* of the column at hand */
};

struct rewriting {
	struct sp_span sql;
	struct columns columns;
	size_t done; /* copied */
	struct buf *out;
};

/* The column ends at i: one that lost its name gets it back. */
static void end_column(struct rewriting *r, size_t i)
{
	struct columns *c = &r->columns;
	const char *sql = r->sql.at;
	size_t start = c->start, end = c->start;

	if (!c->inside || !c->touched) {
		c->start = i + 1;
		return;
	}

	for (size_t at = start, next; at < i; at = next) /* comments behind it are no part of it */
		if (part_at(r->sql, at, &next) != PART_NONE)
			end = next;
	while (start < end && isspace((unsigned char)sql[start]))
		start++;
	bool named = end - start > NAME_MOST || has_alias((struct sp_span){ sql, end }, start);
	c->touched = false;
	c->start = i + 1;
	if (named)
		return;
	buf_put(r->out, sql + r->done, end - r->done);
	put(r->out, " AS `");
	for (size_t k = start; k < end; k++)
		buf_put(r->out, sql[k] == '`' ? "``" : sql + k, sql[k] == '`' ? 2 : 1);
	put(r->out, "`");
	r->done = end;
}

static void see_word(struct rewriting *r, size_t i, size_t n)
{
	static const char *const ends[] = { "from",   "into",   "where",  "union",
					    "except", "limit",  "order",  "intersect",
					    "group",  "having", "window", NULL };
	static const char *const modifiers[] = { "distinct",          "all",
						 "distinctrow",       "high_priority",
						 "straight_join",     "sql_calc_found_rows",
						 "sql_no_cache",      "sql_cache",
						 "sql_small_result",  "sql_big_result",
						 "sql_buffer_result", NULL };
	struct columns *c = &r->columns;
	struct sp_span word = { r->sql.at + i, n };

	if (c->base < 0) /* the first word of all */
		c->base = sp_span_is(word, "select") ? c->depth : 0;
	if (c->depth != c->base)
		return;
	if (sp_span_is(word, "select")) {
		c->inside = true;
		c->start = i + n;
	} else if (c->inside && is_one_of(word, ends)) {
		end_column(r, i);
		c->inside = false;
	} else if (c->inside && is_one_of(word, modifiers)) {
		c->start = i + n;
	}
}

/* One character that is no part of a word or a quoted thing. */
static void see_mark(struct rewriting *r, size_t i)
{
	struct columns *c = &r->columns;
	char mark = r->sql.at[i];

	c->depth += mark == '(';
	if (mark == ',' && c->depth == c->base)
		end_column(r, i);
	if (mark == ';' || (mark == ')' && c->depth == c->base)) {
		end_column(r, i);
		c->inside = false;
	}
	c->depth -= mark == ')';
}

bool sp_rewrite_calls(struct sp_span text, const struct sp_calls *calls, struct buf *out)
{
	struct rewriting r = { .sql = text, .columns.base = -1, .out = out };
	bool any = false, first = true;

	for (size_t i = 0, n = 0; i < text.len;) {
		size_t next = skip(text.at, text.len, i);
		const char *literal = next == i ? find_call(text, i, calls, first, &n) : NULL;
		size_t word = next == i ? word_at(text, i) : 0;
		first &= next != i || text.at[i] != ';';
		if (literal) {
			buf_put(out, text.at + r.done, i - r.done);
			put(out, "(");
			put(out, literal);
			put(out, ")");
			any = r.columns.touched = true;
			r.done = i += n;
		} else if (word > 0) {
			see_word(&r, i, word);
			i += word;
		} else {
			if (next == i)
				see_mark(&r, i);
			i = next == i ? i + 1 : next;
		}
	}
	end_column(&r, text.len);
	buf_put(out, text.at + r.done, text.len - r.done);
	return any;
}

static bool has_scope(struct sp_span sql, size_t i)
{
	static const char *const words[] = { "global.",     "session.",     "local.",
					     "persist.",    "tx_isolation", "tx_read_only",
					     "transaction_" };

	for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (sql.len - i >= strlen(words[k]) &&
		    strncasecmp(sql.at + i, words[k], strlen(words[k])) == 0)
			return true;
	return false;
}

bool sp_rewrite_set(struct sp_span sql, struct buf *out)
{
	bool target = false, any = false; /* target: a name to be set follows */
	size_t done = 0;
	int depth = 0;

	for (size_t i = 0; i < sql.len;) {
		size_t next = skip(sql.at, sql.len, i);
		char c = sql.at[i];
		if (next != i || isspace((unsigned char)c)) {
			i = next == i ? i + 1 : next;
			continue;
		}
		depth += (c == '(') - (c == ')');
		if (target && depth == 0 && c == '@' && i + 2 < sql.len && sql.at[i + 1] == '@' &&
		    !has_scope(sql, i + 2)) {
			buf_put(out, sql.at + done, i + 2 - done);
			put(out, "session.");
			done = i + 2;
			any = true;
		}
		target = (c == ',' && depth == 0) || ends_with_word(sql.at, i + 1, "SET");
		i++;
	}
	buf_put(out, sql.at + done, sql.len - done);
	return any;
}

struct sp_span sp_rewrite_collate(struct sp_span sql)
{
	struct sp_span none = { NULL, 0 };

	for (size_t i = 0; sql.at && i + 8 < sql.len;) {
		size_t next = skip(sql.at, sql.len, i);
		if (next != i || strncasecmp(sql.at + i, "collate", 7) != 0 ||
		    is_word(sql.at[i + 7])) {
			i = next == i ? i + 1 : next;
			continue;
		}
		for (i += 7; i < sql.len && !is_word(sql.at[i]); i++)
			;
		size_t n = 0;
		while (i + n < sql.len && is_word(sql.at[i + n]))
			n++;
		return n ? (struct sp_span){ sql.at + i, n } : none;
	}
	return none;
}
