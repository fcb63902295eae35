/* reread, update, add, remove, shutdown, open, scale: what is to run at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_client.h"

static bool has_no_words(struct sv_client *c, int argc, char **argv)
{
	char what[80];

	if (argc == 1)
		return true;
	snprintf(what, sizeof(what), "Error: %s accepts no arguments", argv[0]);
	sv_client_misused(c, argv[0], what, SV_EXIT_GENERIC);
	return false;
}

/* ---- reread --------------------------------------------------------------------------------- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "web: changed", by name. */
static void show_changes(const json_t *lists)
{
	static const char *const words[] = { "available", "changed", "disappeared" };
	char **lines = NULL;
	size_t n = 0, i;
	json_t *name;

	for (size_t k = 0; k < 3; k++)
		json_array_foreach(json_array_get(lists, k), i, name)
		{
			lines = mem_resize(lines, (n + 1) * sizeof(*lines));
			if (asprintf(&lines[n++], "%s: %s", json_string_value(name), words[k]) < 0)
				abort();
		}
	if (n)
		qsort(lines, n, sizeof(*lines), compare_lines);
	else
		puts("No config updates to processes");
	for (i = 0; i < n; i++) {
		puts(lines[i]);
		free(lines[i]);
	}
	free(lines);
}

/* The three lists of names; NULL: told. */
static json_t *read_again(struct sv_client *c, const char *shutting_down)
{
	struct sv_refusal why;
	json_t *result = sv_client_try(c, "supervisor.reloadConfig", json_array(), &why);

	if (result)
		return result;
	if (why.fault == SV_SHUTDOWN_STATE)
		puts(shutting_down);
	else if (why.fault == SV_CANT_REREAD)
		printf("ERROR: %s\n", why.text);
	else
		sv_client_complain(c, &why);
	c->status = SV_EXIT_GENERIC;
	return NULL;
}

static void reread(struct sv_client *c, int argc, char **argv)
{
	if (!has_no_words(c, argc, argv))
		return;
	json_t *result = read_again(c, "ERROR: supervisor shutting down");
	if (result)
		show_changes(json_array_get(result, 0));
	json_decref(result);
}

/* ---- update -----------------------------------------------------------------------------------
 */

static bool is_asked(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0 || strcmp(argv[i], "all") == 0)
			return true;
	return argc == 1;
}

static bool has_name(const json_t *names, const char *name)
{
	size_t i;
	json_t *have;

	json_array_foreach(names, i, have)
	{
		if (strcmp(json_string_value(have), name) == 0)
			return true;
	}
	return false;
}

static bool has_group(const json_t *infos, const char *name)
{
	size_t i;
	json_t *info;

	json_array_foreach(infos, i, info)
	{
		if (strcmp(sv_client_text(info, "group"), name) == 0)
			return true;
	}
	return false;
}

static void check_groups(struct sv_client *c, const json_t *added, int argc, char **argv)
{
	json_t *infos = sv_client_call(c, "supervisor.getAllProcessInfo", json_array());

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "all") != 0 && !has_group(infos, argv[i]) &&
		    !has_name(added, argv[i])) {
			printf("ERROR: no such group: %s\n", argv[i]);
			c->status = SV_EXIT_GENERIC;
		}
	json_decref(infos);
}

static void drop(json_t *value)
{
	json_decref(value);
}

/* As supervisorctl does it: groups are stopped, removed, added. */
static void update_group(struct sv_client *c, const char *name, bool remove, bool add)
{
	if (remove) {
		drop(sv_client_call(c, "supervisor.stopProcessGroup", json_pack("[s]", name)));
		printf("%s: stopped\n", name);
		drop(sv_client_call(c, "supervisor.removeProcessGroup", json_pack("[s]", name)));
	}
	if (add)
		drop(sv_client_call(c, "supervisor.addProcessGroup", json_pack("[s]", name)));
	printf("%s: %s process group\n", name,
	       remove && add ? "updated"
	       : add         ? "added"
			     : "removed");
}

