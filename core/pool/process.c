#include "core/pool/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/proc/reap.h"

enum { KILL_WITHIN = 10000 };

static void release(struct process *p)
{
	if (--p->open > 0)
		return;
	buf_fini(&p->out.partial);
	buf_fini(&p->err.partial);
	tree_fini(&p->tree);
	procs_fini(&p->procs);
	p->on_gone(p);
}

/* ---- its words ------------------------------------------------------------------- */

static void hand_line(struct process_words *w, size_t n)
{
	char line[PROCESS_LINE + 1];

	memcpy(line, buf_data(&w->partial), n);
	for (size_t i = 0; i < n; i++)
		line[i] = line[i] ? line[i] : ' ';
	line[n] = '\0';
	if (n && line[n - 1] == '\r')
		line[--n] = '\0';
	if (w->process->on_line)
		w->process->on_line(w->process, w->is_error, line, n);
}

static void take_words(struct process_words *w, const char *data, size_t n)
{
	while (n) {
		const char *lf = memchr(data, '\n', n);
		size_t piece = lf ? (size_t)(lf - data) : n;
		size_t room = PROCESS_LINE - buf_len(&w->partial);
		bool whole = lf && piece <= room;
		if (piece > room)
			piece = room;
		buf_put(&w->partial, data, piece);
		data += piece + whole;
		n -= piece + whole;
		if (!whole && buf_len(&w->partial) < PROCESS_LINE)
			return;
		size_t len = buf_len(&w->partial);
		hand_line(w, len);
		buf_take(&w->partial, len);
	}
}

static void hand_rest(struct process_words *w)
{
	size_t n = buf_len(&w->partial);

	if (!n)
		return;
	hand_line(w, n);
	buf_take(&w->partial, n);
}

static void on_words(struct output_tap *t, const void *data, size_t n)
{
	struct process_words *w = t->owner;

	if (n == 0) { /* it is closed */
		hand_rest(w);
	} else if (w->process->on_output && !w->is_error) {
		w->process->on_output(w->process, data, n);
	} else {
		take_words(w, data, n);
	}
}

static int open_words(struct process_words *w, struct outputs *outputs, int *end, struct err *err)
{
	struct output_spec spec = { .name = "worker", .stream = w->is_error ? "stderr" : "stdout" };
	int ends[2], rc = output_pipe(ends);

	if (rc)
		return err_set(err, rc, "pipe: %s", uv_strerror(rc));
	rc = output_open(&w->output, outputs, ends[0], &spec, err);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	buf_init(&w->partial, PROCESS_LINE + 1);
	output_tap(&w->output, &w->tap, on_words, w);
	w->output.owner = w->process;
	w->is_open = true;
	w->process->open++;
	*end = ends[1];
	return 0;
}

static void on_output_closed(struct output *o)
{
	release(o->owner);
}

/* What is in the pipes is read first. */
static void finish_words(struct process *p)
{
	if (p->out.is_open)
		output_finish(&p->out.output, on_output_closed);
	if (p->err.is_open)
		output_finish(&p->err.output, on_output_closed);
	p->out.is_open = p->err.is_open = false;
}

/* ---- its end ------------------------------------------------------------------------ */

static void on_child_closed(struct child *c)
{
	release(c->owner);
}

static void let_go(struct process *p)
{
	finish_words(p);
	child_close(&p->child, on_child_closed);
}

static void on_killed(struct tree_kill *k, size_t left)
{
	struct process *p = k->data;

	if (left)
		log_error("%zu processes can't be killed pid=%d", left, (int)p->child.pid);
	p->killing = false;
	if (p->ended)
		let_go(p);
}

static void kill_tree(struct process *p)
{
	if (p->killing)
		return;
	p->killing = true;
	p->kill.data = p;
	tree_kill_start(&p->kill, p->loop, &p->tree, KILL_WITHIN, on_killed);
}

void process_kill(struct process *p)
{
	if (!p->ended)
		kill_tree(p);
}

void process_signal(struct process *p, int sig)
{
	if (!p->ended && child_signal_group(&p->child, sig) != 0)
		child_signal(&p->child, sig);
}

void process_drain(struct process *p)
{
	if (p->out.is_open)
		output_drain(&p->out.output);
	if (p->err.is_open)
		output_drain(&p->err.output);
}

/* While it is not buried its number is its own: the tree is looked at now. */
static void on_child_end(struct child *c, const struct child_end *end)
{
	struct process *p = c->owner;
	size_t left = 0;

	p->ended = true;
	process_drain(p);
	if (tree_read(&p->tree, &p->procs) == 0)
		left = tree_look(&p->tree, &p->procs);
	hand_rest(&p->out);
	hand_rest(&p->err);
	p->on_end(p, end);
	if (p->killing)
		return;
	if (left)
		kill_tree(p);
	else
		let_go(p);
}

/* ---- its start ------------------------------------------------------------------------ */

void process_init(struct process *p)
{
	static unsigned marks;

	snprintf(p->mark, sizeof(p->mark), "%x-%llx-%x", (unsigned)getpid(),
		 (unsigned long long)uv_hrtime(), ++marks);
}

/* The outputs must be closed before the struct goes. */
static void give_up(struct process *p)
{
	if (p->out.is_open)
		output_close(&p->out.output, on_output_closed);
	if (p->err.is_open)
		output_close(&p->err.output, on_output_closed);
	release(p);
}

static int spawn_it(struct process *p, struct spawn *spec, const int ends[2], struct err *err)
{
	struct spawn_fd fds[8];
	size_t n = spec->n_fds;
	pid_t pid;
	int pidfd;

	memcpy(fds, spec->fds, n * sizeof(fds[0]));
	fds[n++] = (struct spawn_fd){ 1, ends[0] };
	fds[n++] = (struct spawn_fd){ 2, ends[1] };
	spec->fds = fds;
	spec->n_fds = n;
	spec->group = SPAWN_SESSION;
	spec->death_signal = SIGKILL;
	int rc = spawn_program(spec, &pid, &pidfd, err);
	if (rc)
		return rc;
	rc = child_watch(&p->child, p->loop, pid, pidfd, on_child_end);
	if (rc) {
		kill(pid, SIGKILL);
		close(pidfd);
		return err_set(err, rc, "its pidfd: %s", uv_strerror(rc));
	}
	p->child.owner = p;
	p->child.group = pid;
	child_known(&p->child, p->reap);
	tree_init(&p->tree, pid, p->child.born);
	p->tree.mark = p->mark;
	p->tree.reap = p->reap;
	return 0;
}

int process_start(struct process *p, struct outputs *outputs, struct reap *reap, struct spawn *spec,
		  struct err *err)
{
	int ends[2] = { -1, -1 };

	p->reap = reap;
	p->loop = reap->signal.loop;
	p->out.process = p->err.process = p;
	p->err.is_error = true;
	p->open = 1; /* the child's */
	procs_init(&p->procs);
	int rc = open_words(&p->out, outputs, &ends[0], err);
	if (!rc)
		rc = open_words(&p->err, outputs, &ends[1], err);
	if (!rc)
		rc = spawn_it(p, spec, ends, err);
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	if (rc)
		give_up(p);
	return rc;
}
