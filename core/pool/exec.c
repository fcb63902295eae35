/*
 * exec - a process for each job: its body on standard input, its result from standard output.
 *
 *	exit status 0        ACK, with the first result_max bytes of standard output
 *	75 (EX_TEMPFAIL)     FAIL, to be tried again
 *	64, 65 (EX_USAGE, EX_DATAERR)   FAIL, and dead
 *	any other, a signal  FAIL
 *
 * Standard error goes to the log; its last lines are the error's text. fd 3 takes PROGRESS, PUSH,
 * TOUCH and LOG, as from a worker that stays; what would end the job there is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/pool/private.h"
#include "core/proc/input.h"

/* ---- its command ------------------------------------------------------------------- */

struct filling {
	const struct job *job;
	char **argv;
	struct buf word;
	bool body_is_used;
};

static bool put_value(struct filling *f, const char *name, size_t n)
{
	const struct job *job = f->job;
	struct twp_word w = { name, n };

	if (twp_is(w, "id"))
		return buf_put(&f->word, job->id, strlen(job->id)) == 0;
	if (twp_is(w, "topic"))
		return buf_put(&f->word, job_topic(job), strlen(job_topic(job))) == 0;
	if (twp_is(w, "body"))
		return buf_put(&f->word, job_payload(job), job_size(job)) == 0;
	if (n <= 5 || memcmp(name, "json:", 5) != 0)
		return false;
	char *path = strndup(name + 5, n - 5);
	char *text = json_text_at(job_payload(job), job_size(job), path);
	free(path);
	if (text)
		buf_put(&f->word, text, strlen(text));
	free(text);
	return true;
}

/* What is no name of ours stays as it is. A byte 0 ends a word: argv knows no more. */
static void fill_word(struct filling *f, const char *from)
{
	while (*from) {
		size_t plain = strcspn(from, "{");
		buf_put(&f->word, from, plain);
		from += plain;
		const char *end = *from ? strchr(from, '}') : NULL;
		if (end && put_value(f, from + 1, (size_t)(end - from - 1)))
			from = end + 1;
		else if (*from)
			buf_put(&f->word, from++, 1);
	}
	buf_put(&f->word, "", 1);
	f->argv = words_add(f->argv, (const char *)buf_data(&f->word));
	buf_take(&f->word, buf_len(&f->word));
}

static char **command(const struct setup *s, const struct job *job)
{
	struct filling f = { .job = job };

	buf_init(&f.word, (size_t)s->v->max_body * 2 + 4096);
	for (char **w = s->argv; *w; w++)
		fill_word(&f, *w);
	buf_fini(&f.word);
	return f.argv;
}

/* ---- its start ------------------------------------------------------------------------ */

static void on_output(struct process *p, const void *data, size_t n)
{
	struct worker *w = p->owner;
	size_t most = (size_t)w->setup->v->result_max, have = buf_len(&w->out);

	if (have < most)
		buf_put(&w->out, data, n < most - have ? n : most - have);
}

static void on_words(struct process *p, bool is_error, char *line, size_t n)
{
	struct worker *w = p->owner;
	struct list *first = w->jobs.next;

	(void)is_error;
	if (n)
		job_said(first == &w->jobs ? NULL : container_of(first, struct job, link), w,
			 LOG_LEVEL_WARN, line);
}

static void fill_env(const struct worker *w, const struct job *job, struct env *env)
{
	char number[24];

	worker_env(w, env);
	env_set(env, "TROUPE_PROTO", "exec");
	env_set(env, "TROUPE_ID", job->id);
	env_set(env, "TROUPE_TOPIC", job_topic(job));
	snprintf(number, sizeof(number), "%d", job->task ? job->task->attempt : 1);
	env_set(env, "TROUPE_ATTEMPT", number);
	if (!job->hard)
		return;
	snprintf(number, sizeof(number), "%lld", (long long)(job->hard - job->started));
	env_set(env, "TROUPE_DEADLINE_MS", number);
}

