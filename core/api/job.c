#include "core/api/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/keys.h"
#include "core/api/spec.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/run/place.h"

struct command {
	const char *name, *words, *help;
	int least, most; /* words */
	int (*run)(const struct api_job *j);
};

/* ---- asking ------------------------------------------------------------------------------- */

const char *api_job_option(const struct api_job *j, const char *name)
{
	for (int i = 0; i < j->n_options; i++)
		if (strcmp(j->options[i].name, name) == 0)
			return j->options[i].value;
	return NULL;
}

int api_job_verdict(const struct api_got *got)
{
	struct json answer = { .kind = JSON_NONE };

	if (got->status >= 200 && got->status < 300)
		return API_OK;
	if (got->status == 0) {
		fprintf(stderr, "troupe: nobody answers at %s%s%s\n", got->from->host,
			*got->from->port ? ":" : "", got->from->port);
		return API_NOT_RUNNING;
	}
	if (got->body.n)
		json_read(&answer, got->body.p, got->body.n, NULL);
	struct json error = json_get(&answer, "error"), message = json_get(&error, "message");
	char *text = json_unquoted(&message, NULL);
	fprintf(stderr, "troupe: %s (%d)\n", text ? text : "it failed", got->status);
	free(text);
	return got->status == 404 || got->status == 410 ? API_NOT_FOUND : API_FAILED;
}

int api_job_ask(const struct api_job *j, const char *method, const char *target,
		const struct json_out *body, void (*show)(const struct json *answer))
{
	struct json answer = { .kind = JSON_NONE };
	struct api_got got;

	api_client_ask(&j->client, method, target, body, &got);
	int status = api_job_verdict(&got);
	if (status == API_OK && (j->client.json || !show))
		fwrite(got.body.p ? got.body.p : "", 1, got.body.n, stdout);
	else if (status == API_OK) {
		if (got.body.n)
			json_read(&answer, got.body.p, got.body.n, NULL);
		show(&answer);
	}
	json_out_fini(&got.body);
	return status;
}

/* PRE + the word, escaped, + POST. */
static int ask_word(const struct api_job *j, const char *method, const char *const path[2],
		    const char *word, void (*show)(const struct json *answer))
{
	struct json_out target = { .p = NULL };

	json_puts(&target, path[0]);
	api_client_escape(&target, word);
	json_puts(&target, path[1]);
	int status = api_job_ask(j, method, target.p, NULL, show);
	json_out_fini(&target);
	return status;
}

static int ask_each(const struct api_job *j, const char *method, const char *const path[2],
		    void (*show)(const struct json *answer))
{
	int worst = API_OK;

	for (int i = 0; i < j->argc; i++) {
		int status = ask_word(j, method, path, j->argv[i], show);
		worst = status ? status : worst;
	}
	return worst;
}

/* ---- tasks --------------------------------------------------------------------------------- */

static int read_file(const char *path, struct json_out *o)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char bytes[65536];
	size_t n;

	if (!in) {
		fprintf(stderr, "troupe: %s: %s\n", path, strerror(errno));
		return -1;
	}
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		json_put(o, bytes, n);
	if (in != stdin)
		fclose(in);
	return 0;
}

/* A payload that is JSON goes as such; any other text as a string of it. */
static int put_payload(const char *word, struct json_out *o)
{
	struct json_out text = { .p = NULL };
	struct json v;
	int rc = 0;

	if (*word == '@' || strcmp(word, "-") == 0)
		rc = read_file(*word == '@' ? word + 1 : word, &text);
	else
		json_puts(&text, word);
	json_puts(o, ",\"payload\":");
	if (text.n && json_read(&v, text.p, text.n, NULL) == 0)
		json_put(o, v.p, v.n);
	else
		json_put_string(o, text.p ? text.p : "", text.n);
	json_out_fini(&text);
	return rc;
}

static int put_duration(const struct api_job *j, const char *option, const char *member,
			struct json_out *o)
{
	const char *text = api_job_option(j, option);
	int64_t ms = text ? api_duration(text) : 0;

	if (ms < 0) {
		fprintf(stderr, "troupe: --%s: '%s' is no time, as 5m\n", option, text);
		return -1;
	}
	if (text)
		json_printf(o, ",\"%s\":%lld", member, (long long)ms);
	return 0;
}

static void put_option(const struct api_job *j, const char *option, const char *member,
		       struct json_out *o)
{
	const char *text = api_job_option(j, option);

	if (!text)
		return;
	json_printf(o, ",\"%s\":", member);
	if (strcmp(member, "priority") == 0)
		json_puts(o, text);
	else
		json_put_text(o, text);
}

