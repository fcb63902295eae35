#include "core/pool/try.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/pool/twp.h"
#include "core/proc/env.h"
#include "core/proc/spawn.h"

enum { MAX_BODY = 1 << 20, MAX_JOBS = 64, LARGE = 300 * 1000, LINE = 160 };

struct sent {
	char id[16];
	int answers;
};

struct
try {
	const char *const *argv;
	const char *body, *topic;
	int credit_asked, patience; /* ms */
	bool verbose;

	int fd, words; /* its connection, and what it prints; -1: none */
	pid_t pid;
	char line[LINE + 1], printed[LINE + 1]; /* the present line, the last whole one */
	size_t line_len;
	bool misplaced; /* it says on standard output what belongs on descriptor 3 */
	struct buf in;
	int credit;
	bool pings, said_bye, closed;
	int64_t pong;
	struct sent jobs[MAX_JOBS];
	int n_jobs, open, numbers;
	int faults;
	bool lost; /* nothing more can be tried with this process */
};

/* ---- words ----------------------------------------------------------------------- */

static void say(const char *mark, const char *fmt, va_list ap)
{
	printf("%-4s ", mark);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
}

static void good(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void bad(struct try *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void good(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("ok", fmt, ap);
	va_end(ap);
}

static void bad(struct try *t, const char *fmt, ...)
{
	va_list ap;

	t->faults++;
	va_start(ap, fmt);
	say("BAD", fmt, ap);
	va_end(ap);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- what it prints ---------------------------------------------------------------- */

static void line_over(struct try *t)
{
	static const char *const ours[] = { "READY ", "ACK ", "FAIL " };

	t->line[t->line_len] = '\0';
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		t->misplaced |= strncmp(t->line, ours[i], strlen(ours[i])) == 0;
	if (t->line_len)
		strcpy(t->printed, t->line);
	t->line_len = 0;
}

static void hear_words(struct try *t)
{
	char text[4096];
	ssize_t n = read(t->words, text, sizeof(text));

	if (n <= 0) {
		close(t->words);
		t->words = -1;
		return;
	}
	if (t->verbose)
		fwrite(text, 1, (size_t)n, stdout);
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\n')
			line_over(t);
		else if (t->line_len < LINE)
			t->line[t->line_len++] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
}

/* ---- the process ------------------------------------------------------------------- */

static void fill_env(const struct try *t, struct env *env)
{
	char credit[16];

	snprintf(credit, sizeof(credit), "%d", t->credit_asked);
	env_inherit(env);
	env_set(env, "TROUPE_PROTO", "twp/1");
	env_set(env, "TROUPE_FD", "3");
	env_set(env, "TROUPE_ROLE", "worker-test");
	env_set(env, "TROUPE_POOL", "test");
	env_set(env, "TROUPE_WORKER", "1");
	env_set(env, "TROUPE_TITLE", "test-1");
	env_set(env, "TROUPE_CREDIT", credit);
}

static void put(struct try *t, const void *data, size_t n)
{
	const char *at = data;

	while (n && t->fd >= 0) {
		ssize_t sent = send(t->fd, at, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return; /* reading tells */
		at += sent;
		n -= (size_t)sent;
	}
}

static void put_text(struct try *t, const char *text)
{
	put(t, text, strlen(text));
}

static int start(struct try *t)
{
	int ends[2], out[2], pidfd, rc;
	struct err err = { .text = "" };
	struct env env;

	buf_init(&t->in, MAX_BODY * 2);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
	    pipe2(out, O_CLOEXEC) != 0)
		return -errno;
	struct spawn_fd fds[] = { { 0, ends[1] }, { 3, ends[1] }, { 1, out[1] }, { 2, 2 } };
	env_init(&env);
	fill_env(t, &env);
	struct spawn spec = { .argv = t->argv,
			      .envp = env_vars(&env),
			      .fds = fds,
			      .n_fds = 4,
			      .group = SPAWN_GROUP,
			      .death_signal = SIGKILL };
	rc = spawn_program(&spec, &t->pid, &pidfd, &err);
	env_fini(&env);
	close(ends[1]);
	close(out[1]);
	if (rc) {
		close(ends[0]);
		close(out[0]);
		bad(t, "start: %s", err.text);
		return rc;
	}
	close(pidfd);
	t->fd = ends[0];
	t->words = out[0];
	t->printed[0] = '\0';
	t->line_len = 0;
	t->misplaced = false;
	t->credit = t->n_jobs = t->open = 0;
	t->said_bye = t->closed = t->lost = t->pings = false;
	return 0;
}

static void hang_up(struct try *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static void finish(struct try *t)
{
	int status;

	hang_up(t);
	if (t->pid > 0) {
		kill(-t->pid, SIGKILL);
		waitpid(t->pid, &status, 0);
	}
	t->pid = 0;
	if (t->words >= 0)
		close(t->words);
	t->words = -1;
	buf_fini(&t->in);
}

/* ---- what it says --------------------------------------------------------------------- */

static void lose(struct try *t, const char *why, struct twp_word bytes)
{
	bad(t, "protocol: %s: %.*s", why, (int)(bytes.n < 60 ? bytes.n : 60), bytes.at);
	t->lost = true;
}

static void hear_ready(struct try *t, const struct twp_frame *f)
{
	struct twp_word caps = twp_opt(f, "caps");

	if (f->number < 1)
		bad(t, "READY %lld: it takes no job", (long long)f->number);
	t->credit = (int)(f->number < t->credit_asked ? f->number : t->credit_asked);
	t->pings = caps.at && memmem(caps.at, caps.n, "ping", 4);
}

static struct sent *job_of(struct try *t, struct twp_word id)
{
	for (int i = 0; i < t->n_jobs; i++)
		if (twp_is(id, t->jobs[i].id))
			return &t->jobs[i];
	return NULL;
}

static void hear_answer(struct try *t, const struct twp_frame *f, bool ends)
{
	struct sent *job = job_of(t, f->id);
	const char *verb = twp_verb_name(f->verb);
	int n = (int)(f->id.n < 60 ? f->id.n : 60);

	if (!job)
		bad(t, "%s of '%.*s', which it was not given", verb, n, f->id.at);
	else if (job->answers && ends)
		bad(t, "%s of %s, which it had answered", verb, job->id);
	else if (job->answers)
		bad(t, "%s of %s after its answer", verb, job->id);
	if (!job || !ends)
		return;
	t->open -= !job->answers;
	job->answers++;
}

/* There is no queue here: what is to go with a job is taken, the rest is, too. */
static void hear_push(struct try *t, const struct twp_frame *f)
{
	struct twp_line l;
	int64_t ref = twp_opt_number(f, "ref", -1);

	if (ref < 0)
		return;
	twp_begin(&l, TWP_OK);
	twp_put_number(&l, ref);
	twp_put(&l, twp_opt(f, "on").at ? "-" : "0000000000001");
	twp_end(&l);
	put(t, l.text, l.n);
}

static void hear(struct try *t, const struct twp_frame *f)
{
	switch (f->verb) {
	case TWP_READY:
		hear_ready(t, f);
		break;
	case TWP_ACK:
	case TWP_FAIL:
	case TWP_RELEASE:
		hear_answer(t, f, true);
		break;
	case TWP_TOUCH:
	case TWP_PROGRESS:
	case TWP_DATA:
		hear_answer(t, f, false);
		break;
	case TWP_PUSH:
		hear_push(t, f);
		break;
	case TWP_BYE:
		t->said_bye = true;
		break;
	case TWP_PONG:
		t->pong = f->number;
		break;
	default:
		break;
	}
	if (!t->credit && f->verb != TWP_LOG && f->verb != TWP_READY) {
		bad(t, "%s before READY", twp_verb_name(f->verb));
		t->lost = true;
	}
}

static void take(struct try *t)
{
	struct twp_frame f;
	const char *why;
	long n;

	while (!t->lost && buf_len(&t->in)) {
		struct twp_word all = { (const char *)buf_data(&t->in), buf_len(&t->in) };
		n = twp_read(&f, TWP_WORKER, all, MAX_BODY, &why);
		if (n == 0)
			return;
		if (n < 0) {
			lose(t, why, all);
			return;
		}
		hear(t, &f);
		buf_take(&t->in, (size_t)n);
	}
}

/* Until `enough` says so, it has closed, broken the protocol, or time is up. */
static bool listen_until(struct try *t, bool (*enough)(const struct try *t), int ms)
{
	int64_t until = now_ms() + ms;

	while (!enough(t) && !t->lost && !t->closed) {
		struct pollfd p[] = { { .fd = t->fd, .events = POLLIN },
				      { .fd = t->words, .events = POLLIN } };
		int64_t left = until - now_ms();
		size_t room;
		if (left <= 0 || poll(p, 2, (int)left) <= 0)
			break;
		if (p[1].revents)
			hear_words(t);
		if (!p[0].revents)
			continue;
		uint8_t *at = buf_room(&t->in, 65536, &room);
		ssize_t n = at ? recv(t->fd, at, room, 0) : 0;
		if (n > 0)
			buf_commit(&t->in, (size_t)n);
		else
			t->closed = true;
		take(t);
	}
	return enough(t);
}

/* What it prints at its end, and how it ends, come a little later. */
static const char *how_gone(struct try *t)
{
	static char text[64];
	int status, tries = 100;
	pid_t got;

	while ((got = waitpid(t->pid, &status, WNOHANG)) == 0 && tries--)
		usleep(5000);
	struct pollfd p = { .fd = t->words, .events = POLLIN };
	while (t->words >= 0 && (p.fd = t->words, poll(&p, 1, 0)) > 0)
		hear_words(t);
	if (got == 0)
		return "it has closed its connection, and goes on";
	t->pid = 0;
	snprintf(text, sizeof(text), "it has ended with %s %d",
		 WIFEXITED(status) ? "status" : "signal",
		 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return text;
}

static void say_printed(const struct try *t)
{
	if (t->misplaced)
		printf("     it says that on standard output; answers belong on descriptor 3\n");
	else if (t->printed[0])
		printf("     the last that it printed: %s\n", t->printed);
}

static bool is_ready(const struct try *t)
{
	return t->credit > 0;
}

static bool all_answered(const struct try *t)
{
	return t->open == 0;
}

static bool has_ponged(const struct try *t)
{
	return t->pong == 41;
}

static bool never(const struct try *t)
{
	(void)t;
	return false;
}

/* ---- what is tried ---------------------------------------------------------------------- */

static size_t make_job(struct try *t, struct buf *out, struct twp_word body)
{
	struct sent *job = &t->jobs[t->n_jobs++];
	struct twp_line l;

	*job = (struct sent){ .answers = 0 };
	snprintf(job->id, sizeof(job->id), "T%d", ++t->numbers);
	t->open++;
	twp_begin(&l, TWP_JOB);
	twp_put(&l, job->id);
	twp_put(&l, t->topic);
	twp_put_number(&l, 1);
	twp_put_number(&l, (int64_t)body.n);
	twp_put_opt_number(&l, "deadline", 60000);
	twp_put_opt(&l, "newer", "an option of tomorrow");
	twp_end(&l);
	buf_put(out, l.text, l.n);
	buf_put(out, body.at, body.n);
	buf_put(out, "\n", 1);
	return buf_len(out);
}

/* false: it is lost. */
static bool expect_answers(struct try *t, const char *what)
{
	int before = t->faults;

	if (!listen_until(t, all_answered, t->patience) && !t->lost) {
		bad(t, "%s: %d of %d not answered%s%s", what, t->open, t->n_jobs,
		    t->closed ? ": " : " in time", t->closed ? how_gone(t) : "");
		say_printed(t);
	}
	t->lost |= t->open > 0 || t->closed;
	if (!t->lost)
		listen_until(t, never, 20); /* whatever it says twice */
	if (t->faults == before)
		good("%s", what);
	t->n_jobs = 0;
	return !t->lost;
}

static bool send_jobs(struct try *t, const char *what, struct twp_word body, int n)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	for (int i = 0; i < n; i++)
		make_job(t, &out, body);
	put(t, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	return expect_answers(t, what);
}

static bool send_slowly(struct try *t, struct twp_word body)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	make_job(t, &out, body);
	for (size_t i = 0; i < buf_len(&out); i++) {
		put(t, buf_data(&out) + i, 1);
		usleep(200);
	}
	buf_fini(&out);
	return expect_answers(t, "a job that comes byte by byte");
}

static bool try_start(struct try *t)
{
	if (start(t) != 0)
		return false;
	put_text(t, "HELLO twp/1 role=worker-test pool=test worker=1 credit=");
	char rest[64];
	snprintf(rest, sizeof(rest), "%d max=%d hb=30\n", t->credit_asked, MAX_BODY);
	put_text(t, rest);
	if (listen_until(t, is_ready, t->patience))
		return true;
	if (!t->lost) {
		bad(t, "READY: not said%s%s", t->closed ? ", " : " in time",
		    t->closed ? how_gone(t) : "");
		say_printed(t);
	}
	return false;
}

static bool try_jobs(struct try *t)
{
	static const char awkward[] = "line\n\n QUIT\nJOB x y 1 0\n\0\xff\r\n";
	struct twp_word plain = { t->body, strlen(t->body) };
	struct twp_word odd = { awkward, sizeof(awkward) - 1 }, empty = { "", 0 };
	char *large = mem_new(LARGE);

	memset(large, 'x', LARGE);
	struct twp_word much = { large, LARGE };
	bool ok = send_jobs(t, "a job", plain, 1) &&
		  send_jobs(t, "a job without a body", empty, 1) &&
		  send_jobs(t, "a body of lines, verbs and zeros", odd, 1) &&
		  send_jobs(t, "a body of 300 KB", much, 1) &&
		  send_jobs(t, "as many jobs at once as it said", plain, t->credit) &&
		  send_slowly(t, plain);
	free(large);
	return ok;
}

/* Whether it stops or goes on: it answers, and once. */
static bool try_cancel(struct try *t)
{
	char line[80];
	struct buf out;

	buf_init(&out, SIZE_MAX);
	make_job(t, &out, (struct twp_word){ t->body, strlen(t->body) });
	snprintf(line, sizeof(line), "CANCEL T%d nobody waits any more\n", t->numbers);
	buf_put(&out, line, strlen(line));
	put(t, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	return expect_answers(t, "a job that is cancelled is answered, too");
}

static bool try_verbs(struct try *t)
{
	struct twp_word plain = { t->body, strlen(t->body) };

	put_text(t, "NEWER verb of=tomorrow\nCANCEL nosuchjob\nOK 99 nosuchref\n");
	if (!send_jobs(t, "unknown verbs and ids are passed over", plain, 1))
		return false;
	if (!t->pings)
		return true;
	put_text(t, "PING 41\n");
	if (listen_until(t, has_ponged, t->patience))
		good("PING is answered, as caps=ping says");
	else
		bad(t, "PING: not answered, though caps=ping");
	return !t->lost;
}

/* What is in its hands is finished first. */
static void try_end(struct try *t, const char *what, bool by_quit)
{
	struct twp_word plain = { t->body, strlen(t->body) };
	struct buf out;
	int status = 0, before = t->faults;

	if (by_quit) {
		buf_init(&out, SIZE_MAX);
		make_job(t, &out, plain);
		buf_put(&out, "QUIT\n", 5);
		put(t, buf_data(&out), buf_len(&out));
		buf_fini(&out);
		if (!listen_until(t, all_answered, t->patience))
			bad(t, "%s: the job that it held was not answered", what);
		listen_until(t, never, t->patience); /* until it closes */
	} else {
		hang_up(t);
	}
	int64_t until = now_ms() + t->patience;
	pid_t got = 0;
	while ((got = waitpid(t->pid, &status, WNOHANG)) == 0 && now_ms() < until) {
		struct pollfd p = { .fd = t->words, .events = POLLIN };
		if (poll(&p, 1, 5) > 0)
			hear_words(t);
	}
	if (got == 0)
		bad(t, "%s: it does not end", what);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bad(t, "%s: it ends with %s %d", what, WIFEXITED(status) ? "status" : "signal",
		    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (got != 0)
		t->pid = 0;
	if (t->faults == before)
		good("%s", what);
}

static void play(struct try *t)
{
	if (try_start(t)) {
		good("READY for %d%s", t->credit, t->pings ? ", answers PING" : "");
		if (try_jobs(t) && try_verbs(t) && try_cancel(t))
			try_end(t, "QUIT: it finishes what it holds, and ends", true);
	}
	finish(t);
	if (t->faults)
		return;
	if (try_start(t))
		try_end(t, "the end of its input: it ends", false);
	finish(t);
}

static int usage(void)
{
	fprintf(stderr,
		"troupe worker-test [-b BODY] [-t TOPIC] [-n CREDIT] [-s SECONDS] [-v] CMD "
		"[WORDS ...]\n"
		"Plays the manager for a worker of TWP/1, and says where it breaks the protocol.\n"
		"-b: a job's body ({}); -n: jobs at once (4); -s: patience (10); -v: its standard "
		"output is shown.\n");
	return 2;
}

int pool_try(int argc, char **argv)
{
	struct try t = {
		.body = "{}",
		.topic = "test",
		.credit_asked = 4,
		.patience = 10000,
		.fd = -1,
		.words = -1,
	};

	optind = 1;
	for (int c; (c = getopt(argc, argv, "+b:t:n:s:v")) != -1;) {
		if (c == 'b')
			t.body = optarg;
		else if (c == 't')
			t.topic = optarg;
		else if (c == 'n')
			t.credit_asked = atoi(optarg);
		else if (c == 's')
			t.patience = (int)(atof(optarg) * 1000);
		else if (c == 'v')
			t.verbose = true;
		else
			return usage();
	}
	if (optind == argc || t.credit_asked < 1 || t.credit_asked > MAX_JOBS / 2 || t.patience < 1)
		return usage();
	t.argv = (const char *const *)(argv + optind);
	signal(SIGPIPE, SIG_IGN);
	play(&t);
	if (t.faults)
		printf("%d violations\n", t.faults);
	return t.faults != 0;
}
