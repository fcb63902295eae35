/* Rules as gitignore(5) has them. */
#include "roles/dfsd/df_ignore.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

static struct df_ignore *of_lines(const char *lines)
{
	struct df_ignore *g = df_ignore_new();
	char line[256];

	for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, lines);
		df_ignore_add(g, line);
	}
	return g;
}

Test(df_ignore, rules_and_what_they_leave_out)
{
	static const struct {
		const char *rules, *path;
		bool folder, out;
	} cases[] = {
		{ "", "a", false, false },
		{ "#a\n\n   ", "#a", false, false },
		{ "\\#a", "#a", false, true },
		{ "*.tmp", "x.tmp", false, true },
		{ "*.tmp", "a/b/x.tmp", false, true },
		{ "*.tmp", "x.tmp.c", false, false },
		{ "*.tmp\n!keep.tmp", "d/keep.tmp", false, false },
		{ "!keep.tmp\n*.tmp", "keep.tmp", false, true },
		{ "build/", "build", false, false },
		{ "build/", "a/build", true, true },
		{ "/only", "only", false, true },
		{ "/only", "a/only", false, false },
		{ "a/b", "a/b", false, true },
		{ "a/b", "x/a/b", false, false },
		{ "a/*", "a/b", false, true },
		{ "a/*", "a/b/c", false, false },
		{ "a/?", "a/b", false, true },
		{ "a/[bc]", "a/c", false, true },
		{ "**/x", "x", false, true },
		{ "**/x", "a/b/x", false, true },
		{ "a/**", "a/b/c", false, true },
		{ "a/**", "b/a", false, false },
		{ "a/**/z", "a/z", false, true },
		{ "a/**/z", "a/b/c/z", false, true },
		{ "a/**/z", "a/b/c/zz", false, false },
		{ "a/**/m/**/z", "a/m/x/m/y/z", false, true },
		{ "a/**/m/**/z", "a/x/y/z", false, false },
		{ "x  ", "x", false, true },
		{ "x\\ ", "x ", false, true },
		{ "/", "x", true, false },
		{ "*", "\xff\xfe", false, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct df_ignore *g = of_lines(cases[i].rules);
		cr_expect(df_ignore_has(g, cases[i].path, cases[i].folder) == cases[i].out,
			  "%s: %s", cases[i].rules, cases[i].path);
		df_ignore_free(g);
	}
}

/* What a peer may write into the file of rules must not keep us busy: steps, not time, as the
 * alarm ends what would take for ever. */
Test(df_ignore, many_stars_end_soon)
{
	char rule[200] = "", path[400] = "";

	alarm(60);
	for (int i = 0; i < 30; i++)
		strcat(rule, "**/a/");
	strcat(rule, "z");
	for (int i = 0; i < 190; i++)
		strcat(path, "a/");
	strcat(path, "b");
	struct df_ignore *g = of_lines(rule);
	check_true(!df_ignore_has(g, path, false));
	strcpy(strrchr(path, '/'), "/z");
	check_true(df_ignore_has(g, path, false));
	df_ignore_free(g);
}

Test(df_ignore, a_file_of_rules)
{
	char dir[] = "/tmp/test_ignore.XXXXXX";
	struct df_ignore *g = df_ignore_new();
	struct err err = { .text = "" };

	cr_assert(mkdtemp(dir) != NULL);
	int fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	check_int(df_ignore_read(g, fd, "rules", &err), 0);
	int file = openat(fd, "rules", O_CREAT | O_WRONLY, 0600);
	check_int(write(file, "*.o\r\nlast", 9), 9);
	close(file);
	check_int(symlinkat("rules", fd, "link"), 0);
	check_int(df_ignore_read(g, fd, "rules", &err), 0);
	check_true(df_ignore_has(g, "x.o", false) && df_ignore_has(g, "last", false));
	check_true(df_ignore_read(g, fd, "link", &err) != 0 && strstr(err.text, "link"));
	df_ignore_free(g);
	unlinkat(fd, "rules", 0);
	unlinkat(fd, "link", 0);
	close(fd);
	rmdir(dir);
}
