/*
 * Of pm2: ecosystem.config.js, or .json.
 *
 * pm2 starts again whatever ends, sends INT and kills the whole tree after 1.6 s; these are made
 * explicit, since they are not the defaults here.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_import.h"
#include "roles/supervisor/sv_literal.h"

enum { KILL_TIMEOUT = 1600, MIN_UPTIME = 1000, MAX_RESTARTS = 16 };

struct app {
	json_t *object; /* what is carried over is taken out of it */
	FILE *out;
	const char *folder;
};

static char *take_text(struct app *a, const char *key)
{
	json_t *v = sv_import_take(a->object, key);
	char *text = sv_import_string(v);

	if (v && !text)
		json_object_set(a->object, key, v);
	json_decref(v);
	return text;
}

/* The one of two names that is there. */
static char *take_either(struct app *a, const char *key, const char *other)
{
	char *text = take_text(a, key);

	return text ? text : take_text(a, other);
}

static bool take_bool(struct app *a, const char *key, bool otherwise)
{
	json_t *v = json_object_get(a->object, key);
	bool found = json_is_boolean(v) ? json_is_true(v) : otherwise;

	if (json_is_boolean(v))
		json_object_del(a->object, key);
	return found;
}

/* Milliseconds as a number, or a time with its unit. */
static void put_time(struct app *a, const char *key, const char *theirs, long long otherwise)
{
	char *text = take_text(a, theirs);

	if (text && text[strspn(text, "0123456789")])
		sv_import_text(a->out, key, text);
	else if (text || otherwise >= 0)
		sv_import_number(a->out, key, text ? atoll(text) : otherwise, "ms");
	free(text);
}

static void put_string(struct app *a, const char *key, const char *theirs)
{
	char *text = take_text(a, theirs);

	if (text)
		sv_import_text(a->out, key, text);
	free(text);
}

/* ---- command --------------------------------------------------------------------- */

static const struct {
	const char *suffix, *interpreter;
} interpreters[] = { { ".js", "node" },    { ".mjs", "node" }, { ".cjs", "node" },
		     { ".py", "python3" }, { ".sh", "bash" },  { ".php", "php" },
		     { ".rb", "ruby" },    { ".pl", "perl" },  { ".ts", "bun" } };

static const char *interpreter_of(const char *script)
{
	const char *dot = strrchr(script, '.');

	for (size_t i = 0; dot && i < sizeof(interpreters) / sizeof(interpreters[0]); i++)
		if (strcmp(interpreters[i].suffix, dot) == 0)
			return interpreters[i].interpreter;
	return NULL;
}

static char **add_doubled(char **words, const char *word)
{
	char *doubled = NULL;
	size_t size;
	FILE *to = open_memstream(&doubled, &size);

	for (; *word; word++) {
		if (*word == '%')
			fputc('%', to);
		fputc(*word, to);
	}
	fclose(to);
	words = words_add(words, doubled);
	free(doubled);
	return words;
}

/* A list, or one text that is split. */
static char **add_args(struct app *a, char **words, const char *key)
{
	json_t *args = sv_import_take(a->object, key), *arg;
	char *one = sv_import_string(args), **split = one ? words_split(one, NULL) : NULL;
	size_t i;

	for (char **word = split; word && *word; word++)
		words = add_doubled(words, *word);
	if (one && !split)
		sv_import_left(a->out, key, args, "a quote without its end");
	json_array_foreach(args, i, arg)
	{
		char *text = sv_import_string(arg);
		words = add_doubled(words, text ? text : "");
		free(text);
	}
	words_free(split);
	free(one);
	json_decref(args);
	return words;
}

/* "npm start" is run by a shell there when it has a space in it. */
static char **script_words(struct app *a, const char *script)
{
	char *interpreter = take_either(a, "interpreter", "exec_interpreter");
	const char *by = interpreter ? interpreter : interpreter_of(script);
	char **words = NULL;

	if (by && strcmp(by, "none") != 0 && *by)
		words = add_doubled(words, by);
	words = add_args(a, words, "node_args");
	words = add_args(a, words, "interpreter_args");
	bool command = !words && strchr(script, ' ');
	char **split = command ? words_split(script, NULL) : NULL;
	for (char **word = split; word && *word; word++)
		words = add_doubled(words, *word);
	if (!split || !*split) /* it may have a blank or a quote in its name */
		words = add_doubled(words, script);
	words_free(split);
	free(interpreter);
	return add_args(a, words, "args");
}

