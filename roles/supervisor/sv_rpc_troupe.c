/* What supervisord has no method for: restarts that are awaited, scaling, reloads, ad-hoc runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/proc/procstat.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_changes.h"
#include "roles/supervisor/sv_flow.h"
#include "roles/supervisor/sv_info.h"
#include "roles/supervisor/sv_pick.h"
#include "roles/supervisor/sv_probe.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_reexec.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"
#include "roles/supervisor/sv_update.h"
#include "roles/supervisor/sv_wish.h"

/* ---- status ------------------------------------------------------------------------------ */

static json_t *more_of(const struct sv_proc *p)
{
	struct procstat s = { .user = 0 };
	json_int_t restarts = 0;
	json_t *o = sv_info_process(p);

	if (p->pid)
		procstat_read(&s, p->pid);
	for (int i = 0; i < SV_REASONS; i++)
		restarts += (json_int_t)p->restarts[i];
	json_object_set_new(o, "readiness",
			    json_boolean(p->conf->program->ready.by != SV_READY_NONE));
	json_object_set_new(o, "ready", json_boolean(p->ready));
	json_object_set_new(o, "health", json_boolean(p->conf->health != NULL));
	json_object_set_new(o, "healthy", json_boolean(p->healthy));
	json_object_set_new(o, "restarts", json_integer(restarts));
	json_object_set_new(o, "cpu_seconds", json_real((double)(s.user + s.system) / 1e6));
	json_object_set_new(o, "rss_bytes", json_integer((json_int_t)s.rss));
	json_object_set_new(o, "said",
			    p->status ? sv_call_text(p->status, strlen(p->status))
				      : json_string(""));
	return o;
}

static void get_all(struct sv_call *c)
{
	struct list *it, *tmp, *in, *next;
	json_t *all = json_array();

	list_each (it, tmp, &c->sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs)
			json_array_append_new(all, more_of(container_of(in, struct sv_proc, link)));
	sv_call_return(c, all);
}

/* ---- restart, rolling, wait ------------------------------------------------------------------ */

/* Of parameter 0. 0: the call has its answer. */
static size_t picked(struct sv_call *c, struct sv_proc ***out)
{
	const char *word = sv_call_string(c, 0);
	size_t n = word ? sv_pick(c->sv, word, out) : 0;

	if (word && n == 0)
		sv_call_fault(c, SV_BAD_NAME, word);
	return n;
}

static void restart(struct sv_call *c)
{
	struct sv_proc **procs;
	size_t n = picked(c, &procs);

	if (n)
		sv_flow_start(c, procs, n, &(struct sv_flow_want){ .restart = n });
}

/* Only those that run, in the order of their start. */
static void rolling(struct sv_call *c)
{
	struct sv_proc **procs;
	size_t n = picked(c, &procs), kept = 0;

	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (sv_proc_is_running(procs[i]))
			procs[kept++] = procs[i];
	int64_t width = procs[0]->conf->program->conf->rolling;
	sv_flow_start(c, procs, kept,
		      &(struct sv_flow_want){ .restart = width > 0 ? (size_t)width : 1 });
}

static const struct {
	const char *name;
	enum sv_goal goal;
} goals[] = { { "ready", SV_GOAL_READY },     { "healthy", SV_GOAL_HEALTHY },
	      { "started", SV_GOAL_STARTED }, { "running", SV_GOAL_STARTED },
	      { "stopped", SV_GOAL_STOPPED }, { "exited", SV_GOAL_EXITED } };

static void wait_until(struct sv_call *c)
{
	const char *until = sv_call_string(c, 1);
	size_t i = 0, n = sizeof(goals) / sizeof(goals[0]);
	json_int_t timeout = 0;
	struct sv_proc **procs;

	if (!until || (json_array_size(c->params) > 2 && !sv_call_integer(c, 2, &timeout)))
		return;
	while (i < n && strcmp(goals[i].name, until) != 0)
		i++;
	if (i == n) {
		sv_call_fault(c, SV_BAD_ARGUMENTS, until);
		return;
	}
	n = picked(c, &procs);
	if (n)
		sv_flow_start(c, procs, n,
			      &(struct sv_flow_want){ .goal = goals[i].goal,
						      .timeout = timeout > 0 ? timeout : 0,
						      .single = true });
}

