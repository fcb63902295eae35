#include "core/proc/procs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/mem.h"
#include "core/proc/procstat.h"
#include "core/proc/tree.h"

enum { CHILDREN_MOST = 16384 };

void procs_init(struct procs *p)
{
	*p = (struct procs){ 0 };
}

void procs_fini(struct procs *p)
{
	free(p->all);
	procs_init(p);
}

static void add(struct procs *p, const struct procstat *s)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 256;
		p->all = mem_resize(p->all, p->cap * sizeof(*p->all));
	}
	p->all[p->n++] = (struct proc){
		.pid = s->pid,
		.ppid = s->ppid,
		.group = s->group,
		.session = s->session,
		.born = s->born,
		.dead = (s->state == 'Z' || s->state == 'X') && s->threads <= 1,
	};
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct proc *)a)->pid, y = ((const struct proc *)b)->pid;

	return (x > y) - (x < y);
}

static void sort(struct procs *p)
{
	if (p->n > 0)
		qsort(p->all, p->n, sizeof(*p->all), by_pid);
}

int procs_look(struct procs *p)
{
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	p->when = uv_hrtime();
	p->n = 0;
	for (const struct dirent *e; (e = readdir(dir));) {
		struct procstat s;
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		if (procstat_read(&s, (pid_t)atoi(e->d_name)) == 0)
			add(p, &s);
	}
	closedir(dir);
	sort(p);
	return 0;
}

/* One thread's, from the text of its list. */
static int read_children(const char *path, pid_t *into, size_t most, int count)
{
	FILE *f = fopen(path, "re");
	int pid;

	if (!f)
		return -errno;
	while (fscanf(f, "%d", &pid) == 1) {
		if ((size_t)count < most)
			into[count] = pid;
		count++;
	}
	fclose(f);
	return count;
}

int procs_children(pid_t pid, pid_t *into, size_t most)
{
	char path[64];
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? UV_ESRCH : -errno;
	for (const struct dirent *e; count >= 0 && (e = readdir(dir));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, e->d_name);
		int rc = read_children(path, into, most, count);
		if (rc >= 0 || rc == -ENOENT)
			count = rc >= 0 ? rc : count;
		else
			count = rc;
	}
	closedir(dir);
	return count;
}

static bool is_there(const struct procs *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].pid == pid)
			return true;
	return false;
}

static void add_pids(struct procs *p, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct procstat s;
		if (!is_there(p, pids[i]) && procstat_read(&s, pids[i]) == 0)
			add(p, &s);
	}
}

/* The list grows while it is walked. */
int procs_look_from(struct procs *p, const pid_t *seeds, size_t n)
{
	pid_t *found = mem_new(CHILDREN_MOST * sizeof(*found));

	p->n = 0;
	add_pids(p, seeds, n);
	for (size_t i = 0; i < p->n; i++) {
		int got = p->all[i].dead ? 0 : procs_children(p->all[i].pid, found, CHILDREN_MOST);
		if (got > CHILDREN_MOST)
			got = CHILDREN_MOST;
		if (got > 0)
			add_pids(p, found, (size_t)got);
	}
	free(found);
	sort(p);
	p->when = 0; /* it is not all */
	return access("/proc/thread-self/children", F_OK) == 0 ? 0 : UV_ENOTSUP;
}

struct proc *procs_find(const struct procs *p, pid_t pid)
{
	struct proc key = { .pid = pid };

	return p->n ? bsearch(&key, p->all, p->n, sizeof(*p->all), by_pid) : NULL;
}

const char *procs_mark(struct proc *p)
{
	if (!p->asked) {
		p->asked = true;
		int n = procstat_env(p->pid, TREE_MARK, p->mark, sizeof(p->mark));
		p->blank = n == PROCSTAT_NO_ENV;
	}
	return p->mark;
}
