/* A set of numbers. */
#include "roles/dfsd/df_set.h"

#include "tests/lib/check.h"

Test(df_set, has_what_was_added_and_no_more)
{
	struct df_set s = { .n = 0 };

	check_true(!df_set_has(&s, 1));
	for (uint64_t i = 1; i <= 3000; i++) {
		df_set_add(&s, i * 0x100000001u);
		df_set_add(&s, i * 0x100000001u);
	}
	df_set_add(&s, UINT64_MAX);
	check_int(s.n, 3001);
	for (uint64_t i = 1; i <= 3000; i++) {
		check_true(df_set_has(&s, i * 0x100000001u));
		check_true(!df_set_has(&s, i * 0x100000001u + 1));
	}
	check_true(df_set_has(&s, UINT64_MAX));
	df_set_clear(&s);
	check_true(!df_set_has(&s, 0x100000001u) && s.n == 0);
	df_set_clear(&s);
}