static int push(const struct api_job *j)
{
	const char *unique = api_job_option(j, "unique"), *wait = api_job_option(j, "wait");
	struct json_out o = { .p = NULL }, target = { .p = NULL };
	int status = API_USAGE;

	json_puts(&o, "{\"topic\":");
	json_put_text(&o, j->argv[0]);
	int rc = j->argc > 1 ? put_payload(j->argv[1], &o) : 0;
	if (rc == 0)
		rc = put_duration(j, "delay", "delay_ms", &o);
	put_option(j, "at", "run_at", &o);
	put_option(j, "prio", "priority", &o);
	put_option(j, "type", "type", &o);
	put_option(j, "id", "id", &o);
	if (unique) {
		json_puts(&o, ",\"unique\":{\"key\":");
		json_put_text(&o, unique);
		json_puts(&o, "}");
	}
	json_puts(&o, "}");
	json_puts(&target, "/v1/tasks");
	if (wait) {
		json_puts(&target, "?wait=");
		api_client_escape(&target, *wait ? wait : "5m");
	}
	if (rc == 0)
		status = api_job_ask(j, "POST", target.p, &o,
				     wait ? api_job_show_task : api_job_show_id);
	json_out_fini(&o);
	json_out_fini(&target);
	return status;
}

static int get(const struct api_job *j)
{
	static const char *const path[] = { "/v1/tasks/", "" };

	return ask_word(j, "GET", path, j->argv[0], api_job_show_task);
}

static int list(const struct api_job *j, const char *state)
{
	static const char *const names[] = { "state", "topic", "type", "q", "limit", "cursor" };
	struct json_out target = { .p = NULL };

	json_puts(&target, "/v1/tasks?");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = api_job_option(j, names[i]);
		if (i == 0 && state)
			v = state;
		if (!v)
			continue;
		json_printf(&target, "%s=", names[i]);
		api_client_escape(&target, v);
		json_puts(&target, "&");
	}
	int status = api_job_ask(j, "GET", target.p, NULL, api_job_show_tasks);
	json_out_fini(&target);
	return status;
}

static int ls(const struct api_job *j)
{
	return list(j, NULL);
}

static int retry(const struct api_job *j)
{
	static const char *const path[] = { "/v1/tasks/", ":retry" };

	return ask_each(j, "POST", path, api_job_show_id);
}

static int run_now(const struct api_job *j)
{
	static const char *const path[] = { "/v1/tasks/", ":run" };

	return ask_each(j, "POST", path, api_job_show_id);
}

static int kill_task(const struct api_job *j)
{
	static const char *const path[] = { "/v1/tasks/", ":kill" };

	return ask_each(j, "POST", path, api_job_show_id);
}

static int cancel(const struct api_job *j)
{
	static const char *const path[] = { "/v1/tasks/", "" };

	return ask_each(j, "DELETE", path, api_job_show_id);
}

static int move(const struct api_job *j)
{
	struct json_out body = { .p = NULL };
	int worst = API_OK;

	json_puts(&body, "{\"topic\":");
	json_put_text(&body, j->argv[j->argc - 1]);
	json_puts(&body, "}");
	for (int i = 0; i < j->argc - 1; i++) {
		struct json_out target = { .p = NULL };
		json_puts(&target, "/v1/tasks/");
		api_client_escape(&target, j->argv[i]);
		json_puts(&target, ":move");
		int status = api_job_ask(j, "POST", target.p, &body, api_job_show_id);
		worst = status ? status : worst;
		json_out_fini(&target);
	}
	json_out_fini(&body);
	return worst;
}

/* ---- topics, workers, schedules, the store ----------------------------------------------------
 */

static int topics(const struct api_job *j)
{
	static const char *const path[] = { "/v1/topics/", "" };

	return j->argc ? ask_word(j, "GET", path, j->argv[0], NULL)
		       : api_job_ask(j, "GET", "/v1/topics", NULL, api_job_show_topics);
}

static int pause_topic(const struct api_job *j)
{
	static const char *const path[] = { "/v1/topics/", ":pause" };

	return ask_each(j, "POST", path, api_job_show_ok);
}

static int resume_topic(const struct api_job *j)
{
	static const char *const path[] = { "/v1/topics/", ":resume" };

	return ask_each(j, "POST", path, api_job_show_ok);
}

static int purge(const struct api_job *j)
{
	static const char *const path[] = { "/v1/topics/", ":purge" };

	return ask_each(j, "POST", path, api_job_show_count);
}

static int dead(const struct api_job *j)
{
	static const char *const retry_path[] = { "/v1/topics/", ":retry-dead" };
	static const char *const purge_path[] = { "/v1/topics/", ":purge?state=dead" };

	if (strcmp(j->argv[0], "ls") == 0)
		return list(j, "dead");
	bool again = strcmp(j->argv[0], "retry") == 0;
	if (j->argc < 2 || (!again && strcmp(j->argv[0], "purge") != 0)) {
		fputs("troupe: job dead ls | retry TOPIC | purge TOPIC\n", stderr);
		return API_USAGE;
	}
	return ask_word(j, "POST", again ? retry_path : purge_path, j->argv[1], api_job_show_count);
}

