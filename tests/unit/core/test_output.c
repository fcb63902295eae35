#include "core/proc/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zstd.h>

#include "core/base/mem.h"
#include "core/proc/ansi.h"
#include "core/proc/follow.h"
#include "core/proc/input.h"
#include "tests/lib/check.h"
#include "tests/lib/kid.h"

/* One loop with its outputs, and a folder for their files. */
static struct desk {
	uv_loop_t loop;
	struct outputs all;
	char folder[64], path[128];
	int eofs, closes, troubles, well;
	uint64_t told;
} desk;

static void on_trouble(struct logfiles *all, const char *path, int code, uint64_t dropped)
{
	(void)all;
	(void)path;
	desk.troubles += code != 0;
	desk.well += code == 0;
	desk.told += dropped;
}

static void set_up(void)
{
	alarm(60); /* Criterion's own time limit leaks when tests run side by side */
	signal(SIGPIPE, SIG_IGN);
	strcpy(desk.folder, "/tmp/test_output.XXXXXX");
	cr_assert(mkdtemp(desk.folder) != NULL);
	snprintf(desk.path, sizeof(desk.path), "%s/log", desk.folder);
	uv_loop_init(&desk.loop);
	outputs_init(&desk.all, &desk.loop);
	desk.all.files.on_trouble = on_trouble;
}

static void tear_down(void)
{
	char command[128];

	outputs_close(&desk.all, NULL);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&desk.loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", desk.folder);
	check_int(system(command), 0);
}

TestSuite(output, .init = set_up, .fini = tear_down);

static void on_closed(struct output *o)
{
	(void)o;
	desk.closes++;
}

static void on_eof(struct output *o)
{
	desk.eofs++;
	output_close(o, on_closed);
}

static void open_output(struct output *o, int fd, const struct output_spec *spec)
{
	struct err err = { 0 };

	memset(o, 0, sizeof(*o));
	check_int(output_open(o, &desk.all, fd, spec, &err), 0);
	cr_assert(err.code == 0, "%s", err.text);
	output_on(o, on_eof, NULL);
}

/* Starts a script whose output goes through o. */
static void start(struct output *o, struct kid *k, const char *script,
		  const struct output_spec *spec)
{
	int ends[2];
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	cr_assert(output_pipe(ends) == 0);
	open_output(o, ends[0], spec);
	const struct spawn_fd fds[] = { { 1, ends[1] }, { 2, ends[1] } };
	kid_start(k,
		  &(struct spawn){ .argv = argv, .fds = fds, .n_fds = 2, .group = SPAWN_SESSION });
	close(ends[1]);
}

static void run(const char *script, const struct output_spec *spec)
{
	struct output o;
	struct kid k;

	start(&o, &k, script, spec);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	kid_wait(&k);
}

static size_t contents(const char *path, char **text)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	*text = mem_new(64 << 20);
	if (f) {
		n = fread(*text, 1, (64 << 20) - 1, f);
		fclose(f);
	}
	return n;
}

static void check_file(const char *path, const char *want)
{
	char *text;
	size_t n = contents(path, &text);

	cr_expect(n == strlen(want) && memcmp(text, want, n) == 0, "%s: got %zu bytes '%.300s'",
		  path, n, text);
	free(text);
}

/* FILE.n, oldest first, then FILE: are they the words of script? Each but the last ends with a
 * line, and is not longer than most. */
static void check_pieces(const char *script, int64_t most)
{
	char command[512];
	struct kid k;

	snprintf(
		command, sizeof(command),
		"cd %s; for f in $(ls | sort -t. -k2 -n -r); do case $f in log.*) "
		"[ $(stat -c %%s $f) -le %ld ] || echo long; tail -c1 $f | tr '\\n' n | grep -qx n "
		"|| echo torn;; esac; done; "
		"cat $(ls -v log.* 2>/dev/null | tac) log | cmp - /dev/fd/4 && echo same",
		desk.folder, (long)most);
	char both[1024];
	snprintf(both, sizeof(both), "(%s) 4<<END\n$(%s)\nEND", command, script);
	kid_script(&k, both);
	check_str(k.out, "same\n");
}