/* ---- the rest of an app -------------------------------------------------------------- */

static long cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? n : 1;
}

/* "max" and 0: one for each core; -1: one less. */
static void put_instances(struct app *a)
{
	char *text = take_text(a, "instances");
	long long n = !text ? 1 : strcmp(text, "max") == 0 ? 0 : atoll(text);

	if (n <= 0)
		n = cores() + n > 0 ? cores() + n : 1;
	sv_import_number(a->out, "numprocs", n, "");
	if (n > 1)
		fputs("process_name = %(program_name)s_%(process_num)d\n", a->out);
	free(text);
	json_t *mode = json_object_get(a->object, "exec_mode");
	if (n > 1 || (json_is_string(mode) && strncmp(json_string_value(mode), "cluster", 7) == 0))
		fputs("; each process opens its port itself: use sockets = or reuseport where it "
		      "is "
		      "the same one\n",
		      a->out);
	json_object_del(a->object, "exec_mode");
}

static void put_env(struct app *a)
{
	json_t *env = sv_import_take(a->object, "env"), *v;
	char **lines = mem_new(sizeof(*lines));
	const char *name;

	json_object_foreach(env, name, v)
	{
		char *text = json_is_boolean(v) ? mem_str(json_is_true(v) ? "true" : "false")
						: sv_import_string(v);
		char *line;
		if (asprintf(&line, "%s=%s", name, text ? text : "") < 0)
			abort();
		lines = add_doubled(lines, line);
		free(line);
		free(text);
	}
	if (json_is_object(env) && !json_object_get(env, "NODE_APP_INSTANCE"))
		lines = words_add(lines, "NODE_APP_INSTANCE=%(process_num)d");
	sv_import_env(a->out, lines);
	words_free(lines);
	json_decref(env);
}

static void put_restarts(struct app *a)
{
	char *exponential = take_text(a, "exp_backoff_restart_delay");
	bool again = take_bool(a, "autorestart", true);
	json_t *codes = sv_import_take(a->object, "stop_exit_codes"), *code;
	char *retries = take_text(a, "max_restarts");
	size_t i;

	fprintf(a->out, "autorestart = %s\n", !again ? "false" : codes ? "unexpected" : "true");
	if (json_array_size(codes))
		fputs("exitcodes = ", a->out);
	json_array_foreach(codes, i, code)
	{
		fprintf(a->out, "%s%lld", i ? "," : "", (long long)json_integer_value(code));
	}
	if (json_array_size(codes))
		fputc('\n', a->out);
	put_time(a, "startsecs", "min_uptime", MIN_UPTIME);
	sv_import_number(a->out, "startretries", retries ? atoll(retries) : MAX_RESTARTS, "");
	if (exponential)
		fprintf(a->out, "restart_delay = %lldms\nrestart_backoff = 1.5, 15s\n",
			atoll(exponential));
	else
		put_time(a, "restart_delay", "restart_delay", -1);
	free(exponential);
	free(retries);
	json_decref(codes);
}

static void put_schedule(struct app *a)
{
	char *cron = take_either(a, "cron_restart", "cron");

	if (cron && strcmp(cron, "0") != 0) {
		sv_import_text(a->out, "schedule", cron);
		fputs("overlap = kill\n", a->out);
	}
	free(cron);
}

static void put_logs(struct app *a)
{
	char *out = take_either(a, "out_file", "output"),
	     *err = take_either(a, "error_file", "error");
	char *both = take_either(a, "log_file", "log");

	if (!out && both)
		fputs("redirect_stderr = true\n", a->out);
	if (out || both)
		sv_import_text(a->out, "stdout_logfile", out ? out : both);
	if (err && (out || !both))
		sv_import_text(a->out, "stderr_logfile", err);
	json_object_del(a->object, "merge_logs");
	json_object_del(a->object, "combine_logs");
	free(out);
	free(err);
	free(both);
}

