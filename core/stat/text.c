/* The tables for a person: columns as wide as their widest cell, and the same as HTML. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/stat/model.h"

static void put_ms(FILE *to, uint64_t us)
{
	fprintf(to, us < 100000 ? "%.2f" : "%.0f", (double)us / 1000);
}

/* A cell as people see it; the caller's to free. */
static char *shown(const struct stat_row *row, size_t column)
{
	const struct stat_cell *cell = stat_cell_at(row, column);
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (cell && cell->word) {
		fputs(cell->word, to);
	} else if (cell && cell->hist) {
		put_ms(to, hist_percentile(cell->hist, 0.5));
		fputc('/', to);
		put_ms(to, hist_percentile(cell->hist, 0.95));
		fputc('/', to);
		put_ms(to, hist_percentile(cell->hist, 0.99));
	} else if (cell) {
		stat_put_number(to, cell->number);
	} else {
		fputc('-', to);
	}
	fclose(to);
	return text;
}

static char *heading_of(const struct stat_column *column)
{
	char *text;

	if (asprintf(&text, "%s%s", column->name,
		     column->kind == STAT_TIMES ? " p50/p95/p99 ms" : "") < 0)
		abort();
	return text;
}

static bool to_the_right(const struct stat_column *column)
{
	return column->kind != STAT_LABEL && column->kind != STAT_WORD;
}

static int width_of(const struct stat_table *table, size_t column)
{
	char *head = heading_of(&table->columns[column]);
	size_t width = strlen(head);

	free(head);
	for (size_t r = 0; r < table->row_count; r++) {
		char *text = shown(&table->rows[r], column);

		if (strlen(text) > width)
			width = strlen(text);
		free(text);
	}
	return (int)width;
}

static void put_cell(FILE *to, const struct stat_column *column, int width, const char *text)
{
	if (to_the_right(column))
		fprintf(to, "%*s", width, text);
	else
		fprintf(to, "%-*s", width, text);
}

/* One object: a line for each of its values. */
static void put_list(FILE *to, const struct stat_table *table)
{
	for (size_t c = 0; c < table->column_count; c++) {
		char *head = heading_of(&table->columns[c]);
		char *text = shown(&table->rows[0], c);

		fprintf(to, "%-24s  %s\n", head, text);
		free(head);
		free(text);
	}
}

static void put_line(FILE *to, const struct stat_table *table, const struct stat_row *row,
		     const int *widths)
{
	for (size_t c = 0; c < table->column_count; c++) {
		const struct stat_column *column = &table->columns[c];
		char *text = row ? shown(row, c) : heading_of(column);

		bool last = c + 1 == table->column_count;

		put_cell(to, column, last && !to_the_right(column) ? 0 : widths[c], text);
		fputs(last ? "\n" : "  ", to);
		free(text);
	}
}

static void put_table(FILE *to, const struct stat_table *table)
{
	int *widths = mem_new((table->column_count + 1) * sizeof(*widths));

	for (size_t c = 0; c < table->column_count; c++)
		widths[c] = width_of(table, c);
	put_line(to, table, NULL, widths);
	for (size_t r = 0; r < table->row_count; r++)
		put_line(to, table, &table->rows[r], widths);
	free(widths);
}

static bool has_labels(const struct stat_table *table)
{
	return table->column_count && table->columns[0].kind == STAT_LABEL;
}

void stat_as_text(const struct stat_out *out, FILE *to)
{
	for (size_t t = 0; t < out->count; t++) {
		const struct stat_table *table = &out->tables[t];

		fprintf(to, "%s%s\n", t ? "\n" : "", *table->name ? table->name : out->role);
		if (table->row_count == 1 && !has_labels(table))
			put_list(to, table);
		else
			put_table(to, table);
	}
}

static void put_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", to);
			break;
		case '&':
			fputs("&amp;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			fputc(*text, to);
		}
	}
}

static void put_html_row(FILE *to, const struct stat_table *table, const struct stat_row *row)
{
	fputs("<tr>", to);
	for (size_t c = 0; c < table->column_count; c++) {
		char *text = shown(row, c);

		fputs(to_the_right(&table->columns[c]) ? "<td class=n>" : "<td>", to);
		put_escaped(to, text);
		free(text);
	}
	fputs("\n", to);
}

static void put_html_table(FILE *to, const struct stat_table *table)
{
	fputs("<table><tr>", to);
	for (size_t c = 0; c < table->column_count; c++) {
		char *head = heading_of(&table->columns[c]);

		fputs("<th title=\"", to);
		put_escaped(to, table->columns[c].help ? table->columns[c].help : "");
		fputs("\">", to);
		put_escaped(to, head);
		free(head);
	}
	fputc('\n', to);
	for (size_t r = 0; r < table->row_count; r++)
		put_html_row(to, table, &table->rows[r]);
	fputs("</table>\n", to);
}

void stat_as_html(const struct stat_out *out, FILE *to)
{
	for (size_t t = 0; t < out->count; t++) {
		const struct stat_table *table = &out->tables[t];

		fputs("<h2>", to);
		put_escaped(to, *table->name ? table->name : out->role);
		fputs("</h2>\n<p>", to);
		put_escaped(to, table->help ? table->help : "");
		fputs("</p>\n", to);
		put_html_table(to, table);
	}
}