/* ---- reload ---------------------------------------------------------------- */

static enum sv_fault reload_one(struct sv_proc *p, struct err *err)
{
	const struct sv_program *g = p->conf->program;

	if (!p->pid)
		return SV_NOT_RUNNING;
	if (g->reload_argv)
		return sv_probe_command(p, g->reload_argv, err) == 0 ? SV_SUCCESS : SV_FAILED;
	return sv_proc_signal(p, g->reload_signal) == 0 ? SV_SUCCESS : SV_FAILED;
}

static void reload(struct sv_call *c)
{
	struct sv_proc **procs;
	size_t n = picked(c, &procs);
	json_t *results = json_array();
	struct err err = { 0 };

	for (size_t i = 0; i < n && results; i++) {
		const struct sv_program *g = procs[i]->conf->program;
		if (!g->reload_argv && !g->reload_signal) {
			sv_call_fault(c, SV_BAD_ARGUMENTS,
				      "it has neither reload_signal nor reload_command");
			json_decref(results);
			results = NULL;
			break;
		}
		enum sv_fault fault = reload_one(procs[i], &err);
		json_array_append_new(results,
				      json_pack("{s:s,s:s,s:i,s:s}", "name", procs[i]->conf->name,
						"group", procs[i]->team->conf->name, "status",
						(int)fault, "description",
						fault == SV_SUCCESS ? "OK" : sv_fault_name(fault)));
	}
	if (n && results)
		sv_call_return(c, results);
	else
		json_decref(results);
	if (n)
		free(procs);
}

/* ---- scale ----------------------------------------------------------------- */

static void scale(struct sv_call *c)
{
	const char *program = sv_call_string(c, 0);
	json_int_t n;
	struct err err = { 0 };

	if (!program || !sv_call_integer(c, 1, &n))
		return;
	int rc = sv_wish_scale(c->sv, program, n, &err);
	if (rc == 0)
		sv_call_return(c, json_pack("{s:s,s:I}", "program", program, "numprocs", n));
	else
		sv_call_fault(c, rc == UV_ENOENT ? SV_BAD_NAME : SV_BAD_ARGUMENTS, err.text);
}

/* An array of strings. */
static bool is_words(const json_t *v)
{
	json_t *word;
	size_t i;

	json_array_foreach(v, i, word)
	{
		if (!json_is_string(word))
			return false;
	}
	return json_is_array(v);
}

/* ---- update ---------------------------------------------------------------- */

struct changes {
	struct sv_changes groups;
	json_t *lines;
	const json_t *names; /* only these groups; NULL: all */
};

static bool is_asked(const json_t *names, const char *group)
{
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name)
	{
		if (strcmp(json_string_value(name), group) == 0)
			return true;
	}
	return !names;
}

static void note(void *data, const struct sv_difference *d)
{
	static const char *const words[] = {
		[SV_GROUP_ADDED] = "added",         [SV_GROUP_REMOVED] = "removed",
		[SV_PROCESS_ADDED] = "added",       [SV_PROCESS_REMOVED] = "removed",
		[SV_PROCESS_RESTART] = "restarted", [SV_PROCESS_LIVE] = "changed as it runs",
	};
	struct changes *g = data;

	const struct sv_group *group = d->now_group ? d->now_group : d->old_group;
	const struct sv_process_conf *p = d->now ? d->now : d->old;
	if (!is_asked(g->names, group->name))
		return;
	bool whole = d->change == SV_GROUP_ADDED || d->change == SV_GROUP_REMOVED;

	char *line;
	int len = asprintf(&line, "%s: %s%s%s", whole || !p ? group->name : p->full,
			   words[d->change], *d->line ? ": " : "", d->line);
	if (len >= 0) {
		json_array_append_new(g->lines, sv_call_text(line, (size_t)len));
		free(line);
	}
	sv_changes_note(&g->groups, d);
}

/* Names of no group, before or after. */
static json_t *unknown(const struct sv *sv, const struct sv_setup *now, const json_t *names)
{
	json_t *list = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);
		if (now && !sv_team_find(sv, text) && !sv_setup_group(now, text))
			json_array_append(list, name);
	}
	return list;
}

