#include "core/proc/env.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"

enum { FILE_MOST = 1024 * 1024 };

void env_init(struct env *e)
{
	*e = (struct env){ 0 };
}

void env_fini(struct env *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->vars[i]);
	free(e->vars);
	env_init(e);
}

/* Its place, or e->n. */
static size_t find(const struct env *e, const char *key, size_t len)
{
	for (size_t i = 0; i < e->n; i++)
		if (strncmp(e->vars[i], key, len) == 0 && e->vars[i][len] == '=')
			return i;
	return e->n;
}

static void take_away(struct env *e, size_t at)
{
	if (at == e->n)
		return;
	free(e->vars[at]);
	e->n--;
	memmove(e->vars + at, e->vars + at + 1, (e->n - at + 1) * sizeof(*e->vars));
}

/* var: "KEY=value", becomes the env's. */
static void put(struct env *e, char *var)
{
	size_t at = find(e, var, strcspn(var, "="));

	if (at < e->n) {
		free(e->vars[at]);
		e->vars[at] = var;
		return;
	}
	if (e->n + 2 > e->cap) {
		e->cap = e->cap ? e->cap * 2 : 16;
		e->vars = mem_resize(e->vars, e->cap * sizeof(*e->vars));
	}
	e->vars[e->n++] = var;
	e->vars[e->n] = NULL;
}

void env_set(struct env *e, const char *key, const char *value)
{
	size_t len = strlen(key);

	if (!value) {
		take_away(e, find(e, key, len));
		return;
	}
	size_t value_len = strlen(value);
	char *var = mem_new(len + value_len + 2);
	memcpy(var, key, len);
	var[len] = '=';
	memcpy(var + len + 1, value, value_len);
	put(e, var);
}

void env_add(struct env *e, char *const *vars)
{
	for (; vars && *vars; vars++) {
		char *key = mem_str(*vars), *eq = strchr(key, '=');
		if (eq) {
			*eq = '\0';
			env_set(e, key, eq + 1);
		}
		free(key);
	}
}

const char *env_get(const struct env *e, const char *key)
{
	size_t len = strlen(key), at = find(e, key, len);

	return at < e->n ? e->vars[at] + len + 1 : NULL;
}

static void put_all(struct env *e, char *const *vars)
{
	for (; vars && *vars; vars++)
		if (strchr(*vars, '=') > *vars)
			put(e, mem_str(*vars));
}

void env_inherit(struct env *e)
{
	put_all(e, environ);
}

void env_copy(struct env *e, const struct env *from)
{
	put_all(e, from->vars);
}

char **env_vars(struct env *e)
{
	if (!e->vars) {
		e->cap = 2;
		e->vars = mem_new(e->cap * sizeof(*e->vars));
	}
	return e->vars;
}

/* ---- files ---------------------------------------------------------------------- */

struct reader {
	const char *name;
	const char *at;
	int line;
	struct buf value;
	struct err *err;
};

static int fault(struct reader *r, int line, const char *what)
{
	return err_set(r->err, ERR_CONF, "%s:%d: %s", r->name, line, what);
}

static bool is_name(char c, bool first)
{
	return c == '_' || isalpha((unsigned char)c) ||
	       (!first && (isdigit((unsigned char)c) || c == '.' || c == '-'));
}

static void skip_spaces(struct reader *r)
{
	r->at += strspn(r->at, " \t\r");
}

static void skip_line(struct reader *r)
{
	r->at += strcspn(r->at, "\n");
}

static char unescaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	default:
		return c;
	}
}

/* Up to the quote that it began with. */
static int read_quoted(struct reader *r)
{
	int first = r->line;
	char quote = *r->at++;

	for (; *r->at && *r->at != quote; r->at++) {
		char c = *r->at;
		if (c == '\n')
			r->line++;
		if (c == '\\' && quote == '"' && r->at[1] && strchr("nrt\"\\$`", r->at[1]))
			c = unescaped(*++r->at);
		buf_put(&r->value, &c, 1);
	}
	if (*r->at != quote)
		return fault(r, first, "the quote is never closed");
	r->at++;
	skip_spaces(r);
	if (*r->at && *r->at != '\n' && *r->at != '#')
		return fault(r, r->line, "something stands behind the closing quote");
	return 0;
}

/* Up to the end of the line, or a # with a space before it. */
static int read_plain(struct reader *r)
{
	const char *from = r->at, *end = from;

	for (; *r->at && *r->at != '\n'; r->at++) {
		if (*r->at == '#' && (r->at == from || isspace((unsigned char)r->at[-1])))
			break;
		if (!isspace((unsigned char)*r->at))
			end = r->at + 1;
	}
	buf_put(&r->value, from, (size_t)(end - from));
	return 0;
}

static int read_setting(struct reader *r, struct env *e)
{
	char key[256];
	size_t n = 0;

	if (strncmp(r->at, "export", 6) == 0 && (r->at[6] == ' ' || r->at[6] == '\t')) {
		r->at += 6;
		skip_spaces(r);
	}
	while (n < sizeof(key) - 1 && is_name(*r->at, n == 0))
		key[n++] = *r->at++;
	key[n] = '\0';
	skip_spaces(r);
	if (n == 0 || *r->at != '=')
		return fault(r, r->line, "KEY=value is expected");
	r->at++;
	r->at += strspn(r->at, " \t");

	buf_take(&r->value, buf_len(&r->value));
	int rc = *r->at == '"' || *r->at == '\'' ? read_quoted(r) : read_plain(r);
	if (rc)
		return rc;
	buf_put(&r->value, "", 1);
	env_set(e, key, (const char *)buf_data(&r->value));
	skip_line(r);
	return 0;
}

int env_parse(struct env *e, const char *name, const char *text, struct err *err)
{
	struct reader r = { .name = name, .at = text, .line = 1, .err = err };
	int rc = 0;

	buf_init(&r.value, strlen(text) + 1);
	while (rc == 0 && *r.at) {
		skip_spaces(&r);
		if (*r.at == '#')
			skip_line(&r);
		else if (*r.at && *r.at != '\n')
			rc = read_setting(&r, e);
		if (*r.at == '\n') {
			r.at++;
			r.line++;
		}
	}
	buf_fini(&r.value);
	return rc;
}

static int read_file(int fd, const char *path, char **text, struct err *err)
{
	struct buf b;
	size_t room;
	ssize_t n = 0;

	buf_init(&b, FILE_MOST);
	for (uint8_t *at; (at = buf_room(&b, 4096, &room)) && (n = read(fd, at, room)) > 0;)
		buf_commit(&b, (size_t)n);
	int rc = 0;
	if (n < 0)
		rc = err_set(err, -errno, "%s: %s", path, strerror(errno));
	else if (buf_put(&b, "", 1) || memchr(buf_data(&b), '\0', buf_len(&b) - 1))
		rc = err_set(err, ERR_CONF, "%s is longer than 1 MiB, or no text", path);
	else
		*text = mem_str((const char *)buf_data(&b));
	buf_fini(&b);
	return rc;
}

int env_load(struct env *e, const char *path, struct err *err)
{
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = read_file(fd, path, &text, err);
	close(fd);
	if (rc == 0)
		rc = env_parse(e, path, text, err);
	free(text);
	return rc;
}
