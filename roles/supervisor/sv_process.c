/* What each process of a program has of its own: name, command, environment, logs. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"
#include "core/proc/env.h"
#include "roles/supervisor/sv_address.h"
#include "roles/supervisor/sv_parse.h"
#include "roles/supervisor/sv_print.h"
#include "roles/supervisor/sv_program.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_wish.h"

/* ---- environment ----------------------------------------------------------------- */

/* Its file, "-" before which lets it be missing. NULL: none, or after a complaint. */
static char **env_of_file(const struct sv_maker *k)
{
	char *path = sv_maker_text(k, "env_file", k->program->conf->env_file);
	bool may_miss = path && *path == '-';
	struct err err = { 0 };
	struct env env;
	char **list = NULL;
	struct stat st;

	env_init(&env);
	if (path && path[may_miss] && !(may_miss && stat(path + 1, &st) != 0) &&
	    sv_maker_complain(k, "env_file", env_load(&env, path + may_miss, &err), &err) == 0)
		list = words_copy(env.vars);
	env_fini(&env);
	free(path);
	return list;
}

static char **put(char **list, const char *name, const char *value)
{
	char *line;

	if (asprintf(&line, "%s=%s", name, value) < 0)
		abort();
	list = words_put(list, line);
	free(line);
	return list;
}

/* What tells the process where it is. Not part of what a change of means a restart. */
static void add_own_variables(struct sv_maker *k, struct sv_process_conf *process)
{
	char *url = sv_maker_text(k, "serverurl", k->program->conf->serverurl);
	const char *where = url && *url && strcasecmp(url, "AUTO") != 0 ? url : k->main->serverurl;
	char **env = put(NULL, "SUPERVISOR_ENABLED", "1");

	if (where)
		env = put(env, "SUPERVISOR_SERVER_URL", where);
	env = put(env, "SUPERVISOR_PROCESS_NAME", process->name);
	env = put(env, "SUPERVISOR_GROUP_NAME", k->program->group->name);
	env = words_put_all(env, process->env);
	words_free(process->env);
	process->env = env;
	free(url);
}

static void make_env(struct sv_maker *k, struct sv_process_conf *process)
{
	struct err err = { 0 };
	char *text = sv_maker_text(k, "environment", k->program->conf->environment);
	char **own = text ? words_env(text, &err) : NULL, **file = env_of_file(k);

	if (text)
		sv_maker_complain(k, "environment", own ? 0 : ERR_CONF, &err);
	process->env = words_copy(k->main->env);
	process->env = words_put_all(process->env, file);
	process->env = words_put_all(process->env, own);
	words_free(own);
	words_free(file);
	free(text);
}

/* ---- logs ------------------------------------------------------------------------- */

struct stream {
	const char *key, *name; /* "stdout_logfile", "stdout" */
	const char *path;
	bool syslog;
	struct sv_log *log;
};

/* What is to be said of the first is not said again of the others. */
static bool is_first(const struct sv_maker *k)
{
	return k->names.num == k->program->conf->numprocs_start;
}

static void warn_of_folder(const struct sv_maker *k, const char *key, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (!slash || slash == path || !is_first(k))
		return;
	char *folder = strndup(path, (size_t)(slash - path));
	if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
		conf_warn(k->errors, k->names.item, key, "the folder %s is not there", folder);
	free(folder);
}

static void auto_log(const struct sv_maker *k, const struct stream *s, const char *process)
{
	s->log->to = SV_LOG_AUTO;
	if (asprintf(&s->log->path, "%s/%s-%s---%s-XXXXXX.log", k->main->childlogdir, process,
		     s->name, k->main->conf->identifier) < 0)
		abort();
	if (!s->log->maxbytes && is_first(k))
		conf_warn(k->errors, k->names.item, s->key,
			  "AUTO and never rotated: it may fill the disk");
}

