/* supervisorctl: its options and its section, then sv_client. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_client.h"
#include "roles/supervisor/sv_front.h"
#include "roles/supervisor/sv_keys.h"
#include "roles/supervisor/sv_shell.h"

enum { EXIT_BAD = 2 };

static const char usage[] =
	"supervisorctl -- control applications run by supervisord from the cmd line.\n"
	"\n"
	"Usage: %s [options] [action [arguments]]\n"
	"\n"
	"Options:\n"
	"-c/--configuration FILENAME -- configuration file path (searches if not given)\n"
	"-h/--help -- print usage message and exit\n"
	"-i/--interactive -- start an interactive shell after executing commands\n"
	"-s/--serverurl URL -- URL on which supervisord server is listening\n"
	"     (default \"http://localhost:9001\").\n"
	"-u/--username USERNAME -- username to use for authentication with server\n"
	"-p/--password PASSWORD -- password to use for authentication with server\n"
	"-r/--history-file -- keep a readline history (if libedit is available)\n"
	"--json -- tables as JSON\n"
	"\n"
	"action [arguments] -- see below\n"
	"\n"
	"Actions are commands like \"tail\" or \"stop\".  If -i is specified or no action is\n"
	"specified on the command line, a \"shell\" interpreting actions typed\n"
	"interactively is started.  Use the action \"help\" to find out about available\n"
	"actions.\n";

static const struct option options[] = {
	{ "configuration", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "interactive", no_argument, NULL, 'i' },
	{ "serverurl", required_argument, NULL, 's' },
	{ "username", required_argument, NULL, 'u' },
	{ "password", required_argument, NULL, 'p' },
	{ "history_file", required_argument, NULL, 'r' },
	{ "json", no_argument, NULL, 'J' },
	{ NULL, 0, NULL, 0 },
};

struct ctl {
	const char *path, *url, *user, *pass, *history;
	bool interactive, json;
	struct conf *conf; /* NULL: there is no file */
	char *found;
};

/* -1: go on; else the exit status. */
static int read_options(struct ctl *k, int argc, char **argv)
{
	int letter;

	optind = 1;
	while ((letter = getopt_long(argc, argv, "+c:his:u:p:r:", options, NULL)) != -1) {
		if (letter == 'h') {
			printf(usage, argv[0]);
			return 0;
		}
		if (letter == '?') {
			fprintf(stderr, "For help, use %s -h\n", argv[0]);
			return EXIT_BAD;
		}
		*(letter == 's'   ? &k->url
		  : letter == 'u' ? &k->user
		  : letter == 'p' ? &k->pass
		  : letter == 'c' ? &k->path
		  : letter == 'r' ? &k->history
				  : &(const char *){ NULL }) = optarg;
		k->interactive |= letter == 'i';
		k->json |= letter == 'J';
	}
	return -1;
}

static int complain(const char *what, const char *more)
{
	fprintf(stderr, "Error: %s%s\nFor help, use supervisorctl -h\n", what, more);
	return EXIT_BAD;
}

/* What the command line leaves open is the file's. */
static int read_file(struct ctl *k, const struct conf_section *sections, const char *argv0)
{
	struct conf_errors errors = { 0 };

	k->found = k->path ? mem_str(k->path) : sv_front_find(argv0);
	if (k->path && access(k->path, R_OK) != 0)
		return complain("could not find config file ", k->path);
	if (!k->found)
		return -1;
	conf_load(k->found, sections, &k->conf, &errors); /* what is wrong is supervisord's */
	conf_errors_fini(&errors);
	const struct conf_item *item = conf_find(k->conf, "supervisorctl", "");
	if (!item->file)
		return k->url ? -1
			      : complain(".ini file does not include supervisorctl section", "");
	const struct sv_ctl_conf *c = item->values;
	k->url = k->url ? k->url : c->serverurl;
	k->user = k->user || !c->username || !*c->username ? k->user : c->username;
	k->pass = k->pass || !c->password || !*c->password ? k->pass : c->password;
	return -1;
}

static void play_shell(const struct ctl *k, struct sv_client *client)
{
	const struct sv_ctl_conf *c = k->conf ? conf_get(k->conf, "supervisorctl") : NULL;
	const char *prompt = c && c->prompt && *c->prompt ? c->prompt : "supervisor";

	sv_shell_run(client, prompt, k->history ? k->history : c ? c->history_file : NULL);
}

static int serve(const struct ctl *k, int argc, char **argv)
{
	const char *url = k->url ? k->url : "http://localhost:9001";
	struct sv_client c = { .json = k->json, .interactive = argc == 0 || k->interactive };
	struct err err = { 0 };

	if (sv_remote_check(url, &err) != 0)
		return complain(err.text, "");
	c.remote.url = mem_str(url);
	c.remote.user = (char *)k->user;
	c.remote.pass = (char *)k->pass;
	if (argc && strcmp(argv[0], "help") == 0) {
		sv_client_help(&c, argv[1]);
	} else if (argc && !sv_client_do(&c, argc, argv)) {
		printf("*** Unknown syntax: %s\n", argv[0]);
		c.status = SV_EXIT_GENERIC;
	}
	if (argc == 0) {
		play_shell(k, &c);
		c.status = 0;
	}
	free(c.remote.url);
	return c.status;
}

int sv_front_supervisorctl(const struct conf_section *sections, int argc, char **argv)
{
	struct ctl k = { .path = NULL };
	int status = read_options(&k, argc, argv);

	if (status < 0)
		status = read_file(&k, sections, argv[0]);
	if (status < 0)
		status = serve(&k, argc - optind, argv + optind);
	conf_free(k.conf);
	free(k.found);
	return status;
}
