#include "core/proc/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/proc/procstat.h"
#include "core/proc/reap.h"
#include "tests/lib/check.h"
#include "tests/lib/kid.h"

Test(child, tells_how_it_ended)
{
	static const struct {
		const char *script;
		enum child_how how;
		int code;
		const char *text;
	} cases[] = {
		{ "exit 0", CHILD_EXITED, 0, "exit status 0" },
		{ "exit 3", CHILD_EXITED, 3, "exit status 3" },
		{ "kill -9 $$", CHILD_KILLED, 9, "killed by SIGKILL" },
		{ "kill -TERM $$", CHILD_KILLED, 15, "killed by SIGTERM" },
		{ "kill -40 $$", CHILD_KILLED, 40, "killed by signal 40" },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kid k;
		kid_script(&k, cases[i].script);
		check_int(k.end.how, cases[i].how);
		check_int(k.end.code, cases[i].code);
		check_str(child_end_text(&k.end, text, sizeof(text)), cases[i].text);
		cr_expect(k.end.usage.ru_maxrss > 0);
	}
	struct child_end gone = { .how = CHILD_GONE };
	check_str(child_end_text(&gone, text, sizeof(text)), "gone");
	check_int(waitpid(-1, NULL, WNOHANG), -1);
}

static const char *sleeper[] = { "sleep", "1000", NULL };

Test(child, is_signalled_alone_or_with_its_group)
{
	const char *two[] = { "sh", "-c", "sleep 1000 & wait", NULL };
	struct kid k;

	kid_start(&k, &(struct spawn){ .argv = sleeper });
	check_int(child_signal(&k.child, 0), 0);
	check_int(child_signal_group(&k.child, SIGTERM), UV_ESRCH); /* it leads none */
	check_int(child_signal(&k.child, SIGTERM), 0);
	kid_wait(&k);
	check_int(k.end.code, SIGTERM);

	kid_start(&k, &(struct spawn){ .argv = two, .group = SPAWN_SESSION });
	pid_t group = k.child.pid;
	usleep(50000);
	check_int(child_signal_group(&k.child, SIGKILL), 0);
	kid_wait(&k);
	check_int(k.end.how, CHILD_KILLED);
	wait_until(kill(-group, 0) < 0);
	check_int(child_signal_group(&k.child, SIGKILL), UV_ESRCH);
}

/* Alive is what can still be signalled by its group inside on_end, and nowhere later. */
static int group_in_end, group_later;

static void on_end_signal(struct child *c, const struct child_end *end)
{
	(void)end;
	group_in_end = child_signal_group(c, 0);
}

Test(child, has_its_group_until_it_is_buried)
{
	const char *argv[] = { "true", NULL };
	uv_loop_t loop = { 0 };
	struct child c = { 0 };
	pid_t pid;
	int pidfd;

	uv_loop_init(&loop);
	cr_assert(spawn_program(&(struct spawn){ .argv = argv, .group = SPAWN_GROUP }, &pid, &pidfd,
				NULL) == 0);
	cr_assert(child_watch(&c, &loop, pid, pidfd, on_end_signal) == 0);
	c.group = pid;
	group_in_end = 1;
	while (group_in_end == 1)
		uv_run(&loop, UV_RUN_ONCE);
	group_later = child_signal_group(&c, 0);
	check_int(group_in_end, 0);
	check_int(group_later, UV_ESRCH);
	check_int(child_signal(&c, 0), UV_ESRCH);
	child_close(&c, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&loop), 0);
}

static struct child_end last;
static int ends;

static void on_end_close(struct child *c, const struct child_end *end)
{
	last = *end;
	ends++;
	child_close(c, NULL);
}

/* A process whose parent is another: what is left of a supervisor that was killed. */
static pid_t stranger(void)
{
	struct kid k;

	kid_script(&k, "sleep 1000 >/dev/null 2>&1 & echo $!");
	return (pid_t)atoi(k.out);
}

Test(child, adopts_whom_it_did_not_start)
{
	uv_loop_t loop = { 0 };
	struct child c = { 0 };
	if (kid_under_valgrind()) /* it knows no pidfd_open */
		return;
	pid_t pid = stranger();
	uint64_t born = procstat_born(pid);
	cr_assert(born > 0);
	uv_loop_init(&loop);
	check_int(child_adopt(&c, &loop, pid, born + 1, on_end_close), UV_ESRCH);
	check_int(child_adopt(&c, &loop, pid, born, on_end_close), 0);
	check_int(c.born, born);
	check_int(child_signal(&c, SIGKILL), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	check_int(ends, 1);
	check_int(last.how, CHILD_GONE);
	wait_until(kill(pid, 0) < 0 || procstat_born(pid) != born);
	check_int(child_adopt(&c, &loop, pid, born, on_end_close), UV_ESRCH);
	uv_run(&loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&loop), 0);
}

static int buried[64], n_buried;

static void on_stranger(struct reap *r, pid_t pid, int status)
{
	(void)r;
	(void)pid;
	buried[n_buried++ % 64] = status;
}

Test(reap, buries_orphans_and_leaves_the_watched)
{
	uv_loop_t loop = { 0 };
	struct reap r = { .on_stranger = on_stranger };
	struct child c[8];

	uv_loop_init(&loop);
	check_int(reap_open(&r, &loop, true), 0);
	/* each leaves an orphan that ends a little later, with 7; some end at the same time */
	const char *argv[] = { "sh", "-c", "(sleep 0.1; exit 7) & exit 3", NULL };
	for (int i = 0; i < 8; i++) {
		pid_t pid;
		int pidfd;
		cr_assert(spawn_program(&(struct spawn){ .argv = argv }, &pid, &pidfd, NULL) == 0);
		check_int(child_watch(&c[i], &loop, pid, pidfd, on_end_close), 0);
		child_known(&c[i], &r);
		check_true(reap_knows(&r, pid));
	}
	uv_ref((uv_handle_t *)&r.signal);
	while (n_buried < 8 || ends < 8)
		uv_run(&loop, UV_RUN_ONCE);
	check_int(ends, 8);
	check_int(last.how, CHILD_EXITED);
	check_int(last.code, 3);
	for (int i = 0; i < 8; i++)
		check_int(WEXITSTATUS(buried[i]), 7);
	check_int(r.buried, 8);
	check_int(waitpid(-1, NULL, WNOHANG), -1);
	reap_close(&r, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&loop), 0);
}

Test(reap, is_not_held_up_by_a_watched_one_who_waits_for_his_turn)
{
	uv_loop_t loop = { 0 };
	struct reap r = { .on_stranger = on_stranger };
	struct child c = { 0 };
	const char *argv[] = { "true", NULL };
	pid_t pid, other;
	int pidfd, other_fd;

	uv_loop_init(&loop);
	check_int(reap_open(&r, &loop, false), 0);
	cr_assert(spawn_program(&(struct spawn){ .argv = argv }, &pid, &pidfd, NULL) == 0);
	cr_assert(child_watch(&c, &loop, pid, pidfd, on_end_close) == 0);
	child_known(&c, &r);
	usleep(50000); /* dead, and the first in the queue */
	cr_assert(spawn_program(&(struct spawn){ .argv = argv }, &other, &other_fd, NULL) == 0);
	close(other_fd);
	usleep(50000);
	reap_again(&r);
	check_int(n_buried, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	check_int(ends, 1);
	check_int(n_buried, 1);
	reap_close(&r, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&loop), 0);
}
