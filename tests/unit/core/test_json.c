#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

Test(json, what_stands_at_a_path)
{
	static const struct {
		const char *text, *path, *want;
	} cases[] = {
		{ "{\"a\":{\"b\":\"x y\"}}", "a.b", "x y" },
		{ "{\"a\":[1,{\"b\":2.5}]}", "a.1.b", "2.5" },
		{ "{\"a\":[1,{\"b\":2}]}", "a.1", "{\"b\":2}" },
		{ "[true]", "0", "true" },
		{ "7", "", "7" },
		{ "\"s\"", "", "s" },
		{ "{\"a\":null}", "a", NULL },
		{ "{\"a\":1}", "b", NULL },
		{ "{\"a\":1}", "a.b", NULL },
		{ "[1]", "x", NULL },
		{ "[1]", "9", NULL },
		{ "{\"a\":", "a", NULL },
		{ "", "a", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = json_text_at(cases[i].text, strlen(cases[i].text), cases[i].path);
		if (cases[i].want)
			check_str(got ? got : "(none)", cases[i].want);
		else
			cr_expect(got == NULL, "%s %s", cases[i].text, cases[i].path);
		free(got);
	}
	cr_expect(json_text_at(NULL, 0, "a") == NULL);
}
