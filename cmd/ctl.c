/* The client of the control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/roles.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/run/control.h"
#include "core/run/pidfile.h"
#include "core/run/place.h"
#include "core/run/settings.h"

enum { PATIENCE = 60000 };

static bool running(const struct cli *cli, const struct role *role, const struct conf *conf,
		    struct place *place)
{
	place_find(place, role->name, cli->conf_path, conf);
	return pidfile_owner(place->pid_file) != 0;
}

static bool is_wanted(const struct cli *cli, const struct conf *conf, const struct role *role)
{
	const char *name = getenv("TROUPE_ROLE");

	if (cli->role)
		return role == cli->role;
	if (!name || !*name)
		name = settings_of(conf)->role;
	return !name || !*name || strcmp(name, role->name) == 0;
}

/* The running role that is meant: the one that was named, else the first that runs. */
static const struct role *find_running(const struct cli *cli, struct place *place)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	const struct role *found = NULL;

	conf_load(cli->conf_path, roles_sections(), &conf, &errors); /* with errors, it may run */
	for (const struct role *const *r = roles; *r && !found; r++)
		if (is_wanted(cli, conf, *r) && running(cli, *r, conf, place))
			found = *r;
	conf_errors_fini(&errors);
	conf_free(conf);
	return found;
}

static int call(const struct cli *cli, const struct role *role, const char *path)
{
	static char json[] = "--json", force[] = "-f";
	char **words = mem_new(((size_t)cli->argc + 3) * sizeof(*words));
	int n = 0;

	for (int i = 0; i < cli->argc; i++)
		words[n++] = cli->argv[i];
	if (cli->force)
		words[n++] = force;
	if (cli->json)
		words[n++] = json;
	int rc = role->client ? role->client(path, cli->argc + cli->force, words, cli->json) : -1;
	if (rc < 0)
		rc = control_call(path, n, words, PATIENCE, stdout);
	free(words);
	if (rc < 0)
		fprintf(stderr, "troupe: %s: %s\n", path, uv_strerror(rc));
	return rc < 0 ? EXIT_FAILED : rc;
}

int ctl(const struct cli *cli)
{
	struct place place;

	if (cli->argc == 0) {
		fputs("troupe: ctl what? (try: troupe ctl help)\n", stderr);
		return EXIT_USAGE;
	}
	const struct role *role = find_running(cli, &place);
	if (!role) {
		fprintf(stderr, "troupe: not running with %s\n", cli->conf_path);
		return EXIT_NOT_RUNNING;
	}
	if (!*place.control) {
		fputs("troupe: its control socket is off\n", stderr);
		return EXIT_FAILED;
	}
	return call(cli, role, place.control);
}
