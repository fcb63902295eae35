/*
 * What is on its way from a pipe to a file, and what the next process makes of it. The crash is a
 * child that ends at a given system call; where none is needed, a second opening of the same
 * memory.
 */
#include "core/proc/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "tests/lib/check.h"

static const char text[] = "0123456789 and so on";

static struct scene {
	struct inflight f;
	int pipe[2];
	char path[64];
	int file;
} s;

static void set_up(void)
{
	alarm(60);
	cr_assert(pipe2(s.pipe, O_CLOEXEC | O_NONBLOCK) == 0);
	strcpy(s.path, "/tmp/test_inflight.XXXXXX");
	s.file = mkostemp(s.path, O_APPEND | O_CLOEXEC);
	cr_assert(s.file >= 0);
	cr_assert(inflight_open(&s.f, -1) == 0);
}

static void tear_down(void)
{
	inflight_close(&s.f);
	inflight_close(&s.f); /* once more does nothing */
	close(s.pipe[0]);
	close(s.pipe[1]);
	close(s.file);
	unlink(s.path);
}

TestSuite(inflight, .init = set_up, .fini = tear_down);

/* The next process: it has the memory from a keeper. */
static void come_after(struct inflight *next)
{
	check_int(inflight_open(next, dup(inflight_fd(&s.f))), 0);
}

static void fill(const void *data, size_t n)
{
	cr_assert(write(s.pipe[1], data, n) == (ssize_t)n);
}

/* What is left of `id`, compared. */
static void check_left(struct inflight *f, const char *id, const char *want, size_t want_written)
{
	struct inflight_rest r = { .area = NULL };
	const void *data;
	size_t written = 99;

	inflight_rest_find(f, &r, id, &data);
	size_t n = inflight_left(f, &r, id, s.path, &written);
	check_int(n, strlen(want));
	check_int(written, want_written);
	check_int(memcmp(f->room, want, n), 0);
}

Test(inflight, reads_as_read_does)
{
	char *much = calloc(1, INFLIGHT_ROOM);

	check_int(inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM), -1);
	check_int(errno, EAGAIN);
	for (size_t n = 1; n <= sizeof(text);
	     n++) { /* few bytes, and many, are marked each in its way */
		fill(text, n);
		check_int(inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM), n);
		check_int(memcmp(s.f.room, text, n), 0);
	}
	fill(text, 20);
	check_int(inflight_read(&s.f, s.pipe[0], "a", 12), 12);
	check_int(inflight_read(&s.f, s.pipe[0], "a", 12), 8);
	check_int(memcmp(s.f.room, text + 12, 8), 0);
	cr_assert(fcntl(s.pipe[1], F_SETPIPE_SZ, 1 << 20) == 1 << 20);
	fill(much, INFLIGHT_ROOM);
	fill("x", 1);
	check_int(inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM), INFLIGHT_ROOM);
	check_int(inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM), 1);
	close(s.pipe[1]);
	check_int(inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM), 0);
	check_int(inflight_read(&s.f, -1, "a", INFLIGHT_ROOM), -1);
	check_int(errno, EBADF);
	free(much);
}

Test(inflight, what_was_read_and_not_finished_is_there)
{
	struct inflight next;

	come_after(&next);
	check_left(&next, "a", "", 0);
	inflight_close(&next);
	fill(text, 10);
	inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
	come_after(&next);
	check_left(&next, "b", "", 0);
	check_left(&next, "a", "0123456789", 0);
	check_left(&next, "a", "0123456789", 0); /* asked twice: who asks may die, too */
	inflight_done(&next);
	check_left(&next, "a", "", 0);
	inflight_close(&next);
	check_left(&s.f, "a", "", 0);
}

Test(inflight, nobody_asks)
{
	struct inflight next;

	fill(text, 10);
	inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
	come_after(&next);
	inflight_sweep(&next);
	check_left(&next, "a", "", 0);
	inflight_close(&next);
}

