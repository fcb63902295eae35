#include "core/pool/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/pool/twp.h"
#include "core/proc/env.h"
#include "core/proc/spawn.h"

/* ---- words ----------------------------------------------------------------------- */

static void say(const char *mark, const char *fmt, va_list ap)
{
	printf("%-4s ", mark);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
}

void trial_good(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("ok", fmt, ap);
	va_end(ap);
}

void trial_bad(struct trial *t, const char *fmt, ...)
{
	va_list ap;

	t->faults++;
	va_start(ap, fmt);
	say("BAD", fmt, ap);
	va_end(ap);
}

int64_t trial_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- what it prints ---------------------------------------------------------------- */

static void line_over(struct trial *t)
{
	static const char *const ours[] = { "READY ", "ACK ", "FAIL " };

	t->line[t->line_len] = '\0';
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		t->misplaced |= strncmp(t->line, ours[i], strlen(ours[i])) == 0;
	if (t->line_len)
		strcpy(t->printed, t->line);
	t->line_len = 0;
}

void trial_hear_words(struct trial *t)
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

static void fill_env(const struct trial *t, struct env *env)
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

void trial_put(struct trial *t, const void *data, size_t n)
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

void trial_put_text(struct trial *t, const char *text)
{
	trial_put(t, text, strlen(text));
}

int trial_start(struct trial *t)
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
		trial_bad(t, "start: %s", err.text);
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

void trial_hang_up(struct trial *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

void trial_finish(struct trial *t)
{
	int status;

	trial_hang_up(t);
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

static void lose(struct trial *t, const char *why, struct twp_word bytes)
{
	trial_bad(t, "protocol: %s: %.*s", why, (int)(bytes.n < 60 ? bytes.n : 60), bytes.at);
	t->lost = true;
}

static void hear_ready(struct trial *t, const struct twp_frame *f)
{
	struct twp_word caps = twp_opt(f, "caps");

	if (f->number < 1)
		trial_bad(t, "READY %lld: it takes no job", (long long)f->number);
	t->credit = (int)(f->number < t->credit_asked ? f->number : t->credit_asked);
	t->pings = caps.at && memmem(caps.at, caps.n, "ping", 4);
}

static struct sent *job_of(struct trial *t, struct twp_word id)
{
	for (int i = 0; i < t->n_jobs; i++)
		if (twp_is(id, t->jobs[i].id))
			return &t->jobs[i];
	return NULL;
}

static void hear_answer(struct trial *t, const struct twp_frame *f, bool ends)
{
	struct sent *job = job_of(t, f->id);
	const char *verb = twp_verb_name(f->verb);
	int n = (int)(f->id.n < 60 ? f->id.n : 60);

	if (!job)
		trial_bad(t, "%s of '%.*s', which it was not given", verb, n, f->id.at);
	else if (job->answers && ends)
		trial_bad(t, "%s of %s, which it had answered", verb, job->id);
	else if (job->answers)
		trial_bad(t, "%s of %s after its answer", verb, job->id);
	if (!job || !ends)
		return;
	t->open -= !job->answers;
	job->answers++;
}

/* There is no queue here: what is to go with a job is taken, the rest is, too. */
static void hear_push(struct trial *t, const struct twp_frame *f)
{
	struct twp_line l;
	int64_t ref = twp_opt_number(f, "ref", -1);

	if (ref < 0)
		return;
	twp_begin(&l, TWP_OK);
	twp_put_number(&l, ref);
	twp_put(&l, twp_opt(f, "on").at ? "-" : "0000000000001");
	twp_end(&l);
	trial_put(t, l.text, l.n);
}

static void hear(struct trial *t, const struct twp_frame *f)
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
		trial_bad(t, "%s before READY", twp_verb_name(f->verb));
		t->lost = true;
	}
}

static void take(struct trial *t)
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
bool trial_listen(struct trial *t, bool (*enough)(const struct trial *t), int ms)
{
	int64_t until = trial_now() + ms;

	while (!enough(t) && !t->lost && !t->closed) {
		struct pollfd p[] = { { .fd = t->fd, .events = POLLIN },
				      { .fd = t->words, .events = POLLIN } };
		int64_t left = until - trial_now();
		size_t room;
		if (left <= 0 || poll(p, 2, (int)left) <= 0)
			break;
		if (p[1].revents)
			trial_hear_words(t);
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
const char *trial_how_gone(struct trial *t)
{
	static char text[64];
	int status, tries = 100;
	pid_t got;

	while ((got = waitpid(t->pid, &status, WNOHANG)) == 0 && tries--)
		usleep(5000);
	struct pollfd p = { .fd = t->words, .events = POLLIN };
	while (t->words >= 0 && (p.fd = t->words, poll(&p, 1, 0)) > 0)
		trial_hear_words(t);
	if (got == 0)
		return "it has closed its connection, and goes on";
	t->pid = 0;
	snprintf(text, sizeof(text), "it has ended with %s %d",
		 WIFEXITED(status) ? "status" : "signal",
		 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return text;
}

void trial_say_printed(const struct trial *t)
{
	if (t->misplaced)
		printf("     it says that on standard output; answers belong on descriptor 3\n");
	else if (t->printed[0])
		printf("     the last that it printed: %s\n", t->printed);
}