Test(output, raw_bytes_are_the_same)
{
	const struct output_spec spec = { .name = "a", .path = desk.path };

	run("printf 'no end'", &spec);
	check_file(desk.path, "no end");
	run("echo; printf 'a\\0b\\n'; echo err >&2", &spec);
	char *text;
	check_int(contents(desk.path, &text), 15);
	cr_expect(memcmp(text, "no end\na\0b\nerr\n", 15) == 0);
	free(text);
	check_int(desk.eofs, 2);
	check_int(desk.closes, 2);
	struct stat st;
	stat(desk.path, &st);
	check_int(st.st_mode & 0777 & ~022, 0644);
}

Test(output, a_flood_passes_whole)
{
	const struct output_spec spec = { .name = "a", .path = desk.path };

	run("seq 1 2000000", &spec);
	check_pieces("seq 1 2000000", 0);
}

Test(output, rotates_at_line_ends_and_loses_no_byte)
{
	struct output_spec spec = { .name = "a",
				    .path = desk.path,
				    .file = { .max_size = 1000000, .keep = 100 } };

	run("seq 1 1000000", &spec);
	check_pieces("seq 1 1000000", 1000000);
	char name[160];
	snprintf(name, sizeof(name), "%s.6", desk.path);
	check_int(access(name, F_OK), 0);
	spec.file.keep = 2; /* what is more than two is not made, what is there is not touched */
	spec.file.max_size = 100;
	run("seq 1 100", &spec);
}

Test(output, rotates_small_writes_too)
{
	const struct output_spec spec = { .name = "a",
					  .path = desk.path,
					  .file = { .max_size = 50, .keep = 1000 } };

	run("for i in $(seq 1 300); do echo line $i of many; done", &spec);
	check_pieces("for i in $(seq 1 300); do echo line $i of many; done", 50);
}

Test(output, keeps_so_many_and_breaks_endless_lines)
{
	struct output_spec spec = { .name = "a",
				    .path = desk.path,
				    .file = { .max_size = 1000, .keep = 2 } };
	char name[160];
	struct stat st;

	run("seq 1 3000", &spec);
	snprintf(name, sizeof(name), "%s.2", desk.path);
	check_int(access(name, F_OK), 0);
	snprintf(name, sizeof(name), "%s.3", desk.path);
	check_int(access(name, F_OK), -1);
	spec.file.keep = 0;
	run("seq 1 3000", &spec);
	stat(desk.path, &st);
	cr_expect(st.st_size <= 1000);
	run("head -c 5000000 /dev/zero", &spec);
	stat(desk.path, &st);
	cr_expect(st.st_size <= 1000 + 1024 * 1024, "%ld", (long)st.st_size);
}

Test(output, a_line_longer_than_the_file_stays_whole)
{
	const struct output_spec spec = { .name = "a",
					  .path = desk.path,
					  .file = { .max_size = 10, .keep = 10 } };
	char name[160];

	run("echo a; echo this is longer than ten; echo b", &spec);
	snprintf(name, sizeof(name), "%s.1", desk.path);
	check_file(name, "this is longer than ten\n");
	check_file(desk.path, "b\n");
}

Test(output, old_files_are_compressed)
{
	const struct output_spec spec = { .name = "a",
					  .path = desk.path,
					  .file = { .max_size = 100000, .keep = 3, .zstd = true } };
	char name[160], *packed, *text = mem_new(200000);
	struct stat st;

	run("seq 100000 199999; sleep 0.3; seq 200000 230000", &spec);
	snprintf(name, sizeof(name), "%s.1", desk.path);
	for (int i = 0; i < 5 && access(name, F_OK) == 0; i++)
		run("sleep 0.1", &spec); /* what an end in a hurry left is done by the next */
	snprintf(name, sizeof(name), "%s.1.zst", desk.path);
	cr_assert(stat(name, &st) == 0);
	size_t n = contents(name, &packed);
	size_t got = ZSTD_decompress(text, 200000, packed, n);
	cr_expect(ZSTD_isError(got) == 0 && got > 90000 && got <= 100000 && n < got / 2);
	check_int(text[got - 1], '\n');
	free(packed);
	free(text);
	snprintf(name, sizeof(name), "%s.zst.tmp", desk.path);
	check_int(access(name, F_OK), -1);
	snprintf(name, sizeof(name), "%s.1", desk.path);
	check_int(access(name, F_OK), -1);
}