static int workers(const struct api_job *j)
{
	return api_job_ask(j, "GET", "/v1/workers", NULL, api_job_show_workers);
}

static int scale(const struct api_job *j)
{
	struct json_out body = { .p = NULL }, target = { .p = NULL };

	json_printf(&body, "{\"min\":%d,\"max\":%d}", atoi(j->argv[1]), atoi(j->argv[2]));
	json_puts(&target, "/v1/pools/");
	api_client_escape(&target, j->argv[0]);
	json_puts(&target, ":scale");
	int status = api_job_ask(j, "POST", target.p, &body, api_job_show_ok);
	json_out_fini(&body);
	json_out_fini(&target);
	return status;
}

static int sched(const struct api_job *j)
{
	static const char *const orders[] = { "run", "pause", "resume" };
	static const char *const ends[] = { ":run", ":pause", ":resume" };

	if (strcmp(j->argv[0], "ls") == 0)
		return api_job_ask(j, "GET", "/v1/schedules", NULL, api_job_show_schedules);
	for (int i = 0; i < 3; i++)
		if (j->argc == 2 && strcmp(j->argv[0], orders[i]) == 0)
			return ask_word(j, "POST",
					(const char *const[]){ "/v1/schedules/", ends[i] },
					j->argv[1], api_job_show_ok);
	fputs("troupe: job sched ls | run NAME | pause NAME | resume NAME\n", stderr);
	return API_USAGE;
}

static int store(const struct api_job *j)
{
	struct json_out body = { .p = NULL };
	int status = API_USAGE;

	if (strcmp(j->argv[0], "check") == 0)
		return api_job_ask(j, "POST", "/v1/store:check", NULL, api_job_show_ok);
	if (strcmp(j->argv[0], "compact") == 0)
		return api_job_ask(j, "POST", "/v1/store:compact", NULL, api_job_show_ok);
	if (j->argc < 2 || strcmp(j->argv[0], "backup") != 0) {
		fputs("troupe: job store check | compact | backup PATH\n", stderr);
		return API_USAGE;
	}
	json_puts(&body, "{\"path\":");
	json_put_text(&body, j->argv[1]);
	json_puts(&body, "}");
	status = api_job_ask(j, "POST", "/v1/store:backup", &body, api_job_show_ok);
	json_out_fini(&body);
	return status;
}

/* ---- the command line ---------------------------------------------------------------------------
 */

static const struct command commands[] = {
	{ "push", "TOPIC [JSON|TEXT|-|@FILE]",
	  "a task; --delay 5m --at TIME --prio N --unique KEY --type T --id NAME --wait[=TIME]", 1,
	  2, push },
	{ "get", "ID", "one task", 1, 1, get },
	{ "ls", "", "tasks; --state S --topic T --type T --q TEXT --limit N --cursor C", 0, 0, ls },
	{ "retry", "ID...", "a dead one, or one between attempts, again", 1, 1000, retry },
	{ "run", "ID...", "a scheduled one, now", 1, 1000, run_now },
	{ "cancel", "ID...", "drops it; what runs is asked to end", 1, 1000, cancel },
	{ "kill", "ID...", "what runs, at once", 1, 1000, kill_task },
	{ "move", "ID... TOPIC", "to another topic", 2, 1000, move },
	{ "tail", "[TOPIC]", "what happens, as it happens", 0, 1, api_job_tail },
	{ "purge", "TOPIC...", "drops all that is pending and does not run", 1, 1000, purge },
	{ "dead", "ls|retry|purge [TOPIC]", "those that are dead", 1, 2, dead },
	{ "topics", "[TOPIC]", "all topics, or all about one", 0, 1, topics },
	{ "pause", "TOPIC...", "hands nothing out", 1, 1000, pause_topic },
	{ "resume", "TOPIC...", "goes on", 1, 1000, resume_topic },
	{ "workers", "", "workers and what they do", 0, 0, workers },
	{ "scale", "POOL MIN MAX", "how many workers", 3, 3, scale },
	{ "sched", "ls|run|pause|resume [NAME]", "what comes by the clock", 1, 2, sched },
	{ "top", "", "all of it, live; --n N: so many times", 0, 0, api_job_top },
	{ "bench", "[TOPIC]", "tasks in; --n N --c CONNECTIONS", 0, 1, api_job_bench },
	{ "export", "", "pending tasks as lines of JSON; --topic T --state S", 0, 0,
	  api_job_export },
	{ "import", "[FILE]", "such lines back in", 0, 1, api_job_import },
	{ "store", "check|compact|backup [PATH]", "the file that keeps them", 1, 2, store },
	{ NULL, NULL, NULL, 0, 0, NULL },
};