static bool is_descriptor(const char *path)
{
	return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 ||
	       strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

static int descriptor(const char *path)
{
	if (strcmp(path, "/dev/stdout") == 0)
		return 1;
	return strcmp(path, "/dev/stderr") == 0 ? 2 : atoi(strrchr(path, '/') + 1);
}

static void make_log(const struct sv_maker *k, const struct stream *s, const char *process)
{
	char *path = sv_maker_text(k, s->key, s->path);

	s->log->to = SV_LOG_NONE;
	s->log->syslog = s->syslog;
	if (!path || !*path || strcasecmp(path, "none") == 0 || strcasecmp(path, "off") == 0) {
		free(path);
		return;
	}
	if (strcasecmp(path, "auto") == 0) {
		auto_log(k, s, process);
	} else if (strcasecmp(path, "syslog") == 0) {
		s->log->syslog = true;
	} else {
		s->log->to = is_descriptor(path) ? SV_LOG_FD : SV_LOG_FILE;
		s->log->fd = is_descriptor(path) ? descriptor(path) : -1;
		s->log->path = sv_expand_home(path);
		warn_of_folder(k, s->key, s->log->path);
	}
	free(path);
}

static void make_logs(const struct sv_maker *k, struct sv_process_conf *process)
{
	const struct sv_program_conf *c = k->program->conf;
	struct stream out = { "stdout_logfile", "stdout", c->stdout_logfile, c->stdout_syslog,
			      &process->out };
	struct stream err = { "stderr_logfile", "stderr", c->stderr_logfile, c->stderr_syslog,
			      &process->err };

	process->out = (struct sv_log){ .events = c->stdout_events_enabled,
					.fd = -1,
					.maxbytes = c->stdout_logfile_maxbytes,
					.backups = c->stdout_logfile_backups,
					.capture_maxbytes = c->stdout_capture_maxbytes,
					.compress = (enum sv_compress)c->stdout_compress,
					.format = (enum sv_format)c->stdout_format };
	process->err = (struct sv_log){ .events = c->stderr_events_enabled,
					.fd = -1,
					.maxbytes = c->stderr_logfile_maxbytes,
					.backups = c->stderr_logfile_backups,
					.capture_maxbytes = c->stderr_capture_maxbytes,
					.compress = (enum sv_compress)c->stderr_compress,
					.format = (enum sv_format)c->stderr_format };
	make_log(k, &out, process->name);
	if (!c->redirect_stderr)
		make_log(k, &err, process->name);
}

/* Once for a program. */
static void check_streams(const struct sv_maker *k)
{
	const struct sv_program_conf *c = k->program->conf;

	if (c->redirect_stderr && strcasecmp(c->stderr_logfile, "auto") != 0 &&
	    strcasecmp(c->stderr_logfile, "none") != 0)
		conf_warn(k->errors, k->names.item, "stderr_logfile",
			  "means nothing where redirect_stderr is true");
}

/* ---- the process -------------------------------------------------------------------- */

static char *path_or_null(const struct sv_maker *k, const char *key, const char *raw)
{
	char *text = sv_maker_text(k, key, raw);

	if (text && *text)
		return text;
	free(text);
	return NULL;
}

static void make_name(struct sv_maker *k, struct sv_process_conf *process)
{
	const char *group = k->program->group->name;
	struct err err;

	process->name = sv_maker_text(k, "process_name", k->program->conf->process_name);
	if (!process->name)
		process->name = mem_str("");
	else if (strcmp(process->name, k->program->name) != 0 && /* that was told */
		 sv_parse_bad_name(process->name, &err))
		conf_error(k->errors, k->names.item, "process_name", "%s", err.text);
	if (strcmp(process->name, group) == 0)
		process->full = mem_str(group);
	else if (asprintf(&process->full, "%s:%s", group, process->name) < 0)
		abort();
}

static void make_command(struct sv_maker *k, struct sv_process_conf *process)
{
	const char *command = k->program->conf->command;
	size_t before = k->errors->count;

	process->argv = sv_maker_command(k, "command", command);
	if (k->errors->count == before && conf_has(k->names.item, "command") &&
	    !(process->argv && process->argv[0]))
		conf_error(k->errors, k->names.item, "command", "is empty");
}

static void make_health(struct sv_maker *k, struct sv_process_conf *process)
{
	char *health = sv_maker_text(k, "health", k->program->conf->health);
	struct sv_probe probe = { .by = SV_PROBE_NONE };
	struct err err = { 0 };

	if (health)
		sv_maker_complain(k, "health", sv_address_probe(health, &probe, &err), &err);
	if (probe.by != SV_PROBE_NONE) {
		process->health = mem_new(sizeof(probe));
		*process->health = probe;
	}
	free(health);
}

static void make_process(struct sv_maker *k, struct sv_process_conf *process)
{
	const struct sv_program_conf *c = k->program->conf;

	process->program = k->program;
	process->num = (int)k->names.num;
	make_env(k, process);
	k->names.env = process->env;
	make_name(k, process);
	make_command(k, process);
	process->directory = path_or_null(k, "directory", c->directory);
	process->chroot = path_or_null(k, "chroot", c->chroot);
	make_logs(k, process);
	make_health(k, process);
	sv_print_make(process, &k->names);
	k->names.env = NULL;
	add_own_variables(k, process);
}

/* What is wrong with the first is wrong with all: one sentence will do. */
void sv_process_make_all(struct sv_maker *k)
{
	const struct sv_program_conf *c = k->program->conf;
	int64_t n = sv_wish_number(k->wishes, k->program->name, c->numprocs);
	int64_t most = c->numprocs_max > n ? c->numprocs_max : n;
	size_t before = k->errors->count;

	check_streams(k);
	if (most > 1 && !strstr(c->process_name, "%(process_num)"))
		conf_error(k->errors, k->names.item, "process_name",
			   "must have %%(process_num)d in it where numprocs is above 1");
	k->program->processes =
		most ? mem_new((size_t)most * sizeof(*k->program->processes)) : NULL;
	k->names.in_process = true;
	for (int64_t i = 0; i < most && k->errors->count == before; i++) {
		struct sv_process_conf *process = &k->program->processes[k->program->count++];
		k->names.num = c->numprocs_start + i;
		process->spare = i >= n;
		make_process(k, process);
	}
}

void sv_process_fini(struct sv_process_conf *process)
{
	free(process->name);
	free(process->full);
	free(process->directory);
	free(process->chroot);
	free(process->out.path);
	free(process->err.path);
	words_free(process->argv);
	words_free(process->env);
	if (process->health)
		sv_address_probe_fini(process->health);
	free(process->health);
}
