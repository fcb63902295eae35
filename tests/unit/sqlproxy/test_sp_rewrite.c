#include "roles/sqlproxy/sp_rewrite.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/base/buf.h"

static const struct {
	const char *sql, *want; /* NULL: nothing to replace */
} calls[] = {
	{ "select row_count()", "select (R) AS `row_count()`" },
	{ "select ROW_COUNT ( ) , 1", "select (R) AS `ROW_COUNT ( )` , 1" },
	{ "select row_count() + 1", "select (R) + 1 AS `row_count() + 1`" },
	{ "select row_count() r, found_rows() as f, 2", "select (R) r, (F) as f, 2" },
	{ "select row_count() 'r'", "select (R) 'r'" },
	{ "select row_count() is null", "select (R) is null AS `row_count() is null`" },
	{ "select if(found_rows(), 1, '`')",
	  "select if((F), 1, '`') AS `if(found_rows(), 1, '``')`" },
	{ "select case when row_count() then 1 end from t",
	  "select case when (R) then 1 end AS `case when row_count() then 1 end` from t" },
	{ "select distinct found_rows() limit 1", "select distinct (F) AS `found_rows()` limit 1" },
	{ "(select row_count()) union (select 2)",
	  "(select (R) AS `row_count()`) union (select 2)" },
	{ "select (select found_rows()), 3", "select (select (F)) AS `(select found_rows())`, 3" },
	{ "select found_rows() /* found_rows() */;",
	  "select (F) AS `found_rows()` /* found_rows() */;" },
	{ "select 'row_count()', `row_count()`, t.row_count()", NULL },
	{ "insert into t values (row_count())", "insert into t values ((R))" },
	{ "select row_count(); select row_count()",
	  "select (R) AS `row_count()`; select row_count()" },
	{ "select id from t where id = row_count()", "select id from t where id = (R)" },
};

Test(sp_rewrite, calls_become_values_and_columns_keep_their_names)
{
	const struct sp_calls values = { "", "R", "F" };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct sp_span sql = { calls[i].sql, strlen(calls[i].sql) };
		const char *want = calls[i].want ? calls[i].want : calls[i].sql;
		struct buf out;
		buf_init(&out, 4096);
		bool any = sp_rewrite_calls(sql, &values, &out);
		cr_expect(any == (calls[i].want != NULL), "%s", sql.at);
		cr_expect(buf_len(&out) == strlen(want) &&
				  memcmp(buf_data(&out), want, strlen(want)) == 0,
			  "%s -> %.*s", sql.at, (int)buf_len(&out), (const char *)buf_data(&out));
		buf_fini(&out);
	}
}
