/*
 *	out -> tables -> columns, by name and in the order of their first appearance
 *	              -> rows -> cells, each of one column
 *
 * Counts are small (tens of columns, hundreds of rows), so looking up a column
 * by name from the last place on is as good as an index.
 */
#include "core/stat/stat.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/stat/model.h"

/* Room for one more in an array that grows by doubling. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1) || (count && count < 4))
		return array;
	return mem_resize(array, (count ? count * 2 : 4) * size);
}

struct stat_out *stat_new(const char *role)
{
	struct stat_out *out = mem_new(sizeof(*out));

	out->role = role;
	return out;
}

static void row_free(struct stat_row *row)
{
	for (size_t i = 0; i < row->count; i++) {
		free(row->cells[i].word);
		free(row->cells[i].hist);
	}
	free(row->cells);
}

void stat_free(struct stat_out *out)
{
	for (size_t t = 0; t < out->count; t++) {
		struct stat_table *table = &out->tables[t];

		for (size_t r = 0; r < table->row_count; r++)
			row_free(&table->rows[r]);
		free(table->rows);
		free(table->columns);
	}
	free(out->tables);
	free(out);
}

void stat_table(struct stat_out *out, const char *name, const char *help)
{
	out->tables = grown(out->tables, out->count, sizeof(*out->tables));
	out->tables[out->count++] = (struct stat_table){ .name = name, .help = help };
}

static struct stat_table *last_table(struct stat_out *out)
{
	assert(out->count); /* stat_table comes first */
	return &out->tables[out->count - 1];
}

void stat_row(struct stat_out *out)
{
	struct stat_table *table = last_table(out);

	table->rows = grown(table->rows, table->row_count, sizeof(*table->rows));
	table->rows[table->row_count++] = (struct stat_row){ 0 };
}

static size_t column_of(struct stat_table *table, struct stat_column column)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].name, column.name) == 0)
			return i;
	table->columns = grown(table->columns, table->column_count, sizeof(*table->columns));
	table->columns[table->column_count] = column;
	return table->column_count++;
}

static struct stat_cell *add(struct stat_out *out, struct stat_column column)
{
	struct stat_table *table = last_table(out);

	assert(table->row_count); /* stat_row comes first */
	struct stat_row *row = &table->rows[table->row_count - 1];
	row->cells = grown(row->cells, row->count, sizeof(*row->cells));
	row->cells[row->count] = (struct stat_cell){ .column = column_of(table, column) };
	return &row->cells[row->count++];
}

void stat_label(struct stat_out *out, const char *name, const char *value)
{
	add(out, (struct stat_column){ name, NULL, STAT_LABEL })->word =
		mem_str(value ? value : "");
}

void stat_word(struct stat_out *out, const char *name, const char *word)
{
	add(out, (struct stat_column){ name, NULL, STAT_WORD })->word = mem_str(word ? word : "");
}

void stat_counter(struct stat_out *out, const char *name, const char *help, double n)
{
	add(out, (struct stat_column){ name, help, STAT_COUNTER })->number = n;
}

void stat_gauge(struct stat_out *out, const char *name, const char *help, double value)
{
	add(out, (struct stat_column){ name, help, STAT_GAUGE })->number = value;
}

void stat_times(struct stat_out *out, const char *name, const char *help, const struct hist *hist)
{
	struct stat_cell *cell = add(out, (struct stat_column){ name, help, STAT_TIMES });

	cell->hist = mem_new(sizeof(*hist));
	hist_merge(cell->hist, hist);
}

const struct stat_cell *stat_cell_at(const struct stat_row *row, size_t column)
{
	for (size_t i = 0; i < row->count; i++)
		if (row->cells[i].column == column)
			return &row->cells[i];
	return NULL;
}

void stat_put_number(FILE *to, double n)
{
	if (n == floor(n) && fabs(n) < 1e15)
		fprintf(to, "%.0f", n);
	else if (isfinite(n))
		fprintf(to, "%.15g", n);
	else
		fputs("0", to);
}
