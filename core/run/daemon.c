#include "core/run/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/run/run.h"

/* The child's word that it is ready, or its exit status. */
static int wait_ready(int report, pid_t child)
{
	char byte;
	int status = 0;

	if (read(report, &byte, 1) == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

int run_daemon(const struct role *role, const struct run_options *options, int *pid)
{
	struct run_options child_options = *options;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		perror("pipe");
		return 1;
	}
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		setsid();
		child_options.report = ends[1];
		exit(run_role(role, &child_options));
	}
	close(ends[1]);
	if (child < 0)
		perror("fork");
	int status = child < 0 ? 1 : wait_ready(ends[0], child);
	close(ends[0]);
	*pid = (int)child;
	return status;
}
