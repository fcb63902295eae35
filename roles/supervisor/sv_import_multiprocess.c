/*
 * Of swoole-multi-process: config.php.
 *
 * Its pause between end and start is fixed, exit codes do not matter and nothing is ever given up:
 * startsecs = 0, autorestart = true and a back-off that does not grow. Its dynamic workers come
 * when a number in Redis is 1000 or more.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "roles/supervisor/sv_import.h"
#include "roles/supervisor/sv_literal.h"

enum { SLEEP_DEFAULT = 2000, QUEUE_FULL = 1000 };

static bool take_whole(json_t *object, const char *key, long long *out)
{
	json_t *v = sv_import_take(object, key);
	char *text = sv_import_string(v), *end = NULL;
	long long n = text ? strtoll(text, &end, 10) : 0;
	bool good = text && end != text && !*end && n >= 0;

	if (good)
		*out = n;
	free(text);
	json_decref(v);
	return good;
}

static char *take_text(json_t *object, const char *key)
{
	json_t *v = sv_import_take(object, key);
	char *text = sv_import_string(v);

	json_decref(v);
	return text;
}

static void put_path(FILE *out, const char *key, json_t *config, const char *folder_key,
		     const char *name)
{
	char *folder = take_text(config, folder_key), *path;

	if (!folder)
		return;
	if (asprintf(&path, "%s/%s", folder, name) < 0)
		abort();
	sv_import_text(out, key, path);
	free(path);
	free(folder);
}

static void put_main(FILE *out, json_t *config)
{
	char *log = take_text(config, "logSaveFileApp"), *title = take_text(config, "processName");

	fputs("[supervisord]\n", out);
	put_path(out, "logfile", config, "logPath", log ? log : "application.log");
	put_path(out, "pidfile", config, "pidPath", "master.pid");
	fputs("logfile_maxbytes = 100MB\nlogfile_backups = 5\n", out);
	if (title && title[*title == ':'])
		sv_import_text(out, "identifier", title + (*title == ':'));
	fputs("; leave: at the end of the supervisor, programs finish their work and are not "
	      "started again\n"
	      "on_exit = leave\n",
	      out);
	free(log);
	free(title);
}

/* The key of a queue's length, in place of the array that was kept there. */
static void put_scale(FILE *out, json_t *redis, const char *key)
{
	char *host = sv_import_string(json_object_get(redis, "host"));
	char *port = sv_import_string(json_object_get(redis, "port"));
	char *db = sv_import_string(json_object_get(redis, "select"));
	char *prefix = sv_import_string(json_object_get(redis, "preKey"));
	char *text;

	fputs("; the number itself must stand in that key, not an array of total and update_time\n",
	      out);
	if (asprintf(&text, "redis:%s:%s/%s get %s%s >= %d", host ? host : "127.0.0.1",
		     port ? port : "6379", db ? db : "0", prefix ? prefix : "", key,
		     QUEUE_FULL) < 0)
		abort();
	sv_import_text(out, "scale_on", text);
	free(text);
	free(host);
	free(port);
	free(db);
	free(prefix);
}

/* Words of the command; each % is one. */
static char **command_of(json_t *exec)
{
	json_t *args = sv_import_take(exec, "binArgs"), *arg;
	char *bin = take_text(exec, "bin"), **words = NULL;
	size_t i;

	if (bin)
		words = words_add(words, bin);
	json_array_foreach(args, i, arg)
	{
		char *word = sv_import_string(arg), *doubled = NULL;
		size_t size;
		FILE *to = open_memstream(&doubled, &size);

		for (const char *p = word ? word : ""; *p; p++)
			fputs(*p == '%' ? "%%" : (char[]){ *p, '\0' }, to);
		fclose(to);
		words = words_add(words, doubled);
		free(doubled);
		free(word);
	}
	free(bin);
	json_decref(args);
	return words;
}

static void put_numbers(FILE *out, json_t *exec, json_t *redis)
{
	long long fixed = 1, dynamic = 0, most = 0;
	char *key = take_text(exec, "queueNumCacheKey");

	if (!take_whole(exec, "workNum", &fixed))
		take_whole(exec, "workerMinNum", &fixed);
	if (take_whole(exec, "dynamicWorkNum", &dynamic))
		most = fixed + dynamic;
	else
		take_whole(exec, "workerMaxNum", &most);
	sv_import_number(out, "numprocs", fixed, "");
	if (fixed > 1 || most > 1)
		fputs("process_name = %(program_name)s_%(process_num)02d\n", out);
	if (most > fixed)
		sv_import_number(out, "numprocs_max", most, "");
	if (most > fixed && key)
		put_scale(out, redis, key);
	free(key);
}

static void put_rest(FILE *out, const json_t *object, const char *before)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v)
	{
		char what[200];

		snprintf(what, sizeof(what), "%s%.100s", before, key);
		sv_import_left(out, what, strcmp(key, "password") == 0 ? NULL : v,
			       "nothing here is like it");
	}
}

static int put_program(FILE *out, json_t *exec, json_t *redis, long long pause, struct err *err)
{
	char *name = take_text(exec, "name"), **words = command_of(exec);
	char *section = name ? sv_import_name(name) : NULL;
	int rc = 0;

	if (!section || !words) {
		rc = err_set(err, ERR_CONF, "exec: an entry without name or bin");
	} else {
		sv_import_section(out, "program", section);
		sv_import_command(out, "command", words);
		put_numbers(out, exec, redis);
		fprintf(out,
			"autorestart = true\nstartsecs = 0\nrestart_delay = %lldms\n"
			"restart_backoff = 1, %lldms, jitter 0%%\n",
			pause, pause);
		put_rest(out, exec, "");
	}
	free(section);
	free(name);
	words_free(words);
	return rc;
}

static int put_all(FILE *out, json_t *config, struct err *err)
{
	json_t *programs = sv_import_take(config, "exec"), *exec;
	json_t *redis = sv_import_take(config, "redis");
	long long pause = SLEEP_DEFAULT;
	size_t i;
	int rc = json_array_size(programs) ? 0 : err_set(err, ERR_CONF, "no exec in it");

	take_whole(config, "sleepTime", &pause);
	put_main(out, config);
	json_array_foreach(programs, i, exec)
	{
		if (!rc)
			rc = put_program(out, exec, redis, pause, err);
	}
	static const char *const used[] = { "host", "port", "select", "preKey" };
	for (size_t k = 0; k < sizeof(used) / sizeof(used[0]); k++)
		json_object_del(redis, used[k]);
	fputc('\n', out);
	put_rest(out, redis, "redis.");
	put_rest(out, config, "");
	json_decref(programs);
	json_decref(redis);
	return rc;
}

int sv_import_multiprocess(const char *text, const char *file, FILE *out, struct err *err)
{
	fputs("; made by `troupe supervisor import multiprocess`\n", out);
	json_t *config = sv_literal_read(text, SV_PHP, file, out, err);
	int rc = ERR_CONF;

	fputc('\n', out);
	if (json_is_object(config))
		rc = put_all(out, config, err);
	else if (config)
		err_set(err, ERR_CONF, "%s: not an array of names", file);
	json_decref(config);
	return rc;
}
