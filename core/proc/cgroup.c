#include "core/proc/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <dirent.h>

#include "core/base/err.h"

enum { TEXT_MOST = 64 * 1024, DEPTH_MOST = 8, CPU_PERIOD = 100000 /* microseconds */ };

/* ---- files ---------------------------------------------------------------------- */

static int join(char into[CGROUP_PATH], const char *folder, const char *name)
{
	int n = snprintf(into, CGROUP_PATH, "%s/%s", folder, name);

	return n < CGROUP_PATH ? 0 : UV_ENAMETOOLONG;
}

static int put(const char *folder, const char *name, const char *text)
{
	char path[CGROUP_PATH];
	size_t n = strlen(text);
	int rc = join(path, folder, name);
	int fd = rc ? -1 : open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return rc ? rc : -errno;
	rc = write(fd, text, n) == (ssize_t)n ? 0 : -errno;
	close(fd);
	return rc;
}

/* "" when it can't be read. */
static void get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t n;

	while (fd >= 0 && at < size - 1 && (n = read(fd, text + at, size - 1 - at)) > 0)
		at += (size_t)n;
	text[at] = '\0';
	if (fd >= 0)
		close(fd);
}

/* ---- where ---------------------------------------------------------------------- */

/* A line: "36 25 0:31 /root /mount/point options - cgroup2 ...". Are its root and mount. */
static bool is_cgroup2(const char *line, size_t n, char root[CGROUP_PATH], char at[CGROUP_PATH])
{
	char text[2 * CGROUP_PATH + 256];

	if (n >= sizeof(text))
		return false;
	memcpy(text, line, n);
	text[n] = '\0';
	return strstr(text, " - cgroup2 ") &&
	       sscanf(text, "%*s %*s %*s %1023s %1023s", root, at) == 2;
}

static int place_below(const char *own, const char *root, const char *mount,
		       char place[CGROUP_PATH])
{
	const char *mine = strncmp(own, "0::", 3) == 0 ? own : strstr(own, "\n0::");
	size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (!mine)
		return UV_ENOENT;
	mine = strchr(mine, ':') + 2;
	int n = (int)strcspn(mine, "\n");
	if (skip > 0 && strncmp(mine, root, skip) == 0) {
		mine += skip;
		n -= (int)skip;
	}
	if (n == 1) /* "/" */
		n = 0;
	return snprintf(place, CGROUP_PATH, "%s%.*s", mount, n, mine) < CGROUP_PATH
		       ? 0
		       : UV_ENAMETOOLONG;
}

int cgroup_place(const char *mounts, const char *own, char mount[CGROUP_PATH],
		 char place[CGROUP_PATH])
{
	char root[CGROUP_PATH];

	for (const char *line = mounts; *line;) {
		size_t n = strcspn(line, "\n");
		if (is_cgroup2(line, n, root, mount))
			return place_below(own, root, mount, place);
		line += n + (line[n] == '\n');
	}
	return UV_ENOENT;
}

static int find_place(char mount[CGROUP_PATH], char place[CGROUP_PATH])
{
	char *mounts = malloc(TEXT_MOST), own[4096];

	if (!mounts)
		return UV_ENOMEM;
	get("/proc/self/mountinfo", mounts, TEXT_MOST);
	get("/proc/self/cgroup", own, sizeof(own));
	int rc = cgroup_place(mounts, own, mount, place);
	free(mounts);
	return rc;
}

/* ---- controllers ------------------------------------------------------------------ */

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text += strcspn(text, " \n"), text += strspn(text, " \n"))
		if (strncmp(text, word, n) == 0 && strchr(" \n", text[n]))
			return true;
	return false;
}

/* Those that are there. Returns 0, or the first code. */
static int switch_on(const char *folder)
{
	static const char *const all[] = { "memory", "cpu", "pids" };
	char path[CGROUP_PATH], there[512], word[16];
	int first = 0;

	if (join(path, folder, "cgroup.controllers") != 0)
		return UV_ENAMETOOLONG;
	get(path, there, sizeof(there));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(word, sizeof(word), "+%s", all[i]);
		int rc = has_word(there, all[i]) ? put(folder, "cgroup.subtree_control", word) : 0;
		if (rc && !first)
			first = rc;
	}
	return first;
}

/* leaf: all who are in it move there; NULL: nobody does. Returns whether we are. */
static bool who_is_in(const char *path, const char *leaf)
{
	FILE *f = fopen(path, "re");
	bool are_we = false;
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1) {
		are_we |= pid == getpid();
		if (leaf)
			cgroup_move(leaf, pid);
	}
	if (f)
		fclose(f);
	return are_we;
}

/* Who is in it goes one down, if it is where we are. */
static bool move_down(const char *folder)
{
	char path[CGROUP_PATH], leaf[CGROUP_PATH];

	if (join(path, folder, "cgroup.procs") != 0 || join(leaf, folder, "supervisor") != 0 ||
	    !who_is_in(path, NULL))
		return false;
	mkdir(leaf, 0755);
	return who_is_in(path, leaf);
}

