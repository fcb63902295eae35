#include "roles/sqlproxy/sp_rows.h"

#include <stdlib.h>
#include <string.h>

#include "roles/sqlproxy/sp_words.h"
#include "tests/lib/check.h"

static const struct sp_column columns[] = {
	{ "name", SP_TEXT }, { "n", SP_INT }, { "share", SP_REAL }, { NULL, SP_TEXT }
};

static void fill(struct sp_rows *r)
{
	static const char *const names[] = { "beta", "Alpha", NULL, "gamma \"x\"\n" };
	static const int n[] = { 9, 10, -1, 100 };

	sp_rows_init(r, columns);
	for (int i = 0; i < 4; i++) {
		sp_rows_text(r, names[i]);
		sp_rows_number(r, n[i]);
		sp_rows_fmt(r, "%.2f", n[i] / 4.0);
	}
}

/* The column's cells, with a space behind each. */
static const char *column(const struct sp_rows *r, int c)
{
	static char text[256];

	*text = '\0';
	for (size_t i = 0; i < r->count; i++) {
		strcat(text, sp_rows_at(r, i, c) ? sp_rows_at(r, i, c) : "NULL");
		strcat(text, " ");
	}
	return text;
}

static bool is_long(const char *const *row, const void *data)
{
	return row[0] && strlen(row[0]) > *(const size_t *)data;
}

Test(sp_rows, sorted_by_kind)
{
	struct sp_rows r;

	fill(&r);
	sp_rows_sort(&r, 1, false);
	check_str(column(&r, 1), "-1 9 10 100 ");
	sp_rows_sort(&r, 2, true);
	check_str(column(&r, 1), "100 10 9 -1 ");
	sp_rows_sort(&r, 0, false);
	check_str(column(&r, 1), "-1 10 9 100 ");
	sp_rows_fini(&r);
}

Test(sp_rows, chosen)
{
	struct sp_rows r;
	const size_t four = 4;
	const int order[] = { 2, 0 };

	fill(&r);
	check_int(sp_rows_column(&r, (struct sp_span){ "SHARE", 5 }), 2);
	check_int(sp_rows_column(&r, (struct sp_span){ "shar", 4 }), -1);
	sp_rows_keep(&r, is_long, &four);
	check_str(column(&r, 1), "10 100 ");
	sp_rows_limit(&r, 1);
	sp_rows_limit(&r, 5);
	check_str(column(&r, 0), "Alpha ");
	sp_rows_project(&r, order, 2);
	check_int(r.width, 2);
	check_str(r.columns[0].name, "share");
	check_str(column(&r, 1), "Alpha ");
	sp_rows_fini(&r);
	check_int(r.count, 0);
}

Test(sp_rows, columns_made_up)
{
	struct sp_rows r = { 0 };
	char name[8] = "x";
	const int order[] = { 1 };

	check_true(sp_rows_add_column(&r, name, SP_INT));
	check_true(sp_rows_add_column(&r, "y", SP_TEXT));
	name[0] = '?';
	check_str(r.columns[0].name, "x");
	sp_rows_number(&r, 1);
	sp_rows_text(&r, "two");
	struct sp_rows moved = r;
	sp_rows_project(&moved, order, 1);
	check_str(moved.columns[0].name, "y");
	check_str(sp_rows_at(&moved, 0, 0), "two");
	sp_rows_fini(&moved);
	memset(&r, 0, sizeof(r));
	for (int i = 0; i < SP_COLUMNS_MAX; i++)
		check_true(sp_rows_add_column(&r, "c", SP_INT));
	check_true(!sp_rows_add_column(&r, "c", SP_INT));
	sp_rows_fini(&r);
}

/* A row that is begun and not ended leaks nothing. */
Test(sp_rows, half_a_row)
{
	struct sp_rows r;

	sp_rows_init(&r, columns);
	sp_rows_text(&r, "half");
	check_int(r.count, 0);
	sp_rows_fini(&r);
}

static char *written(void (*write)(const struct sp_rows *r, FILE *out))
{
	struct sp_rows r;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fill(&r);
	sp_rows_limit(&r, 3);
	write(&r, out);
	fclose(out);
	sp_rows_fini(&r);
	return text;
}

