#include "core/conf/percent.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

static const struct percent_name names[] = { { "program_name", "web" }, { "process_num", "7" } };
static char a1[] = "A=1", b[] = "B=", a2[] = "A=2", path[] = "PATH=/bin:/sbin";
static char *env_near[] = { a1, b, NULL };
static char *env_far[] = { a2, path, NULL };
static const struct percent with = { names, 2, { env_near, NULL, env_far } };

Test(percent, fills_in_names)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "%(program_name)s", "web" },
		{ "%(program_name)s_%(process_num)02d.log", "web_07.log" },
		{ "80%(process_num)02d", "8007" },
		{ "[%(process_num)5d|%(process_num)-5d|%(process_num)s]", "[    7|7    |7]" },
		{ "[%(program_name)6s|%(program_name)-6s|%(program_name).2s]",
		  "[   web|web   |we]" },
		{ "%(process_num)x %(process_num)+d %(process_num)i", "7 +7 7" },
		{ "100%% %%(x)s", "100% %(x)s" },
		{ "150%", "150%" },
		{ "20%, 5% x", "20%, 5% x" },
		{ "%(ENV_A)s%(ENV_B)s%(ENV_PATH)s", "1/bin:/sbin" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		char *got = percent_expand(cases[i].text, &with, &err);
		check_str(err.text, "");
		check_str(got, cases[i].want);
		free(got);
	}
}

Test(percent, says_what_is_wrong)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "%(prgram_name)s", "%(prgram_name)s: no such name, is %(program_name)s meant?" },
		{ "%(ENV_PTH)s",
		  "%(ENV_PTH)s: PTH is not set in the environment, is %(ENV_PATH)s meant?" },
		{ "%(ENV_SOMETHING)s",
		  "%(ENV_SOMETHING)s: SOMETHING is not set in the environment" },
		{ "%(colour)s",
		  "%(colour)s: no such name; there are program_name, process_num and ENV_NAME" },
		{ "%d", "%d: not of the form %(name)s; a per cent sign is written %%" },
		{ "date +%H", "%H: not of the form %(name)s; a per cent sign is written %%" },
		{ "%(program_name", "%(program_name: not of the form %(name)s" },
		{ "%()s", "%()s: not of the form %(name)s" },
		{ "%(program_name)", "%(program_name): a letter such as s or d must follow" },
		{ "%(program_name)q", "%(program_name): a letter such as s or d must follow" },
		{ "%(program_name)d", "%(program_name)d: 'web' is not a number" },
		{ "%(process_num)9999d", "%(process_num): a letter such as s or d must follow" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		check_true(percent_expand(cases[i].text, &with, &err) == NULL);
		check_str(err.text, cases[i].want);
	}
}

Test(percent, has_a_ceiling)
{
	char text[12000] = "";
	struct err err = { 0 };

	for (int i = 0; i < 1100; i++)
		strcat(text, "%(A)1000s");
	struct percent_name a = { "A", "x" };
	check_true(percent_expand(text, &(struct percent){ &a, 1, { NULL } }, &err) == NULL);
	check_str(err.text, "longer than 1 MiB when its names are filled in");
}
