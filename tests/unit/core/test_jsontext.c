/* JSON read in place: what is taken, what is refused and where, what is found in it; and written.
 */
#include "core/base/jsontext.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

static int read_copy(const char *text, size_t n, struct json *v, char **own)
{
	*own = malloc(n ? n : 1); /* exactly its size: a look behind it is seen */
	memcpy(*own, text, n);
	return json_read(v, *own, n, NULL);
}

Test(jsontext, takes_what_the_grammar_takes_and_nothing_else)
{
	static const char *const good[] = {
		"0",
		"-0",
		"1.5e+10",
		"123456789012345678901234567890",
		"\"\"",
		"true",
		"false",
		"null",
		"[]",
		"{}",
		" [ 1 , 2 ] ",
		"{\"a\":{\"b\":[{}]}}",
		"\"\\ud83d\\ude00\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"{\"a\":1,\"a\":2}",
		"[[],[[]],{}]",
		"\t\r\n1\n",
	};
	static const char *const wrong[] = {
		"",
		" ",
		"01",
		"-",
		"1.",
		".5",
		"1e",
		"+1",
		"tru",
		"nul",
		"truex",
		"True",
		"\"",
		"\"a",
		"\"\n\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\ud83d\"",
		"\"\\ude00\"",
		"\"\\ud83d\\u0041\"",
		"[",
		"[1",
		"[1,",
		"[1,]",
		"[,]",
		"]",
		"[1 2]",
		"{",
		"{1:2}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"[}",
		"{]",
		"1 2",
		"{}{}",
		"\"\xff\"",
		"\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"",
		"nan",
		"[1}",
		"{\"a\":1]",
		"'a'",
		"/**/1",
		"\"\\\"",
	};
	struct json v;
	char *own;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_expect(read_copy(good[i], strlen(good[i]), &v, &own) == 0, "%s", good[i]);
		free(own);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_expect(read_copy(wrong[i], strlen(wrong[i]), &v, &own) != 0, "%s", wrong[i]);
		free(own);
	}
	cr_expect(read_copy("\"a\0b\"", 5, &v, &own) != 0);
	free(own);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) /* each of them cut anywhere */
		for (size_t n = 0; n < strlen(good[i]); n++) {
			read_copy(good[i], n, &v, &own);
			free(own);
		}
}

/* Texts are gone over by eight bytes: each byte is what it is wherever it stands. */
Test(jsontext, a_byte_means_the_same_at_each_place_of_a_text)
{
	char text[22], *own;
	struct json v;

	for (int c = 0; c < 256; c++)
		for (size_t at = 1; at < sizeof(text) - 1; at++) {
			memset(text, 'a', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[at] = (char)c;
			bool good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
			bool taken = read_copy(text, sizeof(text), &v, &own) == 0;
			cr_expect(taken == good, "byte %d at %zu", c, at);
			free(own);
		}
}

Test(jsontext, is_as_deep_as_it_may_be)
{
	char text[200];
	struct json v;

	for (int depth = JSON_DEPTH; depth <= JSON_DEPTH + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		cr_expect((json_read(&v, text, 2 * (size_t)depth, NULL) == 0) ==
			  (depth == JSON_DEPTH));
	}
}

Test(jsontext, says_where_it_went_wrong)
{
	struct err err = { .text = "" };
	struct json v;

	cr_expect(json_read(&v, "{\"a\": x}", 8, &err) == ERR_PROTO);
	cr_expect_str_eq(err.text, "not JSON at byte 6: not a value");
}

static char *shown(const struct json *v)
{
	return strndup(v->p, v->n);
}

Test(jsontext, a_string_ends_at_its_own_quote)
{
	static const char *const strings[] = { "\"\"", "\"\\\"\"", "\"\\\\\"", "\"\\\\\\\"\\\"x\"",
					       "\"a\\\\\\\\\"" };
	struct json doc, value;
	char text[64];

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		snprintf(text, sizeof(text), "[%s,2]", strings[i]);
		cr_assert(json_read(&doc, text, strlen(text), NULL) == 0, "%s", text);
		struct json_at at = json_begin(&doc);
		cr_assert(json_element(&at, &value));
		char *s = shown(&value);
		cr_expect_str_eq(s, strings[i]);
		free(s);
		cr_expect(json_element(&at, &value) && value.kind == JSON_NUMBER, "%s", text);
	}
}