static void put_watch(struct app *a)
{
	json_t *watch = sv_import_take(a->object, "watch"), *one;
	size_t i;

	if (json_is_true(watch))
		fputs("watch = *\n", a->out);
	if (json_array_size(watch))
		fputs("watch = ", a->out);
	json_array_foreach(watch, i, one)
	{
		fprintf(a->out, "%s%s", i ? ", " : "",
			json_is_string(one) ? json_string_value(one) : "");
	}
	if (json_array_size(watch))
		fputc('\n', a->out);
	json_decref(watch);
}

static void put_directory(struct app *a)
{
	char *cwd = take_text(a, "cwd"), *full;

	if (cwd && *cwd == '/') {
		sv_import_text(a->out, "directory", cwd);
	} else {
		if (asprintf(&full, "%s%s%s", a->folder, cwd ? "/" : "", cwd ? cwd : "") < 0)
			abort();
		sv_import_text(a->out, "directory", full);
		free(full);
	}
	free(cwd);
}

/* ---- apps ------------------------------------------------------------------------------ */

static char *name_of(struct app *a, const char *script)
{
	char *name = take_text(a, "name");
	const char *slash = strrchr(script, '/');

	if (!name)
		name = mem_str(slash ? slash + 1 : script);
	if (strchr(name, '.') && !slash)
		name[strcspn(name, ".")] = '\0';
	char *section = sv_import_name(name);
	free(name);
	return section;
}

static void put_app(struct app *a, const char *script)
{
	char *section = name_of(a, script), **words = script_words(a, script);
	const char *key;
	json_t *v;

	sv_import_section(a->out, "program", section);
	sv_import_command(a->out, "command", words);
	put_directory(a);
	put_instances(a);
	put_env(a);
	put_restarts(a);
	put_schedule(a);
	put_logs(a);
	put_watch(a);
	put_string(a, "max_rss", "max_memory_restart");
	put_string(a, "user", "uid");
	fputs("stopsignal = INT\n", a->out);
	put_time(a, "stopwaitsecs", "kill_timeout", KILL_TIMEOUT);
	if (!take_bool(a, "treekill", true))
		fputs("kill_tree = off\n", a->out);
	json_object_foreach(a->object, key, v)
	{
		bool other = strncmp(key, "env_", 4) == 0;
		sv_import_left(a->out, key, v,
			       other ? "choose one and put it into environment"
				     : "nothing here is like it");
	}
	words_free(words);
	free(section);
}

static int put_apps(json_t *apps, const char *folder, FILE *out, struct err *err)
{
	int rc = json_array_size(apps) ? 0 : err_set(err, ERR_CONF, "no apps in it");
	json_t *object;
	size_t i;

	json_array_foreach(apps, i, object)
	{
		struct app a = { .object = object, .out = out, .folder = folder };
		char *script = json_is_object(object) ? take_text(&a, "script") : NULL;

		if (script)
			put_app(&a, script);
		else if (!rc)
			rc = err_set(err, ERR_CONF, "apps: entry %zu has no script", i + 1);
		free(script);
	}
	return rc;
}

int sv_import_pm2(const char *text, const char *file, FILE *out, struct err *err)
{
	char *folder = conf_here(file);

	fputs("; made by `troupe supervisor import pm2`\n", out);
	json_t *root = sv_literal_read(text, SV_JS, file, out, err), *list = json_array();
	json_t *apps = json_is_object(root) ? json_object_get(root, "apps") : root;
	int rc = ERR_CONF;

	fputs("\n[supervisord]\nnodaemon = true\n", out);
	if (json_is_object(root) && json_object_get(root, "script"))
		json_array_append(list, root); /* the file is one app */
	else if (json_is_object(apps))
		json_array_append(list, apps);
	else if (json_is_array(apps))
		json_array_extend(list, apps);
	if (root)
		rc = put_apps(list, folder, out, err);
	json_decref(list);
	json_decref(root);
	free(folder);
	return rc;
}
