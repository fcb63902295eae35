/* What is asked about the supervisor and its processes. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_info.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

/* supervisord's, whose methods and words these are: clients compare them. */
static const char api_version[] = "3.0";
static const char package_version[] = "4.2.5";

static const char *or_none(const char *path)
{
	return path ? path : "";
}

/* Names, paths and reasons may be any bytes. */
static json_t *text(const char *s)
{
	return sv_call_text(s, strlen(s));
}

/* kept: the file that was made for AUTO; NULL: none yet. */
static const char *path_of(const struct sv_log *log, const char *kept)
{
	return log->to == SV_LOG_AUTO ? kept : log->path;
}

json_t *sv_info_process(const struct sv_proc *p)
{
	enum sv_proc_state s = sv_proc_state(p);
	const struct sv_life *l = p->life;
	bool over = p->ended || s == SV_STOPPED || s == SV_EXITED;
	char about[320];
	const char *out = or_none(l ? l->out_path : path_of(&p->conf->out, p->auto_out));
	const char *err = or_none(l ? l->err_path : path_of(&p->conf->err, p->auto_err));

	json_t *o = json_object();
	json_object_set_new_nocheck(o, "name", text(p->conf->name));
	json_object_set_new_nocheck(o, "group", text(p->team->conf->name));
	json_object_set_new_nocheck(o, "start", json_integer(p->started_at / 1000));
	json_object_set_new_nocheck(o, "stop", json_integer(p->stopped_at / 1000));
	json_object_set_new_nocheck(o, "now", json_integer(time(NULL)));
	json_object_set_new_nocheck(o, "state", json_integer(sv_proc_code(s)));
	json_object_set_new_nocheck(o, "statename", json_string(sv_proc_state_name(s)));
	json_object_set_new_nocheck(o, "spawnerr", text(or_none(p->spawn_error)));
	json_object_set_new_nocheck(o, "exitstatus", json_integer(over ? p->exit_status : 0));
	json_object_set_new_nocheck(o, "logfile", text(out));
	json_object_set_new_nocheck(o, "stdout_logfile", text(out));
	json_object_set_new_nocheck(o, "stderr_logfile", text(err));
	json_object_set_new_nocheck(o, "pid", json_integer(p->pid));
	json_object_set_new_nocheck(o, "description",
				    text(sv_proc_description(p, about, sizeof(about))));
	return o;
}

static void add_log(json_t *o, const char *stream, const struct sv_log *log, const char *kept)
{
	static const char *const keys[] = { "logfile",         "logfile_maxbytes",
					    "logfile_backups", "capture_maxbytes",
					    "events_enabled",  "syslog" };
	const char *path = path_of(log, kept);
	json_t *values[] = { text(path                     ? path
				  : log->to == SV_LOG_AUTO ? "auto"
							   : "none"),
			     json_integer(log->maxbytes),
			     json_integer(log->backups),
			     json_integer(log->capture_maxbytes),
			     json_boolean(log->events),
			     json_boolean(log->syslog) };
	char key[64];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(key, sizeof(key), "%s_%s", stream, keys[i]);
		json_object_set_new(o, key, values[i]);
	}
}

static json_t *command_text(const struct sv_process_conf *conf)
{
	return text(or_none(conf->program->conf->command));
}

static bool is_auto(const char *url)
{
	return !url || !*url || strcasecmp(url, "auto") == 0;
}

