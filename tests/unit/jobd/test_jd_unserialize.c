#include "roles/jobd/jd_unserialize.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "tests/lib/check.h"

enum { MOST = 1 << 16 };

static char *as_json(const char *text, size_t n, struct err *err)
{
	struct json_out out = { .p = NULL };

	if (jd_unserialize(text, n, MOST, &out, err) == 0)
		return out.p;
	json_out_fini(&out);
	return NULL;
}

Test(jd_unserialize, reads_what_php_writes)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{ "N;", "null" },
		{ "b:1;", "true" },
		{ "i:-42;", "-42" },
		{ "d:0.1;", "0.1" },
		{ "d:1.0E+25;", "1.0E+25" },
		{ "d:-INF;", "null" },
		{ "d:NAN;", "null" },
		{ "s:5:\"a\"b;c\";", "\"a\\\"b;c\"" },
		{ "s:2:\"\xc3\xa9\";", "\"\xc3\xa9\"" },
		{ "a:0:{}", "[]" },
		{ "a:2:{i:0;i:7;i:1;b:0;}", "[7,false]" },
		{ "a:2:{i:1;i:7;i:0;b:0;}", "{\"1\":7,\"0\":false}" },
		{ "a:3:{i:0;s:1:\"x\";i:1;a:1:{i:0;N;}s:1:\"k\";i:1;}",
		  "{\"0\":\"x\",\"1\":[null],\"k\":1}" },
		{ "O:8:\"stdClass\":1:{s:1:\"a\";i:1;}", "{\"a\":1}" },
		{ "E:11:\"Suit:Hearts\";", "\"Hearts\"" },
		{ "a:2:{i:0;O:1:\"A\":1:{s:1:\"x\";i:5;}i:1;r:2;}", "[{\"x\":5},{\"x\":5}]" },
		{ "a:2:{i:0;i:5;i:1;R:2;}", "[5,5]" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { .text = "" };
		char *json = as_json(cases[i].text, strlen(cases[i].text), &err);

		cr_assert(json != NULL, "%s: %s", cases[i].text, err.text);
		check_str(json, cases[i].json);
		cr_expect(jd_is_serialized(cases[i].text, strlen(cases[i].text)));
		free(json);
	}
}

Test(jd_unserialize, takes_the_visibility_off_a_name)
{
	static const char text[] =
		"O:1:\"A\":3:{s:1:\"a\";i:1;s:4:\"\0*\0b\";i:2;s:4:\"\0A\0c\";i:3;}";
	char *json = as_json(text, sizeof(text) - 1, NULL);

	check_str(json, "{\"a\":1,\"b\":2,\"c\":3}");
	free(json);
}

Test(jd_unserialize, refuses_the_rest_and_says_where)
{
	static const char *const bad[] = {
		"",
		"i:1",
		"i:x;",
		"b:2;",
		"d:.;",
		"s:5:\"abc\";",
		"s:99999999999:\"a\";",
		"s:-1:\"\";",
		"s:1:\"\xff\";",
		"a:9:{i:0;N;}",
		"a:1:{N;N;}",
		"a:1:{i:0;N;",
		"a:2:{i:0;",
		"C:1:\"A\":0:{}",
		"r:1;",
		"R:2;",
		"a:1:{i:0;r:1;}",
		"i:1;i:2;",
		"O:1:\"A\":1:{i:0;N;",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { .text = "" };

		cr_expect(as_json(bad[i], strlen(bad[i]), &err) == NULL, "%s", bad[i]);
		cr_expect(strstr(err.text, "at byte") != NULL, "%s: %s", bad[i], err.text);
	}
}

/* Each of the last ones writes all before it twice. */
Test(jd_unserialize, has_an_end_however_often_it_refers_to_itself)
{
	char text[4096] = "a:40:{i:0;s:3:\"lol\";";
	struct err err = { .text = "" };
	int slot = 2;

	for (int i = 1; i < 40; i++) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, "i:%d;a:2:{i:0;r:%d;i:1;r:%d;}", i, slot,
			 slot);
		slot = i == 1 ? 3 : slot + 3;
	}
	strcat(text, "}");
	cr_expect(as_json(text, strlen(text), &err) == NULL);
	cr_expect(strstr(err.text, "too long") != NULL, "%s", err.text);
}

Test(jd_unserialize, reads_no_value_twice_for_a_list_that_is_none)
{
	char text[8192] = "";
	size_t n = 0;
	struct err err = { .text = "" };

	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a:2:{i:0;");
	n += (size_t)snprintf(text + n, sizeof(text) - n, "N;");
	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "s:1:\"k\";N;}");
	char *json = as_json(text, n, &err);
	cr_assert(json != NULL, "%s", err.text);
	cr_expect(strncmp(json, "{\"0\":{\"0\":", 10) == 0);
	free(json);
}
