#include "roles/sqlproxy/sp_rows.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"

void sp_rows_init(struct sp_rows *r, const struct sp_column *columns)
{
	memset(r, 0, sizeof(*r));
	for (; columns[r->width].name; r->width++) {
		assert(r->width < SP_COLUMNS_MAX);
		r->columns[r->width] = columns[r->width];
	}
}

static size_t all_cells(const struct sp_rows *r)
{
	return r->count * (size_t)r->width;
}

void sp_rows_fini(struct sp_rows *r)
{
	for (size_t i = 0; i < all_cells(r) + (size_t)r->filled; i++)
		free(r->cells[i]);
	for (int i = 0; i < SP_COLUMNS_MAX; i++)
		free(r->owned[i]);
	free(r->cells);
	memset(r, 0, sizeof(*r));
}

bool sp_rows_add_column(struct sp_rows *r, const char *name, enum sp_kind kind)
{
	if (r->width == SP_COLUMNS_MAX)
		return false;
	r->owned[r->width] = mem_str(name);
	r->columns[r->width] = (struct sp_column){ r->owned[r->width], kind };
	r->width++;
	return true;
}

/* Takes over the text. */
static void add(struct sp_rows *r, char *text)
{
	size_t at = all_cells(r) + (size_t)r->filled;

	if (at == r->size) {
		r->size = r->size ? 2 * r->size : 64;
		r->cells = mem_resize(r->cells, r->size * sizeof(*r->cells));
	}
	r->cells[at] = text;
	if (++r->filled == r->width) {
		r->filled = 0;
		r->count++;
	}
}

void sp_rows_text(struct sp_rows *r, const char *text)
{
	add(r, mem_str(text));
}

void sp_rows_number(struct sp_rows *r, int64_t n)
{
	sp_rows_fmt(r, "%lld", (long long)n);
}

void sp_rows_fmt(struct sp_rows *r, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	add(r, text);
}

int sp_rows_column(const struct sp_rows *r, struct sp_span name)
{
	for (int i = 0; i < r->width; i++)
		if (strlen(r->columns[i].name) == name.len &&
		    strncasecmp(r->columns[i].name, name.at, name.len) == 0)
			return i;
	return -1;
}

/* ---- choosing -------------------------------------------------------------- */

static char **row_at(const struct sp_rows *r, size_t row)
{
	return r->cells + row * (size_t)r->width;
}

static void free_row(const struct sp_rows *r, size_t row)
{
	for (int i = 0; i < r->width; i++)
		free(row_at(r, row)[i]);
}

void sp_rows_keep(struct sp_rows *r, bool (*test)(const char *const *row, const void *data),
		  const void *data)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (!test((const char *const *)row_at(r, i), data)) {
			free_row(r, i);
			continue;
		}
		memmove(row_at(r, kept++), row_at(r, i), sizeof(char *) * (size_t)r->width);
	}
	r->count = kept;
}

void sp_rows_limit(struct sp_rows *r, size_t most)
{
	while (r->count > most)
		free_row(r, --r->count);
}

struct order {
	int column;
	bool number, descending;
};

static int by_text(const char *a, const char *b)
{
	return a && b ? strcasecmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_number(const char *a, const char *b)
{
	double x = a ? atof(a) : -1e300, y = b ? atof(b) : -1e300;

	return (x > y) - (x < y);
}

static int compare(const void *a, const void *b, void *data)
{
	const struct order *o = data;
	const char *x = ((char *const *)a)[o->column], *y = ((char *const *)b)[o->column];
	int n = o->number ? by_number(x, y) : by_text(x, y);

	return o->descending ? -n : n;
}

void sp_rows_sort(struct sp_rows *r, int column, bool descending)
{
	struct order o = { column, r->columns[column].kind != SP_TEXT, descending };

	if (r->count > 1)
		qsort_r(r->cells, r->count, sizeof(char *) * (size_t)r->width, compare, &o);
}

void sp_rows_project(struct sp_rows *r, const int *columns, int count)
{
	struct sp_rows now = { .width = count };

	assert(count <= SP_COLUMNS_MAX);
	for (int i = 0; i < count; i++)
		now.columns[i] = r->columns[columns[i]];
	for (size_t row = 0; row < r->count; row++)
		for (int i = 0; i < count; i++)
			sp_rows_text(&now, sp_rows_at(r, row, columns[i]));
	memcpy(now.owned, r->owned, sizeof(now.owned));
	memset(r->owned, 0, sizeof(r->owned));
	sp_rows_fini(r);
	*r = now;
}

/* Two pointers and one place to go back to: no pattern takes long. */
bool sp_rows_like(const char *text, struct sp_span pattern)
{
	size_t p = 0, star = SIZE_MAX;
	const char *back = NULL;

	while (*text) {
		bool escaped = p + 1 < pattern.len && pattern.at[p] == '\\';
		char want = p < pattern.len ? pattern.at[p + escaped] : '\0';
		if (p < pattern.len && !escaped && want == '%') {
			star = ++p;
			back = text;
		} else if (p < pattern.len &&
			   ((!escaped && want == '_') ||
			    tolower((unsigned char)want) == tolower((unsigned char)*text))) {
			p += 1u + escaped;
			text++;
		} else if (star != SIZE_MAX) {
			p = star;
			text = ++back;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '%')
		p++;
	return p == pattern.len;
}

/* ---- writing ---------------------------------------------------------------- */

/* Letters of UTF-8, as a terminal counts them, more or less. */
static int letters(const char *text)
{
	int n = 0;

	for (; text && *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static int widest(const struct sp_rows *r, int column)
{
	int width = letters(r->columns[column].name);

	for (size_t i = 0; i < r->count; i++) {
		int n = letters(sp_rows_at(r, i, column));
		width = n > width ? n : width;
	}
	return width;
}

static void put_cell(const char *text, bool right, bool last, int width, FILE *out)
{
	int pad = width - letters(text);

	if (right)
		fprintf(out, "%*s%s", pad, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", out);
}

void sp_rows_as_text(const struct sp_rows *r, FILE *out)
{
	int width[SP_COLUMNS_MAX];

	for (int i = 0; i < r->width; i++) {
		width[i] = widest(r, i);
		put_cell(r->columns[i].name, r->columns[i].kind != SP_TEXT, i + 1 == r->width,
			 width[i], out);
	}
	for (size_t row = 0; row < r->count; row++) {
		for (int i = 0; i < r->width; i++) {
			const char *text = sp_rows_at(r, row, i);
			put_cell(text ? text : "-", r->columns[i].kind != SP_TEXT,
				 i + 1 == r->width, width[i], out);
		}
	}
}

static void put_json(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(out, "\\u%04x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

void sp_rows_as_json(const struct sp_rows *r, FILE *out)
{
	fputc('[', out);
	for (size_t row = 0; row < r->count; row++) {
		fputs(row ? ",\n{" : "{", out);
		for (int i = 0; i < r->width; i++) {
			const char *text = sp_rows_at(r, row, i);
			fputs(i ? "," : "", out);
			put_json(r->columns[i].name, out);
			fputc(':', out);
			if (!text)
				fputs("null", out);
			else if (r->columns[i].kind != SP_TEXT)
				fputs(text, out);
			else
				put_json(text, out);
		}
		fputc('}', out);
	}
	fputs("]\n", out);
}
