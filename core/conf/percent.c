#include "core/conf/percent.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"

enum { RESULT_MAX = 1 << 20, NAME_MAX_BYTES = 200, WIDTH_MAX = 1000, HINTS = 512 };

/* What stands behind the name: flags, width, precision, letter. */
struct format {
	char flags[8];
	int width, precision; /* precision -1: none */
	char letter;
};

bool percent_has(const char *text)
{
	return strchr(text, '%');
}

const char *percent_node(void)
{
	static struct utsname node;

	return uname(&node) == 0 ? node.nodename : "localhost";
}

/* The value of NAME in NAME=value lines, or NULL. */
static const char *value_of(char *const *env, const char *name, size_t len)
{
	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

static const char *find(const struct percent *with, const char *name)
{
	for (size_t i = 0; i < with->count; i++)
		if (strcmp(with->names[i].name, name) == 0)
			return with->names[i].value;
	if (strncmp(name, "ENV_", 4) != 0)
		return NULL;
	for (size_t i = 0; i < PERCENT_ENVS; i++) {
		const char *value = value_of(with->envs[i], name + 4, strlen(name + 4));
		if (value)
			return value;
	}
	return NULL;
}

/* ---- a name that there is not ------------------------------------------------ */

struct hints {
	char *owned[HINTS];
	const char *names[HINTS];
	size_t count, owned_count;
};

static void hint_env(struct hints *h, char *const *env)
{
	for (; env && *env && h->count < HINTS; env++) {
		char *name;

		if (asprintf(&name, "ENV_%.*s", (int)strcspn(*env, "="), *env) < 0)
			abort();
		h->owned[h->owned_count++] = name;
		h->names[h->count++] = name;
	}
}

static void list_names(const struct percent *with, char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < with->count; i++) {
		size_t used = strlen(out);
		snprintf(out + used, size - used, "%s%s", i ? ", " : "", with->names[i].name);
	}
}

static int unknown(const struct percent *with, const char *name, struct err *err)
{
	struct hints h = { .count = 0 };
	char all[160];

	for (size_t i = 0; i < with->count; i++)
		h.names[h.count++] = with->names[i].name;
	for (size_t i = 0; i < PERCENT_ENVS; i++)
		hint_env(&h, with->envs[i]);
	const char *near = conf_near(name, h.names, h.count);
	bool env = strncmp(name, "ENV_", 4) == 0;
	list_names(with, all, sizeof(all));
	if (near)
		err_set(err, ERR_CONF, "%%(%s)s: %s%s, is %%(%s)s meant?", name,
			env ? name + 4 : "",
			env ? " is not set in the environment" : "no such name", near);
	else if (env)
		err_set(err, ERR_CONF, "%%(%s)s: %s is not set in the environment", name, name + 4);
	else
		err_set(err, ERR_CONF, "%%(%s)s: no such name; there are %s and ENV_NAME", name,
			all);
	for (size_t i = 0; i < h.owned_count; i++)
		free(h.owned[i]);
	return ERR_CONF;
}

/* ---- one %(name)s --------------------------------------------------------------- */

static int digits(const char **p)
{
	int n = 0;

	while (isdigit((unsigned char)**p)) {
		if (n < WIDTH_MAX * 10)
			n = n * 10 + (**p - '0');
		(*p)++;
	}
	return n;
}

/* Returns what follows, or NULL: not a format. */
static const char *read_format(const char *p, struct format *f)
{
	size_t n = strspn(p, "#0- +");

	if (n >= sizeof(f->flags))
		return NULL;
	memcpy(f->flags, p, n);
	f->flags[n] = '\0';
	p += n;
	f->width = digits(&p);
	f->precision = -1;
	if (*p == '.') {
		p++;
		f->precision = digits(&p);
	}
	p += strspn(p, "hlL");
	f->letter = *p;
	if (!*p || !strchr("srdiuoxX", *p) || f->width > WIDTH_MAX || f->precision > WIDTH_MAX)
		return NULL;
	return p + 1;
}

static int put_number(const struct format *f, const char *name, const char *value, FILE *out,
		      struct err *err)
{
	char format[32], *end;
	long long n = strtoll(value, &end, 10);

	if (end == value || *end)
		return err_set(err, ERR_CONF, "%%(%s)%c: '%s' is not a number", name, f->letter,
			       value);
	char letter = f->letter == 'i' || f->letter == 'u' ? 'd' : f->letter;
	snprintf(format, sizeof(format), f->precision >= 0 ? "%%%s*.*ll%c" : "%%%s*ll%c", f->flags,
		 letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (f->precision >= 0)
		fprintf(out, format, f->width, f->precision, n);
	else
		fprintf(out, format, f->width, n);
#pragma GCC diagnostic pop
	return 0;
}

static void put_text(const struct format *f, const char *value, FILE *out)
{
	int width = strchr(f->flags, '-') ? -f->width : f->width;

	if (f->precision >= 0)
		fprintf(out, "%*.*s", width, f->precision, value);
	else
		fprintf(out, "%*s", width, value);
}

/* from: at its '%'. Returns what follows, or NULL and err. */
static const char *put_one(const char *from, const struct percent *with, FILE *out, struct err *err)
{
	const char *end = strchr(from, ')');
	size_t len = end ? (size_t)(end - from - 2) : 0;
	char name[NAME_MAX_BYTES];
	struct format f;

	if (!end || len == 0 || len >= sizeof(name)) {
		err_set(err, ERR_CONF, "%.40s: not of the form %%(name)s", from);
		return NULL;
	}
	memcpy(name, from + 2, len);
	name[len] = '\0';
	const char *rest = read_format(end + 1, &f);
	const char *value = find(with, name);
	if (!rest)
		err_set(err, ERR_CONF, "%%(%s): a letter such as s or d must follow", name);
	else if (!value)
		unknown(with, name, err);
	else if (!strchr("sr", f.letter))
		return put_number(&f, name, value, out, err) == 0 ? rest : NULL;
	else
		put_text(&f, value, out);
	return rest && value ? rest : NULL;
}

/* from: at its '%'. */
static const char *put_percent(const char *from, const struct percent *with, FILE *out,
			       struct err *err)
{
	if (from[1] == '(')
		return put_one(from, with, out, err);
	if (from[1] == '%' || from[1] == '\0' || from[1] == ',' ||
	    isspace((unsigned char)from[1])) {
		fputc('%', out);
		return from + 1 + (from[1] == '%');
	}
	err_set(err, ERR_CONF, "%.2s: not of the form %%(name)s; a per cent sign is written %%%%",
		from);
	return NULL;
}

char *percent_expand(const char *text, const struct percent *with, struct err *err)
{
	char *result = NULL;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	while (text && *text) {
		size_t plain = strcspn(text, "%");

		fwrite(text, 1, plain, out);
		text += plain;
		if (*text)
			text = put_percent(text, with, out, err);
		if (text && ftell(out) > RESULT_MAX) {
			err_set(err, ERR_CONF, "longer than 1 MiB when its names are filled in");
			text = NULL;
		}
	}
	fclose(out);
	if (text)
		return result;
	free(result);
	return NULL;
}
