#include "core/proc/procstat.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/lib/check.h"
#include "tests/lib/kid.h"

Test(procstat, knows_ourselves)
{
	struct procstat s;

	check_int(procstat_read(&s, getpid()), 0);
	check_int(s.pid, getpid());
	check_int(s.ppid, getppid());
	check_int(s.group, getpgrp());
	check_int(s.session, getsid(0));
	check_int(s.state, 'R');
	cr_expect(s.threads >= 1 && s.rss > 100000 && s.size > s.rss);
	check_int(procstat_born(getpid()), s.born);
	cr_expect(procstat_fds(getpid()) >= 3);
	int64_t age = (int64_t)time(NULL) * 1000 - (int64_t)procstat_started(s.born);
	cr_expect(age > -3000 && age < 60000, "%ld", (long)age);
	check_int(procstat_born(1 << 29), 0);
	check_int(procstat_fds(1 << 29), UV_ESRCH);
	s.pid = -7;
	check_int(procstat_read(&s, 1 << 29), UV_ESRCH);
	check_int(s.pid, -7);
}

Test(procstat, is_not_fooled_by_names)
{
	struct procstat s;
	const char *text = "12 (a) R 1 (b) S 7 8 9 0 -1 4194304 1 2 3 4 100 50 5 6 20 0 3 0 777 "
			   "8192 2 18446744073709551615 1";

	check_int(procstat_parse(&s, text), 0);
	check_int(s.pid, 12);
	check_int(s.state, 'S');
	check_int(s.ppid, 7);
	check_int(s.session, 9);
	check_int(s.threads, 3);
	check_int(s.born, 777);
	check_int(s.user, 1000000);
	check_int(s.waited, 110000);
	check_int(s.rss, 2 * sysconf(_SC_PAGESIZE));
	for (size_t n = 0; n < 70; n++) {
		char cut[128];
		memcpy(cut, text, n);
		cut[n] = '\0';
		check_int(procstat_parse(&s, cut), ERR_PROTO);
	}
}

Test(procstat, reads_a_variable)
{
	char value[32], longest[20000];
	struct kid k;
	const char *argv[] = { "sleep", "1000", NULL };

	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, "LONG=", 5);
	longest[sizeof(longest) - 1] = '\0';
	const char *envp[] = { "MARKX=no", longest, "MARK=yes=1", "LAST=2", NULL };
	kid_start(&k, &(struct spawn){ .argv = argv, .envp = (char *const *)envp });
	/* it has none for a moment, in the middle of the exec */
	wait_until(procstat_env(k.child.pid, "MARK", value, sizeof(value)) == 5);
	check_str(value, "yes=1");
	check_int(procstat_env(k.child.pid, "MARK", value, 3), 2);
	check_str(value, "ye");
	check_int(procstat_env(k.child.pid, "LAST", value, sizeof(value)), 1);
	check_int(procstat_env(k.child.pid, "NONE", value, sizeof(value)), -1);
	child_signal(&k.child, SIGKILL);
	kid_wait(&k);
	const char *nothing[] = { NULL };
	kid_start(&k, &(struct spawn){ .argv = argv, .envp = (char *const *)nothing });
	check_int(procstat_env(k.child.pid, "MARK", value, sizeof(value)), PROCSTAT_NO_ENV);
	child_signal(&k.child, SIGKILL);
	kid_wait(&k);
	check_int(procstat_env(1 << 29, "MARK", value, sizeof(value)), -1);
}