static json_t *config(const struct sv *sv, const struct sv_group *g,
		      const struct sv_process_conf *conf)
{
	const struct sv_program *program = conf->program;
	const struct sv_program_conf *k = program->conf;
	const struct sv_proc *p = sv_team_lookup(sv, conf->full);
	json_t *codes = json_array();

	for (int i = 0; i < program->exitcode_count; i++)
		json_array_append_new(codes, json_integer(program->exitcodes[i]));
	json_t *o = json_pack("{s:s,s:s,s:b,s:i,s:I,s:o,s:b,s:b,s:b,s:I,s:I,s:i,s:I,s:o}", "name",
			      conf->name, "group", g->name, "autostart", k->autostart, "group_prio",
			      g->priority, "process_prio", (json_int_t)k->priority, "exitcodes",
			      codes, "inuse", sv_team_find(sv, g->name) != NULL, "killasgroup",
			      program->killasgroup, "redirect_stderr", k->redirect_stderr,
			      "startretries", (json_int_t)k->startretries, "startsecs",
			      (json_int_t)(k->startsecs / 1000), "stopsignal",
			      program->stop[0].signal, "stopwaitsecs",
			      (json_int_t)(program->stop[program->stop_count - 1].wait / 1000),
			      "command", command_text(conf));
	json_object_set_new(o, "directory",
			    conf->directory ? text(conf->directory) : json_string("none"));
	json_object_set_new(o, "uid",
			    program->has_user ? json_integer(program->user.uid)
					      : json_string("none"));
	json_object_set_new(o, "serverurl", text(is_auto(k->serverurl) ? "none" : k->serverurl));
	add_log(o, "stdout", &conf->out, p ? p->auto_out : NULL);
	add_log(o, "stderr", &conf->err, p ? p->auto_err : NULL);
	return o;
}

/* ---- methods
 * ------------------------------------------------------------------------------------- */

static void get_api_version(struct sv_call *c)
{
	sv_call_return(c, json_string(api_version));
}

static void get_supervisor_version(struct sv_call *c)
{
	sv_call_return(c, json_string(package_version));
}

static void get_identification(struct sv_call *c)
{
	const char *name = c->sv->setup->main.conf->identifier;

	sv_call_return(c, text(name ? name : "supervisor"));
}

static void get_state(struct sv_call *c)
{
	static const char *const names[] = { "SHUTDOWN", "RESTARTING", "RUNNING", "FATAL" };

	sv_call_return(c, json_pack("{s:i,s:s}", "statecode", (int)c->sv->state, "statename",
				    names[c->sv->state + 1]));
}

static void get_pid(struct sv_call *c)
{
	sv_call_return(c, json_integer(getpid()));
}

static void get_process_info(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);

	if (!name)
		return;
	const struct sv_proc *p = sv_team_lookup(c->sv, name);
	if (p)
		sv_call_return(c, sv_info_process(p));
	else
		sv_call_fault(c, SV_BAD_NAME, name);
}

static void get_all_process_info(struct sv_call *c)
{
	struct list *it, *tmp, *in, *next;
	json_t *all = json_array();

	list_each (it, tmp, &c->sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs)
			json_array_append_new(
				all, sv_info_process(container_of(in, struct sv_proc, link)));
	sv_call_return(c, all);
}

static void get_all_config_info(struct sv_call *c)
{
	const struct sv_setup *s = c->sv->pending ? c->sv->pending : c->sv->setup;
	json_t *all = json_array();

	for (size_t i = 0; i < s->group_count; i++)
		for (size_t k = 0; k < s->groups[i].count; k++)
			if (!s->groups[i].order[k]->spare)
				json_array_append_new(
					all, config(c->sv, &s->groups[i], s->groups[i].order[k]));
	sv_call_return(c, all);
}

const struct sv_method sv_info_methods[] = {
	{ "supervisor.getAPIVersion", "string", 0, get_api_version, true,
	  "The version of this interface." },
	{ "supervisor.getVersion", "string", 0, get_api_version, true,
	  "As getAPIVersion, which is its name now." },
	{ "supervisor.getSupervisorVersion", "string", 0, get_supervisor_version, true,
	  "The version of supervisord whose interface this is." },
	{ "supervisor.getIdentification", "string", 0, get_identification, true,
	  "The identifier of [supervisord]." },
	{ "supervisor.getState", "struct", 0, get_state, true,
	  "statecode and statename of the supervisor itself." },
	{ "supervisor.getPID", "int", 0, get_pid, true, "The supervisor's process id." },
	{ "supervisor.getProcessInfo", "struct string", 1, get_process_info, true,
	  "What is known of the process NAME or GROUP:NAME." },
	{ "supervisor.getAllProcessInfo", "array", 0, get_all_process_info, true,
	  "getProcessInfo of each process." },
	{ "supervisor.getAllConfigInfo", "array", 0, get_all_config_info, true,
	  "The settings of each process, in use or read by reloadConfig." },
	{ .name = NULL },
};
