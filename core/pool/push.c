/*
 * push - tasks that a worker enqueues: at once, or with the end of the job that it is at.
 *
 * With ref=n the worker is told: OK n id, or ERR n and why. What is to be committed with a job's
 * end has no id before that: OK n - says that it was taken.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/pool/private.h"

enum { TEXT = WORK_MAX_TEXT + 1 };

/* ---- answers ------------------------------------------------------------------------ */

static void answer_ok(struct worker *w, int64_t ref, const char *id)
{
	struct twp_line l;

	if (ref < 0 || !w)
		return;
	twp_begin(&l, TWP_OK);
	twp_put_number(&l, ref);
	twp_put(&l, id);
	speak_line(w, &l);
}

static void answer_err(struct worker *w, int64_t ref, const char *why)
{
	struct twp_line l;

	if (!w)
		return;
	if (ref < 0) {
		log_warn("a task that a worker pushed was refused: %s pool=%s worker=%s", why,
			 w->pool->name, w->name);
		return;
	}
	twp_begin(&l, TWP_ERR);
	twp_put_number(&l, ref);
	twp_put_text(&l, why);
	speak_line(w, &l);
}

/* ---- a frame as a task ---------------------------------------------------------------- */

static void push_free(struct push *p)
{
	list_remove(&p->link);
	free(p->after);
	free(p->text);
	free(p);
}

void push_free_all(struct push *p)
{
	while (p) {
		struct push *next = p->next;
		push_free(p);
		p = next;
	}
}

static const char *read_after(struct push *p, struct twp_word list)
{
	char text[WORK_MAX_AFTER * (IDENT_LEN + 1) + 1], *save = NULL;
	int n = 0;

	if (!list.at)
		return NULL;
	if (twp_decode(list, text, sizeof(text)) < 0)
		return "after is too long";
	p->after = mem_new(WORK_MAX_AFTER * sizeof(*p->after));
	for (char *id = strtok_r(text, ",", &save); id; id = strtok_r(NULL, ",", &save))
		if (n == WORK_MAX_AFTER || !ident_read(id, &p->after[n++]))
			return "after is no list of ids";
	p->spec.after = p->after;
	p->spec.n_after = n;
	return NULL;
}

static const char *read_text(struct twp_word value, const char **into, char *room)
{
	if (!value.at)
		return NULL;
	*into = room;
	return twp_decode(value, room, TEXT) < 0 ? "a text of more than 256 bytes, or badly encoded"
						 : NULL;
}

/* Its strings are copied; its payload only when it is to be kept. */
static const char *read_push(struct push *p, const struct twp_frame *f, bool keep)
{
	char *text = mem_new(3 * TEXT + (keep ? f->body.n : 0) + 1);
	const char *why;

	p->text = text;
	p->spec.payload = f->body.at;
	p->spec.size = f->body.n;
	if (keep)
		p->spec.payload = memcpy(text + 3 * TEXT, f->body.at, f->body.n);
	p->spec.delay = twp_opt_number(f, "delay", 0);
	p->spec.prio = (int)twp_opt_number(f, "prio", WORK_PRIO);
	why = read_text(f->topic, &p->spec.topic, text);
	if (!why)
		why = read_text(twp_opt(f, "uniq"), &p->spec.uniq, text + TEXT);
	if (!why)
		why = read_text(twp_opt(f, "type"), &p->spec.type, text + 2 * TEXT);
	return why ? why : read_after(p, twp_opt(f, "after"));
}

static int check(struct pools *all, struct push *p, struct err *err)
{
	int rc = all->conf.on_push ? all->conf.on_push(all->conf.data, &p->spec, err) : 0;

	return rc ? rc : work_spec_check(all->conf.work, &p->spec, err);
}

/* ---- at once ---------------------------------------------------------------------------- */

static void on_submitted(void *data, int status, const struct work_receipt *r, int n)
{
	struct push *p = data;
	struct worker *w = p->worker;
	char id[IDENT_LEN + 1];

	(void)n;
	if (status != 0) {
		answer_err(w, p->ref, uv_strerror(status));
	} else if (r->conflict) {
		answer_err(w, p->ref, "another task holds that key");
	} else {
		ident_write(r->id, id);
		answer_ok(w, p->ref, id);
	}
	push_free(p);
	if (w)
		worker_settle(w);
}

static void submit(struct worker *w, struct push *p, struct err *err)
{
	struct work *work = w->pool->all->conf.work;
	int rc = work_submit(work, &p->spec, 1, on_submitted, p);

	if (rc == 0) {
		p->worker = w;
		list_append(&w->pushes, &p->link);
		return;
	}
	answer_err(w, p->ref, err->text[0] ? err->text : uv_strerror(rc));
	push_free(p);
}

/* Its answers go nowhere. */
void push_forget(struct worker *w)
{
	while (!list_empty(&w->pushes)) {
		struct push *p = container_of(w->pushes.next, struct push, link);
		list_remove(&p->link);
		p->worker = NULL;
	}
}

/* ---- with a job's end --------------------------------------------------------------------- */

static struct job *job_on(struct worker *w, struct twp_word id)
{
	for (struct list *it = w->jobs.next; it != &w->jobs; it = it->next) {
		struct job *job = container_of(it, struct job, link);
		if (twp_is(id, job->id) && job->task)
			return job;
	}
	return NULL;
}

static void attach(struct worker *w, struct job *job, struct push *p)
{
	struct push **at = &job->pushes;

	while (*at)
		at = &(*at)->next;
	*at = p;
	answer_ok(w, p->ref, "-");
}

void push_take(struct worker *w, const struct twp_frame *f)
{
	struct pools *all = w->pool->all;
	struct twp_word on = twp_opt(f, "on");
	struct job *job = on.at ? job_on(w, on) : NULL;
	int64_t ref = twp_opt_number(f, "ref", -1);
	struct err err = { .text = "" };

	if (!all->conf.work || (on.at && !job)) {
		answer_err(w, ref, on.at ? "on: no such job of a queue" : "there is no queue here");
		return;
	}
	struct push *p = mem_new(sizeof(*p));
	list_init(&p->link);
	p->ref = ref;
	const char *why = read_push(p, f, job != NULL);
	if (!why && check(all, p, &err) != 0)
		why = err.text;
	if (why) {
		answer_err(w, ref, why);
		push_free(p);
	} else if (job) {
		attach(w, job, p);
	} else {
		submit(w, p, &err);
	}
}
