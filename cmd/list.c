/* list: the processes of a running role, as swoole-task's `list` showed them. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cli.h"
#include "core/base/jsontext.h"
#include "core/proc/procs.h"
#include "core/proc/procstat.h"

enum { NAME = 64, WORDS = 512 };

static void user_of(pid_t pid, char name[NAME])
{
	char path[64];
	struct stat st = { .st_uid = 0 };

	snprintf(path, sizeof(path), "/proc/%d", pid);
	stat(path, &st);
	const struct passwd *user = getpwuid(st.st_uid);
	if (user)
		snprintf(name, NAME, "%s", user->pw_name);
	else
		snprintf(name, NAME, "%u", st.st_uid);
}

/* Its words with spaces between; "": it has none by now. */
static void words_of(pid_t pid, char words[WORDS])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(words, 1, WORDS - 1, f) : 0;
	if (f)
		fclose(f);
	while (n > 0 && words[n - 1] == '\0')
		n--;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)words[i] < ' ')
			words[i] = ' ';
	words[n] = '\0';
}

/* Seconds since 1970 of a moment that is told in ticks after boot. */
static time_t moment_of(uint64_t born)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec + (time_t)(born / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void put_json(const struct procstat *s, const char *user, const char *start,
		     const char *words, bool first)
{
	struct json_out o = { .p = NULL };

	json_puts(&o, first ? "[" : ",\n ");
	json_puts(&o, "{\"user\":");
	json_put_text(&o, user);
	printf("%.*s,\"pid\":%d,\"parent\":%d,\"rss\":%llu,\"state\":\"%c\",\"start\":\"%s\"",
	       (int)o.n, o.p, s->pid, s->ppid, (unsigned long long)s->rss, s->state, start);
	o.n = 0;
	json_puts(&o, ",\"command\":");
	json_put_text(&o, words);
	printf("%.*s}", (int)o.n, o.p);
	json_out_fini(&o);
}

static void put_row(pid_t pid, bool json, bool first)
{
	char user[NAME], words[WORDS] = "", start[32];
	struct procstat s;
	struct tm tm;

	if (procstat_read(&s, pid) != 0)
		return;
	user_of(pid, user);
	words_of(pid, words);
	time_t born = moment_of(s.born);
	strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", localtime_r(&born, &tm));
	if (json)
		put_json(&s, user, start, words, first);
	else
		printf("%-10s %8d %9llu %c    %s %s\n", user, s.pid,
		       (unsigned long long)s.rss / 1024, s.state, start, words);
}

/* By living parents. */
static bool descends(const struct procs *all, const struct proc *p, pid_t from)
{
	while (p && p->pid != from && p->ppid > 1)
		p = procs_find(all, p->ppid);
	return p && p->pid == from;
}

int list_processes(pid_t pid, bool json)
{
	struct procs all;

	procs_init(&all);
	if (procs_look_from(&all, &pid, 1) != 0)
		procs_look(&all);
	if (!json)
		printf("%-10s %8s %9s STAT %-19s COMMAND\n", "USER", "PID", "RSS KiB", "START");
	put_row(pid, json, true);
	for (size_t i = 0; i < all.n; i++)
		if (all.all[i].pid != pid && descends(&all, &all.all[i], pid))
			put_row(all.all[i].pid, json, false);
	if (json)
		puts("]");
	procs_fini(&all);
	return EXIT_OK;
}
