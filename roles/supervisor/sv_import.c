#include "roles/supervisor/sv_import.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"

enum { FILE_BYTES_MAX = 1 << 20, PORT_FIRST = 50, NAME_BYTES = 200 };

/* ---- Procfile: a line for each program, `name: command` ------------------------ */

/* What only a shell understands; NAME=value before a command, too. */
static bool needs_shell(const char *command)
{
	size_t name = strspn(command, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
				      "0123456789");

	return strpbrk(command, "$&|;<>*?`(){}~!#\\\n") || (name > 0 && command[name] == '=');
}

static void put_shell(FILE *out, const char *command)
{
	static char shell[] = "/bin/sh", flag[] = "-c";
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (const char *p = command; *p; p++) {
		if (*p == '%')
			fputc('%', to);
		fputc(*p, to);
	}
	fclose(to);
	char *words[] = { shell, flag, text, NULL };
	sv_import_command(out, "command", words);
	free(text);
}

static void put_procfile(FILE *out, const char *name, const char *command, const char *folder,
			 int index)
{
	char *section = sv_import_name(name), *env_file;

	sv_import_section(out, "program", section);
	if (needs_shell(command))
		put_shell(out, command);
	else
		sv_import_text(out, "command", command);
	sv_import_text(out, "directory", folder);
	if (asprintf(&env_file, "-%s/.env", folder) < 0)
		abort();
	sv_import_text(out, "env_file", env_file);
	fprintf(out,
		"process_name = %%(program_name)s_%%(process_num)d\n"
		"environment = PORT=\"%d%%(process_num)02d\"\n"
		"autorestart = true\n"
		"stopasgroup = true\n",
		PORT_FIRST + index);
	free(env_file);
	free(section);
}

/* false: not a line of the form. An empty one and a comment are none at all. */
static bool procfile_line(FILE *out, char *line, const char *folder, int *index)
{
	char *name = line + strspn(line, " \t");
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
				"0123456789");
	char *end = name + strlen(name);

	if (!*name || *name == '#')
		return true;
	if (n == 0 || n >= NAME_BYTES || name[n] != ':')
		return false;
	while (end > name && isspace((unsigned char)end[-1]))
		*--end = '\0';
	char *command = name + n + 1 + strspn(name + n + 1, " \t");
	name[n] = '\0';
	if (!*command)
		return false;
	put_procfile(out, name, command, folder, (*index)++);
	return true;
}

int sv_import_procfile(const char *text, const char *file, FILE *out, struct err *err)
{
	char *copy = mem_str(text), *rest = copy, *folder = conf_here(file);
	int number = 0, index = 0, rc = 0;

	fprintf(out, "; made by `troupe supervisor import procfile`\n\n[supervisord]\nnodaemon = "
		     "true\n");
	for (char *line; !rc && (line = strsep(&rest, "\n"));) {
		line[strcspn(line, "\r")] = '\0';
		number++;
		if (!procfile_line(out, line, folder, &index))
			rc = err_set(err, ERR_CONF, "%s:%d: not of the form name: command", file,
				     number);
	}
	if (!rc && index == 0)
		rc = err_set(err, ERR_CONF, "%s: no program in it", file);
	free(folder);
	free(copy);
	return rc;
}

/* ---- the command ------------------------------------------------------------------ */

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = mem_new(FILE_BYTES_MAX + 1);
	size_t n = f ? fread(text, 1, FILE_BYTES_MAX + 1, f) : 0;

	if (!f || ferror(f))
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	else if (n > FILE_BYTES_MAX || memchr(text, '\0', n))
		fprintf(stderr, "%s: over 1 MiB, or not a text\n", path);
	bool good = f && !ferror(f) && n <= FILE_BYTES_MAX && !memchr(text, '\0', n);
	if (f)
		fclose(f);
	if (good) {
		text[n] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

static const struct {
	const char *name;
	int (*import)(const char *text, const char *file, FILE *out, struct err *err);
} importers[] = {
	{ "multiprocess", sv_import_multiprocess },
	{ "swoole", sv_import_multiprocess },
	{ "procfile", sv_import_procfile },
	{ "pm2", sv_import_pm2 },
};

enum { IMPORTERS = sizeof(importers) / sizeof(importers[0]) };

static int import_file(int which, const char *path)
{
	struct err err = { 0 };
	char *text = read_file(path), *ini = NULL;
	size_t size;

	if (!text)
		return 1;
	FILE *out = open_memstream(&ini, &size);
	int rc = importers[which].import(text, path, out, &err);
	fclose(out);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else
		fputs(ini, stdout);
	free(ini);
	free(text);
	return rc || fflush(stdout) != 0 ? 1 : 0;
}

int sv_import_main(int argc, char **argv)
{
	int i = 0;

	while (argc == 3 && i < IMPORTERS && strcmp(importers[i].name, argv[1]) != 0)
		i++;
	if (argc != 3 || i == IMPORTERS) {
		fputs("usage: troupe supervisor import multiprocess|procfile|pm2 FILE\n", stderr);
		return 2;
	}
	return import_file(i, argv[2]);
}
