/*
 * The child's side of spawn: our memory, its own stack, until it executes.
 *
 * Whatever is written here is written in the parent too. libc's functions for users and groups
 * would ask all threads of the parent to change theirs, so those are system calls. Nothing
 * here is instrumented by sanitizers, which would take the stack for a mistake.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/proc/spawn_job.h"

#define CHILD static __attribute__((no_sanitize_address, no_sanitize_thread))

#ifdef SYS_setresuid32
enum { SETGROUPS = SYS_setgroups32, SETRESGID = SYS_setresgid32, SETRESUID = SYS_setresuid32 };
#else
enum { SETGROUPS = SYS_setgroups, SETRESGID = SYS_setresgid, SETRESUID = SYS_setresuid };
#endif

enum { CAPS_MOST = 64, SIGNALS = 64, OLD_KERNEL_FDS = 65536 };

CHILD int failed(struct spawn_job *j, enum spawn_step step)
{
	j->step = step;
	j->error = errno;
	return -1;
}

/* A handler of ours must not run in here, so all stay blocked until none is left. libc's own two
 * are among them, which sigaction() would refuse. */
CHILD void reset_signals(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} standard = { .handler = SIG_DFL };

	for (int sig = 1; sig <= SIGNALS; sig++)
		syscall(SYS_rt_sigaction, sig, &standard, NULL, sizeof(uint64_t));
}

CHILD int set_group(struct spawn_job *j)
{
	if (j->s->group == SPAWN_SESSION && setsid() < 0)
		return failed(j, SPAWN_STEP_GROUP);
	if (j->s->group == SPAWN_GROUP && setpgid(0, 0) < 0)
		return failed(j, SPAWN_STEP_GROUP);
	return 0;
}

CHILD int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

CHILD int set_kernel_files(struct spawn_job *j)
{
	if (*j->oom && write_file("/proc/self/oom_score_adj", j->oom))
		return failed(j, SPAWN_STEP_OOM);
	if (*j->cgroup && write_file(j->cgroup, "0"))
		return failed(j, SPAWN_STEP_CGROUP);
	return 0;
}

/* What would be overwritten before it is copied moves out of the way first. */
CHILD int move_away(struct spawn_job *j)
{
	int base = j->map[j->n_map - 1].child + 1;

	for (size_t i = 0; i < j->n_map; i++) {
		struct spawn_fd *m = &j->map[i];
		if (m->ours < 0 || m->ours >= base)
			continue;
		j->detail = m->ours;
		m->ours = fcntl(m->ours, F_DUPFD, base);
		if (m->ours < 0)
			return failed(j, SPAWN_STEP_FDS);
	}
	return 0;
}

CHILD int put_null(int child)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0 || fd == child)
		return fd;
	int rc = dup2(fd, child);
	close(fd);
	return rc;
}

CHILD void close_between(unsigned first, unsigned last)
{
	if (first > last || close_range(first, last, 0) == 0)
		return;
	for (unsigned fd = first; fd <= last && fd < OLD_KERNEL_FDS; fd++)
		close((int)fd);
}

CHILD int set_fds(struct spawn_job *j)
{
	unsigned next = 0;

	if (move_away(j))
		return -1;
	for (size_t i = 0; i < j->n_map; i++) {
		const struct spawn_fd *m = &j->map[i];
		j->detail = m->child;
		if ((m->ours < 0 ? put_null(m->child) : dup2(m->ours, m->child)) < 0)
			return failed(j, SPAWN_STEP_FDS);
	}
	for (size_t i = 0; i < j->n_map; i++) {
		unsigned child = (unsigned)j->map[i].child;
		if (child > next)
			close_between(next, child - 1);
		next = child + 1;
	}
	close_between(next, ~0u);
	return 0;
}

CHILD int set_limits(struct spawn_job *j)
{
	for (size_t i = 0; i < j->s->n_limits; i++) {
		const struct limit *l = &j->s->limits[i];
		j->detail = l->resource;
		if (syscall(SYS_prlimit64, 0, l->resource, &l->value, NULL))
			return failed(j, SPAWN_STEP_LIMIT);
	}
	if (j->s->nice && setpriority(PRIO_PROCESS, 0, j->nice))
		return failed(j, SPAWN_STEP_NICE);
	if (j->s->cpus &&
	    syscall(SYS_sched_setaffinity, 0, j->s->n_cpus * sizeof(uint64_t), j->s->cpus))
		return failed(j, SPAWN_STEP_CPUS);
	return 0;
}

