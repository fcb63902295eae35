#include "roles/dfsd/df_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "roles/dfsd/df_ctl.h"
#include "roles/dfsd/df_link.h"

enum { USAGE = 2 };

static int say(const char *path, int error)
{
	fprintf(stderr, "dfs keygen: %s: %s\n", path, strerror(error));
	return 1;
}

/* It is nobody else's to read, and none is written over. */
static int write_key(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return say(path, errno);
	bool well = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	int error = errno;
	close(fd);
	if (well)
		return 0;
	unlink(path);
	return say(path, error);
}

int df_cli_keygen(int argc, char **argv)
{
	uint8_t key[DF_KEY];
	char text[2 * DF_KEY + 2];

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fputs("usage: troupe dfs keygen [FILE]\n"
		      "A new key for all nodes, into FILE or to standard output.\n",
		      stderr);
		return USAGE;
	}
	if (uv_random(NULL, NULL, key, sizeof(key), 0, NULL) != 0)
		return say("the system's random numbers", EIO);
	for (int i = 0; i < DF_KEY; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	strcpy(text + 2 * DF_KEY, "\n");
	if (argc == 2)
		return write_key(argv[1], text, strlen(text));
	return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? 0 : 1;
}

static const char usage[] =
	"troupe dfs keygen [FILE]                     a new key for all nodes\n"
	"troupe dfs sync [OPTION] ... SRC DST         DST becomes as SRC is, once\n"
	"troupe dfs start|stop|restart [-c FILE]      a node as a daemon\n"
	"troupe dfs status [-w] [-c FILE] [--json]    its shares and peers; -w: until all is in "
	"sync\n"
	"troupe dfs COMMAND ... [-c FILE] [--json]    to a running node: see below\n"
	"troupe dfs help                              this\n"
	"troupe help dfsd                             a node's configuration\n"
	"\n"
	"Exit status: 0 ok, 1 failed, 2 usage, and of status: not in sync; 3 not running.\n"
	"\n";

/* What is for a process, not for the node in it. */
static bool is_verb(const char *word)
{
	static const char *const verbs[] = { "start", "stop", "exit", "restart", "reload", NULL };

	for (const char *const *v = verbs; *v; v++)
		if (strcmp(*v, word) == 0)
			return true;
	return false;
}

static int show_help(FILE *out, int rc)
{
	fprintf(out, "%s%s", usage, df_ctl_help);
	return rc;
}

int df_cli_front(const struct conf_section *sections, int argc, char **argv)
{
	static char program[] = "troupe", role[] = "dfsd", ctl[] = "ctl";
	char *words[64] = { program, role };
	int n = 2;

	(void)sections;
	if (argc > 1 && strcmp(argv[1], "keygen") == 0)
		return df_cli_keygen(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "sync") == 0)
		return df_cli_sync(argc - 1, argv + 1);
	if (argc < 2 || argc > 60)
		return show_help(stderr, USAGE);
	if (strcmp(argv[1], "help") == 0)
		return show_help(stdout, 0);
	if (!is_verb(argv[1]))
		words[n++] = ctl;
	for (int i = 1; i < argc; i++)
		words[n++] = argv[i];
	if (strcmp(argv[1], "status") == 0)
		words[3] = (char *)df_ctl_status;
	execv("/proc/self/exe", words);
	perror("dfs");
	return 1;
}
