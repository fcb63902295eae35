#include "roles/sqlproxy/sp_found.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { LOOK_MOST = 16 * 1024 };

static bool is_letter(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Where the word (lower case) stands in the text, wherever that is; NULL: nowhere. */
static const char *word_in(struct sp_span sql, const char *word)
{
	size_t n = strlen(word);
	const char *end = sql.at + sql.len;

	for (const char *p = sql.at; p + n <= end; p++)
		if ((*p | 0x20) == *word && strncasecmp(p, word, n) == 0 &&
		    (p == sql.at || !is_letter(p[-1])) && (p + n == end || !is_letter(p[n])))
			return p;
	return NULL;
}

static bool any_word_in(struct sp_span sql, const char *const *words)
{
	for (; *words; words++)
		if (word_in(sql, *words))
			return true;
	return false;
}

static struct sp_span until(struct sp_span sql, const char *word)
{
	const char *end = word_in(sql, word);

	return (struct sp_span){ sql.at, end ? (size_t)(end - sql.at) : sql.len };
}

/* What a word in a SELECT means for the number; behind LIMIT, a comma does too. */
static enum sp_found by_word(const char *w, size_t n, bool *limit)
{
	static const struct {
		const char *word;
		enum sp_found found;
	} words[] = {
		{ "union", SP_FOUND_OTHER },  { "intersect", SP_FOUND_OTHER },
		{ "except", SP_FOUND_OTHER }, { "offset", SP_FOUND_OTHER },
		{ "into", SP_FOUND_OTHER },   { "procedure", SP_FOUND_OTHER },
		{ "values", SP_FOUND_MAYBE }, { "table", SP_FOUND_MAYBE },
		{ "limit", SP_FOUND_ROWS },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((*w | 0x20) != *words[i].word || strncasecmp(w, words[i].word, n) != 0 ||
		    words[i].word[n])
			continue;
		*limit |= words[i].found == SP_FOUND_ROWS;
		return words[i].found;
	}
	return SP_FOUND_ROWS;
}

static enum sp_found after_select(struct sp_span sql)
{
	enum sp_found found = SP_FOUND_ROWS;
	bool limit = false;

	for (size_t i = 0, n; i < sql.len; i += n ? n : 1) {
		for (n = 0; i + n < sql.len && is_letter(sql.at[i + n]); n++)
			;
		if (n >= 4 && n <= 9) {
			enum sp_found word = by_word(sql.at + i, n, &limit);
			found = word > found ? word : found;
		} else if (limit && sql.at[i] == ',') {
			found = SP_FOUND_OTHER;
		}
	}
	return found;
}

/* Some forms of SHOW are a SELECT inside, others write their rows themselves. */
static enum sp_found after_show(struct sp_span sql)
{
	static const char *const selects[] = {
		"tables",  "variables", "columns",   "fields",  "databases", "schemas",
		"status",  "engines",   "index",     "indexes", "keys",      "triggers",
		"count",   "collation", "character", "charset", "procedure", "function",
		"plugins", "events",    NULL,
	};
	static const char *const others[] = {
		"create", "master", "slave", "engine", "replica", NULL
	};
	const char *show = word_in(sql, "show");

	if (!show)
		return word_in(sql, "help") || word_in(sql, "checksum") ? SP_FOUND_SAME
									: SP_FOUND_MAYBE;
	struct sp_span what = until(until(sql, "like"), "where");
	if (any_word_in(what, others))
		return SP_FOUND_SAME;
	return any_word_in(what, selects) ? SP_FOUND_ROWS : SP_FOUND_SAME;
}

/* One table: nothing; more, or a query inside: maybe. */
static enum sp_found after_change(enum sp_verb verb, struct sp_span sql)
{
	struct sp_span tables = until(sql, verb == SP_VERB_UPDATE ? "set" : "where");
	const char *from = word_in(sql, "from");
	bool many = memchr(tables.at, ',', tables.len) || word_in(tables, "join") ||
		    word_in(tables, "using");

	if (verb == SP_VERB_DELETE && from)
		for (const char *p = sql.at; p < from; p++) /* DELETE a FROM a, b */
			many |= *p == ',' || *p == '.';
	return many ? SP_FOUND_MAYBE : SP_FOUND_SAME;
}

bool sp_found_within(struct sp_span sql)
{
	const char *first = word_in(sql, "select");

	if (!first)
		return false;
	sql.len -= (size_t)(first + 6 - sql.at);
	sql.at = first + 6;
	return word_in(sql, "select") || word_in(sql, "values") || word_in(sql, "table");
}

enum sp_found sp_found_after(const struct sp_lex *lex, struct sp_span sql)
{
	bool insert = lex->verb == SP_VERB_INSERT;

	if (lex->flags & (SP_LEX_MULTI | SP_LEX_PIN) || !sql.at || (sql.len > LOOK_MOST && !insert))
		return SP_FOUND_MAYBE;
	switch (lex->verb) {
	case SP_VERB_SELECT:
		return lex->flags & SP_LEX_CALC_FOUND_ROWS ? SP_FOUND_OTHER : after_select(sql);
	case SP_VERB_SHOW:
		return after_show(sql);
	case SP_VERB_UPDATE:
	case SP_VERB_DELETE:
		return after_change(lex->verb, sql);
	case SP_VERB_CALL:
	case SP_VERB_EXECUTE:
		return SP_FOUND_MAYBE;
	case SP_VERB_OTHER:
		return word_in(sql, "analyze") ? SP_FOUND_MAYBE : SP_FOUND_SAME;
	case SP_VERB_INSERT: /* as long as they are, a query begins early */
		sql.len = sql.len < 1024 ? sql.len : 1024;
		return word_in(sql, "select") ? SP_FOUND_MAYBE : SP_FOUND_SAME;
	case SP_VERB_SET:
	case SP_VERB_DO:
	case SP_VERB_DDL:
		return word_in(sql, "select") ? SP_FOUND_MAYBE : SP_FOUND_SAME;
	default:
		return SP_FOUND_SAME;
	}
}
