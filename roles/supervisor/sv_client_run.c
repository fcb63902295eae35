/* start, stop, restart, signal, clear: of processes, groups, all. */
#include <stdio.h>
#include <string.h>

#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_client.h"

/* One of the verbs. A method for each kind of name. */
struct act {
	const char *verb, *one, *group, *all;
	const char *done;       /* "started" */
	enum sv_fault forgiven; /* no reason for another exit status */
	const char *more;       /* a second parameter; NULL: none */
	int bad_group;          /* exit status */
};

static const char *reason(enum sv_fault fault)
{
	switch (fault) {
	case SV_BAD_NAME:
		return "no such process";
	case SV_BAD_SIGNAL:
		return "bad signal name";
	case SV_NO_FILE:
		return "no such file";
	case SV_NOT_EXECUTABLE:
		return "file is not executable";
	case SV_ALREADY_STARTED:
		return "already started";
	case SV_NOT_RUNNING:
		return "not running";
	case SV_SPAWN_ERROR:
		return "spawn error";
	case SV_ABNORMAL_TERMINATION:
		return "abnormal termination";
	case SV_FAILED:
		return "failed";
	default:
		return sv_fault_name(fault);
	}
}

static void set_status(struct sv_client *c, enum sv_fault fault, enum sv_fault forgiven)
{
	if (fault == SV_SUCCESS || fault == forgiven)
		return;
	c->status = fault == SV_SPAWN_ERROR || fault == SV_ABNORMAL_TERMINATION ||
				    fault == SV_NOT_RUNNING
			    ? SV_EXIT_NOT_RUNNING
			    : SV_EXIT_GENERIC;
}

static void tell(struct sv_client *c, const struct act *a, const char *name, enum sv_fault fault)
{
	if (fault == SV_SUCCESS)
		printf("%s: %s\n", name, a->done);
	else
		printf("%s: ERROR (%s)\n", name, reason(fault));
	set_status(c, fault, a->forgiven);
}

static void tell_results(struct sv_client *c, const struct act *a, const json_t *results)
{
	char name[600];
	size_t i;
	json_t *r;

	json_array_foreach(results, i, r)
	{
		sv_client_name(sv_client_text(r, "group"), sv_client_text(r, "name"), name);
		tell(c, a, name, (enum sv_fault)json_integer_value(json_object_get(r, "status")));
	}
}

static json_t *parameters(const struct act *a, const char *name)
{
	json_t *list = json_array();

	if (name)
		json_array_append_new(list, json_string(name));
	if (a->more)
		json_array_append_new(list, json_string(a->more));
	return list;
}

static void act_on_group(struct sv_client *c, const struct act *a, const char *group)
{
	struct sv_refusal why;
	json_t *results = sv_client_try(c, a->group, parameters(a, group), &why);

	if (results)
		tell_results(c, a, results);
	else if (why.fault == SV_BAD_NAME)
		printf("%s: ERROR (no such group)\n", group);
	else
		sv_client_complain(c, &why);
	if (!results)
		c->status = why.fault == SV_BAD_NAME ? a->bad_group : SV_EXIT_GENERIC;
	json_decref(results);
}

static bool is_known(enum sv_fault fault)
{
	return fault >= SV_BAD_NAME && fault <= SV_NOT_RUNNING;
}

static void act_on(struct sv_client *c, const struct act *a, const char *word)
{
	char group[300], process[300], name[600];
	struct sv_refusal why;

	sv_client_split(word, group, process);
	if (!*process && a->group) {
		act_on_group(c, a, group);
		return;
	}
	json_t *result = sv_client_try(c, a->one, parameters(a, word), &why);
	sv_client_name(group, process, name);
	if (json_is_array(result))
		tell_results(c, a, result);
	else if (result)
		tell(c, a, name, SV_SUCCESS);
	else if (is_known((enum sv_fault)why.fault))
		tell(c, a, name, (enum sv_fault)why.fault);
	else
		sv_client_complain(c, &why);
	json_decref(result);
}

static void act_on_all(struct sv_client *c, const struct act *a)
{
	json_t *results = sv_client_call(c, a->all, parameters(a, NULL));

	tell_results(c, a, results);
	json_decref(results);
}

static void act_on_words(struct sv_client *c, const struct act *a, int argc, char **argv)
{
	size_t i;
	json_t *name;

	for (int k = 0; k < argc; k++)
		if (strcmp(argv[k], "all") == 0) {
			act_on_all(c, a);
			return;
		}
	json_t *names = sv_client_names(c, argc, argv);
	json_array_foreach(names, i, name)
	{
		act_on(c, a, json_string_value(name));
	}
	json_decref(names);
}

static const struct act starting = { "start",
				     "supervisor.startProcess",
				     "supervisor.startProcessGroup",
				     "supervisor.startAllProcesses",
				     "started",
				     SV_ALREADY_STARTED,
				     NULL,
				     SV_EXIT_INVALID_ARGS };
static const struct act stopping = { "stop",
				     "supervisor.stopProcess",
				     "supervisor.stopProcessGroup",
				     "supervisor.stopAllProcesses",
				     "stopped",
				     SV_NOT_RUNNING,
				     NULL,
				     SV_EXIT_GENERIC };

