#include "roles/supervisor/sv_client.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/supervisor/sv_call.h"

static const struct sv_verb *const tables[] = { sv_verbs_info, sv_verbs_run, sv_verbs_log,
						sv_verbs_admin, sv_verbs_more };

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static const struct sv_verb *find(const char *name)
{
	for (int i = 0; i < TABLES; i++)
		for (const struct sv_verb *v = tables[i]; v->name; v++)
			if (strcmp(v->name, name) == 0)
				return v;
	return NULL;
}

/* ---- calls ------------------------------------------------------------------------------ */

json_t *sv_client_try(struct sv_client *c, const char *method, json_t *params,
		      struct sv_refusal *why)
{
	*why = (struct sv_refusal){ .code = 0 };
	return sv_remote_call(&c->remote, method, params, why);
}

void sv_client_complain(struct sv_client *c, const struct sv_refusal *why)
{
	const char *where = c->remote.control ? c->remote.control : c->remote.url;

	c->status = SV_EXIT_GENERIC;
	if (why->status == 401)
		printf("Server requires authentication\n");
	else if (why->code == UV_ECONNREFUSED)
		printf("%s refused connection\n", where);
	else if (why->code == UV_ENOENT)
		printf("%s no such file\n", where);
	else
		printf("error: %s\n", why->text);
}

json_t *sv_client_call(struct sv_client *c, const char *method, json_t *params)
{
	struct sv_refusal why;
	json_t *value = sv_client_try(c, method, params, &why);

	if (!value)
		sv_client_complain(c, &why);
	return value;
}

/* Is anybody there, who speaks as we do? */
static bool is_up(struct sv_client *c)
{
	struct sv_refusal why;
	json_t *version = sv_client_try(c, "supervisor.getVersion", json_array(), &why);

	json_decref(version);
	if (version)
		return true;
	sv_client_complain(c, &why);
	if (why.code == UV_ECONNREFUSED)
		c->status = SV_EXIT_NO_RIGHTS;
	else if (why.code == UV_ENOENT)
		c->status = SV_EXIT_NOT_RUNNING;
	return false;
}

/* ---- names -------------------------------------------------------------------------------- */

const char *sv_client_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

const char *sv_client_name(const char *group, const char *name, char into[600])
{
	bool same = strcmp(group, name) == 0;

	snprintf(into, 600, "%s%s%s", same ? "" : group, same ? "" : ":", name);
	return into;
}

void sv_client_split(const char *text, char group[300], char process[300])
{
	const char *colon = strchr(text, ':');

	if (!colon) {
		snprintf(group, 300, "%s", text);
		snprintf(process, 300, "%s", text);
		return;
	}
	snprintf(group, 300, "%.*s", (int)(colon - text), text);
	snprintf(process, 300, "%s", strcmp(colon + 1, "*") == 0 ? "" : colon + 1);
}

static bool is_glob(const char *word)
{
	size_t n = strlen(word);
	bool whole = n > 2 && strcmp(word + n - 2, ":*") == 0;

	if (whole) /* a group: no glob, unless the rest is one */
		return strcspn(word, "*?[") < n - 1;
	return strpbrk(word, "*?[") != NULL;
}

bool sv_client_matches(const char *word, const json_t *info)
{
	char full[600];

	snprintf(full, sizeof(full), "%s:%s", sv_client_text(info, "group"),
		 sv_client_text(info, "name"));
	return fnmatch(word, full, 0) == 0 || fnmatch(word, sv_client_text(info, "name"), 0) == 0;
}

static void add_matching(json_t *names, const json_t *all, const char *word)
{
	char name[600];
	size_t i;
	json_t *info;

	json_array_foreach(all, i, info)
	{
		if (sv_client_matches(word, info))
			json_array_append_new(names, json_string(sv_client_name(
							     sv_client_text(info, "group"),
							     sv_client_text(info, "name"), name)));
	}
}

json_t *sv_client_names(struct sv_client *c, int argc, char **argv)
{
	json_t *names = json_array(), *all = NULL;

	for (int i = 0; i < argc && names; i++) {
		if (!is_glob(argv[i])) {
			json_array_append_new(names, json_string(argv[i]));
			continue;
		}
		if (!all)
			all = sv_client_call(c, "supervisor.getAllProcessInfo", json_array());
		size_t before = json_array_size(names);
		add_matching(names, all, argv[i]);
		if (all && json_array_size(names) == before) {
			printf("%s: ERROR (no such process)\n", argv[i]);
			c->status = SV_EXIT_STATUS_UNKNOWN;
		}
		if (!all) {
			json_decref(names);
			names = NULL;
		}
	}
	json_decref(all);
	return names;
}

/* ---- help ---------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t sv_client_verbs(const char *names[SV_VERBS_MOST])
{
	size_t n = 0;

	for (int i = 0; i < TABLES; i++)
		for (const struct sv_verb *v = tables[i]; v->name && n < SV_VERBS_MOST; v++)
			names[n++] = v->name;
	qsort(names, n, sizeof(names[0]), compare_names);
	return n;
}

static void list_verbs(void)
{
	const char *names[SV_VERBS_MOST] = { NULL };
	size_t n = sv_client_verbs(names);

	puts("\ndefault commands (type help <topic>):\n=====================================");
	for (size_t i = 0; i < n; i++)
		printf("%-11s%s", names[i], i % 7 == 6 || i + 1 == n ? "\n" : "");
	putchar('\n');
}

void sv_client_help(struct sv_client *c, const char *verb)
{
	const struct sv_verb *v = verb ? find(verb) : NULL;

	(void)c;
	if (!verb)
		list_verbs();
	else if (v)
		puts(v->help);
	else
		printf("*** No help on %s\n", verb);
}

void sv_client_misused(struct sv_client *c, const char *verb, const char *what, int status)
{
	puts(what);
	c->status = status;
	sv_client_help(c, verb);
}

/* ---- verbs ----------------------------------------------------------------------------------- */

bool sv_client_do(struct sv_client *c, int argc, char **argv)
{
	const struct sv_verb *v = argc ? find(argv[0]) : NULL;

	if (!v)
		return false;
	if (!v->up || is_up(c))
		v->run(c, argc, argv);
	else if (strcmp(v->name, "status") == 0)
		c->status = SV_EXIT_STATUS_UNKNOWN;
	fflush(stdout);
	return true;
}

/* Of no word that means the whole role: those are core/run's. */
static bool is_cores(int argc, char **argv)
{
	static const char *const alone[] = { "stop", "reload", "version", "drain" };

	if (argc > 1 && *argv[1] != '-')
		return false;
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		if (strcmp(argv[0], alone[i]) == 0)
			return true;
	return false;
}

int sv_client_ctl(const char *control, int argc, char **argv, bool json)
{
	struct sv_client c = { .remote = { .control = (char *)control }, .json = json };

	if (strcmp(argv[0], "help") == 0) {
		sv_client_help(&c, argc > 1 ? argv[1] : NULL);
		return argc > 1 ? 0 : -1; /* the role's own words follow */
	}
	if (is_cores(argc, argv) || !sv_client_do(&c, argc, argv))
		return -1;
	return c.status;
}