static void on_input_closed(struct input *i)
{
	struct worker *w = i->owner;

	free(i);
	worker_release(w);
}

/* The body goes in as fast as it is read. */
static int open_input(struct worker *w, const struct job *job, int *end, struct err *err)
{
	struct input *in = mem_new(sizeof(*in));
	int ends[2], rc = input_pipe(ends);

	if (!rc) {
		rc = input_open(in, w->pool->all->loop, ends[1], (size_t)w->setup->v->max_body + 1);
		if (rc) {
			close(ends[0]);
			close(ends[1]);
		}
	}
	if (rc) {
		free(in);
		return err_set(err, rc, "stdin: %s", uv_strerror(rc));
	}
	in->owner = w;
	w->open++;
	if (job_size(job))
		input_write(in, job_payload(job), job_size(job));
	input_finish(in, on_input_closed);
	*end = ends[0];
	return 0;
}

int exec_start(struct worker *w, struct job *job, struct err *err)
{
	struct spawn_fd fds[2] = { { .child = 0 }, { .child = 3 } };
	char **argv = command(w->setup, job);
	struct spawn spec = { .argv = (const char *const *)argv, .fds = fds, .n_fds = 2 };
	struct env env;
	int rc = open_input(w, job, &fds[0].ours, err);

	if (!rc) {
		rc = worker_socket(w, &fds[1].ours, err);
		if (rc)
			close(fds[0].ours);
	}
	if (!rc) {
		job_begin(job, w);
		env_init(&env);
		fill_env(w, job, &env);
		w->process.on_output = on_output;
		w->process.on_line = on_words;
		rc = worker_spawn(w, &env, &spec, err);
		env_fini(&env);
		close(fds[0].ours);
		close(fds[1].ours);
		if (rc)
			job_unbegin(job);
	}
	words_free(argv);
	if (rc)
		return rc;
	list_append(&w->jobs, &job->link);
	job_at_it(job);
	w->n_jobs = 1;
	w->state = WORKER_SERVING;
	return 0;
}

/* ---- its end ---------------------------------------------------------------------------- */

static void fail(struct worker *w, struct job *job, const struct child_end *end, bool retry)
{
	char how[64];
	struct buf text;
	size_t n = buf_len(&job->log);

	child_end_text(end, how, sizeof(how));
	buf_init(&text, LOG_KEPT * 2);
	buf_put(&text, how, strlen(how));
	if (n)
		buf_put(&text, ": ", 2);
	size_t most = ERROR_MOST - buf_len(&text), skip = n > most ? n - most : 0;
	buf_put(&text, buf_data(&job->log) + skip, n - skip);
	while (buf_len(&text) && buf_data(&text)[buf_len(&text) - 1] == '\n')
		text.tail--;
	w->pool->failed++;
	job_fail_by(job, (struct twp_word){ (const char *)buf_data(&text), buf_len(&text) }, retry,
		    -1);
	buf_fini(&text);
}

void exec_ended(struct worker *w, const struct child_end *end)
{
	struct pool *pool = w->pool;
	bool exited = end->how == CHILD_EXITED;
	struct job *job = container_of(w->jobs.next, struct job, link);

	pool->n_running--;
	w->n_jobs = 0;
	if (w->state > WORKER_SERVING) {
		pool->ended[w->why]++;
		if (w->why == POOL_BY_SCALE)
			job_release(job, 0);
		else
			job_fail(job,
				 w->why == POOL_BY_TIMEOUT ? WORK_FAULT_TIMEOUT : WORK_FAULT_FAILED,
				 w->why == POOL_BY_TIMEOUT ? "it took too long" : "cancelled", -1);
	} else if (exited && end->code == 0) {
		pool->done++;
		job_ack(job,
			(struct twp_word){ buf_len(&w->out) ? (const char *)buf_data(&w->out) : "",
					   buf_len(&w->out) });
	} else {
		fail(w, job, end, !exited || (end->code != EX_USAGE && end->code != EX_DATAERR));
	}
	pools_wake(pool->all);
	pool_balance(pool);
}
