#include "core/proc/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/proc/procstat.h"
#include "core/proc/reap.h"

/* libc's waitid has no room for the usage. */
static int wait_for(int pidfd, siginfo_t *info, int options, struct rusage *usage)
{
	memset(info, 0, sizeof(*info));
	return (int)syscall(SYS_waitid, P_PIDFD, pidfd, info, options | WEXITED | WNOHANG, usage);
}

/* false: it is still alive. */
static bool look(struct child *c, struct child_end *end)
{
	siginfo_t info;
	struct rusage usage = { 0 };

	*end = (struct child_end){ .how = CHILD_GONE };
	if (wait_for(c->item.fd, &info, WNOWAIT, &usage) < 0) /* ECHILD: it is not ours */
		return true;
	if (info.si_pid == 0)
		return false;
	end->how = info.si_code == CLD_EXITED ? CHILD_EXITED : CHILD_KILLED;
	end->code = info.si_status;
	end->core = info.si_code == CLD_DUMPED;
	end->usage = usage;
	return true;
}

/* Its number is free from here on. */
static void bury(struct child *c)
{
	siginfo_t info;

	wait_for(c->item.fd, &info, 0, NULL);
	c->buried = true;
	c->group = 0;
	list_remove(&c->link);
	if (c->reap)
		reap_again(c->reap);
}

static void on_pidfd(struct poller_item *i, unsigned events)
{
	struct child *c = container_of(i, struct child, item);
	struct child_end end;

	(void)events;
	if (!look(c, &end)) { /* never seen */
		poller_ask(i, 0);
		poller_ask(i, EPOLLIN | EPOLLONESHOT);
		return;
	}
	c->ended = true;
	c->on_end(c, &end);
	bury(c); /* the fd is open until on_closed, also when it was closed in on_end */
}

/* One-shot, since a dead process' pidfd stays readable until it is closed. */
static int watch(struct child *c, uv_loop_t *loop, int pidfd)
{
	list_init(&c->link);
	int rc = poller_open(&c->item, loop, pidfd, EPOLLIN | EPOLLONESHOT, on_pidfd);
	if (rc == 0)
		poller_shared(&c->item); /* with a keeper, or over an exec */
	return rc;
}

int child_watch(struct child *c, uv_loop_t *loop, pid_t pid, int pidfd, child_on_end on_end)
{
	*c = (struct child){ .owner = c->owner, .pid = pid, .on_end = on_end };
	c->born = procstat_born(pid);
	return watch(c, loop, pidfd);
}

void child_known(struct child *c, struct reap *reap)
{
	c->reap = reap;
	reap_add(reap, c);
}

int child_adopt(struct child *c, uv_loop_t *loop, pid_t pid, uint64_t born, child_on_end on_end)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return errno == EINVAL ? UV_ESRCH : -errno;
	*c = (struct child){ .owner = c->owner, .pid = pid, .on_end = on_end, .adopted = true };
	c->born = procstat_born(pid); /* the fd's, or another's who got the number since */
	bool same = c->born != 0 && (born == 0 || born == c->born);
	int rc = same ? watch(c, loop, fd) : UV_ESRCH;
	if (rc)
		close(fd);
	return rc;
}

/* The number of a child that is not buried is its own, where a pidfd takes no signals (Linux before
 * 5.1, valgrind). */
int child_signal(struct child *c, int sig)
{
	if (c->buried)
		return UV_ESRCH;
	if (pidfd_send_signal(c->item.fd, sig, NULL, 0) == 0)
		return 0;
	if (errno != ENOSYS || c->adopted)
		return -errno;
	return kill(c->pid, sig) == 0 ? 0 : -errno;
}

/* One that we adopted may be buried by its parent at any moment. */
int child_signal_group(struct child *c, int sig)
{
	if (c->group <= 1 || (c->adopted && child_signal(c, 0) != 0))
		return UV_ESRCH;
	return kill(-c->group, sig) == 0 ? 0 : -errno;
}

static void on_item_closed(struct poller_item *i)
{
	struct child *c = container_of(i, struct child, item);

	if (c->on_closed)
		c->on_closed(c);
}

void child_close(struct child *c, child_on_closed on_closed)
{
	c->on_closed = on_closed;
	list_remove(&c->link);
	poller_close(&c->item, on_item_closed);
}

char *child_end_text(const struct child_end *end, char *into, size_t size)
{
	const char *name = end->how == CHILD_KILLED ? sigabbrev_np(end->code) : NULL;
	const char *core = end->core ? " (core dumped)" : "";

	if (end->how == CHILD_GONE)
		snprintf(into, size, "gone");
	else if (end->how == CHILD_EXITED)
		snprintf(into, size, "exit status %d", end->code);
	else if (name)
		snprintf(into, size, "killed by SIG%s%s", name, core);
	else
		snprintf(into, size, "killed by signal %d%s", end->code, core);
	return into;
}
