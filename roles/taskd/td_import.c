/*
 * td_import - swoole-task's configuration as ours.
 *
 * PATH is the application's folder, or a file in its Conf/. Of http_server.php each key is carried
 * over, or named in a comment with the reason; Conf/app.php and Conf/ENV/ stay where they are:
 * etc/workers/swoole-task.php reads them.
 */
#include "roles/taskd/td_import.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/taskd/td_php.h"

enum { FILE_MOST = 1 << 20 };

struct import {
	struct td_php file;
	char app[PATH_MAX];
	FILE *out;
};

/* ---- reading -------------------------------------------------------------------------- */

/* NULL and err. */
static char *read_file(const char *path, struct err *err)
{
	FILE *f = fopen(path, "r");

	if (!f) {
		err_set(err, -errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	char *text = mem_new(FILE_MOST + 1);
	size_t n = fread(text, 1, FILE_MOST, f);
	int rc = ferror(f) ? errno : n == FILE_MOST ? EFBIG : 0;
	fclose(f);
	if (rc == 0)
		return text;
	err_set(err, -rc, "%s: %s", path, strerror(rc));
	free(text);
	return NULL;
}

static struct td_php_value *find(struct import *im, const char *key)
{
	for (size_t i = 0; i < im->file.n; i++)
		if (strcmp(im->file.values[i].path, key) == 0)
			return &im->file.values[i];
	return NULL;
}

/* NULL: it is not there, or nothing that can be carried over. */
static const char *take(struct import *im, const char *key)
{
	struct td_php_value *v = find(im, key);

	if (!v || !v->literal || strpbrk(v->text, "\r\n"))
		return NULL;
	v->taken = true;
	return v->text;
}

static long take_number(struct import *im, const char *key, long least, long otherwise)
{
	struct td_php_value *v = find(im, key);
	char *end;
	long n = v && v->literal ? strtol(v->text, &end, 10) : 0;

	if (!v || !v->literal || end == v->text || *end || n < least)
		return otherwise;
	v->taken = true;
	return n;
}

/* ---- writing ---------------------------------------------------------------------------- */

/* As core/conf reads it back. */
static void put(struct import *im, const char *key, const char *value)
{
	bool quoted = !*value || strpbrk(value, ";#") || *value == ' ' || *value == '"';

	fprintf(im->out, "%s = %s", key, quoted ? "\"" : "");
	for (const char *p = value; *p; p++)
		fprintf(im->out, "%s%c", p[0] == '$' && p[1] == '{' ? "$" : "", *p);
	fprintf(im->out, "%s\n", quoted ? "\"" : "");
}

/* A name that a section can have. */
static void put_section(struct import *im, const char *kind, const char *name)
{
	fprintf(im->out, "\n[%s ", kind);
	for (const char *p = name; *p; p++)
		fputc((unsigned char)*p <= ' ' || strchr("[]:;#,", *p) ? '_' : *p, im->out);
	fputs("]\n", im->out);
}

static void put_listen(struct import *im)
{
	const char *host = take(im, "host"), *port = take(im, "port");
	char address[300];

	host = host && *host ? host : "127.0.0.1";
	snprintf(address, sizeof(address), strchr(host, ':') ? "[%.200s]:%.20s" : "%.200s:%.20s",
		 host, port && *port ? port : "9523");
	put(im, "listen", address);
}

static void put_front(struct import *im)
{
	long n;

	fputs("[taskd]\n", im->out);
	put_listen(im);
	fputs("; /CTRL/ACTION, ?op=CTRL.ACTION and ?cmd=status, as before; what is new: /v1/tasks\n"
	      "legacy = yes\n",
	      im->out);
	if ((n = take_number(im, "package_max_length", 1024, 0)) > 0)
		fprintf(im->out, "max_body = %ld\n", n);
	if ((n = take_number(im, "max_conn", 1, take_number(im, "max_connection", 1, 0))) > 0)
		fprintf(im->out, "max_connections = %ld\n", n);
	if ((n = take_number(im, "heartbeat_idle_time", 1, 0)) > 0)
		fprintf(im->out, "idle_timeout = %lds\n", n);
}

/* Where `make install` has put it, or where it stands beside the sources. */
static void worker_path(char path[PATH_MAX])
{
	static const char *const places[] = { "../share/troupe/workers", "../../etc/workers" };
	char exe[PATH_MAX / 2], at[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; n > 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		char own[PATH_MAX / 2];
		strcpy(own, exe);
		snprintf(at, sizeof(at), "%s/%s/swoole-task.php", dirname(own), places[i]);
		if (realpath(at, path))
			return;
	}
	strcpy(path, "/usr/local/share/troupe/workers/swoole-task.php");
}

/* For a command line that is split into words. */
static void put_word(struct import *im, const char *word)
{
	bool plain = word[strcspn(word, " \t'\"\\;#$")] == '\0';

	fputs(plain ? " " : " '", im->out);
	for (const char *p = word; *p; p++)
		fprintf(im->out, "%s%c", p[0] == '$' && p[1] == '{' ? "$" : "", *p);
	fputs(plain ? "" : "'", im->out);
}

static void put_pool(struct import *im)
{
	const char *name = take(im, "ps_name"), *zone = take(im, "tz"), *env = take(im, "app_env");
	const char *user = take(im, "user"), *group = take(im, "group");
	long workers = take_number(im, "task_worker_num", 1, 2);
	long most = take_number(im, "task_max_request", 0, 10000);
	char worker[PATH_MAX], option[300];

	worker_path(worker);
	put_section(im, "pool", name && *name ? name : "swTask");
	fputs("command = php", im->out);
	if (zone && *zone) {
		snprintf(option, sizeof(option), "-ddate.timezone=%.200s", zone);
		put_word(im, option);
	}
	put_word(im, worker);
	put_word(im, im->app);
	fputs("\n; each CTRL.ACTION is a topic of its own\ntopics = *.*\n", im->out);
	fprintf(im->out, "workers_min = %ld\nworkers_max = %ld\nmax_jobs = %ld\n", workers, workers,
		most);
	snprintf(option, sizeof(option), "APP_ENV=%.200s", env && *env ? env : "dev");
	put(im, "env", option);
	if (user && *user) {
		snprintf(option, sizeof(option), "%.100s%s%.100s", user, group && *group ? ":" : "",
			 group ? group : "");
		put(im, "user", option);
	}
}

static const char *reason(const char *key)
{
	static const char *const reasons[][2] = {
		{ "daemonize", "`troupe taskd start` does, `troupe taskd` does not" },
		{ "worker_num", "one loop serves all clients" },
		{ "reactor_num", "one loop serves all clients" },
		{ "open_tcp_nodelay", "always so" },
		{ "log_file", "[troupe] log says where to" },
		{ "pid_file", "[troupe] pid_file" },
		{ "max_request", "what serves clients has no need to be started anew" },
		{ "task_ipc_mode", "tasks are kept in a store" },
		{ "task_tmpdir", "tasks are kept in a store" },
		{ "message_queue_key", "tasks are kept in a store" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(key, reasons[i][0]) == 0)
			return reasons[i][1];
	return "an option of swoole";
}

static void put_rest(struct import *im)
{
	bool first = true;

	for (size_t i = 0; i < im->file.n; i++) {
		struct td_php_value *v = &im->file.values[i];
		if (v->taken)
			continue;
		fputs(first ? "\n; Not carried over:\n" : "", im->out);
		first = false;
		fprintf(im->out, "; %s (%s)\n", v->path,
			v->literal ? reason(v->path)
				   : "no value that stands there: PHP works it out");
	}
}

/* ---- the command ---------------------------------------------------------------------------- */

/* The application's folder, of it itself or of a file in its Conf/. */
static int find_app(struct import *im, const char *path, struct err *err)
{
	struct stat st;

	if (!realpath(path, im->app) || stat(im->app, &st) != 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return 0;
	*strrchr(im->app, '/') = '\0';
	char *folder = strrchr(im->app, '/');
	if (folder && strcmp(folder, "/Conf") == 0)
		*folder = '\0';
	if (!*im->app)
		strcpy(im->app, "/");
	return 0;
}

static int read_conf(struct import *im, const char *path, struct err *err)
{
	char at[PATH_MAX + 32];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = strlen(name);
	bool is_file = n > 4 && strcmp(name + n - 4, ".php") == 0 && strcmp(name, "app.php") != 0;

	snprintf(at, sizeof(at), "%s/Conf/http_server.php", im->app);
	char *text = read_file(is_file ? path : at, err);
	if (!text)
		return err->code;
	int rc = td_php_read(&im->file, text, err);
	if (rc != 0)
		err_wrap(err, rc, "%s", is_file ? path : at);
	free(text);
	return rc;
}

static bool is_of_jobs(const struct import *im)
{
	for (size_t i = 0; i < im->file.n; i++)
		if (strncmp(im->file.values[i].path, "job.", 4) == 0)
			return true;
	return false;
}

int td_import_main(const struct conf_section *sections, int argc, char **argv)
{
	struct import im = { .out = stdout };
	struct err err = { .code = 0 };

	(void)sections;
	if (argc != 2 || *argv[1] == '-') {
		fputs("usage: troupe import-config APP|FILE\n"
		      "APP: a folder of swoole-task, with Conf/http_server.php in it; FILE: that "
		      "file\n",
		      stderr);
		return 2;
	}
	int rc = find_app(&im, argv[1], &err);
	if (rc == 0)
		rc = read_conf(&im, argv[1], &err);
	if (rc == 0 && is_of_jobs(&im))
		rc = err_set(&err, ERR_CONF,
			     "%s: a file of swoole-jobs, whose queues taskd has not", argv[1]);
	if (rc == 0) {
		fprintf(im.out, "; made by `troupe import-config %s`\n", argv[1]);
		put_front(&im);
		put_pool(&im);
		put_rest(&im);
	} else {
		fprintf(stderr, "import-config: %s\n", err.text);
	}
	td_php_fini(&im.file);
	return rc != 0;
}
