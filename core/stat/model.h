/* model - what stat's writers gather and its renderers read. Private to core/stat. */
#pragma once

#include "core/stat/stat.h"

enum stat_kind { STAT_LABEL, STAT_WORD, STAT_COUNTER, STAT_GAUGE, STAT_TIMES };

struct stat_column {
	const char *name;
	const char *help;
	enum stat_kind kind;
};

struct stat_cell {
	size_t column;
	char *word;        /* LABEL, WORD */
	double number;     /* COUNTER, GAUGE */
	struct hist *hist; /* TIMES */
};

struct stat_row {
	struct stat_cell *cells;
	size_t count;
};

struct stat_table {
	const char *name;
	const char *help;
	struct stat_column *columns;
	size_t column_count;
	struct stat_row *rows;
	size_t row_count;
};

struct stat_out {
	const char *role;
	struct stat_table *tables;
	size_t count;
};

/* NULL: the row has nothing in that column. */
const struct stat_cell *stat_cell_at(const struct stat_row *row, size_t column);

/* As JSON and Prometheus both take it: no exponent for whole numbers, 0 for what is no number. */
void stat_put_number(FILE *to, double n);