static void start(struct sv_client *c, int argc, char **argv)
{
	if (argc < 2)
		sv_client_misused(c, "start", "Error: start requires a process name",
				  SV_EXIT_INVALID_ARGS);
	else
		act_on_words(c, &starting, argc - 1, argv + 1);
}

static void stop(struct sv_client *c, int argc, char **argv)
{
	if (argc < 2)
		sv_client_misused(c, "stop", "Error: stop requires a process name",
				  SV_EXIT_GENERIC);
	else
		act_on_words(c, &stopping, argc - 1, argv + 1);
}

static void restart(struct sv_client *c, int argc, char **argv)
{
	if (argc < 2) {
		sv_client_misused(c, "restart", "Error: restart requires a process name",
				  SV_EXIT_GENERIC);
		return;
	}
	act_on_words(c, &stopping, argc - 1, argv + 1);
	act_on_words(c, &starting, argc - 1, argv + 1);
}

static void send_signal(struct sv_client *c, int argc, char **argv)
{
	if (argc < 3) {
		sv_client_misused(c, "signal",
				  "Error: signal requires a signal name and a process name",
				  SV_EXIT_GENERIC);
		return;
	}
	struct act a = { "signal",
			 "supervisor.signalProcess",
			 "supervisor.signalProcessGroup",
			 "supervisor.signalAllProcesses",
			 "signalled",
			 SV_SUCCESS,
			 argv[1],
			 SV_EXIT_GENERIC };
	act_on_words(c, &a, argc - 2, argv + 2);
}

static void clear(struct sv_client *c, int argc, char **argv)
{
	static const struct act a = { "clear",   "supervisor.clearProcessLogs",
				      NULL,      "supervisor.clearAllProcessLogs",
				      "cleared", SV_SUCCESS,
				      NULL,      SV_EXIT_GENERIC };

	if (argc < 2)
		sv_client_misused(c, "clear", "Error: clear requires a process name",
				  SV_EXIT_GENERIC);
	else
		act_on_words(c, &a, argc - 1, argv + 1);
}

/* ---- ours: the server does it ------------------------------------------------------------- */

static void by_method(struct sv_client *c, const struct act *a, int argc, char **argv)
{
	char what[100];

	if (argc < 2) {
		snprintf(what, sizeof(what), "Error: %s requires a process name", a->verb);
		sv_client_misused(c, a->verb, what, SV_EXIT_GENERIC);
		return;
	}
	for (int i = 1; i < argc; i++) {
		json_t *results = sv_client_call(c, a->one, json_pack("[s]", argv[i]));
		tell_results(c, a, results);
		json_decref(results);
	}
}

static void reload(struct sv_client *c, int argc, char **argv)
{
	static const struct act a = { "reload",   "troupe.reload", NULL, NULL,
				      "reloaded", SV_SUCCESS,      NULL, SV_EXIT_GENERIC };

	if (argc > 1) {
		by_method(c, &a, argc, argv);
		return;
	}
	json_t *done = sv_client_call(c, "supervisor.restart", json_array());
	if (done)
		puts("Restarted supervisord");
	json_decref(done);
}

static void rolling(struct sv_client *c, int argc, char **argv)
{
	static const struct act a = { "rolling",   "troupe.rolling", NULL, NULL,
				      "restarted", SV_SUCCESS,       NULL, SV_EXIT_GENERIC };

	by_method(c, &a, argc, argv);
}

const struct sv_verb sv_verbs_run[] = {
	{ "start", start,
	  "start <name>\t\tStart a process\n"
	  "start <gname>:*\t\tStart all processes in a group\n"
	  "start <name> <name>\tStart multiple processes or groups\n"
	  "start all\t\tStart all processes",
	  true },
	{ "stop", stop,
	  "stop <name>\t\tStop a process\n"
	  "stop <gname>:*\t\tStop all processes in a group\n"
	  "stop <name> <name>\tStop multiple processes or groups\n"
	  "stop all\t\tStop all processes",
	  true },
	{ "restart", restart,
	  "restart <name>\t\tRestart a process\n"
	  "restart <gname>:*\tRestart all processes in a group\n"
	  "restart <name> <name>\tRestart multiple processes or groups\n"
	  "restart all\t\tRestart all processes\n"
	  "Note: restart does not reread config files. For that, see reread and update.",
	  true },
	{ "signal", send_signal,
	  "signal <signal name> <name>\t\tSignal a process\n"
	  "signal <signal name> <gname>:*\t\tSignal all processes in a group\n"
	  "signal <signal name> <name> <name>\tSignal multiple processes or groups\n"
	  "signal <signal name> all\t\tSignal all processes",
	  true },
	{ "clear", clear,
	  "clear <name>\t\tClear a process' log files.\n"
	  "clear <name> <name>\tClear multiple process' log files\n"
	  "clear all\t\tClear all process' log files",
	  true },
	{ "reload", reload,
	  "reload\t\t\tRestart the remote supervisord: here, take over the changed file.\n"
	  "reload <name>\t\tTell a program to reload: reload_signal or reload_command",
	  true },
	{ "rolling", rolling,
	  "rolling <name>\t\tRestart a program's processes, `rolling` at a time; each is to be\n"
	  "\t\t\tready before the next",
	  true },
	{ NULL, NULL, NULL, false },
};