/* Each write before a crash, as far as it came. */
Test(inflight, tells_how_much_is_in_the_file)
{
	static const struct {
		size_t before; /* written, and noted */
		size_t piece;  /* announced */
		size_t did;    /* in the file, not noted */
		size_t want;
	} cases
		[] = {
			{ 0, 0, 0, 0 }, { 0, 10, 0, 0 }, { 0, 10, 3, 3 }, { 0, 10, 10, 10 },
			{ 4, 0, 0, 4 }, { 4, 6, 0, 4 },  { 4, 6, 5, 9 },  { 4, 6, 6, 10 },
			{ 4, 3, 6, 7 }, /* another wrote behind it: no more than the piece is ours
					 */
		};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inflight next;
		fill(text, 10);
		check_int(inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM), 10);
		if (cases[i].before) {
			inflight_writing(&s.f, s.file, cases[i].before);
			cr_assert(write(s.file, text, cases[i].before) >= 0);
			inflight_wrote(&s.f, cases[i].before);
		}
		if (cases[i].piece)
			inflight_writing(&s.f, s.file, cases[i].piece);
		cr_assert(write(s.file, text, cases[i].did) >= 0);
		come_after(&next);
		check_left(&next, "a", "0123456789", cases[i].want);
		check_left(&next, "a", "0123456789", cases[i].want);
		inflight_writing(&next, s.file, 1); /* the next one's writes are counted on top */
		inflight_wrote(&next, 1);
		check_left(&next, "a", "0123456789", cases[i].want + 1);
		inflight_done(&next);
		inflight_close(&next);
	}
}

