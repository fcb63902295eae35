#include "core/proc/tree.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/proc/env.h"
#include "core/proc/procstat.h"
#include "core/proc/reap.h"
#include "tests/lib/check.h"
#include "tests/lib/kid.h"

/* A program under a sub-reaper, with its tree. */
static struct scene {
	uv_loop_t loop;
	struct reap reap;
	struct child child;
	struct child_end end;
	struct tree tree;
	struct procs procs;
	struct tree_kill kill;
	char folder[64], mark[64];
	int ends, dones;
	size_t left;
} s;

static void on_end(struct child *c, const struct child_end *end)
{
	s.end = *end;
	s.ends++;
	check_int(tree_read(&s.tree, &s.procs), 0);
	tree_look(&s.tree, &s.procs);
	child_close(c, NULL);
}

static void set_up(void)
{
	alarm(60); /* Criterion's own time limit leaks when tests run side by side */
	strcpy(s.folder, "/tmp/test_tree.XXXXXX");
	cr_assert(mkdtemp(s.folder) != NULL);
	uv_loop_init(&s.loop);
	reap_open(&s.reap, &s.loop, true);
	procs_init(&s.procs);
	snprintf(s.mark, sizeof(s.mark), "test-%d", (int)getpid());
}

static void tear_down(void)
{
	char command[128];

	tree_fini(&s.tree);
	procs_fini(&s.procs);
	reap_close(&s.reap, NULL);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&s.loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", s.folder);
	check_int(system(command), 0);
}

TestSuite(tree, .init = set_up, .fini = tear_down);

/* Starts the script in our folder, waits until it has made the file "ready". */
static void start(const char *script, bool near)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct env e;
	pid_t pid;
	int pidfd;

	env_init(&e);
	env_inherit(&e);
	env_set(&e, TREE_MARK, s.mark);
	cr_assert(spawn_program(&(struct spawn){ .argv = argv,
						 .envp = env_vars(&e),
						 .cwd = s.folder,
						 .group = SPAWN_SESSION },
				&pid, &pidfd, NULL) == 0);
	env_fini(&e);
	cr_assert(child_watch(&s.child, &s.loop, pid, pidfd, on_end) == 0);
	child_known(&s.child, &s.reap);
	tree_init(&s.tree, pid, s.child.born);
	s.tree.mark = s.mark;
	s.tree.reap = near ? &s.reap : NULL;
}

static void wait_ready(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/ready", s.folder);
	wait_until(access(path, F_OK) == 0);
}

static size_t look(void)
{
	check_int(tree_read(&s.tree, &s.procs), 0);
	return tree_look(&s.tree, &s.procs);
}

static void on_done(struct tree_kill *k, size_t left)
{
	(void)k;
	s.dones++;
	s.left = left;
}

static void kill_all(void)
{
	memset(&s.kill, 0, sizeof(s.kill));
	s.dones = 0;
	check_int(tree_kill_start(&s.kill, &s.loop, &s.tree, 5000, on_done), 0);
	check_int(s.dones, 0);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	check_int(s.dones, 1);
	check_int(s.left, 0);
}

/* All processes with our mark, wherever they are. */
static size_t marked(void)
{
	struct procs all;
	size_t n = 0;

	procs_init(&all);
	check_int(procs_look(&all), 0);
	for (size_t i = 0; i < all.n; i++)
		n += !all.all[i].dead && strcmp(procs_mark(&all.all[i]), s.mark) == 0;
	procs_fini(&all);
	return n;
}

/* Each way to get away from a supervisor: how many are alive when all is set up, and when the
 * program itself has ended. */
static const struct escape {
	const char *name, *script;
	size_t alive, orphans;
	bool ends; /* by itself, at once */
} escapes[] = {
	{ "child", "sleep 1000 & : >ready; wait", 2, 1, false },
	{ "setsid", "setsid sleep 1000 & sleep 0.1; : >ready; wait", 2, 1, false },
	{ "orphan", "sleep 1000 & : >ready", 1, 1, true },
	{ "double fork", "(setsid sh -c 'sleep 1000 & : >ready' &) ; sleep 1000; :", 3, 2, false },
	{ "daemon", "setsid sh -c '(sleep 1000; :) & (sleep 1000; :) & : >ready' &", 4, 4, true },
	{ "without environment", "env -i sleep 1000 & : >ready", 1, 1, true },
};

static void try_escape(const struct escape *e, bool near)
{
	char path[128];

	start(e->script, near);
	wait_ready();
	if (e->ends) {
		while (s.ends == 0)
			uv_run(&s.loop, UV_RUN_ONCE);
	}
	wait_until(look() == e->alive);
	cr_expect(tree_alive(&s.tree, e->alive - 1) != NULL);
	cr_expect(tree_alive(&s.tree, e->alive) == NULL);
	if (!e->ends) { /* the program alone: the rest is still known */
		child_signal(&s.child, SIGKILL);
		while (s.ends == 0)
			uv_run(&s.loop, UV_RUN_ONCE);
		wait_until(look() == e->orphans);
	}
	kill_all();
	check_int(look(), 0);
	check_int(marked(), 0);
	tree_fini(&s.tree);
	s.ends = 0;
	snprintf(path, sizeof(path), "%s/ready", s.folder);
	unlink(path);
}

