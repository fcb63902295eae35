#include "core/proc/spawn.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/proc/spawn_job.h"

/* The child's: no function of it keeps more than a few hundred bytes. */
enum { STACK = 32 * 1024, ROUTE_MOST = 4096 };

/* ---- before ------------------------------------------------------------------- */

/* The files to try: one, or one in each folder of the path. */
static char **list_files(const struct spawn *s)
{
	const char *name = s->argv[0], *path = s->path ? s->path : getenv("PATH");
	size_t n = 0;

	if (strchr(name, '/') || *name == '\0') {
		char **one = mem_new(2 * sizeof(*one));
		one[0] = mem_str(name);
		return one;
	}
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	char **files = mem_new((strlen(path) + 2) * sizeof(*files));
	for (const char *at = path;; at++) {
		char file[ROUTE_MOST];
		int len = (int)strcspn(at, ":");
		int all = snprintf(file, sizeof(file), "%.*s/%s", len ? len : 1, len ? at : ".",
				   name);
		if (all < (int)sizeof(file))
			files[n++] = mem_str(file);
		at += len;
		if (*at == '\0')
			return files;
	}
}

static void free_list(char **list)
{
	for (char **at = list; *at; at++)
		free(*at);
	free(list);
}

static int by_child(const void *a, const void *b)
{
	return ((const struct spawn_fd *)a)->child - ((const struct spawn_fd *)b)->child;
}

static void map_fd(struct spawn_job *j, int child, int ours)
{
	j->map[j->n_map++] = (struct spawn_fd){ .child = child, .ours = ours };
}

static bool is_mapped(const struct spawn *s, int child)
{
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].child == child)
			return true;
	return false;
}

static int map_fds(struct spawn_job *j, struct err *err)
{
	const struct spawn *s = j->s;

	if (s->n_fds + s->n_listen > SPAWN_FDS_MOST)
		return err_set(err, UV_EINVAL, "more than %d descriptors", SPAWN_FDS_MOST);
	for (int child = 0; child < 3; child++)
		if (!is_mapped(s, child))
			map_fd(j, child, -1);
	for (size_t i = 0; i < s->n_fds; i++)
		map_fd(j, s->fds[i].child, s->fds[i].ours);
	for (size_t i = 0; i < s->n_listen; i++)
		map_fd(j, 3 + (int)i, s->listen[i]);
	qsort(j->map, j->n_map, sizeof(j->map[0]), by_child);
	for (size_t i = 0; i < j->n_map; i++)
		if (j->map[i].child < 0 || (i > 0 && j->map[i].child == j->map[i - 1].child))
			return err_set(err, UV_EINVAL, "descriptor %d is given twice",
				       j->map[i].child);
	return 0;
}

/* The environment, and three more that only we can know. */
struct listen_env {
	char **vars;
	char pid[12 + SPAWN_PID_DIGITS], fds[32];
	char *names;
};

static bool is_listen(const char *var)
{
	return strncmp(var, "LISTEN_PID=", 11) == 0 || strncmp(var, "LISTEN_FDS=", 11) == 0 ||
	       strncmp(var, "LISTEN_FDNAMES=", 15) == 0;
}

static void add_listen(struct spawn_job *j, struct listen_env *e)
{
	size_t n = 0;

	if (j->s->n_listen == 0)
		return;
	while (j->envp[n])
		n++;
	e->vars = mem_new((n + 4) * sizeof(*e->vars));
	n = 0;
	for (char *const *var = j->envp; *var; var++)
		if (!is_listen(*var))
			e->vars[n++] = *var;
	strcpy(e->pid, "LISTEN_PID=");
	snprintf(e->fds, sizeof(e->fds), "LISTEN_FDS=%zu", j->s->n_listen);
	e->vars[n++] = e->pid;
	e->vars[n++] = e->fds;
	if (j->s->listen_names && asprintf(&e->names, "LISTEN_FDNAMES=%s", j->s->listen_names) > 0)
		e->vars[n++] = e->names;
	j->envp = e->vars;
	j->listen_pid = e->pid + strlen(e->pid);
}

