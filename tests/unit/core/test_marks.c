/* What was under way when a process was killed is found by the next one. */
#include "core/store/marks.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"

static char path[64];

static struct marks *opened(void)
{
	struct marks *m = NULL;
	struct err err = { .text = "" };

	cr_assert(marks_open(&m, path, &err) == 0, "%s", err.text);
	return m;
}

static void name(void)
{
	snprintf(path, sizeof(path), "/tmp/test_marks.XXXXXX");
	close(mkstemp(path));
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

Test(marks, outlive_a_kill_and_no_more)
{
	enum { SET = 20000 };
	size_t n;

	name();
	pid_t pid = fork();
	if (pid == 0) {
		static uint32_t at[SET];
		struct marks *m = opened();
		for (uint64_t i = 0; i < SET; i++) /* more than a new file has room for */
			at[i] = marks_set(m, i + 1);
		for (uint64_t i = 0; i < SET - 3; i++)
			marks_clear(m, at[i]);
		marks_set(m, 777777);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	struct marks *m = opened();
	const uint64_t *left = marks_left(m, &n);
	cr_assert(n == 4, "%zu", n);
	uint64_t sorted[4] = { left[0], left[1], left[2], left[3] };
	qsort(sorted, 4, sizeof(uint64_t), ascending);
	cr_expect(sorted[0] == SET - 2 && sorted[2] == SET && sorted[3] == 777777);
	marks_set(m, 5);
	marks_close(m);
	m = opened();
	marks_left(m, &n);
	cr_expect(n == 0, "an end of one's own will leaves nothing");
	marks_close(m);
	unlink(path);
}

Test(marks, a_file_from_before_the_boot_is_not_believed)
{
	size_t n;
	uint64_t boot = 12345;

	name();
	pid_t pid = fork();
	if (pid == 0) {
		marks_set(opened(), 9);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	int fd = open(path, O_WRONLY);
	cr_assert(pwrite(fd, &boot, sizeof(boot), 8) == sizeof(boot));
	close(fd);
	struct marks *m = opened();
	marks_left(m, &n);
	cr_expect(n == 0);
	marks_close(m);
	unlink(path);
}

Test(marks, says_where_it_can_not_be)
{
	struct marks *m;
	struct err err;

	cr_expect(marks_open(&m, "/nowhere/at/all", &err) == UV_ENOENT);
	cr_expect_str_eq(err.text, "/nowhere/at/all: No such file or directory");
}
