/* Text format 0.0.4: for each column of numbers a family, with a sample from each row. */
#include <stdbool.h>

#include "core/stat/model.h"

/* One family while it is written. */
struct family {
	FILE *to;
	const struct stat_table *table;
	size_t column;
	char name[256];
};

static void put_escaped(FILE *to, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\\' || (quotes && *text == '"'))
			fprintf(to, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", to);
		else
			fputc(*text, to);
	}
}

/* {pool="a",le="0.5"}; le: NULL for none. */
static void put_labels(const struct family *f, const struct stat_row *row, const char *le)
{
	int n = 0;

	for (size_t i = 0; i < row->count; i++) {
		const struct stat_column *column = &f->table->columns[row->cells[i].column];

		if (column->kind != STAT_LABEL)
			continue;
		fprintf(f->to, "%s%s=\"", n++ ? "," : "{", column->name);
		put_escaped(f->to, row->cells[i].word, true);
		fputc('"', f->to);
	}
	if (le)
		fprintf(f->to, "%sle=\"%s\"", n++ ? "," : "{", le);
	if (n)
		fputc('}', f->to);
}

/* A bound for each power of two from 16 us to 1 min, in seconds; the finer buckets stay ours. */
static void put_hist(const struct family *f, const struct stat_row *row, const struct hist *hist)
{
	uint64_t seen = 0, total = 0;
	char le[32];

	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		total += hist->buckets[i];
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		uint64_t end = hist_end(i);

		seen += hist->buckets[i];
		if ((end & (end - 1)) || end < 16 || end > 1 << 26)
			continue;
		snprintf(le, sizeof(le), "%.9g", (double)end / 1e6);
		fprintf(f->to, "%s_bucket", f->name);
		put_labels(f, row, le);
		fprintf(f->to, " %llu\n", (unsigned long long)seen);
	}
	fprintf(f->to, "%s_bucket", f->name);
	put_labels(f, row, "+Inf");
	fprintf(f->to, " %llu\n%s_sum", (unsigned long long)total, f->name);
	put_labels(f, row, NULL);
	fprintf(f->to, " %.9g\n%s_count", (double)hist->sum / 1e6, f->name);
	put_labels(f, row, NULL);
	fprintf(f->to, " %llu\n", (unsigned long long)total);
}

static void put_sample(const struct family *f, const struct stat_row *row)
{
	const struct stat_cell *cell = stat_cell_at(row, f->column);

	if (!cell)
		return;
	if (cell->hist) {
		put_hist(f, row, cell->hist);
		return;
	}
	fputs(f->name, f->to);
	put_labels(f, row, NULL);
	fputc(' ', f->to);
	stat_put_number(f->to, cell->number);
	fputc('\n', f->to);
}

static void put_family(struct family *f, const char *role)
{
	static const char *const kinds[] = { "", "", "counter", "gauge", "histogram" };
	static const char *const ends[] = { "", "", "_total", "", "_seconds" };

	const struct stat_column *column = &f->table->columns[f->column];
	snprintf(f->name, sizeof(f->name), "troupe_%s_%s%s%s%s", role, f->table->name,
		 *f->table->name ? "_" : "", column->name, ends[column->kind]);
	fprintf(f->to, "# HELP %s ", f->name);
	put_escaped(f->to, column->help ? column->help : "", false);
	fprintf(f->to, "\n# TYPE %s %s\n", f->name, kinds[column->kind]);
	for (size_t r = 0; r < f->table->row_count; r++)
		put_sample(f, &f->table->rows[r]);
}

void stat_as_prometheus(const struct stat_out *out, FILE *to)
{
	for (size_t t = 0; t < out->count; t++) {
		const struct stat_table *table = &out->tables[t];

		for (size_t c = 0; c < table->column_count; c++) {
			struct family f = { .to = to, .table = table, .column = c };

			if (table->columns[c].kind > STAT_WORD)
				put_family(&f, out->role);
		}
	}
}
