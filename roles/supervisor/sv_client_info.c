/* status, top, pid, avail, version: what there is and how it is. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_client.h"

/* ---- status ------------------------------------------------------------------------------ */

static bool is_meant(const char *word, const json_t *info)
{
	char group[300], process[300];

	sv_client_split(word, group, process);
	if (strcmp(group, sv_client_text(info, "group")) == 0 &&
	    (!*process || strcmp(process, sv_client_text(info, "name")) == 0))
		return true;
	return strpbrk(word, "*?[") && sv_client_matches(word, info);
}

static void add_meant(struct sv_client *c, json_t *meant, const json_t *all, const char *word)
{
	size_t i, before = json_array_size(meant), n = strlen(word);
	bool whole = n > 2 && strcmp(word + n - 2, ":*") == 0;
	json_t *info;

	json_array_foreach(all, i, info)
	{
		if (is_meant(word, info))
			json_array_append(meant, info);
	}
	if (json_array_size(meant) > before)
		return;
	printf("%.*s: ERROR (no such %s)\n", (int)(whole ? n - 2 : n), word,
	       whole ? "group" : "process");
	c->status = SV_EXIT_STATUS_UNKNOWN;
}

static json_t *choose(struct sv_client *c, const json_t *all, int argc, char **argv)
{
	json_t *meant = json_array();

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "all") == 0)
			argc = 1;
	if (argc == 1)
		json_array_extend(meant, (json_t *)all);
	for (int i = 1; i < argc; i++)
		add_meant(c, meant, all, argv[i]);
	return meant;
}

static const char *flags(const json_t *info)
{
	const json_t *ready = json_object_get(info, "ready"), *asked;

	asked = json_object_get(info, "readiness");
	if (!json_is_true(asked))
		return "";
	return json_is_true(ready) ? ", ready" : ", not ready";
}

static const char *health(const json_t *info)
{
	if (!json_is_true(json_object_get(info, "health")))
		return "";
	return json_is_true(json_object_get(info, "healthy")) ? ", healthy" : ", not healthy";
}

static void show_table(const json_t *infos)
{
	char name[600];
	int width = 30;
	size_t i;
	json_t *info;

	json_array_foreach(infos, i, info)
	{
		int n = (int)strlen(sv_client_name(sv_client_text(info, "group"),
						   sv_client_text(info, "name"), name));
		width = n > width ? n : width;
	}
	json_array_foreach(infos, i, info)
	{
		bool runs = json_integer_value(json_object_get(info, "state")) == 20;
		sv_client_name(sv_client_text(info, "group"), sv_client_text(info, "name"), name);
		printf("%-*s%-10s%s%s%s\n", width + 3, name, sv_client_text(info, "statename"),
		       sv_client_text(info, "description"), runs ? flags(info) : "",
		       runs ? health(info) : "");
	}
}

static void show_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

/* STOPPED, EXITED, FATAL, UNKNOWN */
static bool is_stopped(const json_t *info)
{
	json_int_t s = json_integer_value(json_object_get(info, "state"));

	return s == 0 || s == 100 || s == 200 || s == 1000;
}

/* Ours knows more of them. */
static const char *method_of(const struct sv_client *c)
{
	return c->remote.control ? "troupe.getAllProcessInfo" : "supervisor.getAllProcessInfo";
}

static void status(struct sv_client *c, int argc, char **argv)
{
	json_t *all = sv_client_call(c, method_of(c), json_array()), *info;
	size_t i;

	if (!all)
		return;
	json_t *meant = choose(c, all, argc, argv);
	if (c->json)
		show_json(meant);
	else
		show_table(meant);
	json_array_foreach(meant, i, info)
	{
		if (is_stopped(info))
			c->status = SV_EXIT_STATUS_NOT_RUNNING;
	}
	json_decref(meant);
	json_decref(all);
}

/* ---- top ------------------------------------------------------------------------------------ */

static double number(const json_t *info, const char *key)
{
	return json_number_value(json_object_get(info, key));
}

/* CPU since the look before, in per cent of `seconds`. */
static double share(const json_t *info, const json_t *before, double seconds)
{
	size_t i;
	json_t *old;

	json_array_foreach(before, i, old)
	{
		if (json_integer_value(json_object_get(old, "pid")) ==
		    json_integer_value(json_object_get(info, "pid")))
			return (number(info, "cpu_seconds") - number(old, "cpu_seconds")) * 100 /
			       seconds;
	}
	return 0;
}

static void show_top(const json_t *all, const json_t *before, double seconds)
{
	char name[600];
	size_t i;
	json_t *info;

	printf("%-30s %-9s %7s %6s %9s %9s %8s\n", "NAME", "STATE", "PID", "CPU%", "CPU s",
	       "RSS KiB", "RESTARTS");
	json_array_foreach(all, i, info)
	{
		sv_client_name(sv_client_text(info, "group"), sv_client_text(info, "name"), name);
		printf("%-30s %-9s %7d %6.1f %9.2f %9.0f %8.0f\n", name,
		       sv_client_text(info, "statename"), (int)number(info, "pid"),
		       before ? share(info, before, seconds) : 0, number(info, "cpu_seconds"),
		       number(info, "rss_bytes") / 1024, number(info, "restarts"));
	}
	fflush(stdout);
}

/* At a terminal, each second anew; else twice, so that there is a share, and the second is shown.
 */
