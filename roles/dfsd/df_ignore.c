#include "roles/dfsd/df_ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"

enum { RULES = 10000 };

struct rule {
	char *pattern;
	bool back;     /* !: it is not left out */
	bool folder;   /* only folders */
	bool anchored; /* from the root on, not any name */
};

struct df_ignore {
	struct rule *rules;
	int n;
};

struct df_ignore *df_ignore_new(void)
{
	return mem_new(sizeof(struct df_ignore));
}

void df_ignore_free(struct df_ignore *g)
{
	for (int i = 0; g && i < g->n; i++)
		free(g->rules[i].pattern);
	if (g)
		free(g->rules);
	free(g);
}

/* White space at the end goes, unless it is escaped. */
static size_t trimmed(const char *line)
{
	size_t n = strcspn(line, "\r\n");

	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t') && !(n > 1 && line[n - 2] == '\\'))
		n--;
	return n;
}

void df_ignore_add(struct df_ignore *g, const char *line)
{
	struct rule r = { .back = *line == '!' };
	size_t n = trimmed(line += r.back);

	if (!n || *line == '#' || g->n == RULES)
		return;
	if (line[n - 1] == '/') {
		r.folder = true;
		n--;
	}
	const char *slash = memchr(line, '/', n);
	r.anchored = slash != NULL;
	if (n && *line == '/') {
		line++;
		n--;
	}
	if (!n)
		return;
	r.pattern = mem_new(n + 1);
	memcpy(r.pattern, line, n);
	if ((g->n & (g->n - 1)) == 0)
		g->rules = mem_resize(g->rules, (g->n ? 2 * (size_t)g->n : 1) * sizeof(r));
	g->rules[g->n++] = r;
}

int df_ignore_read(struct df_ignore *g, int dir, const char *path, struct err *err)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return errno == ENOENT ? 0
				       : err_set(err, uv_translate_sys_error(errno), "%s: %s", path,
						 strerror(errno));
	while (getline(&line, &room, f) >= 0)
		df_ignore_add(g, line);
	free(line);
	fclose(f);
	return 0;
}

/* One part of a path. */
static bool fits_name(const char *pattern, size_t p, const char *name, size_t n)
{
	char a[4096], b[256];

	if (p >= sizeof(a) || n >= sizeof(b))
		return false;
	memcpy(a, pattern, p);
	a[p] = '\0';
	memcpy(b, name, n);
	b[n] = '\0';
	return fnmatch(a, b, 0) == 0;
}

static const char *next_part(const char *at)
{
	const char *slash = strchr(at, '/');

	return slash ? slash + 1 : NULL;
}

static bool is_any(const char *pattern)
{
	return strncmp(pattern, "**", 2) == 0 && (pattern[2] == '/' || !pattern[2]);
}

/* Part by part; ** stands for any number of them: as few as will do, and where that fails one more
 * of the last one. */
static bool fits(const char *pattern, const char *path)
{
	const char *after = NULL, *from = NULL; /* the last ** */

	while (path) {
		if (pattern && is_any(pattern)) {
			pattern = after = next_part(pattern);
			from = path;
			if (!after)
				return true;
		} else if (pattern &&
			   fits_name(pattern, strcspn(pattern, "/"), path, strcspn(path, "/"))) {
			pattern = next_part(pattern);
			path = next_part(path);
		} else if (from) {
			path = from = next_part(from);
			pattern = after;
		} else {
			return false;
		}
	}
	return !pattern;
}

bool df_ignore_has(const struct df_ignore *g, const char *path, bool folder)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (int i = g->n - 1; i >= 0; i--) {
		const struct rule *r = &g->rules[i];
		if (r->folder && !folder)
			continue;
		if (r->anchored ? fits(r->pattern, path)
				: fits_name(r->pattern, strlen(r->pattern), name, strlen(name)))
			return !r->back;
	}
	return false;
}
