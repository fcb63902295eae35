#include "core/base/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

/* The words with | between them, or what is wrong. The caller's to free. */
static char *shown(char **words, const struct err *err)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (char **word = words; word && *word; word++)
		fprintf(out, "%s%s", word == words ? "" : "|", *word);
	if (!words)
		fprintf(out, "! %s", err->text);
	fclose(out);
	words_free(words);
	return text;
}

Test(words, split_as_a_shell_does)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "  a\tb \n c ", "a|b|c" },
		{ "a 'b c' \"d e\"", "a|b c|d e" },
		{ "a'b'\"c\"d", "abcd" },
		{ "'' \"\"", "|" },
		{ "a\\ b \\'c \\\\", "a b|'c|\\" },
		{ "\"a\\\"b\\\\c\\$d\"", "a\"b\\c\\$d" },
		{ "'a\\b'", "a\\b" },
		{ "a # b ; c", "a|#|b|;|c" },
		{ "'a", "! a ' without its end" },
		{ "b \"a\\\"", "! a \" without its end" },
		{ "a\\", "! a \\ at the end" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		char *got = shown(words_split(cases[i].text, &err), &err);
		check_str(got, cases[i].want);
		free(got);
	}
}

Test(words, environments_are_quoted_as_supervisord_does)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "A=\"1\",B=\"x,y\"", "A=1|B=x,y" },
		{ "A=1,B=/usr/bin:/bin,C=a-b.c+d(e)", "A=1|B=/usr/bin:/bin|C=a-b.c+d(e)" },
		{ " A = 'x y' ,\n B=\"z\" ,", "A=x y|B=z" },
		{ "A=\"\",B=''", "A=|B=" },
		{ "A=it's", "A=it's" },
		{ "A=\"'x'\"", "A=x" },
		{ "A=1,A=2", "A=2" },
		{ "A=1;B=2", "A=1|B=2" },
		{ "A=1 # rest", "A=1" },
		{ "A=\"a # b\"", "A=a # b" },
		{ "A=a@b",
		  "! '@b' comes where a comma should be; a value with other than letters, digits "
		  "and _/.+-(): needs quotes" },
		{ "A", "! 'A' is not of the form NAME=\"value\",NAME=\"value\"" },
		{ "A=", "! 'A=' is not of the form NAME=\"value\",NAME=\"value\"" },
		{ "=x", "! '=x' is not of the form NAME=\"value\",NAME=\"value\"" },
		{ "A=\"x", "! a quote without its end" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		char *got = shown(words_env(cases[i].text, &err), &err);
		check_str(got, cases[i].want);
		free(got);
	}
}

Test(words, lists_are_changed_by_name)
{
	char **list = words_put(NULL, "A=1");

	list = words_put(list, "AB=2");
	list = words_put(list, "A=3");
	char **copy = words_copy(list);
	check_int(words_count(list), 2);
	check_str(list[0], "A=3");
	check_true(words_equal(list, copy));
	copy = words_add(copy, "x");
	check_true(!words_equal(list, copy));
	list = words_put_all(list, copy);
	check_int(words_count(list), 3);
	words_free(list);
	words_free(copy);
}
