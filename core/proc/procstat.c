#include "core/proc/procstat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"

/* At most size - 1 bytes, and a NUL. */
static ssize_t read_all(const char *path, char *into, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, into, size - 1);
	int code = -errno;
	close(fd);
	if (n < 0)
		return code;
	into[n] = '\0';
	return n;
}

/* The fields by their numbers in proc(5); those after 24 are not ours. */
enum {
	STATE = 3,
	PPID,
	GROUP,
	SESSION,
	USER = 14,
	SYSTEM,
	WAITED_USER,
	WAITED_SYSTEM,
	THREADS = 20,
	BORN = 22,
	SIZE,
	RSS,
	FIELDS,
};

static uint64_t us_of(long long ticks)
{
	return (uint64_t)ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

int procstat_parse(struct procstat *s, const char *text)
{
	long long field[FIELDS] = { 0 };
	const char *at = strrchr(text, ')'); /* the name before it may hold anything */

	if (!at || at[1] != ' ' || at[2] == '\0')
		return ERR_PROTO;
	char state = at[2];
	at += 3;
	for (int i = STATE + 1; i < FIELDS; i++) {
		char *end;
		field[i] = strtoll(at, &end, 10);
		if (end == at)
			return ERR_PROTO;
		at = end;
	}
	*s = (struct procstat){
		.pid = (pid_t)strtol(text, NULL, 10),
		.ppid = (pid_t)field[PPID],
		.group = (pid_t)field[GROUP],
		.session = (pid_t)field[SESSION],
		.state = state,
		.born = (uint64_t)field[BORN],
		.user = us_of(field[USER]),
		.system = us_of(field[SYSTEM]),
		.waited = us_of(field[WAITED_USER] + field[WAITED_SYSTEM]),
		.rss = (uint64_t)field[RSS] * (uint64_t)sysconf(_SC_PAGESIZE),
		.size = (uint64_t)field[SIZE],
		.threads = (unsigned)field[THREADS],
	};
	return 0;
}

int procstat_read(struct procstat *s, pid_t pid)
{
	char path[32], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	ssize_t n = read_all(path, text, sizeof(text));
	if (n == -ENOENT)
		return UV_ESRCH;
	if (n < 0)
		return (int)n;
	return procstat_parse(s, text);
}

uint64_t procstat_born(pid_t pid)
{
	struct procstat s;

	return procstat_read(&s, pid) == 0 ? s.born : 0;
}

int procstat_fds(pid_t pid)
{
	char path[32];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? UV_ESRCH : -errno;
	for (const struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* As whole numbers of milliseconds, so that the same process always gets the same answer but for
 * the clock's being set. */
uint64_t procstat_started(uint64_t born)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	int64_t boot = (now.tv_sec - up.tv_sec) * 1000 + (now.tv_nsec - up.tv_nsec) / 1000000;
	return (uint64_t)boot + us_of((long long)born) / 1000;
}

static ssize_t copy_value(const char *value, size_t n, char *into, size_t size)
{
	if (n >= size)
		n = size - 1;
	memcpy(into, value, n);
	into[n] = '\0';
	return (ssize_t)n;
}

/* One piece after another: an environment may be as long as 2 MiB. */
static int find_env(int fd, const char *key, char *into, size_t size)
{
	char piece[8192];
	size_t have = 0, len = strlen(key);
	bool end = false, any = false;

	while (!end || have > 0) {
		ssize_t n = end ? 0 : read(fd, piece + have, sizeof(piece) - have);
		end = n <= 0;
		have += n > 0 ? (size_t)n : 0;
		any = any || n > 0;
		size_t var = strnlen(piece, have);
		if (have == 0 || (!end && have < sizeof(piece) && var == have))
			continue;
		if (var > len && piece[len] == '=' && memcmp(piece, key, len) == 0)
			return (int)copy_value(piece + len + 1, var - len - 1, into, size);
		size_t past = var < have ? var + 1 : have;
		have -= past;
		memmove(piece, piece + past, have);
	}
	return any ? -1 : PROCSTAT_NO_ENV;
}

int procstat_env(pid_t pid, const char *key, char *into, size_t size)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int n = find_env(fd, key, into, size);
	close(fd);
	return n;
}
