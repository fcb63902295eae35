/* cli - the command line, once main.c has read it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/run/run.h"

struct conf;
struct conf_errors;
struct conf_section;
struct role;

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NOT_RUNNING };

struct cli {
	const struct role *role; /* NULL: nobody said */
	const char *conf_path;   /* never NULL */
	bool json;
	bool force;
	bool daemon;
	bool console;
	bool if_not_running;
	int argc; /* the words that are left */
	char **argv;
};

typedef int (*cli_action)(const struct cli *cli);

/* verb.c: a role's process. */
int verb_play(const struct cli *cli);
int verb_start(const struct cli *cli);
int verb_stop(const struct cli *cli);
int verb_exit(const struct cli *cli);
int verb_restart(const struct cli *cli);
int verb_reload(const struct cli *cli);
int verb_status(const struct cli *cli);
int verb_list(const struct cli *cli);

/* list.c: a process and what descends from it. */
int list_processes(pid_t pid, bool json);

/* ctl.c: any command, to the running role. */
int ctl(const struct cli *cli);

/* all.c: every role of a file, as programs of a supervisor. */
int run_all(const struct cli *cli);
int run_all_load(const char *path, const struct conf_section *sections, struct conf **out,
		 struct conf_errors *errors);

/* import.c: another program's file becomes an ini. */
int import_config(const struct cli *cli);

/* check.c: a file, without running it. */
int check(const struct cli *cli);