static void update_classic(struct sv_client *c, int argc, char **argv)
{
	static const size_t order[] = { 2, 1, 0 }; /* removed, changed, added */
	json_t *result = read_again(c, "ERROR: already shutting down"), *lists, *name;
	size_t i;

	lists = json_array_get(result, 0);
	if (result && argc > 1)
		check_groups(c, json_array_get(lists, 0), argc, argv);
	for (size_t k = 0; k < 3; k++)
		json_array_foreach(json_array_get(lists, order[k]), i, name)
		{
			if (is_asked(argc, argv, json_string_value(name)))
				update_group(c, json_string_value(name), order[k] != 0,
					     order[k] != 2);
		}
	json_decref(result);
}

static void show_update(struct sv_client *c, const json_t *result, bool dry)
{
	static const char *const keys[] = { "removed", "changed", "added" };
	size_t i;
	json_t *name, *lines = json_object_get(result, "lines");

	if (c->json) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	if (dry && json_array_size(lines) == 0)
		puts("No config updates to processes");
	if (dry)
		json_array_foreach(lines, i, name)
		{
			puts(json_string_value(name));
		}
	json_array_foreach(json_object_get(result, "unknown"), i, name)
	{
		printf("ERROR: no such group: %s\n", json_string_value(name));
		c->status = SV_EXIT_GENERIC;
	}
	for (size_t k = 0; k < 3 && !dry; k++)
		json_array_foreach(json_object_get(result, keys[k]), i, name)
		{
			printf("%s: %s process group\n", json_string_value(name),
			       k == 1 ? "updated" : keys[k]);
		}
}

/* Whether it is a dry run; the names of groups, none for all of them. */
static json_t *update_params(int argc, char **argv, bool dry)
{
	bool all = is_asked(argc - dry, argv + dry, "all");
	json_t *names = json_array();

	for (int i = 1 + dry; i < argc && !all; i++)
		json_array_append_new(names, json_string(argv[i]));
	return json_pack("[b,o]", dry, names);
}

/* Ours touches only what changed; supervisord's own server knows nothing of it. */
static void update(struct sv_client *c, int argc, char **argv)
{
	bool dry = argc > 1 && strcmp(argv[1], "-n") == 0;
	struct sv_refusal why;
	json_t *params = update_params(argc, argv, dry);
	json_t *result = sv_client_try(c, "troupe.update", params, &why);
	if (result)
		show_update(c, result, dry);
	else if (why.fault == SV_UNKNOWN_METHOD && !dry)
		update_classic(c, argc, argv);
	else if (why.fault == SV_SHUTDOWN_STATE)
		puts("ERROR: already shutting down");
	else if (why.fault == SV_CANT_REREAD)
		printf("ERROR: %s\n", why.text);
	else
		sv_client_complain(c, &why);
	if (!result && why.fault != SV_UNKNOWN_METHOD)
		c->status = SV_EXIT_GENERIC;
	json_decref(result);
}

/* ---- groups -------------------------------------------------------------------------------------
 */

static void add(struct sv_client *c, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct sv_refusal why;
		json_t *done = sv_client_try(c, "supervisor.addProcessGroup",
					     json_pack("[s]", argv[i]), &why);
		if (done)
			printf("%s: added process group\n", argv[i]);
		else if (why.fault == SV_SHUTDOWN_STATE)
			puts("ERROR: shutting down");
		else if (why.fault == SV_ALREADY_ADDED)
			puts("ERROR: process group already active");
		else if (why.fault == SV_BAD_NAME)
			printf("ERROR: no such process/group: %s\n", argv[i]);
		else
			sv_client_complain(c, &why);
		if (!done && why.fault != SV_ALREADY_ADDED)
			c->status = SV_EXIT_GENERIC;
		json_decref(done);
	}
}