static int usage(FILE *out)
{
	fputs("troupe job [-c FILE] [--url URL] [--json] COMMAND ...\n\n", out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-8s %-28s %s\n", c->name, c->words, c->help);
	fputs("\nThe server: --url or TROUPE_URL (http://host:port, unix:/path), else what the "
	      "file "
	      "listens on.\nThe token: TROUPE_TOKEN. Exit status: 0 ok, 1 failed, 2 usage, 3 not "
	      "running, 4 not found.\n",
	      out);
	return out == stdout ? API_OK : API_USAGE;
}

/* Options that stand alone; others take the next word, or what follows their `=`. */
static bool is_flag(const char *name)
{
	return strcmp(name, "json") == 0 || strcmp(name, "wait") == 0;
}

static bool take_option(struct api_job *j, int argc, char **argv, int *at)
{
	char *name = argv[*at] + 2, *value = strchr(name, '=');

	if (j->n_options == 16)
		return false;
	if (value)
		*value++ = '\0';
	else if (!is_flag(name) && *at + 1 < argc)
		value = argv[++*at];
	else if (!is_flag(name))
		return false;
	j->options[j->n_options].name = name;
	j->options[j->n_options++].value = value ? value : "";
	return true;
}

/* By a section of its own, or one that only it has. */
static bool speaks_of(const struct conf_section *sections, const struct conf *conf,
		      const char *role)
{
	const struct conf_item *item = conf_find(conf, role, "");

	for (const struct conf_section *s = sections; s->name; s++)
		if (s->implies && strcmp(s->implies, role) == 0 && conf_next(conf, s->name, NULL))
			return true;
	return item && item->file;
}

static bool is_there(const char *address)
{
	struct api_client c;

	return api_client_at(&c, address) && api_client_is_there(&c);
}

/* Of the roles that serve the API, the first one that the file speaks of; else the first that is
 * there; else the first. */
static const char *address_of(const struct conf_section *sections, const struct conf *conf)
{
	const char *first = NULL, *there = NULL;

	for (const struct conf_section *s = sections; s->name; s++) {
		if (!api_keys_are_in(s))
			continue;
		char *const *listen = api_keys_of(conf, s->name)->listen;
		if (!*listen)
			continue;
		if (speaks_of(sections, conf, s->name))
			return *listen;
		first = first ? first : *listen;
		there = there || !is_there(*listen) ? there : *listen;
	}
	return there ? there : first ? first : "127.0.0.1:9523";
}

static bool find_server(struct api_job *j, const struct conf_section *sections, const char *path)
{
	const char *url = api_job_option(j, "url"), *token = getenv("TROUPE_TOKEN");
	struct conf_errors errors = { 0 };
	struct conf *conf = NULL;

	if (token)
		snprintf(j->client.token, sizeof(j->client.token), "%s", token);
	if (!url)
		url = getenv("TROUPE_URL");
	if (!url || !*url) {
		conf_load(path, sections, &conf, &errors); /* defaults, when there is none */
		url = address_of(sections, conf);
	}
	bool good = api_client_at(&j->client, url);
	if (!good)
		fprintf(stderr, "troupe: '%s' is neither http://host:port nor unix:/path\n", url);
	conf_errors_fini(&errors);
	conf_free(conf);
	return good;
}

static int run(struct api_job *j)
{
	for (const struct command *c = commands; j->argc && c->name; c++) {
		if (strcmp(c->name, j->argv[0]) != 0)
			continue;
		j->argc--;
		j->argv++;
		if (j->argc >= c->least && j->argc <= c->most)
			return c->run(j);
		fprintf(stderr, "troupe: job %s %s\n", c->name, c->words);
		return API_USAGE;
	}
	if (j->argc)
		fprintf(stderr, "troupe: job %s: there is no such command\n", j->argv[0]);
	return usage(stderr);
}

int api_job_main(const struct conf_section *sections, int argc, char **argv)
{
	const char *path = getenv("TROUPE_CONF");
	struct api_job j = { .argv = mem_new(((size_t)argc + 1) * sizeof(char *)) };
	char **words = j.argv;
	bool good = true;
	int status = API_USAGE;

	path = path && *path ? path : PLACE_DEFAULT_CONF;
	for (int i = 1; i < argc && good; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			path = argv[++i];
		else if (strncmp(argv[i], "--", 2) == 0 && argv[i][2])
			good = take_option(&j, argc, argv, &i);
		else
			words[j.argc++] = argv[i];
	}
	j.client.json = api_job_option(&j, "json") != NULL;
	if (!good)
		usage(stderr);
	else if (j.argc && strcmp(words[0], "help") == 0)
		status = usage(stdout);
	else if (find_server(&j, sections, path))
		status = run(&j);
	free(words);
	return status;
}
