/* start, stop, restart, reload, status: a role's process, seen from outside. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "cmd/roles.h"
#include "core/conf/conf.h"
#include "core/run/daemon.h"
#include "core/run/pidfile.h"
#include "core/run/place.h"
#include "core/run/settings.h"

enum { AFTER_DRAIN = 10000, BEFORE_KILL = 5000, LOOK_AGAIN = 20 };

/* Of the process that plays the role with that file, if there is one. */
struct target {
	struct place place;
	int pid; /* 0: not running */
	int64_t patience;
};

static struct target find_target(const struct cli *cli)
{
	struct conf_errors errors = { 0 };
	struct target target;
	struct conf *conf;

	conf_load(cli->conf_path, roles_sections(), &conf, &errors); /* what it can tell will do */
	place_find(&target.place, cli->role->name, cli->conf_path, conf);
	target.patience = settings_of(conf)->drain_timeout + AFTER_DRAIN;
	target.pid = pidfile_owner(target.place.pid_file);
	conf_errors_fini(&errors);
	conf_free(conf);
	return target;
}

static int not_running(const struct cli *cli)
{
	fprintf(stderr, "%s: not running with %s\n", cli->role->name, cli->conf_path);
	return EXIT_NOT_RUNNING;
}

/* NULL: the default file is not there, and the role can do without. */
static const char *file_of(const struct cli *cli)
{
	bool bare = cli->role->embedded && strcmp(cli->conf_path, PLACE_DEFAULT_CONF) == 0 &&
		    access(cli->conf_path, F_OK) != 0;

	return bare ? NULL : cli->conf_path;
}

int verb_play(const struct cli *cli)
{
	struct run_options options = {
		.conf_path = file_of(cli),
		.sections = roles_sections(),
		.report = -1,
	};

	return run_role(cli->role, &options);
}

/* ---- start -------------------------------------------------------------------- */

static int daemonise(const struct cli *cli)
{
	struct run_options options = {
		.conf_path = file_of(cli),
		.sections = roles_sections(),
	};
	int pid, status = run_daemon(cli->role, &options, &pid);

	if (status == EXIT_OK)
		printf("%s: started, process %d\n", cli->role->name, pid);
	else
		fprintf(stderr, "%s: not started\n", cli->role->name);
	return status;
}

int verb_start(const struct cli *cli)
{
	struct target target = find_target(cli);

	if (target.pid) {
		fprintf(cli->if_not_running ? stdout : stderr, "%s: already running, process %d\n",
			cli->role->name, target.pid);
		return cli->if_not_running ? EXIT_OK : EXIT_FAILED;
	}
	return cli->console ? verb_play(cli) : daemonise(cli);
}

/* ---- stop --------------------------------------------------------------------- */

static bool wait_gone(const struct target *target, int64_t ms)
{
	struct timespec pause = { .tv_nsec = LOOK_AGAIN * 1000000L };

	for (; ms > 0; ms -= LOOK_AGAIN) {
		if (pidfile_owner(target->place.pid_file) != target->pid)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Asks, asks again, and at last doesn't ask. */
static bool stop_by_force(const struct target *target)
{
	kill(target->pid, SIGTERM);
	if (wait_gone(target, 100))
		return true;
	kill(target->pid, SIGTERM);
	if (wait_gone(target, BEFORE_KILL))
		return true;
	kill(target->pid, SIGKILL);
	return wait_gone(target, BEFORE_KILL);
}

int verb_stop(const struct cli *cli)
{
	struct target target = find_target(cli);

	if (!target.pid)
		return not_running(cli);
	if (kill(target.pid, 0) != 0) {
		fprintf(stderr, "%s: process %d: %s\n", cli->role->name, target.pid,
			strerror(errno));
		return EXIT_FAILED;
	}
	if (!cli->force)
		kill(target.pid, SIGTERM);
	if (cli->force ? !stop_by_force(&target) : !wait_gone(&target, target.patience)) {
		fprintf(stderr, "%s: process %d is still there\n", cli->role->name, target.pid);
		return EXIT_FAILED;
	}
	printf("%s: stopped\n", cli->role->name);
	return EXIT_OK;
}

int verb_exit(const struct cli *cli)
{
	struct cli by_force = *cli;

	by_force.force = true;
	return verb_stop(&by_force);
}

int verb_restart(const struct cli *cli)
{
	struct target target = find_target(cli);
	int rc = target.pid ? verb_stop(cli) : EXIT_OK;

	return rc == EXIT_OK ? verb_start(cli) : rc;
}

/* ---- reload, status ------------------------------------------------------------ */

static int order(const struct cli *cli, const char *word)
{
	char *words[] = { (char *)word, NULL };
	struct cli as_ctl = *cli;

	as_ctl.argc = 1;
	as_ctl.argv = words;
	return ctl(&as_ctl);
}

int verb_reload(const struct cli *cli)
{
	return order(cli, "reload");
}

int verb_status(const struct cli *cli)
{
	return order(cli, "status");
}

int verb_list(const struct cli *cli)
{
	struct target target = find_target(cli);

	return target.pid ? list_processes(target.pid, cli->json) : not_running(cli);
}
