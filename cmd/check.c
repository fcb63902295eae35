/*
 * troupe check FILE: all that is wrong with it, for each role that it describes, as `troupe run`
 * would play it; or `troupe ROLE check FILE`, for that role. Then its servers.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/roles.h"
#include "core/conf/conf.h"
#include "core/run/settings.h"

static bool is_meant(const struct cli *cli, const struct conf *conf, const struct role *role)
{
	return cli->role ? role == cli->role : roles_describes(conf, role);
}

static int probe(const struct cli *cli, const struct conf *conf)
{
	int failures = 0;

	for (const struct role *const *r = roles; *r; r++)
		if ((*r)->probe && is_meant(cli, conf, *r))
			failures += (*r)->probe(conf, stdout);
	return failures;
}

static int verdict(const char *path, size_t errors, int failures)
{
	if (errors)
		printf("%s: %zu error%s\n", path, errors, errors == 1 ? "" : "s");
	else if (failures)
		printf("%s: right, but not all of its servers answer\n", path);
	else
		printf("%s: right\n", path);
	return errors || failures ? EXIT_FAILED : EXIT_OK;
}

int check(const struct cli *cli)
{
	const char *path = cli->argc ? cli->argv[0] : cli->conf_path;
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int failures = 0;

	if (cli->role)
		conf_load(path, roles_sections(), &conf, &errors);
	else
		run_all_load(path, roles_sections(), &conf, &errors);
	settings_check(conf, &errors);
	for (const struct role *const *r = roles; *r; r++)
		if ((*r)->check && is_meant(cli, conf, *r))
			(*r)->check(conf, &errors);
	conf_warnings_print(&errors, stdout);
	conf_errors_print(&errors, stdout);
	if (!errors.count)
		failures = probe(cli, conf);
	int status = verdict(path, errors.count, failures);
	conf_errors_fini(&errors);
	conf_free(conf);
	return status;
}
