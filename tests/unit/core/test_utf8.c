/* UTF-8: characters at their borders, and bytes that are part of none. */
#include "core/base/utf8.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(utf8, a_character_is_what_rfc_3629_says)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{ "a", 1 },
		{ "\x7f", 1 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "\xc2", 0 },
		{ "\xe4\xbd", 0 },
		{ "\xc3(", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].text);
		char *own = malloc(n); /* exactly its size: a look behind it is seen */
		memcpy(own, cases[i].text, n);
		cr_assert_eq(utf8_length((unsigned char *)own, n), cases[i].n, "case %zu", i);
		cr_assert_eq(utf8_is(own, n), cases[i].n > 0, "case %zu", i);
		free(own);
	}
	cr_assert(utf8_is("", 0));
}

Test(utf8, what_is_mended_keeps_its_characters)
{
	static const char text[] = "\xbd\xa0\xe5\xa5\xbd a\xff \xf0\x9f\x98\x80 \xe4\xbd";
	char own[sizeof(text)];

	memcpy(own, text, sizeof(text));
	cr_assert_not(utf8_is(own, sizeof(own) - 1));
	utf8_mend(own, sizeof(own) - 1);
	cr_assert_str_eq(own, "??\xe5\xa5\xbd a? \xf0\x9f\x98\x80 ??");
	cr_assert(utf8_is(own, sizeof(own) - 1));
}
