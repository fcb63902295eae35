/* import-config: the file of another program as the ini of the role that takes its work over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "cmd/roles.h"
#include "core/base/err.h"
#include "core/conf/import.h"
#include "core/run/role.h"

static int usage(void)
{
	fputs("usage: troupe import-config PATH\n"
	      "PATH: the folder of an application of swoole-task (with Conf/http_server.php) or\n"
	      "swoole-jobs (with config.php), or that file\n",
	      stderr);
	return EXIT_USAGE;
}

/* What of swoole-task's files names nothing of ours lies beside the one that does. */
static const char *within(const char *path, char at[PATH_MAX])
{
	static const char *const names[] = { "Conf/http_server.php", "config.php" };
	size_t n = strlen(path), app = strlen("/app.php");

	snprintf(at, PATH_MAX, "%s", path);
	if (n >= app && n < PATH_MAX - 32 && strcmp(path + n - app, "/app.php") == 0) {
		at[n - app] = '\0';
		return "http_server.php";
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char file[PATH_MAX + 64];
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		if (access(file, F_OK) == 0)
			return names[i];
	}
	return names[0];
}

static int by_role(struct import *im, struct err *err)
{
	for (const struct role *const *r = roles; *r; r++) {
		int rc = (*r)->import ? (*r)->import(im, err) : ROLE_NOT_MINE;
		if (rc != ROLE_NOT_MINE)
			return rc == 0 ? 0 : err_wrap(err, rc, "%s", im->path);
	}
	return err_set(err, ERR_CONF, "%s: a file of neither swoole-task nor swoole-jobs",
		       im->path);
}

int import_config(const struct cli *cli)
{
	struct import im = { .out = NULL };
	struct err err = { .code = 0 };
	char at[PATH_MAX], *text = NULL;
	size_t n = 0;

	if (cli->argc != 1 || *cli->argv[0] == '-')
		return usage();
	const char *name = within(cli->argv[0], at);
	int rc = import_read(&im, at, name, &err);
	im.out = open_memstream(&text, &n);
	if (rc == 0)
		rc = by_role(&im, &err);
	fclose(im.out);
	if (rc == 0)
		printf("; made by `troupe import-config %s`\n%s", cli->argv[0], text);
	else
		fprintf(stderr, "import-config: %s\n", err.text);
	free(text);
	import_fini(&im);
	return rc == 0 ? EXIT_OK : EXIT_FAILED;
}