Test(tree, nobody_gets_away)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		fprintf(stderr, "%s\n", escapes[i].name);
		try_escape(&escapes[i], true);
		try_escape(&escapes[i], false);
	}
}

/* Two orphans that were never seen: one keeps its environment, the other its session. */
Test(tree, finds_whom_it_never_saw)
{
	for (int near = 0; near < 2; near++) {
		start("setsid sleep 1000 & sleep 0.05; exit 0", near);
		while (s.ends == 0)
			uv_run(&s.loop, UV_RUN_ONCE);
		wait_until(look() == 1);
		kill_all();
		check_int(marked(), 0);
		tree_fini(&s.tree);
		s.ends = 0;
	}
}

Test(tree, leaves_others_alone)
{
	struct kid other;
	const char *argv[] = { "sleep", "1000", NULL };

	kid_start(&other, &(struct spawn){ .argv = argv });
	child_known(&other.child, &s.reap);
	for (int near = 0; near < 2; near++) {
		start("sleep 1000 & : >ready; wait", near);
		wait_ready();
		wait_until(look() == 2);
		kill_all();
		check_int(child_signal(&other.child, 0), 0);
		tree_fini(&s.tree);
		s.ends = 0;
	}
	/* a number that is another's now is no member */
	tree_init(&s.tree, other.child.pid, other.child.born - 1);
	check_int(look(), 0);
	check_int(tree_signal(&s.tree, SIGKILL), 0);
	check_int(child_signal(&other.child, 0), 0);
	child_signal(&other.child, SIGKILL);
	kid_wait(&other);
}

Test(tree, outruns_one_that_is_always_born_again)
{
	/* each lives for some milliseconds and leaves another, in a session of its own */
	const char *script = "cat >hydra <<'END'\n"
			     "#!/bin/sh\n"
			     "sleep 0.005\n"
			     "setsid ./hydra &\n"
			     "END\n"
			     "chmod +x hydra; ./hydra & ./hydra & : >ready; wait";

	for (int near = 0; near < 2; near++) {
		start(script, near);
		wait_ready();
		usleep(100000);
		wait_until(look() > 0);
		kill_all();
		usleep(50000);
		check_int(marked(), 0);
		tree_fini(&s.tree);
		s.ends = 0;
		char path[128];
		snprintf(path, sizeof(path), "%s/ready", s.folder);
		unlink(path);
	}
}

Test(tree, of_ourselves_spares_us)
{
	start("env -i setsid sleep 1000 & sleep 0.05; exit 0", true);
	while (s.ends == 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	tree_fini(&s.tree);
	tree_init(&s.tree, getpid(), 0);
	s.tree.reap = &s.reap;
	check_int(look(), 1);
	kill_all();
	check_int(look(), 0);
}

Test(tree, kill_can_be_cancelled)
{
	start("sleep 1000", true);
	memset(&s.kill, 0, sizeof(s.kill));
	check_int(tree_kill_start(&s.kill, &s.loop, &s.tree, 5000, on_done), 0);
	tree_kill_cancel(&s.kill);
	check_int(s.dones, 0);
	while (s.dones == 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	check_int(child_signal(&s.child, 0), 0);
	kill_all();
	check_int(s.ends, 1);
}

/* Where v2 of cgroups is there, and ours to make some. */
Test(tree, of_a_cgroup)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char folder[128] = "", path[160];

	for (int i = 0; i < 2 && !*folder; i++) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", roots[i]);
		snprintf(folder, sizeof(folder), "%s/test-tree-%d", roots[i], (int)getpid());
		if (access(path, F_OK) != 0 || mkdir(folder, 0755) != 0)
			*folder = '\0';
	}
	if (!*folder)
		return;
	const char *argv[] = { "sh", "-c", "env -i setsid sleep 1000 & sleep 0.05", NULL };
	pid_t pid;
	int pidfd;
	struct err err;
	check_int(spawn_program(&(struct spawn){ .argv = argv, .cgroup = folder }, &pid, &pidfd,
				&err),
		  0);
	cr_assert(child_watch(&s.child, &s.loop, pid, pidfd, on_end) == 0);
	child_known(&s.child, &s.reap);
	tree_init(&s.tree, pid, s.child.born);
	s.tree.cgroup = folder;
	while (s.ends == 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	check_int(look(), 1);
	kill_all();
	check_int(look(), 0);
	wait_until(rmdir(folder) == 0);
}
