#include "roles/supervisor/sv_front.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"
#include "core/run/daemon.h"
#include "core/run/run.h"
#include "roles/supervisor/supervisor.h"
#include "roles/supervisor/sv_expand.h"
#include "roles/supervisor/sv_keys.h"

enum { SET_MOST = 32, EXIT_BAD = 2 };

/* ---- what one section says for another --------------------------------------------------- */

/* As [troupe] log wants it. The caller's to free. */
static char *log_target(const char *logfile)
{
	char cwd[PATH_MAX], *path, *full;

	if (strcasecmp(logfile, "none") == 0)
		return mem_str("/dev/null");
	if (strcmp(logfile, "syslog") == 0)
		return mem_str(logfile);
	path = sv_expand_home(logfile);
	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return path;
	if (asprintf(&full, "%s/%s", cwd, path) < 0)
		abort();
	free(path);
	return full;
}

static void set_number(struct conf *conf, const char *key, int64_t n, const char *unit)
{
	char text[40];

	snprintf(text, sizeof(text), "%lld%s", (long long)n, unit);
	conf_set(conf, "troupe", key, text, NULL);
}

void sv_front_prepare(struct conf *conf)
{
	static const char *const levels[] = { "error", "error", "warn", "info", "debug" };
	const struct conf_item *ours = conf_find(conf, "supervisord", "");
	const struct conf_item *troupe = conf_find(conf, "troupe", "");
	const struct sv_main_conf *c = ours->values;

	if (!conf_has(troupe, "log") && conf_has(ours, "logfile") && c->logfile && *c->logfile) {
		char *target = log_target(c->logfile);
		conf_set(conf, "troupe", "log", target, NULL);
		set_number(conf, "log_max_size", c->logfile_maxbytes, "B");
		set_number(conf, "log_keep", c->logfile_backups, "");
		free(target);
	}
	if (!conf_has(troupe, "log_level") && conf_has(ours, "loglevel"))
		conf_set(conf, "troupe", "log_level", levels[c->loglevel], NULL);
	if (!conf_has(troupe, "user") && c->user && *c->user)
		conf_set(conf, "troupe", "user", c->user, NULL);
}

/* ---- the file ------------------------------------------------------------------------------- */

char *sv_front_find(const char *argv0)
{
	static const char *const beside[] = { "../etc/supervisord.conf", "../supervisord.conf" };
	static const char *const fixed[] = { "supervisord.conf", "etc/supervisord.conf",
					     "/etc/supervisord.conf",
					     "/etc/supervisor/supervisord.conf" };
	const char *slash = strrchr(argv0, '/');
	char path[PATH_MAX];

	for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - argv0), argv0, beside[i]);
		if (access(path, F_OK) == 0)
			return realpath(path, NULL);
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (access(fixed[i], F_OK) == 0)
			return realpath(fixed[i], NULL);
	return NULL;
}

/* ---- supervisord's options ---------------------------------------------------------------------
 */

enum { ONLY_LONG = 1000, MINPROCS, STRIP_ANSI, PROFILE };