static int check(const char *folder, struct err *err)
{
	char path[CGROUP_PATH];

	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return err_set(err, -errno, "cgroup %s: %s", folder, strerror(errno));
	if (join(path, folder, "cgroup.procs") != 0)
		return err_set(err, UV_ENAMETOOLONG, "cgroup %s: the name is too long", folder);
	if (access(path, W_OK) != 0)
		return err_set(err, -errno, "cgroup %s: %s", folder,
			       errno == ENOENT ? "is none, of version 2" : strerror(errno));
	return 0;
}

int cgroup_open(char folder[CGROUP_PATH], const char *where, struct err *err)
{
	char mount[CGROUP_PATH] = "", place[CGROUP_PATH];
	bool own = strcmp(where, "auto") == 0;
	int rc = *where == '/' ? 0 : find_place(mount, place);

	if (rc)
		return err_set(err, rc, "cgroups of version 2 are not mounted");
	int n = own ? snprintf(folder, CGROUP_PATH, "%s", place)
		    : snprintf(folder, CGROUP_PATH, "%s%s%s", mount, *where == '/' ? "" : "/",
			       where);
	if (n >= CGROUP_PATH)
		return err_set(err, UV_ENAMETOOLONG, "cgroup %s: the name is too long", where);
	/* after an exec of ours we already are one below */
	char *leaf = strrchr(folder, '/');
	if (own && leaf && strcmp(leaf, "/supervisor") == 0)
		*leaf = '\0';
	return check(folder, err);
}

int cgroup_switch_on(const char *folder, struct err *err)
{
	int rc = switch_on(folder);

	if (rc == UV_EBUSY && move_down(folder))
		rc = switch_on(folder);
	if (rc)
		return err_set(err, rc, "cgroup %s: its controllers can't be switched on: %s",
			       folder,
			       rc == UV_EBUSY ? "there are processes in it" : uv_strerror(rc));
	return 0;
}

/* ---- one program ------------------------------------------------------------------ */

int cgroup_make(const char *folder, const char *name, char into[CGROUP_PATH], struct err *err)
{
	int n = snprintf(into, CGROUP_PATH, "%s/program-%s", folder, name);

	if (n >= CGROUP_PATH)
		return err_set(err, UV_ENAMETOOLONG, "cgroup of %s: the name is too long", name);
	if (mkdir(into, 0755) != 0 && errno != EEXIST)
		return err_set(err, -errno, "cgroup %s: %s", into, strerror(errno));
	return 0;
}

/* Without a limit a file that is not there is as good as one that says so. */
static int set(const char *folder, const char *file, int64_t value, const char *text)
{
	int rc = put(folder, file, text);

	return value == 0 && rc == UV_ENOENT ? 0 : rc;
}

int cgroup_limit(const char *folder, const struct cgroup_limits *l, struct err *err)
{
	const struct {
		const char *key, *file, *none;
		int64_t value, factor;
		const char *rest;
	} all[] = {
		{ "memory_max", "memory.max", "max", l->memory_max, 1, "" },
		{ "memory_high", "memory.high", "max", l->memory_high, 1, "" },
		{ "pids_max", "pids.max", "max", l->pids_max, 1, "" },
		{ "cpu_max", "cpu.max", "max", l->cpu_max, CPU_PERIOD / 100, " 100000" },
		{ "cpu_weight", "cpu.weight", "100", l->cpu_weight, 1, "" },
	};
	char text[64];
	int first = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].value)
			snprintf(text, sizeof(text), "%" PRId64 "%s", all[i].value * all[i].factor,
				 all[i].rest);
		else
			snprintf(text, sizeof(text), "%s", all[i].none);
		int rc = set(folder, all[i].file, all[i].value, text);
		if (rc && !first)
			first = err_set(err, rc, "%s is not in force: %s/%s: %s", all[i].key,
					folder, all[i].file,
					rc == UV_ENOENT ? "the controller is not there"
							: uv_strerror(rc));
	}
	return first;
}

int cgroup_move(const char *folder, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return put(folder, "cgroup.procs", text);
}

uint64_t cgroup_oom_kills(const char *folder)
{
	char path[CGROUP_PATH], text[512];

	if (join(path, folder, "memory.events") != 0)
		return 0;
	get(path, text, sizeof(text));
	const char *at = strstr(text, "oom_kill ");
	return at ? strtoull(at + 9, NULL, 10) : 0;
}

static void remove_below(const char *folder, int depth)
{
	char path[CGROUP_PATH];
	DIR *dir = opendir(folder);

	for (const struct dirent *e; dir && depth > 0 && (e = readdir(dir));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    join(path, folder, e->d_name) == 0) {
			remove_below(path, depth - 1);
			rmdir(path);
		}
	if (dir)
		closedir(dir);
}

void cgroup_remove(const char *folder)
{
	if (rmdir(folder) == 0)
		return;
	remove_below(folder, DEPTH_MOST);
	rmdir(folder);
}