/* Where the file can't tell, a piece is written again: rather twice than never. */
Test(inflight, a_file_that_cannot_tell)
{
	struct inflight next;
	struct inflight_rest none = { .area = NULL };
	size_t written;
	char old[80];

	fill(text, 10);
	inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
	inflight_writing(&s.f, s.pipe[1], 10); /* a pipe has no size */
	come_after(&next);
	check_left(&next, "a", "0123456789", 0);
	inflight_close(&next);
	inflight_writing(&s.f, s.file, 10);
	cr_assert(write(s.file, text, 10) == 10);
	snprintf(old, sizeof(old), "%s.1", s.path);
	cr_assert(rename(s.path, old) == 0);
	come_after(&next);
	check_left(&next, "a", "0123456789", 0); /* moved away */
	int other = open(s.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(write(other, text, 20) == 20);
	close(other);
	inflight_writing(&s.f, s.file, 10);
	check_left(&next, "a", "0123456789", 0); /* and another one there */
	check_int(inflight_left(&next, &none, "a", NULL, &written), 10);
	check_int(written, 0);
	unlink(old);
	inflight_close(&next);
}

/* ---- incomplete lines ------------------------------------------------------------ */

/* An incomplete line of `id`, compared. */
static void check_rest(struct inflight *f, const char *id, const char *want)
{
	struct inflight_rest r = { .area = NULL };
	const void *data = NULL;
	size_t n = inflight_rest_find(f, &r, id, &data);

	check_int(n, strlen(want));
	check_int(n ? memcmp(data, want, n) : 0, 0);
	inflight_rest_free(f, &r);
}

Test(inflight, keeps_the_newest_rest_of_each)
{
	struct inflight next;
	struct inflight_rest rest[40] = { { .area = NULL } };
	char id[INFLIGHT_ID], want[32];

	check_int(inflight_rest_put(&s.f, &rest[0], "none", "", 0), 0);
	check_true(rest[0].area == NULL);
	for (int round = 0; round < 3; round++) {
		fill("x\n", 2);
		inflight_read(&s.f, s.pipe[0], "p0", INFLIGHT_ROOM);
		for (int i = 0; i < 40; i++) {
			snprintf(id, sizeof(id), "p%d", i);
			int n = snprintf(want, sizeof(want), "line %d of %d", round, i);
			check_int(inflight_rest_put(&s.f, &rest[i], id, want, (size_t)n), 0);
		}
		inflight_done(&s.f);
	}
	inflight_rest_free(&s.f, &rest[7]);
	inflight_rest_free(&s.f, &rest[7]); /* once more does nothing */
	come_after(&next);
	check_rest(&next, "p3", "line 2 of 3");
	check_rest(&next, "p39", "line 2 of 39");
	check_rest(&next, "p7", "");
	check_rest(&next, "p3", ""); /* it was taken, and freed */
	check_rest(&next, "p4", "line 2 of 4");
	inflight_sweep(&next);
	check_rest(&next, "p5", "");
	inflight_close(&next);
	come_after(&next); /* as it was before for who comes third: nothing */
	check_rest(&next, "p5", "");
	inflight_close(&next);
	for (int i = 0; i < 40; i++)
		inflight_rest_free(&s.f, &rest[i]);
}

Test(inflight, a_rest_that_is_found_goes_on)
{
	struct inflight next, third;
	struct inflight_rest r = { .area = NULL }, again = { .area = NULL };
	const void *data;

	fill("half a l", 8);
	inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
	inflight_rest_put(&s.f, &r, "a", "half a l", 8);
	come_after(&next);
	check_int(inflight_rest_find(&next, &again, "a", &data), 8);
	fill("ine, then", 9);
	inflight_read(&next, s.pipe[0], "a", INFLIGHT_ROOM);
	check_int(inflight_rest_put(&next, &again, "a", "half a line, then", 17), 0);
	come_after(&third);
	check_rest(&third, "a", "half a line, then");
	inflight_close(&third);
	inflight_rest_free(&next, &again);
	inflight_close(&next);
	inflight_rest_free(&s.f, &r);
}

/* The rest that a read made says that it was finished: it is not given out a second time. */
Test(inflight, a_rest_tells_that_the_read_is_done)
{
	struct inflight next;
	struct inflight_rest r = { .area = NULL };

	fill(text, 10);
	inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
	inflight_rest_put(&s.f, &r, "a", text, 10);
	come_after(&next);
	check_left(&next, "a", "", 0);
	inflight_close(&next);
	inflight_done(&s.f);
	fill(text, 5);
	inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM); /* that rest is of an earlier one */
	come_after(&next);
	check_left(&next, "a", "01234", 0);
	inflight_close(&next);
	inflight_rest_free(&s.f, &r);
}

/* Memory of who is gone is given back, and used again. */
Test(inflight, rests_come_and_go)
{
	struct stat before, now;

	for (int i = 0; i < 100; i++) {
		struct inflight_rest r = { .area = NULL };
		char *rest = calloc(1, INFLIGHT_REST);
		check_int(inflight_rest_put(&s.f, &r, "a", rest, INFLIGHT_REST), 0);
		inflight_rest_free(&s.f, &r);
		free(rest);
		if (i == 0)
			cr_assert(fstat(inflight_fd(&s.f), &before) == 0);
	}
	cr_assert(fstat(inflight_fd(&s.f), &now) == 0);
	check_int(now.st_size, before.st_size);
	check_int(now.st_blocks, before.st_blocks);
	check_true(now.st_blocks * 512 < INFLIGHT_REST);
}

static void on_fault(int sig)
{
	(void)sig;
	_exit(0);
}