static int prepare(struct spawn_job *j, struct err *err)
{
	const struct spawn *s = j->s;

	if (!s->argv || !s->argv[0])
		return err_set(err, UV_EINVAL, "no command");
	if (s->cgroup && snprintf(j->cgroup, sizeof(j->cgroup), "%s/cgroup.procs", s->cgroup) >=
				 (int)sizeof(j->cgroup))
		return err_set(err, UV_ENAMETOOLONG, "cgroup %s: the name is too long", s->cgroup);
	if (s->set_oom_score_adj)
		snprintf(j->oom, sizeof(j->oom), "%d", s->oom_score_adj);
	j->envp = s->envp ? s->envp : environ;
	j->nice = s->nice ? getpriority(PRIO_PROCESS, 0) + s->nice : 0;
	j->parent = getpid();
	return map_fds(j, err);
}

/* ---- after -------------------------------------------------------------------- */

static int tell_exec(const struct spawn_job *j, struct err *err)
{
	const char *file = j->s->argv[0];

	if (j->error == ENOENT && !j->s->root && strchr(file, '/') && access(file, F_OK) == 0)
		return err_set(err, -ENOENT, "exec %.200s: the interpreter that it names: %s", file,
			       strerror(ENOENT));
	return err_set(err, -j->error, "exec %.200s: %s", file, strerror(j->error));
}

static int tell(const struct spawn_job *j, struct err *err)
{
	static const char *const words[] = {
		[SPAWN_STEP_OOM] = "oom_score_adj",  [SPAWN_STEP_NICE] = "nice",
		[SPAWN_STEP_GROUPS] = "setgroups",   [SPAWN_STEP_GID] = "setgid",
		[SPAWN_STEP_UID] = "setuid",         [SPAWN_STEP_PRIVS] = "no_new_privs",
		[SPAWN_STEP_DEATH] = "death signal", [SPAWN_STEP_CPUS] = "cpu_affinity",
		[SPAWN_STEP_CAPS] = "capabilities",
	};
	const struct spawn *s = j->s;
	const char *why = strerror(j->error);
	int code = -j->error;

	switch (j->step) {
	case SPAWN_STEP_EXEC:
		return tell_exec(j, err);
	case SPAWN_STEP_GROUP:
		return err_set(err, code, "%s: %s",
			       s->group == SPAWN_SESSION ? "setsid" : "setpgid", why);
	case SPAWN_STEP_CGROUP:
		return err_set(err, code, "cgroup %.200s: %s", s->cgroup, why);
	case SPAWN_STEP_FDS:
		return err_set(err, code, "descriptor %d: %s", j->detail, why);
	case SPAWN_STEP_LIMIT:
		return err_set(err, code, "rlimit_%s: %s", limits_name(j->detail), why);
	case SPAWN_STEP_ROOT:
		return err_set(err, code, "chroot %.200s: %s", s->root, why);
	case SPAWN_STEP_CWD:
		return err_set(err, code, "chdir %.200s: %s", s->cwd, why);
	default:
		return err_set(err, code, "%s: %s", words[j->step], why);
	}
}

static void bury(int pidfd)
{
	siginfo_t info;

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close(pidfd);
}

/* ---- both --------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
/* What stands before clone() there takes the child for a fork with memory of its own. In shared
 * memory both undo what was done once, and from then on it hears no call of this thread and holds
 * its signals back for ever. This is libc's other name of the same function. */
int plain_clone(int (*run)(void *), void *stack, int flags, void *arg, ...) __asm__("__clone");
#else
#define plain_clone clone
#endif

/* Our frame lies still until the child has executed, so its stack may be in it. */
static pid_t start(struct spawn_job *j, int *pidfd)
{
	alignas(16) char stack[STACK];
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = plain_clone(spawn_child, stack + STACK,
				CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, j, pidfd);
	int saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

static int run(struct spawn_job *j, pid_t *pid, int *pidfd, struct err *err)
{
	int fd = -1;
	pid_t child = start(j, &fd);

	if (child < 0)
		return err_set(err, -errno, "clone: %s", strerror(errno));
	if (j->step != SPAWN_STEP_NONE) {
		bury(fd);
		return tell(j, err);
	}
	*pid = child;
	*pidfd = fd;
	return 0;
}

int spawn_program(const struct spawn *s, pid_t *pid, int *pidfd, struct err *err)
{
	struct spawn_job j = { .s = s };
	struct listen_env e = { 0 };
	int rc = prepare(&j, err);

	if (rc)
		return rc;
	j.files = list_files(s);
	add_listen(&j, &e);
	rc = run(&j, pid, pidfd, err);
	free_list(j.files);
	free(e.vars);
	free(e.names);
	return rc;
}
