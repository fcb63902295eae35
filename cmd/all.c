/*
 * troupe run: a supervisor whose programs are the file's own, and each role that the file
 * describes - `troupe ROLE FILE`, ready when it says so (sd_notify). [program:ROLE] in the file
 * may say more of it: depends_on, environment, another command.
 *
 * [troupe] means the roles: they take its user. Its admin page is that of the first of them, since
 * there is one port.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "cmd/roles.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/run/daemon.h"
#include "core/run/settings.h"

static const char us[] = "supervisor";

/* A word of a command, as [program] reads it. */
static void put_word(FILE *out, const char *word)
{
	fputs(" \"", out);
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			fputc('\\', out);
		fputs(*word == '%' ? "%%" : (char[]){ *word, '\0' }, out);
	}
	fputc('"', out);
}

static void put_command(FILE *out, const struct role *role, const char *path)
{
	char self[PATH_MAX], *real = realpath(path, NULL);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	fputs("command =", out);
	put_word(out, self);
	put_word(out, role->name);
	put_word(out, real ? real : path);
	fputc('\n', out);
	free(real);
}

/* What the file does not say itself. */
static void put_role(FILE *out, const struct conf *conf, const struct role *role, const char *path)
{
	const struct conf_item *item = conf_find(conf, "program", role->name);
	long long grace = settings_of(conf)->drain_timeout / 1000 + 5;
	static const char *const more[][2] = {
		{ "ready", "notify" },
		{ "autorestart", "true" },
		{ "stdout_logfile", "/dev/stdout" },
		{ "stderr_logfile", "/dev/stderr" },
		{ "stdout_logfile_maxbytes", "0" },
		{ "stderr_logfile_maxbytes", "0" },
	};

	fprintf(out, "[program:%s]\n", role->name);
	if (!item || !conf_has(item, "command"))
		put_command(out, role, path);
	if (!item || !(conf_has(item, "stopwaitsecs") || conf_has(item, "stopsignal")))
		fprintf(out, "stopwaitsecs = %lld\n", grace);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (!item || !conf_has(item, more[i][0]))
			fprintf(out, "%s = %s\n", more[i][0], more[i][1]);
}

static void put_roles(FILE *out, const struct conf *conf, const char *path)
{
	bool first = true;

	for (const struct role *const *r = roles; *r; r++) {
		if (strcmp((*r)->name, us) == 0 || !roles_describes(conf, *r))
			continue;
		put_role(out, conf, *r, path);
		if (!first && !conf_find(conf, "program", (*r)->name))
			fputs("environment = TROUPE_ADMIN=\"off\"\n", out);
		first = false;
	}
}

static void copy_file(FILE *out, const char *path)
{
	char bytes[4096];
	size_t n;
	FILE *in = fopen(path, "r");

	while (in && (n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		fwrite(bytes, 1, n, out);
	if (in)
		fclose(in);
}

/* The file, and behind it what follows from it. */
int run_all_load(const char *path, const struct conf_section *sections, struct conf **out,
		 struct conf_errors *errors)
{
	struct conf_errors ignored = { 0 };
	struct conf *plain;
	size_t size;
	char *text;

	if (access(path, R_OK) != 0 || !roles_find(us))
		return conf_load(path, sections, out, errors);
	conf_load(path, sections, &plain, &ignored);
	FILE *into = open_memstream(&text, &size);
	copy_file(into, path);
	fputc('\n', into);
	put_roles(into, plain, path);
	fclose(into);
	conf_errors_fini(&ignored);
	conf_free(plain);
	int rc = conf_parse(text, path, sections, out, errors);
	free(text);
	return rc;
}

int run_all(const struct cli *cli)
{
	struct run_options options = {
		.conf_path = cli->argc ? cli->argv[0] : cli->conf_path,
		.sections = roles_sections(),
		.report = -1,
		.load = run_all_load,
		.front = true,
	};
	char *real = realpath(options.conf_path, NULL);
	char *again[] = { (char *)"troupe", (char *)"run", (char *)"-c", real, NULL };
	int pid;

	options.again = real ? again : NULL;
	int rc = cli->daemon ? run_daemon(roles_find(us), &options, &pid)
			     : run_role(roles_find(us), &options);
	free(real);
	return rc;
}
