/* {"role": "x", "pool": [{"pool": "a", "idle": 3, "wait_ms": {"count": 1, "p50": 2.5, ...}}]} */
#include "core/base/jsontext.h"
#include "core/stat/model.h"

static void put_string(FILE *to, const char *text)
{
	struct json_out out = { 0 };

	json_put_text(&out, text);
	fwrite(out.p, 1, out.n, to);
	json_out_fini(&out);
}

static void put_times(FILE *to, const struct hist *hist)
{
	fprintf(to, "{\"count\": %llu, \"mean\": ", (unsigned long long)hist->count);
	stat_put_number(to, hist->count ? (double)hist->sum / (double)hist->count / 1000 : 0);
	fputs(", \"p50\": ", to);
	stat_put_number(to, (double)hist_percentile(hist, 0.5) / 1000);
	fputs(", \"p95\": ", to);
	stat_put_number(to, (double)hist_percentile(hist, 0.95) / 1000);
	fputs(", \"p99\": ", to);
	stat_put_number(to, (double)hist_percentile(hist, 0.99) / 1000);
	fputc('}', to);
}

static void put_row(FILE *to, const struct stat_table *table, const struct stat_row *row)
{
	fputc('{', to);
	for (size_t i = 0; i < row->count; i++) {
		const struct stat_cell *cell = &row->cells[i];
		const struct stat_column *column = &table->columns[cell->column];

		fprintf(to, "%s\"%s%s\": ", i ? ", " : "", column->name,
			column->kind == STAT_TIMES ? "_ms" : "");
		if (cell->word)
			put_string(to, cell->word);
		else if (cell->hist)
			put_times(to, cell->hist);
		else
			stat_put_number(to, cell->number);
	}
	fputc('}', to);
}

void stat_as_json(const struct stat_out *out, FILE *to)
{
	fputs("{\"role\": ", to);
	put_string(to, out->role);
	for (size_t t = 0; t < out->count; t++) {
		const struct stat_table *table = &out->tables[t];

		fprintf(to, ",\n \"%s\": [", *table->name ? table->name : "totals");
		for (size_t r = 0; r < table->row_count; r++) {
			fputs(r ? ",\n  " : "\n  ", to);
			put_row(to, table, &table->rows[r]);
		}
		fputs("]", to);
	}
	fputs("}\n", to);
}
