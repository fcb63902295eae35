#include "roles/dfsd/df_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

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
	"troupe dfs status [-c FILE] [--json]         its shares and peers\n"
	"troupe dfs help                              this\n"
	"troupe help dfsd                             a node's configuration\n";

int df_cli_front(const struct conf_section *sections, int argc, char **argv)
{
	static char program[] = "troupe", role[] = "dfsd";
	char *words[64] = { program, role };

	(void)sections;
	if (argc > 1 && strcmp(argv[1], "keygen") == 0)
		return df_cli_keygen(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "sync") == 0)
		return df_cli_sync(argc - 1, argv + 1);
	if (argc < 2 || argc > 60 || strcmp(argv[1], "help") == 0) {
		fputs(usage, argc == 2 ? stdout : stderr);
		return argc == 2 ? 0 : USAGE;
	}
	for (int i = 1; i < argc; i++)
		words[i + 1] = argv[i];
	execv("/proc/self/exe", words);
	perror("dfs");
	return 1;
}