Test(output, old_age_rotates)
{
	const struct output_spec spec = { .name = "a",
					  .path = desk.path,
					  .file = { .max_age = 100, .keep = 5 } };
	char name[160];

	run("echo one; sleep 0.3; echo two", &spec);
	check_file(desk.path, "two\n");
	snprintf(name, sizeof(name), "%s.1", desk.path);
	check_file(name, "one\n");
}

/* ---- what takes nothing -------------------------------------------------------- */

Test(output, a_full_disk_holds_nobody_for_long)
{
	struct output o;
	struct kid k;

	desk.all.files.block = 300;
	uint64_t start_ms = uv_hrtime() / 1000000;
	start(&o, &k, "seq 1 500000", &(struct output_spec){ .name = "a", .path = "/dev/full" });
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	kid_wait(&k);
	uint64_t took = uv_hrtime() / 1000000 - start_ms;
	cr_expect(took >= 250 && took < 3000, "%lu ms", (unsigned long)took);
	check_int(o.bytes, 3388895);
	check_int(output_dropped(&o), o.bytes);
	check_int(desk.troubles, 1);
}

/* A disk of that size on our folder, that goes with the process. */
static bool mount_small(const char *size)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
	       mount("tmpfs", desk.folder, "tmpfs", 0, size) == 0;
}

Test(output, goes_on_when_there_is_space_again)
{
	char path[160], ballast[160];
	struct output o;
	struct kid k;

	if (!mount_small("size=1m"))
		return;
	snprintf(path, sizeof(path), "%s/log", desk.folder);
	snprintf(ballast, sizeof(ballast), "%s/ballast", desk.folder);
	char command[256];
	snprintf(command, sizeof(command), "head -c 1000000 /dev/zero >%s; sync", ballast);
	check_int(system(command), 0);
	desk.all.files.block = 200;
	snprintf(command, sizeof(command),
		 "seq 100000 199999; sleep 0.6; rm %s; sleep 1.1; printf 'tail of a lost line\\n'; "
		 "seq 1 1000",
		 ballast);
	start(&o, &k, command, &(struct output_spec){ .name = "a", .path = path });
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	kid_wait(&k);
	char *text;
	size_t n = contents(path, &text);
	cr_expect(output_dropped(&o) > 500000);
	check_int(n, o.bytes - output_dropped(&o));
	cr_expect(strstr(text, "\n999\n1000\n") != NULL);
	check_int(desk.troubles, 1);
	check_int(desk.well, 1);
	free(text);
	umount(desk.folder);
}

Test(output, waits_for_space_without_a_loss)
{
	char command[256];

	if (!mount_small("size=2m"))
		return;
	snprintf(command, sizeof(command),
		 "head -c 2000000 /dev/zero >%s/ballast; (sleep 0.5; rm %s/ballast) & seq 1 100000",
		 desk.folder, desk.folder);
	run(command, &(struct output_spec){ .name = "a", .path = desk.path });
	check_pieces("seq 1 100000", 0);
	check_int(desk.troubles, 0);
	umount(desk.folder);
}

/* Reads all of a pipe, late or slowly, on a thread. */
struct reader {
	int fd;
	unsigned late_us, pause_us;
	char *text;
	size_t n;
};

static void *read_pipe(void *arg)
{
	struct reader *r = arg;
	ssize_t n;

	usleep(r->late_us);
	while ((n = read(r->fd, r->text + r->n, 4096)) > 0) {
		r->n += (size_t)n;
		if (r->pause_us)
			usleep(r->pause_us);
	}
	return NULL;
}

static void check_whole_lines(const char *text, size_t n)
{
	static const char head[] = "web | line ", end[] = " of the log\n";
	long last = 0;
	char *rest;

	for (const char *at = text; at < text + n; at = rest + strlen(end)) {
		cr_assert(strncmp(at, head, strlen(head)) == 0, "%.40s", at);
		long line = strtol(at + strlen(head), &rest, 10);
		cr_assert(strncmp(rest, end, strlen(end)) == 0, "%.40s", at);
		cr_assert(line > last);
		last = line;
	}
}

