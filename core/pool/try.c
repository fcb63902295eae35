#include "core/pool/try.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/pool/trial.h"
#include "core/pool/twp.h"

static bool is_ready(const struct trial *t)
{
	return t->credit > 0;
}

static bool all_answered(const struct trial *t)
{
	return t->open == 0;
}

static bool has_ponged(const struct trial *t)
{
	return t->pong == 41;
}

static bool never(const struct trial *t)
{
	(void)t;
	return false;
}

/* ---- what is tried ---------------------------------------------------------------------- */

static size_t make_job(struct trial *t, struct buf *out, struct twp_word body)
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
static bool expect_answers(struct trial *t, const char *what)
{
	int before = t->faults;

	if (!trial_listen(t, all_answered, t->patience) && !t->lost) {
		trial_bad(t, "%s: %d of %d not answered%s%s", what, t->open, t->n_jobs,
			  t->closed ? ": " : " in time", t->closed ? trial_how_gone(t) : "");
		trial_say_printed(t);
	}
	t->lost |= t->open > 0;
	if (!t->lost && !t->closed)
		trial_listen(t, never, 20); /* whatever it says twice */
	if (t->faults == before)
		trial_good("%s", what);
	t->n_jobs = 0;
	return !t->lost;
}

static bool try_start(struct trial *t)
{
	if (trial_start(t) != 0)
		return false;
	trial_put_text(t, "HELLO twp/1 role=worker-test pool=test worker=1 credit=");
	char rest[64];
	snprintf(rest, sizeof(rest), "%d max=%d hb=30\n", t->credit_asked, MAX_BODY);
	trial_put_text(t, rest);
	if (trial_listen(t, is_ready, t->patience))
		return true;
	if (!t->lost) {
		trial_bad(t, "READY: not said%s%s", t->closed ? ", " : " in time",
			  t->closed ? trial_how_gone(t) : "");
		trial_say_printed(t);
	}
	return false;
}

/* With status 0, and soon. */
static void expect_end(struct trial *t, const char *what)
{
	int64_t until = trial_now() + t->patience;
	int status = 0, before = t->faults;
	pid_t got = 0;

	while (t->pid > 0 && (got = waitpid(t->pid, &status, WNOHANG)) == 0 &&
	       trial_now() < until) {
		struct pollfd p = { .fd = t->words, .events = POLLIN };
		if (poll(&p, 1, 5) > 0)
			trial_hear_words(t);
	}
	if (got == 0)
		trial_bad(t, "%s: it does not end", what);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		trial_bad(t, "%s: it ends with %s %d", what,
			  WIFEXITED(status) ? "status" : "signal",
			  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (got != 0)
		t->pid = 0;
	if (t->faults == before)
		trial_good("%s", what);
}

/* One that wants to be replaced is; false: it can't be gone on with. */
static bool renew(struct trial *t)
{
	int before = t->faults;

	if (!t->said_bye && !t->closed)
		return true;
	trial_hang_up(t);
	expect_end(t, t->said_bye ? "BYE: it ends when it may, and is started anew"
				  : "it has ended without a job, and is started anew");
	trial_finish(t);
	return t->faults == before && try_start(t);
}

static bool send_jobs(struct trial *t, const char *what, struct twp_word body, int n)
{
	struct buf out;

	if (!renew(t))
		return false;
	buf_init(&out, SIZE_MAX);
	for (int i = 0; i < n; i++)
		make_job(t, &out, body);
	trial_put(t, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	return expect_answers(t, what);
}

static bool send_slowly(struct trial *t, struct twp_word body)
{
	struct buf out;

	if (!renew(t))
		return false;
	buf_init(&out, SIZE_MAX);
	make_job(t, &out, body);
	for (size_t i = 0; i < buf_len(&out); i++) {
		trial_put(t, buf_data(&out) + i, 1);
		usleep(200);
	}
	buf_fini(&out);
	return expect_answers(t, "a job that comes byte by byte");
}

static bool try_jobs(struct trial *t)
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
static bool try_cancel(struct trial *t)
{
	char line[80];
	struct buf out;

	if (!renew(t))
		return false;
	buf_init(&out, SIZE_MAX);
	make_job(t, &out, (struct twp_word){ t->body, strlen(t->body) });
	snprintf(line, sizeof(line), "CANCEL T%d nobody waits any more\n", t->numbers);
	buf_put(&out, line, strlen(line));
	trial_put(t, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	return expect_answers(t, "a job that is cancelled is answered, too");
}

static bool try_verbs(struct trial *t)
{
	struct twp_word plain = { t->body, strlen(t->body) };

	if (!renew(t))
		return false;
	trial_put_text(t, "NEWER verb of=tomorrow\nCANCEL nosuchjob\nOK 99 nosuchref\n");
	if (!send_jobs(t, "unknown verbs and ids are passed over", plain, 1))
		return false;
	if (!t->pings)
		return true;
	trial_put_text(t, "PING 41\n");
	if (trial_listen(t, has_ponged, t->patience))
		trial_good("PING is answered, as caps=ping says");
	else
		trial_bad(t, "PING: not answered, though caps=ping");
	return !t->lost;
}

/* What is in its hands is finished first. */
static void try_quit(struct trial *t)
{
	static const char what[] = "QUIT: it finishes what it holds, and ends";
	struct twp_word plain = { t->body, strlen(t->body) };
	struct buf out;

	if (!renew(t))
		return;
	buf_init(&out, SIZE_MAX);
	make_job(t, &out, plain);
	buf_put(&out, "QUIT\n", 5);
	trial_put(t, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	if (!trial_listen(t, all_answered, t->patience))
		trial_bad(t, "%s: the job that it held was not answered", what);
	trial_listen(t, never, t->patience); /* until it closes */
	expect_end(t, what);
}

static void try_end_of_input(struct trial *t)
{
	trial_hang_up(t);
	expect_end(t, "the end of its input: it ends");
}

static void play(struct trial *t)
{
	if (try_start(t)) {
		trial_good("READY for %d%s", t->credit, t->pings ? ", answers PING" : "");
		if (try_jobs(t) && try_verbs(t) && try_cancel(t))
			try_quit(t);
	}
	trial_finish(t);
	if (t->faults)
		return;
	if (try_start(t))
		try_end_of_input(t);
	trial_finish(t);
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
	struct trial t = {
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
