/* What `troupe ctl` can order of any role; the rest goes to the role's own ctl. */
#include <string.h>

#include "core/log/log.h"
#include "core/run/control.h"
#include "core/run/life.h"
#include "core/run/role.h"
#include "core/stat/stat.h"

/* One call. */
struct call {
	struct run *run;
	int argc;
	char **argv;
	bool json;
	FILE *out;
};

struct command {
	const char *name;
	const char *help;
	int (*act)(const struct call *call);
	bool words; /* it takes some; with words, the others are the role's (`drain db2`) */
};

static bool has_word(const struct call *call, const char *word)
{
	for (int i = 1; i < call->argc; i++)
		if (strcmp(call->argv[i], word) == 0)
			return true;
	return false;
}

static int show_status(const struct call *call)
{
	struct stat_out *stat = run_status(call->run);

	if (call->json)
		stat_as_json(stat, call->out);
	else
		stat_as_text(stat, call->out);
	stat_free(stat);
	return 0;
}

static int reload(const struct call *call)
{
	return run_reload(call->run, call->out) == 0 ? 0 : 1;
}

static int drain(const struct call *call)
{
	fputs("draining; the process ends when its work is done\n", call->out);
	run_order(call->run, ORDER_DRAIN);
	return 0;
}

static int stop(const struct call *call)
{
	bool now = has_word(call, "-f") || has_word(call, "now");

	fputs(now ? "stopping now\n" : "stopping\n", call->out);
	run_order(call->run, now ? ORDER_NOW : ORDER_STOP);
	return 0;
}

static int log_level(const struct call *call)
{
	int level = call->argc > 1 ? log_level_of(call->argv[1]) : log_max;

	if (level < 0) {
		fprintf(call->out, "'%s' is none of error, warn, info, debug\n", call->argv[1]);
		return 2;
	}
	log_set_level((enum log_level)level);
	fprintf(call->out, "%s\n", log_level_name(level));
	return 0;
}

static int version(const struct call *call)
{
	fprintf(call->out, "troupe " TROUPE_VERSION "\n");
	return 0;
}

static int help(const struct call *call);

static const struct command commands[] = {
	{ "status", "figures and states; --json for a program", show_status, false },
	{ "reload", "takes over the changed file, or says why not", reload, false },
	{ "drain", "takes no new work; ends when what is under way is done", drain, false },
	{ "stop", "as drain, but at most drain_timeout; -f: now", stop, true },
	{ "log-level", "[error|warn|info|debug]: shows or sets it until the next reload", log_level,
	  true },
	{ "version", "of the running program", version, false },
	{ "help", "this list", help, false },
	{ NULL, NULL, NULL, false },
};

static int help(const struct call *call)
{
	for (const struct command *c = commands; c->name; c++)
		fprintf(call->out, "%-12s %s\n", c->name, c->help);
	if (call->run->role->ctl_help)
		fputs(call->run->role->ctl_help, call->out);
	return 0;
}

/* --json may stand anywhere. */
static bool take_json(int *argc, char **argv)
{
	bool found = false;
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--json") != 0) {
			char *word = argv[kept];

			argv[kept++] = argv[i];
			argv[i] = word;
		} else {
			found = true;
		}
	}
	*argc = kept;
	return found;
}

int run_command(void *owner, int argc, char **argv, FILE *out, struct control_peer *peer)
{
	struct run *run = owner;
	bool json = take_json(&argc, argv);
	struct call call = { run, argc, argv, json, out };
	int status = 2;

	for (const struct command *c = commands; argc && c->name; c++)
		if (strcmp(c->name, argv[0]) == 0 && (argc == 1 || *argv[1] == '-' || c->words))
			return c->act(&call);
	if (argc && run->stopped) { /* the role is gone; a handle of its is still closing */
		fputs("the process is about to end\n", out);
		return 1;
	}
	if (argc && run->role->ctl_later && run->self &&
	    run->role->ctl_later(run->self, argc, argv, peer))
		return CONTROL_LATER;
	if (argc && run->role->ctl && run->self)
		status = run->role->ctl(run->self, argc, argv, out, json);
	if (status == 2)
		fprintf(out, "no such command: %s (try: help)\n", argc ? argv[0] : "");
	return status;
}
