/* Entries, extended attributes, paths and rules of foreign bytes: what is got and put is the same
 * when it is got again; a path that passes leads nowhere but down. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "roles/dfsd/df_entry.h"
#include "roles/dfsd/df_ignore.h"

static void entry(const uint8_t *p, size_t size)
{
	struct df_entry e, again;
	size_t n = df_entry_get(&e, p, size);

	assert(n <= size);
	if (!n)
		return;
	uint8_t *bytes = malloc(df_entry_room(&e));
	size_t put = (size_t)(df_entry_put(bytes, &e) - bytes);
	assert(put <= df_entry_room(&e));
	assert(df_entry_get(&again, bytes, put) == put);
	assert(df_entry_same_content(&e, &again) && df_entry_same_rest(&e, &again));
	uint8_t *twice = malloc(df_entry_room(&again));
	assert((size_t)(df_entry_put(twice, &again) - twice) == put);
	assert(memcmp(bytes, twice, put) == 0);
	free(twice);
	free(bytes);
}

static void xattrs(const uint8_t *p, size_t size)
{
	struct df_bytes blob = { p, size };
	struct df_xattr x;
	size_t at = 0, n = 0;

	bool well = df_xattrs_are_well(blob);
	while (df_xattr_next(blob, &at, &x)) {
		assert(at <= size && x.value.n <= size);
		n += strlen(x.name) + x.value.n;
	}
	assert(n <= size && (!well || at == size));
}

/* By the book: each part by itself. */
static void path(const uint8_t *p, size_t size)
{
	char *copy = malloc(size + 1), *rest = copy, *part;
	bool well = size > 0 && size < DF_PATH && !memchr(p, 0, size);

	memcpy(copy, p, size);
	copy[size] = '\0';
	while (well && (part = strsep(&rest, "/")))
		well = *part && strlen(part) <= DF_NAME && strcmp(part, ".") != 0 &&
		       strcmp(part, "..") != 0 && strcmp(part, ".troupe") != 0;
	free(copy);
	assert(df_path_is_well((struct df_bytes){ p, size }) == well);
}

/* Lines, the last one is the path. */
static void rules(const uint8_t *p, size_t size)
{
	struct df_ignore *g = df_ignore_new();
	char *copy = malloc(size + 1), *rest = copy, *line;

	memcpy(copy, p, size);
	copy[size] = '\0';
	while ((line = strsep(&rest, "\n")) && rest)
		df_ignore_add(g, line);
	df_ignore_has(g, line ? line : "", size & 1);
	df_ignore_free(g);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const looks[])(const uint8_t *p, size_t n) = { entry, xattrs, path, rules };

	if (size == 0)
		return 0;
	uint8_t *exact = malloc(size);
	memcpy(exact, data + 1, size - 1);
	looks[data[0] % 4](exact, size - 1);
	free(exact);
	return 0;
}