static void top(struct sv_client *c, int argc, char **argv)
{
	struct timespec second = { .tv_sec = 1 }, moment = { .tv_nsec = 200000000 };
	bool screen = isatty(STDOUT_FILENO) && !c->json;
	json_t *before = sv_client_call(c, "troupe.getAllProcessInfo", json_array()), *now;

	(void)argc;
	(void)argv;
	if (before && c->json) {
		show_json(before);
		json_decref(before);
		return;
	}
	while (before) {
		nanosleep(screen ? &second : &moment, NULL);
		now = sv_client_call(c, "troupe.getAllProcessInfo", json_array());
		if (now && screen)
			fputs("\033[H\033[2J", stdout);
		if (now)
			show_top(now, before, screen ? 1 : 0.2);
		json_decref(before);
		before = screen ? now : NULL;
		if (!screen)
			json_decref(now);
	}
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

static void pid_of(struct sv_client *c, const char *name)
{
	struct sv_refusal why;
	json_t *info = sv_client_try(c, "supervisor.getProcessInfo", json_pack("[s]", name), &why);

	if (info) {
		int pid = (int)json_integer_value(json_object_get(info, "pid"));
		printf("%d\n", pid);
		if (pid == 0)
			c->status = SV_EXIT_NOT_RUNNING;
	} else if (why.fault == SV_BAD_NAME) {
		printf("No such process %s\n", name);
		c->status = SV_EXIT_GENERIC;
	} else {
		sv_client_complain(c, &why);
	}
	json_decref(info);
}

static void pids_of_all(struct sv_client *c)
{
	json_t *all = sv_client_call(c, "supervisor.getAllProcessInfo", json_array()), *info;
	size_t i;

	json_array_foreach(all, i, info)
	{
		printf("%d\n", (int)json_integer_value(json_object_get(info, "pid")));
	}
	json_decref(all);
}

static void pid(struct sv_client *c, int argc, char **argv)
{
	size_t i;
	json_t *name;

	if (argc == 1) {
		json_t *ours = sv_client_call(c, "supervisor.getPID", json_array());
		if (ours)
			printf("%d\n", (int)json_integer_value(ours));
		json_decref(ours);
	} else if (strcmp(argv[1], "all") == 0) {
		pids_of_all(c);
	} else {
		json_t *names = sv_client_names(c, argc - 1, argv + 1);
		json_array_foreach(names, i, name)
		{
			pid_of(c, json_string_value(name));
		}
		json_decref(names);
	}
}

static void show_config(const json_t *info)
{
	char name[600];

	sv_client_name(sv_client_text(info, "group"), sv_client_text(info, "name"), name);
	printf("%-32s %-9s %-9s %d:%d\n", name,
	       json_is_true(json_object_get(info, "inuse")) ? "in use" : "avail",
	       json_is_true(json_object_get(info, "autostart")) ? "auto" : "manual",
	       (int)json_integer_value(json_object_get(info, "group_prio")),
	       (int)json_integer_value(json_object_get(info, "process_prio")));
}

static void avail(struct sv_client *c, int argc, char **argv)
{
	json_t *all, *info;
	size_t i;

	(void)argv;
	if (argc > 1) {
		sv_client_misused(c, "avail", "Error: avail accepts no arguments", SV_EXIT_GENERIC);
		return;
	}
	all = sv_client_call(c, "supervisor.getAllConfigInfo", json_array());
	if (all && c->json)
		show_json(all);
	else
		json_array_foreach(all, i, info)
		{
			show_config(info);
		}
	json_decref(all);
}

static void version(struct sv_client *c, int argc, char **argv)
{
	json_t *text;

	(void)argv;
	if (argc > 1) {
		sv_client_misused(c, "version", "Error: version accepts no arguments",
				  SV_EXIT_GENERIC);
		return;
	}
	text = sv_client_call(c, "supervisor.getSupervisorVersion", json_array());
	if (text)
		puts(json_string_value(text));
	json_decref(text);
}

static void call(struct sv_client *c, int argc, char **argv)
{
	json_t *params, *value;

	if (argc < 2) {
		sv_client_misused(c, "call", "Error: call requires a method", SV_EXIT_GENERIC);
		return;
	}
	params = argc > 2 ? json_loads(argv[2], 0, NULL) : json_array();
	if (!json_is_array(params)) {
		json_decref(params);
		sv_client_misused(c, "call", "Error: the parameters are no JSON array",
				  SV_EXIT_INVALID_ARGS);
		return;
	}
	value = sv_client_call(c, argv[1], params);
	if (value)
		show_json(value);
	json_decref(value);
}

const struct sv_verb sv_verbs_info[] = {
	{ "status", status,
	  "status <name>\t\tGet status for a single process\n"
	  "status <gname>:*\tGet status for all processes in a group\n"
	  "status <name> <name>\tGet status for multiple named processes\n"
	  "status\t\t\tGet all process status info",
	  true },
	{ "top", top, "top\t\t\tWhat the processes use of CPU and memory", true },
	{ "pid", pid,
	  "pid\t\t\tGet the PID of supervisord.\n"
	  "pid <name>\t\tGet the PID of a single child process by name.\n"
	  "pid all\t\t\tGet the PID of every child process, one per line.",
	  true },
	{ "avail", avail, "avail\t\t\tDisplay all configured processes", false },
	{ "version", version, "version\t\t\tShow the version of the remote supervisord process",
	  true },
	{ "call", call, "call <method> [<params>]\tCall a method of the API; both are JSON",
	  false },
	{ NULL, NULL, NULL, false },
};
