#include "roles/sqlproxy/sp_rewrite.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"

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

bool sp_rewrite_calls(struct sp_span text, const struct sp_calls *calls, struct buf *out)
{
	const char *sql = text.at;
	size_t done = 0, n = 0;
	bool any = false, first = true;

	for (size_t i = 0; i < text.len;) {
		size_t next = skip(sql, text.len, i);
		const char *literal = next == i ? find_call(text, i, calls, first, &n) : NULL;
		first &= next != i || sql[i] != ';';
		if (!literal) {
			i = next == i ? i + 1 : next;
			continue;
		}
		bool column = is_column(sql, text.len, i, i + n);
		buf_put(out, sql + done, i - done);
		put(out, column ? "" : "(");
		put(out, literal);
		put(out, column ? " AS `" : ")");
		if (column) {
			buf_put(out, sql + i, n);
			put(out, "`");
		}
		any = true;
		i += n;
		done = i;
	}
	buf_put(out, sql + done, text.len - done);
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