/* Through "/dev/fd/N", a pipe that somebody reads as the reader says. */
static void run_read(struct output *o, struct reader *r, const char *script)
{
	int ends[2];
	char path[32];
	pthread_t thread;
	struct kid k;

	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[1]);
	r->fd = ends[0];
	r->text = mem_new(16 << 20);
	start(o, &k, script,
	      &(struct output_spec){ .name = "web",
				     .path = path,
				     .format = OUTPUT_PREFIX,
				     .file = { .max_size = 10, .keep = 3 } });
	close(ends[1]);
	pthread_create(&thread, NULL, read_pipe, r);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 1);
	outputs_close(&desk.all, NULL);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	outputs_init(&desk.all, &desk.loop);
	kid_wait(&k);
	close(ends[0]);
}

static const char *many_lines = "i=1; while [ $i -le 30000 ]; do echo line $i of the log; "
				"i=$((i+1)); done";

Test(output, a_slow_reader_misses_nothing)
{
	struct output o;
	struct reader r = { .pause_us = 200 };

	run_read(&o, &r, many_lines);
	check_int(output_dropped(&o), 0);
	check_whole_lines(r.text, r.n);
	cr_expect(strstr(r.text, "web | line 30000 of the log\n") != NULL);
	free(r.text);
}

Test(output, a_reader_who_sleeps_gets_whole_lines_later)
{
	struct output o;
	struct reader r = { .late_us = 1000000 };
	char script[256];

	desk.all.files.block = 200;
	snprintf(script, sizeof(script), "%s; sleep 1.5; echo line 30001 of the log", many_lines);
	run_read(&o, &r, script);
	cr_expect(output_dropped(&o) > 0);
	check_whole_lines(r.text, r.n);
	cr_expect(strstr(r.text, "web | line 30001 of the log\n") != NULL);
	free(r.text);
}

Test(output, a_reader_who_left_holds_nobody)
{
	int ends[2];
	char path[32];

	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	close(ends[0]);
	run("seq 1 100000", &(struct output_spec){ .name = "a", .path = path });
	check_int(desk.eofs, 1);
	check_int(desk.troubles, 1);
	close(ends[1]);
}

Test(output, a_fifo_needs_no_reader)
{
	char text[32] = "";

	check_int(mkfifo(desk.path, 0600), 0);
	int fd = open(desk.path, O_RDONLY | O_NONBLOCK);
	run("echo hello", &(struct output_spec){ .name = "a", .path = desk.path });
	check_int(read(fd, text, sizeof(text)), 6);
	check_str(text, "hello\n");
	close(fd);
	run("echo hello", &(struct output_spec){ .name = "a", .path = desk.path });
}

/* ---- formats ---------------------------------------------------------------------- */

/* What the file holds when text comes in pieces of n bytes. */
static void check_format(const struct output_spec *spec, const char *text, size_t piece,
			 const char *want)
{
	struct output o;
	int ends[2];
	size_t all = strlen(text);

	unlink(desk.path);
	cr_assert(output_pipe(ends) == 0);
	open_output(&o, ends[0], spec);
	for (size_t at = 0; at < all; at += piece)
		output_feed(&o, text + at, all - at < piece ? all - at : piece);
	close(ends[1]);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_file(desk.path, want);
}

Test(output, lines_may_be_cut_anywhere)
{
	struct output_spec spec = { .name = "web", .path = desk.path, .format = OUTPUT_PREFIX };

	for (size_t piece = 1; piece < 16; piece++) {
		check_format(&spec, "one\n\ntwo\nthree", piece,
			     "web | one\nweb | \nweb | two\nweb | three\n");
		check_format(&spec, "\n", piece, "web | \n");
	}
	spec.strip_ansi = true;
	for (size_t piece = 1; piece < 40; piece++)
		check_format(&spec,
			     "\033[1;31mred\033[0m \033]0;title\a\033(Bx\033[2K\033]8;;u\033\\z\n",
			     piece, "web | red xz\n");
	spec.format = OUTPUT_RAW;
	check_format(&spec, "a\033[5mb\033[1\nc", 1, "ab\nc");
}

