#include "core/proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/proc/env.h"
#include "tests/lib/check.h"
#include "tests/lib/kid.h"

static char folder[] = "/tmp/test_spawn.XXXXXX";

static const char *make_file(const char *name, const char *text, mode_t mode)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
	return path;
}

static void clean(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	check_int(system(command), 0);
}

/* It did not start, left nobody behind, and said so. */
static void check_refused(const struct spawn *s, int code, const char *text)
{
	struct kid k;

	kid_run(&k, s);
	if (kid_under_valgrind())
		return;
	check_int(k.rc, code);
	check_int(k.ends, 0);
	cr_expect(strstr(k.err.text, text) != NULL, "'%s' in '%s'", text, k.err.text);
	check_int(waitpid(-1, NULL, WNOHANG), -1);
	check_int(errno, ECHILD);
}

static void check_no_exec(const char *file, int code, const char *why)
{
	const char *argv[] = { file, NULL };
	char text[128];

	snprintf(text, sizeof(text), "exec %s: %s", file, why);
	check_refused(&(struct spawn){ .argv = argv }, code, text);
}

Test(spawn, says_why_a_file_is_not_executed)
{
	cr_assert(mkdtemp(folder) != NULL);
	check_no_exec("/usr/bin/nope", UV_ENOENT, "No such file or directory");
	check_no_exec("nope-nope", UV_ENOENT, "No such file or directory");
	check_no_exec("", UV_ENOENT, "No such file or directory");
	check_no_exec("/etc/passwd/x", -ENOTDIR, "Not a directory");
	check_no_exec("/tmp", UV_EACCES, "Permission denied");
	check_no_exec(make_file("plain", "#!/bin/sh\n", 0644), UV_EACCES, "Permission denied");
	check_no_exec(make_file("bad", "#!/no/such/sh\n", 0755), UV_ENOENT,
		      "the interpreter that it names: No such file");
	check_no_exec(make_file("text", "echo hello\n", 0755), -ENOEXEC, "Exec format error");
	check_no_exec(make_file("empty", "", 0755), -ENOEXEC, "Exec format error");
	clean();
}

static const char *sh[] = { "/bin/sh", "-c", "exit 0", NULL };

Test(spawn, says_which_step_failed)
{
	struct limit high = { RLIMIT_NOFILE, { 1ul << 40, 1ul << 40 } };
	struct spawn_fd closed[] = { { 5, 999 } };
	struct spawn_fd twice[] = { { 5, 0 }, { 5, 0 } };
	int listen[] = { 0 };
	struct spawn_fd clash[] = { { 3, 0 } };

	check_refused(&(struct spawn){ .argv = sh, .cwd = "/nope" }, UV_ENOENT,
		      "chdir /nope: No such file or directory");
	check_refused(&(struct spawn){ .argv = sh, .cwd = "/etc/passwd" }, -ENOTDIR,
		      "chdir /etc/passwd: Not a directory");
	check_refused(&(struct spawn){ .argv = sh, .root = "/nope" }, UV_ENOENT, "chroot /nope: ");
	check_refused(&(struct spawn){ .argv = sh, .cgroup = "/nope" }, UV_ENOENT,
		      "cgroup /nope: ");
	check_refused(&(struct spawn){ .argv = sh, .limits = &high, .n_limits = 1 }, UV_EPERM,
		      "rlimit_nofile: Operation not permitted");
	check_refused(&(struct spawn){ .argv = sh, .fds = closed, .n_fds = 1 }, UV_EBADF,
		      "descriptor 5: Bad file descriptor");
	check_refused(
		&(struct spawn){ .argv = sh, .set_oom_score_adj = true, .oom_score_adj = 5000 },
		UV_EINVAL, "oom_score_adj: Invalid argument");
	check_refused(&(struct spawn){ .argv = sh, .death_signal = 1000 }, UV_EINVAL,
		      "death signal: Invalid argument");
	if (kid_under_valgrind())
		return;
	check_refused(&(struct spawn){ .argv = sh, .fds = twice, .n_fds = 2 }, UV_EINVAL,
		      "descriptor 5 is given twice");
	check_refused(
		&(struct spawn){
			.argv = sh, .fds = clash, .n_fds = 1, .listen = listen, .n_listen = 1 },
		UV_EINVAL, "descriptor 3 is given twice");
	const char *none[] = { NULL };
	check_refused(&(struct spawn){ .argv = none }, UV_EINVAL, "no command");
}

