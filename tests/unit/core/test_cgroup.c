#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/proc/cgroup.h"
#include "tests/lib/check.h"

/* ---- a folder that looks like one ------------------------------------------------ */

static char root[64], program[CGROUP_PATH];

static void put(const char *folder, const char *name, const char *text)
{
	char path[2 * CGROUP_PATH];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static const char *get(const char *folder, const char *name)
{
	static char text[256];
	char path[2 * CGROUP_PATH];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	return text;
}

static void make_root(void)
{
	strcpy(root, "/tmp/troupe-cgroup-XXXXXX");
	check_true(mkdtemp(root) != NULL);
	put(root, "cgroup.procs", "");
	put(root, "cgroup.subtree_control", "");
	put(root, "cgroup.controllers", "cpuset cpu io memory\n");
	snprintf(program, sizeof(program), "%s/program-web:a", root);
	mkdir(program, 0755);
	put(program, "cgroup.procs", "");
	put(program, "memory.max", "");
	put(program, "memory.high", "");
	put(program, "cpu.max", "");
	put(program, "cpu.weight", "");
}

static void remove_root(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	check_int(system(command), 0);
}

/* ---- tests ------------------------------------------------------------------------- */

Test(cgroup, is_found_where_the_kernel_says)
{
	static const struct {
		const char *mounts, *own, *place;
	} cases[] = {
		{ "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
		  "0::/system.slice/troupe.service\n",
		  "/sys/fs/cgroup/system.slice/troupe.service" },
		{ "23 1 0:21 / /proc rw - proc proc rw\n"
		  "31 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
		  "32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n",
		  "8:pids:/x\n1:name=systemd:/y\n0::/\n", "/sys/fs/cgroup/unified" },
		{ "30 23 0:26 /docker/12 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
		  "0::/docker/12/inner\n", "/sys/fs/cgroup/inner" },
		{ "31 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n", "8:pids:/x\n",
		  NULL },
		{ "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "8:pids:/x\n", NULL },
		{ "", "", NULL },
	};
	char mount[CGROUP_PATH], place[CGROUP_PATH];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = cgroup_place(cases[i].mounts, cases[i].own, mount, place);
		check_int(rc, cases[i].place ? 0 : UV_ENOENT);
		if (cases[i].place)
			check_str(place, cases[i].place);
	}
}

Test(cgroup, writes_limits_and_takes_them_back, .init = make_root, .fini = remove_root)
{
	struct cgroup_limits l = {
		.memory_max = 512 << 20, .memory_high = 400 << 20, .cpu_max = 150, .cpu_weight = 50
	};
	char folder[CGROUP_PATH], into[CGROUP_PATH];
	struct err err = { 0 };

	check_int(cgroup_open(folder, root, &err), 0);
	check_str(folder, root);
	check_int(cgroup_switch_on(folder, &err), 0);
	check_str(get(root, "cgroup.subtree_control"), "+cpu"); /* the last; pids is not there */
	check_int(cgroup_make(folder, "web:a", into, &err), 0);
	check_str(into, program);
	check_int(cgroup_limit(into, &l, &err), 0);
	check_str(get(into, "memory.max"), "536870912");
	check_str(get(into, "memory.high"), "419430400");
	check_str(get(into, "cpu.max"), "150000 100000");
	check_str(get(into, "cpu.weight"), "50");
	l = (struct cgroup_limits){ .cpu_weight = 0 };
	check_int(cgroup_limit(into, &l, &err), 0);
	check_str(get(into, "memory.max"), "max");
	check_str(get(into, "cpu.max"), "max");
	check_str(get(into, "cpu.weight"), "100");
	check_int(cgroup_move(into, 4711), 0);
	check_str(get(into, "cgroup.procs"), "4711");
}

Test(cgroup, says_which_limit_is_not_in_force, .init = make_root, .fini = remove_root)
{
	const struct cgroup_limits l = { .memory_max = 1 << 20, .pids_max = 7 };
	struct err err = { 0 };

	check_int(cgroup_limit(program, &l, &err), UV_ENOENT);
	check_true(strncmp(err.text, "pids_max is not in force: ", 26) == 0);
	check_true(strstr(err.text, "the controller is not there") != NULL);
	check_str(get(program, "memory.max"), "1048576"); /* the others are */
}

Test(cgroup, counts_who_was_killed_for_its_memory, .init = make_root, .fini = remove_root)
{
	check_int(cgroup_oom_kills(program), 0);
	put(program, "memory.events", "low 0\nhigh 3\nmax 5\noom 2\noom_kill 12\n");
	check_int(cgroup_oom_kills(program), 12);
}

Test(cgroup, refuses_a_folder_that_is_none, .init = make_root, .fini = remove_root)
{
	char folder[CGROUP_PATH], path[CGROUP_PATH];
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/plain", root);
	check_int(cgroup_open(folder, path, &err), UV_ENOENT);
	check_true(strstr(err.text, "is none, of version 2") != NULL);
	snprintf(path, sizeof(path), "%s/a/b", root);
	check_int(cgroup_open(folder, path, &err), UV_ENOENT);
}

Test(cgroup, goes_with_all_below_it, .init = make_root, .fini = remove_root)
{
	char path[CGROUP_PATH], below[2 * CGROUP_PATH];

	snprintf(path, sizeof(path), "%s/program-x", root);
	snprintf(below, sizeof(below), "%s/y", path);
	mkdir(path, 0755);
	mkdir(below, 0755);
	cgroup_remove(path);
	check_int(access(path, F_OK), -1);
}