/* A letter and the key of [supervisord] that it stands for. */
static const struct option options[] = {
	{ "configuration", required_argument, NULL, 'c' },
	{ "nodaemon", no_argument, NULL, 'n' },
	{ "silent", no_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ "user", required_argument, NULL, 'u' },
	{ "umask", required_argument, NULL, 'm' },
	{ "directory", required_argument, NULL, 'd' },
	{ "logfile", required_argument, NULL, 'l' },
	{ "logfile_maxbytes", required_argument, NULL, 'y' },
	{ "logfile_backups", required_argument, NULL, 'z' },
	{ "loglevel", required_argument, NULL, 'e' },
	{ "pidfile", required_argument, NULL, 'j' },
	{ "identifier", required_argument, NULL, 'i' },
	{ "childlogdir", required_argument, NULL, 'q' },
	{ "nocleanup", no_argument, NULL, 'k' },
	{ "minfds", required_argument, NULL, 'a' },
	{ "check", no_argument, NULL, 't' },
	{ "minprocs", required_argument, NULL, MINPROCS },
	{ "strip_ansi", no_argument, NULL, STRIP_ANSI },
	{ "profile_options", required_argument, NULL, PROFILE },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"supervisord -- run a set of applications as daemons.\n"
	"\n"
	"Usage: %s [options]\n"
	"\n"
	"Options:\n"
	"-c/--configuration FILENAME -- configuration file path (searches if not given)\n"
	"-n/--nodaemon -- run in the foreground (same as 'nodaemon=true' in config file)\n"
	"-s/--silent -- no logs to stdout (maps to 'silent=true' in config file)\n"
	"-t/--check -- check the file, say what is wrong or not supported, and end\n"
	"-h/--help -- print this usage message and exit\n"
	"-v/--version -- print version number and exit\n"
	"-u/--user USER -- run as this user (or numeric uid)\n"
	"-m/--umask UMASK -- use this umask for daemon subprocess (default is 022)\n"
	"-d/--directory DIRECTORY -- directory to chdir to when daemonized\n"
	"-l/--logfile FILENAME -- use FILENAME as logfile path\n"
	"-y/--logfile_maxbytes BYTES -- use BYTES to limit the max size of logfile\n"
	"-z/--logfile_backups NUM -- number of backups to keep when max bytes reached\n"
	"-e/--loglevel LEVEL -- use LEVEL as log level (debug,info,warn,error,critical)\n"
	"-j/--pidfile FILENAME -- write a pid file for the daemon process to FILENAME\n"
	"-i/--identifier STR -- identifier used for this instance of supervisord\n"
	"-q/--childlogdir DIRECTORY -- the log directory for child process logs\n"
	"-k/--nocleanup -- prevent the process from performing cleanup\n"
	"-a/--minfds NUM -- the minimum number of file descriptors for start success\n"
	"--minprocs NUM  -- the minimum number of processes available for start success\n"
	"--strip_ansi -- strip ansi escape codes from process output (-t is --check here)\n";

/* What the command line says, in the file's words. */
struct front {
	const char *conf_path;
	bool check;
	struct {
		const char *key;
		char *value;
	} set[SET_MOST];
	size_t count;
};

static void set(struct front *f, const char *key, const char *value)
{
	if (f->count < SET_MOST) {
		f->set[f->count].key = key;
		f->set[f->count++].value = mem_str(value);
	}
}

static const char *key_of(int letter)
{
	for (const struct option *o = options; o->name; o++)
		if (o->val == letter)
			return o->name;
	return NULL;
}

/* Paths are meant from where we are called, wherever we go. */
static void set_path(struct front *f, const char *key, const char *value)
{
	char cwd[PATH_MAX], *full;

	if (*value == '/' || *value == '~' || strcasecmp(value, "none") == 0 ||
	    !getcwd(cwd, sizeof(cwd))) {
		set(f, key, value);
		return;
	}
	if (asprintf(&full, "%s/%s", cwd, value) < 0)
		abort();
	set(f, key, full);
	free(full);
}

/* -1: go on; else the exit status. */
static int take(struct front *f, int letter, const char *name)
{
	switch (letter) {
	case 'c':
		f->conf_path = optarg;
		return -1;
	case 't':
		f->check = true;
		return -1;
	case 'h':
		printf(usage, name);
		return 0;
	case 'v':
		puts("4.2.5 (troupe " TROUPE_VERSION ")");
		return 0;
	case PROFILE: /* of Python */
		return -1;
	case 'l':
	case 'j':
	case 'q':
		set_path(f, key_of(letter), optarg);
		return -1;
	case '?':
		fprintf(stderr, "For help, use %s -h\n", name);
		return EXIT_BAD;
	default:
		set(f, key_of(letter), optarg ? optarg : "true");
		return -1;
	}
}

static int read_options(struct front *f, int argc, char **argv)
{
	int letter, status = -1;

	optind = 1;
	while (status < 0 && (letter = getopt_long(argc, argv, "c:nsthvu:m:d:l:y:z:e:j:i:q:ka:",
						   options, NULL)) != -1)
		status = take(f, letter, argv[0]);
	if (status < 0 && optind < argc) {
		fprintf(stderr, "Error: positional arguments are not supported: %s\n",
			argv[optind]);
		status = EXIT_BAD;
	}
	return status;
}

/* ---- supervisord ----------------------------------------------------------------------------- */

/* What the command line says, and supervisord's defaults that are files where it is called. */
static void amend(struct conf *conf, void *data)
{
	const struct conf_item *item = conf_find(conf, "supervisord", "");
	const struct front *f = data;
	struct err err = { 0 };

	for (size_t i = 0; i < f->count; i++) {
		bool is_default = *f->set[i].key == '?';
		const char *key = f->set[i].key + is_default;
		if (is_default && conf_has(item, key))
			continue;
		if (conf_set(conf, "supervisord", key, f->set[i].value, &err) != 0)
			fprintf(stderr, "Error: --%s: %s\n", key, err.text);
	}
}

static bool is_right(const struct front *f)
{
	struct err err = { 0 };
	struct conf *conf;
	struct conf_errors errors = { 0 };
	bool right = true;

	conf_load(NULL, sv_sections, &conf, &errors);
	for (size_t i = 0; i < f->count; i++) {
		const char *key = f->set[i].key + (*f->set[i].key == '?');
		if (conf_set(conf, "supervisord", key, f->set[i].value, &err) != 0) {
			fprintf(stderr, "Error: --%s: %s\n", key, err.text);
			right = false;
		}
	}
	conf_errors_fini(&errors);
	conf_free(conf);
	return right;
}

/* NULL: it is wrong, and told. */
static struct conf *load(const struct run_options *with, bool tell)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int rc = run_load(&supervisor_role, with, &conf, &errors);

	if (tell || rc)
		conf_warnings_print(&errors, tell ? stdout : stderr);
	conf_errors_print(&errors, tell ? stdout : stderr);
	conf_errors_fini(&errors);
	if (rc == 0)
		return conf;
	conf_free(conf);
	return NULL;
}