Test(spawn, without_rights_or_descriptors)
{
	struct user root = { .uid = 0, .gid = 0 };
	struct rlimit few = { 12, 12 }, files;

	if (geteuid() != 0 || kid_under_valgrind())
		return;
	getrlimit(RLIMIT_NOFILE, &files);
	few.rlim_max = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	int used[12], n = 0;
	while (n < 12 && (used[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	pid_t pid;
	int pidfd;
	struct err err = { 0 };
	check_int(spawn_program(&(struct spawn){ .argv = sh }, &pid, &pidfd, &err), UV_EMFILE);
	check_str(err.text, "clone: Too many open files");
	while (n > 0)
		close(used[--n]);
	setrlimit(RLIMIT_NOFILE, &files);

	cr_assert(setgid(65534) == 0 && setuid(65534) == 0);
	prctl(PR_SET_DUMPABLE, 1); /* the leak sanitizer traces us */
	check_refused(&(struct spawn){ .argv = sh, .user = &root }, UV_EPERM,
		      "setgroups: Operation not permitted");
	check_refused(&(struct spawn){ .argv = sh, .nice = -5 }, UV_EACCES, "nice: ");
	struct user self = { .uid = 65534, .gid = 65534 };
	struct kid k;
	kid_run(&k, &(struct spawn){ .argv = sh, .user = &self });
	check_int(k.rc, 0);
	check_int(k.end.code, 0);
}

/* What a script says when it is started by s. */
static void check_says(const struct spawn *s, const char *script, const char *words)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct spawn copy = *s;
	struct kid k;

	copy.argv = argv;
	kid_run(&k, &copy);
	check_int(k.rc, 0);
	check_str(k.out, words);
}

Test(spawn, does_as_it_is_told)
{
	const struct spawn as_we = { 0 };
	struct limit files = { RLIMIT_NOFILE, { 77, 88 } };

	check_says(&as_we, "echo hello", "hello\n");
	check_says(&as_we, "read x; echo \"$? <$x>\"", "1 <>\n");
	check_says(&(struct spawn){ .cwd = "/usr" }, "pwd", "/usr\n");
	check_says(&(struct spawn){ .set_umask = true, .umask = 027 }, "umask", "0027\n");
	if (kid_under_valgrind()) /* which goes on to live in the child */
		return;
	check_says(&(struct spawn){ .nice = 3 }, "cut -d' ' -f19 /proc/$$/stat", "3\n");
	check_says(&(struct spawn){ .limits = &files, .n_limits = 1 }, "ulimit -S -n; ulimit -H -n",
		   "77\n88\n");
	check_says(&(struct spawn){ .set_oom_score_adj = true, .oom_score_adj = 500 },
		   "cat /proc/self/oom_score_adj", "500\n");
	check_says(&(struct spawn){ .no_new_privs = true },
		   "grep NoNewPrivs /proc/self/status | cut -f2", "1\n");
	check_says(
		&(struct spawn){ .group = SPAWN_SESSION },
		"set -- $(cut -d' ' -f1,5,6 /proc/$$/stat); [ $1 = $2 ] && [ $2 = $3 ] && echo y",
		"y\n");
	check_says(
		&(struct spawn){ .group = SPAWN_GROUP },
		"set -- $(cut -d' ' -f1,5,6 /proc/$$/stat); [ $1 = $2 ] && [ $2 != $3 ] && echo y",
		"y\n");
	check_int(getpriority(PRIO_PROCESS, 0), 0);
}

Test(spawn, becomes_another_user)
{
	struct user u;
	struct err err;

	if (geteuid() != 0 || kid_under_valgrind())
		return;
	check_int(user_lookup(&u, "nobody:daemon", "adm", &err), 0);
	check_says(&(struct spawn){ .user = &u, .cwd = "/tmp" }, "id -u; id -gn; id -Gn",
		   "65534\ndaemon\ndaemon adm\n");
	user_fini(&u);
	check_int(user_lookup(&u, "no-such-user", NULL, &err), ERR_CONF);
	check_str(err.text, "there is no user no-such-user");
	check_int(user_lookup(&u, "root", "daemon,no-such-group", &err), ERR_CONF);
	check_str(err.text, "there is no group no-such-group");
	check_int(user_lookup(&u, "4711:4712", NULL, &err), 0);
	check_int(u.uid, 4711);
	check_int(u.gid, 4712);
	check_str(u.home, "/");
	user_fini(&u);
}

Test(spawn, gives_clean_signals)
{
	sigset_t some;

	if (kid_under_valgrind())
		return;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&some);
	sigaddset(&some, SIGTERM);
	sigprocmask(SIG_BLOCK, &some, NULL);
	check_says(&(struct spawn){ 0 },
		   "cat /proc/self/status | grep -E 'Sig(Blk|Ign|Cgt)' | tr -d '\\n\\t'",
		   "SigBlk:0000000000000000SigIgn:0000000000000000SigCgt:0000000000000000");
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	check_true(sigismember(&now, SIGTERM));
	check_true(!sigismember(&now, SIGINT));
	cr_expect(signal(SIGHUP, SIG_DFL) == SIG_IGN);
}

/* A file with one letter in it, at the descriptor n. */
static void letter_at(int n, char c)
{
	char name[] = "/tmp/test_spawn_fd.XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	check_int(write(fd, &c, 1), 1);
	lseek(fd, 0, SEEK_SET);
	cr_assert(dup2(fd, n) == n);
	if (fd != n)
		close(fd);
}

Test(spawn, passes_descriptors_across_each_other)
{
	int out[2];

	if (kid_under_valgrind())
		return;
	cr_assert(pipe(out) == 0);
	cr_assert(dup2(out[1], 60) == 60);
	close(out[1]);
	letter_at(50, 'a');
	letter_at(51, 'b');
	letter_at(52, 'c');
	/* a circle, a copy, and one far away */
	const struct spawn_fd fds[] = { { 50, 51 }, { 51, 52 }, { 52, 50 }, { 7, 52 }, { 1, 60 } };
	const char *argv[] = { "sh", "-c",
			       "cat /proc/self/fd/50 /proc/self/fd/51 /proc/self/fd/52 "
			       "/proc/self/fd/7; ls /proc/self/fd | sort -n | tr '\\n' ' '",
			       NULL };
	struct kid k;
	kid_run(&k, &(struct spawn){ .argv = argv, .fds = fds, .n_fds = 5 });
	close(60);
	char text[128] = "";
	ssize_t n = read(out[0], text, sizeof(text) - 1);
	cr_assert(n > 0);
	/* ls itself has 3 open */
	check_str(text, "bcac0 1 2 3 7 50 51 52 ");
	check_int(k.end.code, 0);
}

Test(spawn, hands_over_listeners)
{
	struct env e;
	int listen[] = { 40, 41 };

	letter_at(40, 'x');
	letter_at(41, 'y');
	env_init(&e);
	env_inherit(&e);
	env_set(&e, "LISTEN_PID", "1");
	check_says(&(struct spawn){ .envp = env_vars(&e),
				    .listen = listen,
				    .n_listen = 2,
				    .listen_names = "a:b" },
		   "cat <&3 <&4; cat <&3; [ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES",
		   "yx2 a:b\n");
	env_fini(&e);
}

Test(spawn, looks_along_the_path_as_a_shell_does)
{
	char path[128];

	cr_assert(mkdtemp(folder) != NULL);
	make_file("mine", "#!/bin/sh\necho found\n", 0755);
	make_file("cat", "#!/bin/sh\necho wrong\n", 0644);
	snprintf(path, sizeof(path), "/nope:%s:/usr/bin:/bin", folder);
	const char *argv[] = { "mine", NULL };
	struct kid k;
	kid_run(&k, &(struct spawn){ .argv = argv, .path = path });
	check_str(k.out, "found\n");
	/* one without the right to execute hides no other */
	const char *cat[] = { "cat", "/dev/null", NULL };
	kid_run(&k, &(struct spawn){ .argv = cat, .path = path });
	check_int(k.rc, 0);
	check_str(k.out, "");
	/* relative to the folder that it enters */
	kid_run(&k, &(struct spawn){ .argv = argv, .path = ":/nope", .cwd = folder });
	check_str(k.out, "found\n");
	clean();
}
