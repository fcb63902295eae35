#include "core/conf/import.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"

enum { FILE_MOST = 1 << 20 };

/* ---- reading -------------------------------------------------------------------------- */

static int failed(struct err *err, int code, const char *path)
{
	return err_set(err, -code, "%s: %s", path, strerror(code));
}

/* NULL and err. */
static char *read_file(const char *path, struct err *err)
{
	FILE *f = fopen(path, "r");

	if (!f) {
		failed(err, errno, path);
		return NULL;
	}
	char *text = mem_new(FILE_MOST + 1);
	size_t n = fread(text, 1, FILE_MOST, f);
	int rc = ferror(f) ? errno : n == FILE_MOST ? EFBIG : 0;
	fclose(f);
	if (rc == 0)
		return text;
	failed(err, rc, path);
	free(text);
	return NULL;
}

static int find_file(struct import *im, const char *path, const char *within, struct err *err)
{
	char at[PATH_MAX + 64];
	struct stat st;

	if (stat(path, &st) != 0)
		return failed(err, errno, path);
	bool is_dir = S_ISDIR(st.st_mode);
	snprintf(at, sizeof(at), "%s%s%s", path, is_dir ? "/" : "", is_dir ? within : "");
	if (!realpath(at, im->path))
		return failed(err, errno, at);
	snprintf(at, sizeof(at), "%s", im->path);
	strcpy(im->dir, dirname(at)); /* of at, which it may change */
	return 0;
}

int import_read(struct import *im, const char *path, const char *within, struct err *err)
{
	int rc = find_file(im, path, within, err);
	char *text = rc == 0 ? read_file(im->path, err) : NULL;

	if (!text)
		return err->code;
	rc = php_read(&im->file, text, err);
	if (rc != 0)
		err_wrap(err, rc, "%s", im->path);
	free(text);
	return rc;
}

void import_fini(struct import *im)
{
	php_fini(&im->file);
}

bool import_has(const struct import *im, const char *prefix)
{
	for (size_t i = 0; i < im->file.n; i++)
		if (strncmp(im->file.values[i].path, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

static struct php_value *find(struct import *im, const char *key)
{
	for (size_t i = 0; i < im->file.n; i++)
		if (strcmp(im->file.values[i].path, key) == 0)
			return &im->file.values[i];
	return NULL;
}

const char *import_take(struct import *im, const char *key)
{
	struct php_value *v = find(im, key);

	if (!v || !v->literal || strpbrk(v->text, "\r\n"))
		return NULL;
	v->taken = true;
	return v->text;
}

long import_number(struct import *im, const char *key, long least, long otherwise)
{
	struct php_value *v = find(im, key);
	char *end;
	long n = v && v->literal ? strtol(v->text, &end, 10) : 0;

	if (!v || !v->literal || end == v->text || *end || n < least)
		return otherwise;
	v->taken = true;
	return n;
}

/* ---- writing ---------------------------------------------------------------------------- */

/* What core/conf would put something in for. */
static void put_plain(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++)
		fprintf(out, "%s%c", p[0] == '$' && p[1] == '{' ? "$" : "", *p);
}

void import_put(struct import *im, const char *key, const char *value)
{
	bool quoted = !*value || strpbrk(value, ";#") || *value == ' ' || *value == '"';

	fprintf(im->out, "%s = %s", key, quoted ? "\"" : "");
	put_plain(im->out, value);
	fprintf(im->out, "%s\n", quoted ? "\"" : "");
}

void import_section(struct import *im, const char *kind, const char *name)
{
	fprintf(im->out, "\n[%s ", kind);
	for (const char *p = name; *p; p++)
		fputc((unsigned char)*p <= ' ' || strchr("[]:;#,", *p) ? '_' : *p, im->out);
	fputs("]\n", im->out);
}

void import_word(struct import *im, const char *word)
{
	bool plain = word[strcspn(word, " \t'\"\\;#$")] == '\0';

	fputs(plain ? " " : " '", im->out);
	put_plain(im->out, word);
	fputs(plain ? "" : "'", im->out);
}

void import_listen(struct import *im, const char *key, const char *host, const char *port)
{
	char address[300];

	snprintf(address, sizeof(address), strchr(host, ':') ? "[%.200s]:%.20s" : "%.200s:%.20s",
		 host, port);
	import_put(im, key, address);
}

void import_worker(const char *name, char path[PATH_MAX])
{
	static const char *const places[] = { "../share/troupe/workers", "../../etc/workers" };
	char exe[PATH_MAX / 2], at[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; n > 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		char own[PATH_MAX / 2];
		strcpy(own, exe);
		snprintf(at, sizeof(at), "%s/%s/%s", dirname(own), places[i], name);
		if (realpath(at, path))
			return;
	}
	snprintf(path, PATH_MAX, "/usr/local/share/troupe/workers/%s", name);
}

static const char *reason_of(const struct import_reason *reasons, const char *key)
{
	for (; reasons->key; reasons++) {
		size_t n = strlen(reasons->key);
		bool is_prefix = n > 0 && reasons->key[n - 1] == '.';
		if (is_prefix ? strncmp(key, reasons->key, n) == 0 : strcmp(key, reasons->key) == 0)
			return reasons->why;
	}
	return NULL;
}

void import_rest(struct import *im, const struct import_reason *reasons, const char *otherwise)
{
	bool first = true;

	for (size_t i = 0; i < im->file.n; i++) {
		struct php_value *v = &im->file.values[i];
		const char *why = reason_of(reasons, v->path);
		if (v->taken)
			continue;
		fputs(first ? "\n; Not carried over:\n" : "", im->out);
		first = false;
		if (!why)
			why = v->literal ? otherwise
					 : "no value that stands there: PHP works it out";
		fprintf(im->out, "; %s (%s)\n", v->path, why);
	}
}