static void check_json(const char *text, const char *want)
{
	struct output o;
	int ends[2];
	char *got;

	unlink(desk.path);
	cr_assert(output_pipe(ends) == 0);
	open_output(&o, ends[0],
		    &(struct output_spec){ .name = "web:1",
					   .stream = "stderr",
					   .path = desk.path,
					   .format = OUTPUT_JSON });
	output_feed(&o, text, strlen(text));
	close(ends[1]);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	contents(desk.path, &got);
	cr_expect(strncmp(got, "{\"time\":\"20", 11) == 0, "%s", got);
	char *rest = strstr(got, "\",\"name\"");
	check_int(rest - got, 33);
	check_str(rest, want);
	free(got);
}

Test(output, json_is_valid_whatever_comes)
{
	check_json("a \"b\" \\ \t\001\n", "\",\"name\":\"web:1\",\"stream\":\"stderr\",\"line\":"
					  "\"a \\\"b\\\" \\\\ \\t\\u0001\"}\n");
	check_json("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xff \xc3 \xed\xa0\x80 \x7f\n",
		   "\",\"name\":\"web:1\",\"stream\":\"stderr\",\"line\":\"\xc3\xa4 \xe2\x82\xac "
		   "\xf0\x9f\x98\x80 \\ufffd \\ufffd \\ufffd\\ufffd\\ufffd \\u007f\"}\n");
}

Test(output, endless_lines_are_broken)
{
	struct output o;
	int ends[2];
	char *text, *big = mem_new(200001);

	memset(big, 'x', 200000);
	cr_assert(output_pipe(ends) == 0);
	open_output(
		&o, ends[0],
		&(struct output_spec){ .name = "w", .path = desk.path, .format = OUTPUT_PREFIX });
	output_feed(&o, big, 200000);
	output_feed(&o, "\n", 1);
	close(ends[1]);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	size_t n = contents(desk.path, &text);
	check_int(n, 200000 + 4 * 5);
	free(text);
	free(big);
}

Test(output, syslog_gets_lines)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[128];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/syslog", desk.folder);
	check_int(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	desk.all.syslog = a.sun_path;
	run("printf 'one\\n\\ntwo'",
	    &(struct output_spec){ .name = "web", .syslog = true, .path = desk.path });
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	check_str(text, "<30>web: one");
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	check_str(text, "<30>web: two");
	check_file(desk.path, "one\n\ntwo");
	desk.all.rfc5424 = true;
	run("echo x", &(struct output_spec){ .name = "web", .stream = "stderr", .syslog = true });
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	cr_expect(strncmp(text, "<27>1 20", 8) == 0 && strstr(text, "Z - web - - - x"), "%s", text);
	close(fd);
	unlink(a.sun_path);
	run("echo x", &(struct output_spec){ .name = "web", .syslog = true });
	check_int(desk.all.syslog_lost, 1);
}

/* ---- tails ------------------------------------------------------------------------- */

static void check_read(const struct tail *t, int64_t offset, int64_t length, int rc,
		       const char *want)
{
	struct buf b;

	buf_init(&b, 100);
	check_int(tail_read(t, offset, length, &b), rc);
	buf_put(&b, "", 1);
	check_str(buf_data(&b), want);
	buf_fini(&b);
}

static void check_follow(const struct tail *t, int64_t offset, int64_t length, bool overflow,
			 const char *want)
{
	struct buf b;
	bool over;

	buf_init(&b, 100);
	tail_follow(t, &offset, length, &over, &b);
	buf_put(&b, "", 1);
	check_str(buf_data(&b), want);
	check_int(over, overflow);
	check_int(offset, 10);
	buf_fini(&b);
}

static void check_tails(const struct tail *t)
{
	check_read(t, 0, 0, 0, "0123456789");
	check_read(t, 3, 4, 0, "3456");
	check_read(t, 3, 0, 0, "3456789");
	check_read(t, -3, 0, 0, "789");
	check_read(t, -30, 0, 0, "0123456789");
	check_read(t, 100, 0, 0, "");
	check_read(t, 8, 100, 0, "89");
	check_read(t, -3, 1, UV_EINVAL, "");
	check_read(t, 0, -1, UV_EINVAL, "");
	check_follow(t, 0, 100, false, "0123456789");
	check_follow(t, 0, 4, true, "6789");
	check_follow(t, 8, 4, false, "6789");
	check_follow(t, 10, 4, false, "");
	check_follow(t, 99, 4, false, "");
	check_follow(t, 0, 0, true, "");
}

