/*
 * sp_rows - a table of answers: columns that somebody described, and cells of text.
 *
 * What the console, `troupe ctl` and `status` show is gathered into one of these first; then it is
 * filtered, sorted and written in whatever form was asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "roles/sqlproxy/sp_lex.h"

enum sp_kind { SP_TEXT, SP_INT, SP_REAL };

struct sp_column {
	const char *name;
	enum sp_kind kind;
};

enum { SP_COLUMNS_MAX = 40 };

struct sp_rows {
	struct sp_column columns[SP_COLUMNS_MAX];
	int width;
	char *owned[SP_COLUMNS_MAX]; /* names of columns that a statement made up */
	char **cells;                /* row by row; NULL: SQL's NULL */
	size_t count, size;          /* rows; room in cells */
	int filled;                  /* cells of the row under way */
};

/* columns: a table that ends with name NULL. Names are kept by pointer. */
void sp_rows_init(struct sp_rows *r, const struct sp_column *columns);
void sp_rows_fini(struct sp_rows *r);

/* One more column, before the first cell; the name is copied. False: there are too many. */
bool sp_rows_add_column(struct sp_rows *r, const char *name, enum sp_kind kind);

/* The cells of a row, from left to right; the last one completes it. */
void sp_rows_text(struct sp_rows *r, const char *text); /* NULL: NULL */
void sp_rows_number(struct sp_rows *r, int64_t n);
void sp_rows_fmt(struct sp_rows *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline const char *sp_rows_at(const struct sp_rows *r, size_t row, int column)
{
	return r->cells[row * (size_t)r->width + (size_t)column];
}

/* -1: no such column. Names are compared without case. */
int sp_rows_column(const struct sp_rows *r, struct sp_span name);

/* Keeps the rows for which `test` says so. */
void sp_rows_keep(struct sp_rows *r, bool (*test)(const char *const *row, const void *data),
		  const void *data);
void sp_rows_sort(struct sp_rows *r, int column, bool descending);
void sp_rows_limit(struct sp_rows *r, size_t most);
/* Only these columns, in this order. */
void sp_rows_project(struct sp_rows *r, const int *columns, int count);

/* SQL's LIKE: % and _, without case, \ escapes. */
bool sp_rows_like(const char *text, struct sp_span pattern);

void sp_rows_as_text(const struct sp_rows *r, FILE *out);
/* An array of objects. */
void sp_rows_as_json(const struct sp_rows *r, FILE *out);