/* What it can never get, as root either; the rest is kept when the user changes. */
CHILD int bound_caps(struct spawn_job *j)
{
	if (!j->s->set_caps)
		return 0;
	for (int i = 0; i < CAPS_MOST; i++) {
		if (j->s->caps >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno != EINVAL)
			return failed(j, SPAWN_STEP_CAPS);
	}
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ? failed(j, SPAWN_STEP_CAPS) : 0;
}

/* Ambient ones are kept over the exec by who is not root. */
CHILD int set_caps(struct spawn_job *j)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	uint32_t low = (uint32_t)j->s->caps, high = (uint32_t)(j->s->caps >> 32);
	struct __user_cap_data_struct data[2] = { { low, low, low }, { high, high, high } };

	if (!j->s->set_caps)
		return 0;
	if (syscall(SYS_capset, &head, data))
		return failed(j, SPAWN_STEP_CAPS);
	for (int i = 0; i < CAPS_MOST; i++)
		if ((j->s->caps >> i & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0))
			return failed(j, SPAWN_STEP_CAPS);
	return 0;
}

/* Not root, and told to become who we are: that is no failure. */
CHILD int is_already(const struct user *u)
{
	return errno == EPERM && geteuid() == u->uid && getegid() == u->gid;
}

CHILD int set_user(struct spawn_job *j)
{
	const struct user *u = j->s->user;

	if (j->s->root && (chroot(j->s->root) || chdir("/")))
		return failed(j, SPAWN_STEP_ROOT);
	if (!u)
		return 0;
	if (syscall(SETGROUPS, u->n_groups, u->groups))
		return is_already(u) ? 0 : failed(j, SPAWN_STEP_GROUPS);
	if (syscall(SETRESGID, u->gid, u->gid, u->gid))
		return failed(j, SPAWN_STEP_GID);
	if (syscall(SETRESUID, u->uid, u->uid, u->uid))
		return failed(j, SPAWN_STEP_UID);
	return 0;
}

/* The kernel forgets the death signal when the user changes, so it comes late; and whether we
 * ended before it was set is to be asked. */
CHILD int set_rest(struct spawn_job *j)
{
	const struct spawn *s = j->s;

	if (s->cwd && chdir(s->cwd))
		return failed(j, SPAWN_STEP_CWD);
	if (s->set_umask)
		umask(s->umask);
	if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed(j, SPAWN_STEP_PRIVS);
	if (s->death_signal && prctl(PR_SET_PDEATHSIG, s->death_signal, 0, 0, 0))
		return failed(j, SPAWN_STEP_DEATH);
	if (s->death_signal && getppid() != j->parent) {
		errno = ESRCH;
		return failed(j, SPAWN_STEP_DEATH);
	}
	return 0;
}

CHILD void write_pid(char *into)
{
	char digits[SPAWN_PID_DIGITS];
	unsigned long pid = (unsigned long)getpid();
	int n = 0;

	for (; pid; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		*into++ = digits[--n];
	*into = '\0';
}

/* As execvp: one that may not be executed is passed over, but remembered. */
CHILD int execute(struct spawn_job *j)
{
	uint64_t none = 0;
	int denied = 0;

	if (j->listen_pid)
		write_pid(j->listen_pid);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	for (char **file = j->files; *file; file++) {
		execve(*file, (char *const *)j->s->argv, j->envp);
		if (errno == EACCES)
			denied = errno;
		else if (errno != ENOENT && errno != ENOTDIR)
			return failed(j, SPAWN_STEP_EXEC);
	}
	if (denied)
		errno = denied;
	return failed(j, SPAWN_STEP_EXEC);
}

__attribute__((no_sanitize_address, no_sanitize_thread)) int spawn_child(void *arg)
{
	struct spawn_job *j = arg;

	reset_signals();
	if (set_group(j) == 0 && set_kernel_files(j) == 0 && set_fds(j) == 0 &&
	    set_limits(j) == 0 && bound_caps(j) == 0 && set_user(j) == 0 && set_caps(j) == 0 &&
	    set_rest(j) == 0)
		execute(j);
	syscall(SYS_exit_group, 127);
	return 127;
}