static void update_only(struct sv *sv, struct sv_setup *now, const json_t *names)
{
	char **words = mem_new((json_array_size(names) + 1) * sizeof(*words));
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name)
	{
		words[i] = (char *)json_string_value(name);
	}
	sv_update_only(sv, now, words);
	free(words);
}

static void update(struct sv_call *c)
{
	bool dry = sv_call_flag(c, 0, false);
	const json_t *asked = json_array_get(c->params, 1);
	if (asked && !is_words(asked)) {
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
		return;
	}
	const json_t *names = json_array_size(asked) > 0 ? asked : NULL;
	struct changes g = { .lines = json_array(), .names = names };
	struct err err = { 0 };
	struct sv_setup *now = sv_update_read(c->sv, &err);

	sv_changes_init(&g.groups);
	if (now)
		sv_update_diff(c->sv, now, note, &g);
	json_t *result = json_pack("{s:O,s:O,s:O,s:o,s:o}", "added", g.groups.added, "changed",
				   g.groups.changed, "removed", g.groups.removed, "lines", g.lines,
				   "unknown", unknown(c->sv, now, names));
	sv_changes_fini(&g.groups);
	if (now && !dry && names) {
		update_only(c->sv, now, names);
		now = NULL;
		sv_call_return(c, result);
	} else if (now && (dry || run_reload(c->sv->run, NULL) == 0)) {
		sv_call_return(c, result);
	} else {
		json_decref(result);
		sv_call_fault(c, SV_CANT_REREAD, now ? "see the log" : err.text);
	}
	if (now)
		sv_setup_drop(now);
}

/* ---- run ------------------------------------------------------------------- */

static void run_once(struct sv_call *c)
{
	const json_t *words = json_array_get(c->params, 0);
	const char *folder = json_string_value(json_array_get(c->params, 1));
	struct err err = { 0 };
	char name[64];

	if (!is_words(words) || json_array_size(words) == 0)
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
	else if (sv_wish_run(c->sv, words, folder, name, &err) == 0)
		sv_call_return(c, json_string(name));
	else
		sv_call_fault(c, SV_FAILED, err.text);
}

/* ---- upgrade --------------------------------------------------------------- */

/* Another one after an upgrade. As text: XML-RPC's numbers have 32 bits. */
static json_t *image(const struct sv *sv)
{
	char text[24];

	snprintf(text, sizeof(text), "%llx", (unsigned long long)sv->born);
	return json_string(text);
}

static void upgrade(struct sv_call *c)
{
	struct err err = { 0 };

	if (sv_reexec_soon(c->sv, &err) == 0)
		sv_call_return(c, image(c->sv));
	else
		sv_call_fault(c, SV_FAILED, err.text);
}

static void get_image(struct sv_call *c)
{
	sv_call_return(c, image(c->sv));
}

const struct sv_method sv_troupe_methods[] = {
	{ "troupe.getAllProcessInfo", "array", 0, get_all, true,
	  "supervisor.getAllProcessInfo, and whether each is ready and healthy, its memory and "
	  "CPU." },
	{ "troupe.restart", "array string", 1, restart, false,
	  "Restarts what a name or pattern means, and waits until it is ready." },
	{ "troupe.rolling", "array string", 1, rolling, false,
	  "Restarts what runs of a name or pattern, as many at a time as `rolling` says." },
	{ "troupe.wait", "boolean string string int", 2, wait_until, false,
	  "Waits until what a name or pattern means is ready, healthy, started, stopped or exited; "
	  "at most so many ms." },
	{ "troupe.reload", "array string", 1, reload, false,
	  "Tells a process to reload: reload_signal or reload_command." },
	{ "troupe.scale", "struct string int", 2, scale, false,
	  "Runs so many processes of a program, until numprocs changes in the file." },
	{ "troupe.update", "struct boolean array", 0, update, false,
	  "Takes over what has changed in the file, of the named groups or all; true: only "
	  "tells." },
	{ "troupe.run", "string array string", 1, run_once, false,
	  "Runs a command once, in a folder; the name of its group." },
	{ "troupe.upgrade", "string", 0, upgrade, false,
	  "Executes the supervisor's program anew; what it runs goes on." },
	{ "troupe.getImage", "string", 0, get_image, true, "Another text after each upgrade." },
	{ .name = NULL },
};