Test(jsontext, parts_are_found_as_they_stand)
{
	static const char text[] =
		" {\"n\" : -12, \"s\":\"a\\u0062\\n\\ud83d\\ude00\", \"o\":{\"x\":"
		"[1, \"]}\", {}]} ,\"big\":1e3, \"a\\u006e\":true,\"n\":7} ";
	struct json doc, key, value;
	int64_t n;
	size_t size;
	char all[200] = "";

	cr_assert(json_read(&doc, text, strlen(text), NULL) == 0);
	cr_expect(doc.kind == JSON_OBJECT && doc.n == strlen(text) - 2);
	for (struct json_at at = json_begin(&doc); json_member(&at, &key, &value);) {
		char *s = shown(&value);
		strcat(strcat(all, s), ";");
		free(s);
	}
	cr_expect_str_eq(all,
			 "-12;\"a\\u0062\\n\\ud83d\\ude00\";{\"x\":[1, \"]}\", {}]};1e3;true;7;");
	value = json_get(&doc, "n");
	cr_expect(json_int(&value, &n) && n == 7, "the last one counts");
	value = json_get(&doc, "an");
	cr_expect(value.kind == JSON_TRUE);
	value = json_get(&doc, "big");
	cr_expect(!json_int(&value, &n));
	cr_expect(json_get(&doc, "none").kind == JSON_NONE);
	value = json_get(&doc, "s");
	char *s = json_unquoted(&value, &size);
	cr_expect(size == 7 && strcmp(s, "ab\n\xf0\x9f\x98\x80") == 0, "%s", s);
	free(s);
	cr_expect(json_unquoted(&doc, NULL) == NULL);
	value = json_get(&doc, "o");
	value = json_get(&value, "x");
	int count = 0;
	for (struct json_at at = json_begin(&value); json_element(&at, &key);)
		count++;
	cr_expect(count == 3 && value.kind == JSON_ARRAY);
}

Test(jsontext, whole_numbers_fit_or_do_not)
{
	static const struct {
		const char *text;
		bool fits;
		int64_t n;
	} all[] = {
		{ "9223372036854775807", true, INT64_MAX },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "-9223372036854775809", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "1.0", false, 0 },
		{ "-0", true, 0 },
		{ "\"1\"", false, 0 },
	};
	struct json v;
	int64_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		cr_assert(json_read(&v, all[i].text, strlen(all[i].text), NULL) == 0);
		cr_expect(json_int(&v, &n) == all[i].fits, "%s", all[i].text);
		cr_expect(!all[i].fits || n == all[i].n, "%s", all[i].text);
	}
}

Test(jsontext, is_written_so_that_it_can_be_read)
{
	struct json_out o = { .p = NULL };
	struct json v;
	size_t n;

	json_puts(&o, "[");
	json_put_string(&o, "a\"\\\n\x01\x7f\0b\xc3\xa9\xff\xed\xa0\x80", 14);
	json_printf(&o, ",%d,", 7);
	json_put_text(&o, NULL);
	json_puts(&o, "]");
	cr_assert(json_read(&v, o.p, o.n, NULL) == 0, "%s", o.p);
	struct json_at at = json_begin(&v);
	struct json first;
	json_element(&at, &first);
	char *s = json_unquoted(&first, &n);
	cr_expect(memcmp(s, "a\"\\\n\x01\x7f\0b\xc3\xa9", 10) == 0);
	cr_expect_str_eq(s + 10, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	free(s);
	json_out_fini(&o);
}

Test(jsontext, writes_numbers_and_prints_of_any_length)
{
	static const int64_t all[] = { 0, 7, -1, INT64_MAX, INT64_MIN };
	struct json_out o = { .p = NULL };
	char want[512];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		json_put_int(&o, all[i]);
		snprintf(want, sizeof(want), "%lld", (long long)all[i]);
		cr_expect_str_eq(o.p, want);
		json_out_fini(&o);
	}
	for (int n = 120; n < 300; n++) {
		json_puts(&o, "-");
		json_printf(&o, "%*d", n, 5);
		json_puts(&o, "-");
		snprintf(want, sizeof(want), "-%*d-", n, 5);
		cr_expect_str_eq(o.p, want);
		cr_expect_eq(o.n, strlen(want));
		json_out_fini(&o);
	}
}
