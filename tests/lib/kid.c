#include "tests/lib/kid.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"

static void on_end(struct child *c, const struct child_end *end)
{
	struct kid *k = c->owner;

	k->end = *end;
	k->ends++;
	child_close(c, NULL);
}

static void start_on(struct kid *k, const struct spawn *s, int out)
{
	struct spawn copy = *s;
	const struct spawn_fd fds[] = { { 1, out }, { 2, out } };
	pid_t pid = -1;
	int pidfd = -1;

	if (!copy.fds) {
		copy.fds = fds;
		copy.n_fds = 2;
	}
	uv_loop_init(&k->loop);
	k->child.owner = k;
	k->rc = spawn_program(&copy, &pid, &pidfd, &k->err);
	if (k->rc)
		return;
	cr_assert(pid > 0 && pidfd > 2);
	check_int(child_watch(&k->child, &k->loop, pid, pidfd, on_end), 0);
	if (s->group != SPAWN_SAME)
		k->child.group = pid;
}

void kid_start(struct kid *k, const struct spawn *s)
{
	memset(k, 0, sizeof(*k));
	start_on(k, s, -1);
}

void kid_wait(struct kid *k)
{
	uv_run(&k->loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&k->loop), 0);
	check_int(k->ends, k->rc == 0);
}

void kid_run(struct kid *k, const struct spawn *s)
{
	int pipe_ends[2];
	ssize_t n;
	size_t have = 0;

	memset(k, 0, sizeof(*k));
	cr_assert(pipe2(pipe_ends, O_CLOEXEC) == 0);
	start_on(k, s, pipe_ends[1]);
	close(pipe_ends[1]);
	while ((n = read(pipe_ends[0], k->out + have, sizeof(k->out) - 1 - have)) > 0)
		have += (size_t)n;
	close(pipe_ends[0]);
	kid_wait(k);
}

void kid_script(struct kid *k, const char *script)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	kid_run(k, &(struct spawn){ .argv = argv, .group = SPAWN_SESSION });
}

bool kid_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "valgrind");
}
