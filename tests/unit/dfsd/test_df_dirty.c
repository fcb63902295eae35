/* Places, each once, at their moments. */
#include "roles/dfsd/df_dirty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

static struct df_dirty d;

static void put(df_id dir, const char *name, int64_t due, unsigned how)
{
	df_dirty_put(&d, dir, (struct df_bytes){ name, strlen(name) }, due, how);
}

/* "dir/name", with a * when it was written to; "-" for none. */
static const char *take(int64_t now, int64_t *next)
{
	static char text[300];
	struct df_dirty_item *item = df_dirty_take(&d, now, next);

	if (!item)
		return "-";
	snprintf(text, sizeof(text), "%d/%.*s%s", (int)item->dir, item->n, item->name,
		 item->written ? "*" : "");
	free(item);
	return text;
}

static void set_up(void)
{
	df_dirty_init(&d);
}

static void tear_down(void)
{
	df_dirty_fini(&d);
}

TestSuite(df_dirty, .init = set_up, .fini = tear_down);

Test(df_dirty, each_once_in_the_order_of_their_moments)
{
	int64_t next;

	check_str(take(100, &next), "-");
	check_int(next, 0);
	put(1, "a", 10, 0);
	put(2, "a", 11, 0);
	put(1, "a", 12, DF_WRITTEN);
	put(1, "", 13, 0);
	check_int(d.n, 3);
	check_str(take(9, &next), "-");
	check_int(next, 10);
	check_str(take(11, &next), "1/a*");
	check_str(take(11, &next), "2/a");
	check_str(take(11, &next), "-");
	check_int(next, 13);
	check_str(take(13, &next), "1/");
	check_int(d.n, 0);
}

Test(df_dirty, later_gives_way_to_soon_and_never_the_other_way)
{
	int64_t next;

	put(1, "open", 1000, DF_LATER | DF_WRITTEN);
	put(1, "other", 1001, DF_LATER);
	put(1, "open", 5, 0);
	put(1, "open", 2000, DF_LATER);
	check_str(take(5, &next), "1/open*");
	check_str(take(5, &next), "-");
	check_int(next, 1001);
	put(1, "soon", 1001, 0);
	check_str(take(1001, &next), "1/soon");
	check_str(take(1001, &next), "1/other");
}

Test(df_dirty, thousands_are_all_there)
{
	enum { MANY = 5000 };
	char name[DF_NAME + 1];
	int64_t next;
	int n = 0;

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "%d", i);
			put((df_id)(i % 7 + 1), name, i + 1, i % 3 ? 0 : DF_LATER);
		}
	memset(name, 'x', DF_NAME);
	name[DF_NAME] = '\0';
	put(1, name, MANY, 0);
	check_int(d.n, MANY + 1);
	while (strcmp(take(MANY, &next), "-") != 0)
		n++;
	check_int(n, MANY + 1);
	check_int(next, 0);
	put(1, "left", 1, 0); /* goes with the set */
}