Test(output, tails_are_as_supervisord_gives_them)
{
	struct output o;
	int ends[2];

	run("printf 0123456789", &(struct output_spec){ .name = "a", .path = desk.path });
	struct tail file = { .path = desk.path }, none = { .path = "/no/such" };
	check_tails(&file);
	check_read(&none, 0, 0, UV_ENOENT, "");

	cr_assert(output_pipe(ends) == 0);
	open_output(&o, ends[0], &(struct output_spec){ .name = "a", .ring = 20 });
	output_feed(&o, "0123456789", 10);
	struct tail ring = output_tail(&o);
	check_tails(&ring);
	for (int i = 0; i < 100; i++)
		output_feed(&o, "abcdefg", 7);
	ring = output_tail(&o);
	check_int(ring.total, 710);
	check_read(&ring, -9, 0, 0, "fgabcdefg");
	check_read(&ring, 0, 0, 0, "bcdefgabcdefgabcdefg");
	check_read(&ring, 5, 600, 0, "");
	char *big = mem_new(100);
	memset(big, 'z', 100);
	output_feed(&o, big, 100);
	ring = output_tail(&o);
	check_read(&ring, 0, 0, 0, "zzzzzzzzzzzzzzzzzzzz");
	free(big);
	check_int(output_clear(&o), 0);
	ring = output_tail(&o);
	check_read(&ring, 0, 0, 0, "");
	close(ends[1]);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
}

/* ---- life ---------------------------------------------------------------------------- */

static void write_text(int fd, const char *text)
{
	check_int(write(fd, text, strlen(text)), strlen(text));
	uv_run(&desk.loop, UV_RUN_NOWAIT);
	uv_run(&desk.loop, UV_RUN_NOWAIT);
}

Test(output, others_may_move_empty_and_share_the_file)
{
	const struct output_spec spec = { .name = "a", .path = desk.path };
	struct output a, b;
	int one[2], two[2];
	char moved[160], other[160];

	snprintf(moved, sizeof(moved), "%s.moved", desk.path);
	snprintf(other, sizeof(other), "%s/./log", desk.folder);
	cr_assert(output_pipe(one) == 0 && output_pipe(two) == 0);
	open_output(&a, one[0], &spec);
	open_output(&b, two[0], &(struct output_spec){ .name = "b", .path = other });
	check_true(a.file->file == b.file->file);
	write_text(one[1], "1\n");
	write_text(two[1], "2\n");
	rename(desk.path, moved);
	write_text(one[1], "3\n");
	check_int(logfiles_reopen(&desk.all.files, NULL), 0);
	write_text(two[1], "4\n");
	check_file(moved, "1\n2\n3\n");
	check_file(desk.path, "4\n");
	check_int(output_clear(&a), 0);
	write_text(two[1], "5\n");
	check_file(desk.path, "5\n");
	check_int(logfile_rotate(a.file), 0);
	check_file(desk.path, "");
	check_int(output_change(&b, &(struct output_spec){ .name = "b", .path = moved }, NULL), 0);
	write_text(two[1], "6\n");
	write_text(one[1], "7\n");
	check_file(moved, "1\n2\n3\n6\n");
	check_file(desk.path, "7\n");
	struct err err;
	check_int(output_change(&b, &(struct output_spec){ .name = "b", .path = "/no/such/log" },
				&err),
		  UV_ENOENT);
	check_str(err.text, "/no/such/log: no such file or directory");
	write_text(two[1], "8\n");
	check_file(moved, "1\n2\n3\n6\n8\n");
	close(one[1]);
	close(two[1]);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 2);
}

Test(output, is_handed_over_with_its_half_line)
{
	const struct output_spec spec = { .name = "web",
					  .path = desk.path,
					  .format = OUTPUT_PREFIX };
	struct output o, next;
	int ends[2];
	char half[64];

	cr_assert(output_pipe(ends) == 0);
	open_output(&o, ends[0], &spec);
	write_text(ends[1], "one\ntw");
	size_t n;
	memcpy(half, output_partial(&o, &n), 2);
	check_int(n, 2);
	check_int(write(ends[1], "o\nthree\n", 8), 8); /* nobody has read that */
	int fd = output_detach(&o, on_closed);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 1);
	check_file(desk.path, "web | one\n");
	open_output(&next, fd, &spec);
	output_feed(&next, half, n);
	close(ends[1]);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_file(desk.path, "web | one\nweb | two\nweb | three\n");
}