static void remove_groups(struct sv_client *c, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct sv_refusal why;
		json_t *done = sv_client_try(c, "supervisor.removeProcessGroup",
					     json_pack("[s]", argv[i]), &why);
		if (done)
			printf("%s: removed process group\n", argv[i]);
		else if (why.fault == SV_STILL_RUNNING)
			printf("ERROR: process/group still running: %s\n", argv[i]);
		else if (why.fault == SV_BAD_NAME)
			printf("ERROR: no such process/group: %s\n", argv[i]);
		else
			sv_client_complain(c, &why);
		if (!done)
			c->status = SV_EXIT_GENERIC;
		json_decref(done);
	}
}

/* ---- all of it
 * ------------------------------------------------------------------------------------ */

static bool is_sure(const struct sv_client *c, const char *question)
{
	char line[64];

	if (!c->interactive)
		return true;
	printf("%s y/N? ", question);
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && (*line == 'y' || *line == 'Y');
}

static void shut_down(struct sv_client *c, int argc, char **argv)
{
	struct sv_refusal why;

	if (!has_no_words(c, argc, argv) ||
	    !is_sure(c, "Really shut the remote supervisord process down"))
		return;
	json_t *done = sv_client_try(c, "supervisor.shutdown", json_array(), &why);
	if (done)
		puts("Shut down");
	else if (why.fault == SV_SHUTDOWN_STATE)
		puts("ERROR: already shutting down");
	else if (why.code == UV_ECONNREFUSED || why.code == UV_ENOENT)
		printf("ERROR: %s %s (already shut down?)\n",
		       c->remote.control ? c->remote.control : c->remote.url,
		       why.code == UV_ENOENT ? "no such file" : "refused connection");
	else
		sv_client_complain(c, &why);
	if (!done && why.fault != SV_SHUTDOWN_STATE)
		c->status = SV_EXIT_GENERIC;
	json_decref(done);
}

static void open_url(struct sv_client *c, int argc, char **argv)
{
	char status[] = "status", *words[] = { status, NULL };
	int before = c->status;

	if (argc != 2 || sv_remote_check(argv[1], NULL) != 0) {
		puts("ERROR: url must be http:// or unix://");
		c->status = SV_EXIT_GENERIC;
		return;
	}
	free(c->remote.url);
	c->remote.url = mem_str(argv[1]);
	c->remote.control = NULL;
	sv_client_do(c, 1, words);
	c->status = before;
}

static void scale(struct sv_client *c, int argc, char **argv)
{
	char *end = NULL;
	long n = argc == 3 ? strtol(argv[2], &end, 10) : -1;

	if (argc != 3 || *end || n < 0) {
		sv_client_misused(c, "scale", "Error: scale requires a program and a number",
				  SV_EXIT_INVALID_ARGS);
		return;
	}
	json_t *done =
		sv_client_call(c, "troupe.scale", json_pack("[s,I]", argv[1], (json_int_t)n));
	if (done)
		printf("%s: scaled to %ld\n", argv[1], n);
	json_decref(done);
}

const struct sv_verb sv_verbs_admin[] = {
	{ "reread", reread,
	  "reread\t\t\tReload the daemon's configuration files without add/remove", false },
	{ "update", update,
	  "update\t\t\tReload config and add/remove as necessary, and will restart affected "
	  "programs\n"
	  "update -n\t\tShow what it would do\n"
	  "update all\t\tReload config and add/remove as necessary, and will restart affected "
	  "programs\n"
	  "update [-n] <gname> [...]\tUpdate specific groups",
	  false },
	{ "add", add, "add <name> [...]\tActivates any updates in config for process/group",
	  false },
	{ "remove", remove_groups, "remove <name> [...]\tRemoves process/group from active config",
	  false },
	{ "shutdown", shut_down, "shutdown \tShut the remote supervisord down.", false },
	{ "open", open_url,
	  "open <url>\tConnect to a remote supervisord process.\n"
	  "\t\t(for UNIX domain socket, use unix:///socket/path)",
	  false },
	{ "scale", scale,
	  "scale <program> <n>\tRun n of its processes, until it is told otherwise or `numprocs`\n"
	  "\t\t\tchanges in the file",
	  true },
	{ NULL, NULL, NULL, false },
};