Test(sp_rows, as_text_and_json)
{
	char *text = written(sp_rows_as_text);
	char *json = written(sp_rows_as_json);

	check_str(text, "name    n  share\n"
			"beta    9   2.25\n"
			"Alpha  10   2.50\n"
			"-      -1  -0.25\n");
	check_str(json, "[{\"name\":\"beta\",\"n\":9,\"share\":2.25},\n"
			"{\"name\":\"Alpha\",\"n\":10,\"share\":2.50},\n"
			"{\"name\":null,\"n\":-1,\"share\":-0.25}]\n");
	free(text);
	free(json);
}

Test(sp_rows, like)
{
	static const struct {
		const char *text, *pattern;
		bool fits;
	} cases[] = {
		{ "", "", true },         { "", "%", true },
		{ "a", "", false },       { "abc", "abc", true },
		{ "abc", "ABC", true },   { "abc", "ab", false },
		{ "abc", "a%", true },    { "abc", "%c", true },
		{ "abc", "%b%", true },   { "abc", "_b_", true },
		{ "abc", "____", false }, { "abc", "a%d", false },
		{ "a%c", "a\\%c", true }, { "abc", "a\\%c", false },
		{ "a_c", "a\\_c", true }, { "aXbXc", "a%X_", true },
		{ "aab", "%ab", true },   { "mississippi", "m%iss%pi", true },
		{ "abc", "%%%", true },   { "a", "\\", false },
		{ "\\", "\\", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sp_span pattern = { cases[i].pattern, strlen(cases[i].pattern) };
		cr_expect(eq(int, sp_rows_like(cases[i].text, pattern), cases[i].fits),
			  "%s LIKE %s", cases[i].text, cases[i].pattern);
	}
	/* would take for ever by trying every way */
	struct sp_span evil = { "%a%a%a%a%a%a%a%a%a%a%a%a%b", 26 };
	char many[4096];
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	check_true(!sp_rows_like(many, evil));
}

/* ---- words ------------------------------------------------------------------------------- */

/* Words with a bar behind each; quoted ones in '', marks in <>; or the error. */
static const char *words_of(const char *command)
{
	static char text[1024];
	const char *error;
	struct sp_words w;

	*text = '\0';
	if (!sp_words_cut(&w, command, strlen(command), &error))
		snprintf(text, sizeof(text), "error: %s", error);
	for (int i = 0; !error && i < w.count; i++) {
		const struct sp_word_text *one = &w.list[i];
		size_t at = strlen(text);
		const char *open = one->mark ? "<" : one->quoted ? "'" : "";
		const char *shut = one->mark ? ">" : open;
		snprintf(text + at, sizeof(text) - at, "%s%s%s|", open, one->text, shut);
	}
	sp_words_fini(&w);
	return text;
}

Test(sp_words, cut)
{
	static const struct {
		const char *command, *words;
	} cases[] = {
		{ "", "" },
		{ " ;; ", "error: one command at a time" },
		{ "show pools;", "show|pools|" },
		{ "SHOW\n\tPOOLS ; -- bye", "SHOW|POOLS|" },
		{ "a='b'", "a|<=>|'b'|" },
		{ "a>=1,b", "a|<>>|<=>|1|<,>|b|" },
		{ "'it''s' \"a\\\"b\" `c d`", "'it's'|'a\"b'|c d|" },
		{ "'a\\nb\\%'", "'a\nb\\%'|" },
		{ "/* x */ a /*y*/ b # z\nc", "a|b|c|" },
		{ "count(*)", "count|<(>|*|<)>|" },
		{ "@@a.b x-y", "@@a.b|x-y|" },
		{ "'open", "error: a quote is not closed" },
		{ "a; b", "error: one command at a time" },
		{ "/* open", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_str(words_of(cases[i].command), cases[i].words);
	char many[4 * SP_WORDS_MAX] = "";
	for (int i = 0; i <= SP_WORDS_MAX; i++)
		strcat(many, "a ");
	check_str(words_of(many), "error: too many words");
}

Test(sp_words, read)
{
	struct sp_words w;
	const char *error;

	check_true(sp_words_cut(&w, "LIKE 'like' = x", 15, &error));
	check_true(sp_words_accept(&w, "like"));
	check_true(!sp_words_accept(&w, "like")); /* a quoted one is a value */
	check_true(!sp_words_mark(&w, '='));
	check_str(sp_words_take(&w), "like");
	check_true(!sp_words_take(&w)); /* a mark is no word */
	check_true(sp_words_mark(&w, '='));
	check_true(!sp_words_ended(&w));
	check_str(sp_words_take(&w), "x");
	check_true(sp_words_ended(&w) && !sp_words_take(&w) && !sp_words_peek(&w));
	sp_words_fini(&w);
}