Test(output, ends_though_a_descendant_holds_the_pipe)
{
	struct output o;
	struct kid k;

	start(&o, &k, "sleep 1000 & echo last words",
	      &(struct output_spec){ .name = "a", .path = desk.path });
	kid_wait(&k);
	output_finish(&o, on_closed);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 1);
	check_int(desk.eofs, 0);
	check_file(desk.path, "last words\n");
	kill(-k.child.pid, SIGKILL);
}

Test(output, finishing_waits_for_a_file_that_is_full)
{
	struct output o;
	struct kid k;

	desk.all.files.block = 300;
	start(&o, &k, "sleep 1000 & echo last words",
	      &(struct output_spec){ .name = "a", .path = "/dev/full" });
	kid_wait(&k);
	uint64_t before = uv_hrtime();
	output_finish(&o, on_closed);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	uint64_t took = (uv_hrtime() - before) / 1000000;
	check_int(desk.closes, 1);
	cr_expect(took >= 200 && took < 2000, "%d ms", (int)took);
	kill(-k.child.pid, SIGKILL);
}

static int followed;

static void on_follow(struct follow *f)
{
	(void)f;
	followed++;
}

Test(output, followers_never_hold_it_up)
{
	struct output o;
	struct kid k;
	struct follow quick, slow;

	start(&o, &k, "seq 1 10000", &(struct output_spec){ .name = "a", .path = desk.path });
	follow_start(&quick, &o, 1 << 20, on_follow);
	follow_start(&slow, &o, 10, on_follow);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	kid_wait(&k);
	check_int(buf_len(&quick.buf), o.bytes);
	check_int(quick.missed, 0);
	check_int(buf_len(&slow.buf), 10);
	check_int(slow.missed, o.bytes - 10);
	check_true(quick.ended && slow.ended);
	check_int(followed, 4);
	follow_stop(&quick);
	follow_stop(&slow);
}

static void on_tap_close(struct output_tap *t, const void *data, size_t n)
{
	struct output *o = t->owner;

	(void)data;
	if (n > 0)
		output_close(o, on_closed);
}

Test(output, a_tap_may_close_it)
{
	struct output o;
	struct kid k;
	struct output_tap t;

	start(&o, &k, "echo one; sleep 0.1; echo two",
	      &(struct output_spec){ .name = "a", .path = desk.path });
	output_tap(&o, &t, on_tap_close, &o);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 1);
	check_file(desk.path, "one\n");
	kid_wait(&k);
}

static void on_input_closed(struct input *i)
{
	(void)i;
	desk.closes++;
}

Test(output, input_reaches_a_program)
{
	int in[2], out[2];
	struct output o;
	struct input i = { 0 };
	struct kid k;
	const char *argv[] = { "cat", NULL };
	char *big = mem_new(300000);

	memset(big, 'x', 300000);
	cr_assert(input_pipe(in) == 0 && output_pipe(out) == 0);
	open_output(&o, out[0], &(struct output_spec){ .name = "a", .path = desk.path });
	const struct spawn_fd fds[] = { { 0, in[0] }, { 1, out[1] } };
	kid_start(&k, &(struct spawn){ .argv = argv, .fds = fds, .n_fds = 2 });
	close(in[0]);
	close(out[1]);
	check_int(input_open(&i, &desk.loop, in[1], 400000), 0);
	check_int(input_write(&i, "hello\n", 6), 0);
	check_int(input_write(&i, big, 300000), 0);
	cr_expect(input_backlog(&i) > 0);
	check_int(input_write(&i, big, 300000), ERR_LIMIT);
	input_finish(&i, on_input_closed);
	check_int(input_write(&i, "x", 1), UV_EPIPE);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 2);
	check_int(o.bytes, 300006);
	kid_wait(&k);
	free(big);

	cr_assert(input_pipe(in) == 0);
	check_int(input_open(&i, &desk.loop, in[1], 100), 0);
	close(in[0]);
	uv_run(&desk.loop, UV_RUN_ONCE);
	check_int(input_write(&i, "x", 1), UV_EPIPE);
	input_close(&i, on_input_closed);
	uv_run(&desk.loop, UV_RUN_DEFAULT);
	check_int(desk.closes, 3);
}