/* Half of the new one is copied when we die: the old one still stands. */
Test(inflight, killed_while_a_rest_is_copied)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *data =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct inflight_rest r = { .area = NULL };
	struct inflight next;

	cr_assert(data != MAP_FAILED && mprotect(data + page, page, PROT_NONE) == 0);
	for (int i = 0; i < 2; i++) { /* on either side */
		char want[16];
		int status, n = snprintf(want, sizeof(want), "old %d", i), pid;
		fill("x", 1);
		inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
		inflight_rest_put(&s.f, &r, "a", want, (size_t)n);
		inflight_done(&s.f);
		if ((pid = fork()) == 0) {
			signal(SIGSEGV, on_fault);
			inflight_rest_put(&s.f, &r, "a", data, 2 * page);
			_exit(1);
		}
		cr_assert(waitpid(pid, &status, 0) == pid);
		check_int(status, 0);
		struct inflight_rest found = { .area = NULL };
		const void *rest = "";
		come_after(&next);
		check_int(inflight_rest_find(&next, &found, "a", &rest), n);
		check_int(memcmp(rest, want, (size_t)n), 0);
		inflight_close(&next);
	}
	inflight_rest_free(&s.f, &r);
	munmap(data, 2 * page);
}

Test(inflight, bounds)
{
	struct inflight_rest r = { .area = NULL };
	char *most = calloc(1, INFLIGHT_REST + 1);

	check_int(inflight_rest_put(&s.f, &r, "a", most, INFLIGHT_REST), 0);
	check_int(inflight_rest_put(&s.f, &r, "a", most, INFLIGHT_REST + 1), UV_E2BIG);
	check_rest(&s.f, "b", "");
	inflight_rest_free(&s.f, &r);
	free(most);
}

Test(inflight, refuses_what_is_not_its_own)
{
	struct inflight f;
	int fd = memfd_create("strange", MFD_CLOEXEC);

	check_int(inflight_open(&f, fd), UV_EINVAL); /* too short */
	check_true(f.room == NULL);
	cr_assert(ftruncate(fd, 1 << 20) == 0);
	check_int(inflight_open(&f, fd), UV_EINVAL); /* of no known layout */
	check_int(fcntl(fd, F_GETFD) >= 0, 1);       /* and still ours */
	check_int(inflight_open(&f, s.pipe[0]), UV_EINVAL);
	inflight_done(&f); /* of one that is not open, nothing is kept */
	inflight_wrote(&f, 1);
	inflight_writing(&f, s.file, 1);
	inflight_sweep(&f);
	inflight_close(&f);
	close(fd);
}

/* ---- killed in a read ------------------------------------------------------------- */

enum { NO_FILTER = 77, WAS_THERE = 9 };

static bool reads_first;
static size_t in_pipe;

/* In place of read(2): we die before it, or right behind it. */
static void on_read(int sig)
{
	struct iovec iov = { s.f.room, in_pipe };

	(void)sig;
	if (reads_first && readv(s.pipe[0], &iov, 1) < 0)
		_exit(1);
	_exit(WAS_THERE);
}

/* read(2) of this descriptor raises SIGSYS. */
static int trap_read(int fd)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)fd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(steps) / sizeof(steps[0]), steps };

	signal(SIGSYS, on_read);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int die_at_read(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (trap_read(s.pipe[0]) != 0)
			_exit(NO_FILTER);
		inflight_read(&s.f, s.pipe[0], "a", INFLIGHT_ROOM);
		_exit(2);
	}
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(inflight, killed_in_a_read)
{
	/* also text that begins as the mark of few bytes might: with the complement of what is
	 * there */
	static const size_t sizes[] = { 1, 2, 7, 8, 9, 20 };

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct inflight next;
		char want[32] = "", got[32];
		in_pipe = sizes[i / 2];
		reads_first = i % 2;
		fill(text, in_pipe);
		int status = die_at_read();
		if (status == NO_FILTER)
			cr_skip("valgrind has no system call filters\n");
		check_int(status, WAS_THERE);
		memcpy(want, text, in_pipe);
		come_after(&next);
		check_left(&next, "a", reads_first ? want : "", 0);
		ssize_t rest = read(s.pipe[0], got, sizeof(got)); /* each byte here or there */
		check_int(rest, reads_first ? -1 : (ssize_t)in_pipe);
		inflight_close(&next);
	}
}
