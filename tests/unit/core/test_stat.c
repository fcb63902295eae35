#include "core/stat/stat.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

Test(hist, buckets_meet_without_a_gap)
{
	for (uint64_t v = 0; v < 5000; v++) {
		unsigned i = hist_bucket(v);

		cr_expect(v < hist_end(i));
		cr_expect(i == 0 || v >= hist_end(i - 1));
	}
	check_int(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}

Test(hist, percentile_is_near_and_merge_adds)
{
	struct hist a = { 0 }, b = { 0 };

	check_int(hist_percentile(&a, 0.5), 0);
	for (uint64_t v = 1; v <= 1000; v++)
		hist_add(v % 2 ? &a : &b, v);
	hist_merge(&a, &b);
	check_int(a.count, 1000);
	check_int(a.sum, 500500);
	cr_expect(hist_percentile(&a, 0.5) > 430 && hist_percentile(&a, 0.5) < 570);
	cr_expect(hist_percentile(&a, 0.99) > 880 && hist_percentile(&a, 0.99) < 1100);
}

static struct stat_out *sample(void)
{
	struct stat_out *out = stat_new("demo");
	struct hist wait = { 0 };

	hist_add(&wait, 100);
	stat_table(out, "", "All of it.");
	stat_row(out);
	stat_counter(out, "queries", "Queries answered.", 12345678901);
	stat_table(out, "pool", "Pools.");
	for (int i = 0; i < 9; i++) {
		stat_row(out);
		stat_label(out, "pool", i ? "b" : "a\"\\<");
		stat_gauge(out, "idle", "Idle.", i + 0.5);
		if (i == 0)
			stat_times(out, "wait", "Waited.", &wait);
		stat_word(out, "state", "up");
	}
	return out;
}

static char *shown(void (*as)(const struct stat_out *, FILE *))
{
	struct stat_out *out = sample();
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	as(out, to);
	fclose(to);
	stat_free(out);
	return text;
}

#define check_has(text, part) cr_expect(strstr((text), (part)) != NULL, "no %s in:\n%s", part, text)

Test(stat, prometheus_groups_rows_by_family)
{
	char *text = shown(stat_as_prometheus);

	check_has(text, "# TYPE troupe_demo_queries_total counter\ntroupe_demo_queries_total "
			"12345678901\n");
	check_has(text, "# TYPE troupe_demo_pool_idle gauge\n"
			"troupe_demo_pool_idle{pool=\"a\\\"\\\\<\"} 0.5\n"
			"troupe_demo_pool_idle{pool=\"b\"} 1.5\n");
	check_has(text, "_wait_seconds_bucket{pool=\"a\\\"\\\\<\",le=\"6.4e-05\"} 0\n");
	check_has(text, "_wait_seconds_bucket{pool=\"a\\\"\\\\<\",le=\"0.000128\"} 1\n");
	check_has(text, "_wait_seconds_sum{pool=\"a\\\"\\\\<\"} 0.0001\n");
	cr_expect(strstr(text, "state") == NULL);
	free(text);
}

Test(stat, text_json_and_html_show_every_cell)
{
	char *text = shown(stat_as_text);
	char *json = shown(stat_as_json);
	char *html = shown(stat_as_html);

	check_has(text, "pool  idle  wait p50/p95/p99 ms  state\n");
	check_has(text, "b      8.5                    -  up\n");
	check_has(json, "\"totals\": [\n  {\"queries\": 12345678901}]");
	check_has(json, "{\"pool\": \"a\\\"\\\\<\", \"idle\": 0.5, \"wait_ms\": {\"count\": 1, ");
	check_has(html, "<td>a&quot;\\&lt;<td class=n>0.5<td class=n>0.10/0.10/0.10<td>up\n");
	free(text);
	free(json);
	free(html);
}
