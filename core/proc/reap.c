#include "core/proc/reap.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/proc/child.h"

static struct list *bucket_of(const struct reap *r, pid_t pid)
{
	return (struct list *)&r->watched[(unsigned)pid % REAP_BUCKETS];
}

bool reap_knows(const struct reap *r, pid_t pid)
{
	const struct list *head = bucket_of(r, pid);

	for (const struct list *it = head->next; it != head; it = it->next)
		if (container_of(it, struct child, link)->pid == pid)
			return true;
	return false;
}

void reap_add(struct reap *r, struct child *c)
{
	list_append(bucket_of(r, c->pid), &c->link);
}

/* The first of the dead that nobody has buried; 0: there is none. */
static pid_t first_dead(void)
{
	siginfo_t info = { 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

void reap_again(struct reap *r)
{
	pid_t pid;

	while ((pid = first_dead()) > 0 && !reap_knows(r, pid)) {
		int status;
		if (waitpid(pid, &status, WNOHANG) != pid)
			return;
		r->buried++;
		if (r->on_stranger)
			r->on_stranger(r, pid, status);
	}
}

static void on_sigchld(uv_signal_t *h, int sig)
{
	(void)sig;
	reap_again(h->data);
}

int reap_open(struct reap *r, uv_loop_t *loop, bool subreaper)
{
	for (int i = 0; i < REAP_BUCKETS; i++)
		list_init(&r->watched[i]);
	r->buried = 0;
	int rc = uv_signal_init(loop, &r->signal);
	if (rc)
		return rc;
	r->signal.data = r;
	uv_signal_start(&r->signal, on_sigchld, SIGCHLD);
	uv_unref((uv_handle_t *)&r->signal);
	if (subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	kill(getpid(), SIGCHLD); /* some may be dead already, before an exec of ours */
	return 0;
}

static void on_signal_closed(uv_handle_t *h)
{
	struct reap *r = h->data;

	if (r->on_closed)
		r->on_closed(r);
}

void reap_close(struct reap *r, reap_on_closed on_closed)
{
	r->on_closed = on_closed;
	uv_close((uv_handle_t *)&r->signal, on_signal_closed);
}