/* The same, once more, whatever folder we are in by then. */
static char **again(const struct front *f, const struct conf *conf)
{
	const struct sv_main_conf *c = conf_get(conf, "supervisord");
	char **words = mem_new(sizeof(*words)), *word;

	words = words_add(words, "supervisord");
	words = words_add(words, "-n");
	words = words_add(words, "-c");
	words = words_add(words, f->conf_path);
	for (size_t i = 0; i < f->count; i++) {
		const char *key = f->set[i].key, *value = f->set[i].value;
		const char *now = strcmp(key, "?logfile") == 0 ? c->logfile : c->pidfile;
		if (*key == '?' && (!now || strcmp(now, value) != 0))
			continue; /* the file had another */
		bool flag = strcmp(value, "true") == 0;
		key += *key == '?';
		if (asprintf(&word, "--%s%s%s", key, flag ? "" : "=", flag ? "" : value) < 0)
			abort();
		words = words_add(words, word);
		free(word);
	}
	return words;
}

static int play(const struct run_options *with, const struct conf *conf)
{
	const struct sv_main_conf *c = conf_get(conf, "supervisord");
	int pid;

	if (c->nodaemon)
		return run_role(&supervisor_role, with);
	if (c->directory && *c->directory && chdir(c->directory) != 0) {
		perror(c->directory);
		return 1;
	}
	return run_daemon(&supervisor_role, with, &pid);
}

static int start(struct front *f, const struct conf_section *sections)
{
	struct run_options with = { .conf_path = f->conf_path,
				    .sections = sections,
				    .report = -1,
				    .amend = amend,
				    .data = f };
	struct conf *conf = load(&with, f->check);

	if (!conf)
		return EXIT_BAD;
	if (f->check)
		printf("%s: right\n", f->conf_path);
	char **words = again(f, conf);
	with.again = words;
	int status = f->check ? 0 : play(&with, conf);
	words_free(words);
	conf_free(conf);
	return status;
}

int sv_front_supervisord(const struct conf_section *sections, int argc, char **argv)
{
	struct front f = { .conf_path = NULL };
	int status = read_options(&f, argc, argv);
	char *path = NULL;

	set_path(&f, "?logfile", "supervisord.log");
	set_path(&f, "?pidfile", "supervisord.pid");
	if (status < 0 && !is_right(&f))
		status = EXIT_BAD;
	if (status < 0) {
		path = f.conf_path ? realpath(f.conf_path, NULL) : sv_front_find(argv[0]);
		if (!path)
			fprintf(stderr, "Error: %s%s\n",
				f.conf_path ? "could not find config file "
					    : "No config file found at default paths; use the -c "
					      "option to specify one",
				f.conf_path ? f.conf_path : "");
		f.conf_path = path;
		status = path ? start(&f, sections) : EXIT_BAD;
	}
	for (size_t i = 0; i < f.count; i++)
		free(f.set[i].value);
	free(path);
	return status;
}
