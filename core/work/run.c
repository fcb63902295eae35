/* run - a task in a taker's hands, from its start to what the taker says of it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/store/marks.h"
#include "core/work/private.h"

enum { MAX_PROGRESS = 1024, MAX_LOG = 16384 };

static struct run *run_of(struct work_job *job)
{
	return (struct run *)(void *)job; /* its first member */
}

static void hand_over(struct run *r)
{
	struct work *w = r->w;
	struct task *t = r->task;
	struct work_job *job = &r->job;

	job->payload = r->body ? r->body->data : NULL;
	job->size = r->body ? r->body->size : 0;
	job->meta = r->body ? r->body->data + r->body->size : NULL;
	job->meta_size = r->body ? r->body->meta : 0;
	r->started = w->mono;
	if (job->timeout) {
		job->deadline = w->mono + job->timeout;
		heap_put(&w->times, &r->deadline, (uint64_t)job->deadline);
	}
	if (t->more && t->more->uniq && t->more->uniq->hold == WORK_UNTIL_START)
		release_uniq(w, t);
	const struct uniq *u = t->more ? t->more->uniq : NULL;
	job->uniq = u ? u->name : NULL;
	job->uniq_left = u && u->expiry.pos != HEAP_OUT ? (int64_t)u->expiry.key - w->mono : 0;
	tell(w, t, WORK_RUNNING, NULL);
	r->taker->conf.on_job(r->taker->conf.data, job);
}

void run_start(struct work_taker *taker, struct task *t)
{
	struct work *w = taker->w;
	struct more *m = t->more;
	struct run *r = mem_new(sizeof(*r));
	int64_t since = ident_time(t->id);

	r->w = w;
	r->task = t;
	r->taker = taker;
	r->turn = t->node.key;
	r->mark = MARKS_NONE;
	r->body = t->body;
	r->percent = -1;
	r->deadline.pos = HEAP_OUT;
	r->deadline.kind = AT_RUN;
	list_append(&taker->runs, &r->link);
	r->job = (struct work_job){
		.id = t->id,
		.topic = t->topic->name,
		.type = t->type ? w->types[t->type] : NULL,
		.ext_id = m ? m->ext_id : NULL,
		.attempt = t->attempts + 1,
		.crashes = (int)t->crashes,
		.prio = t->node.b,
		.submitted = since,
		.wait = w->wall > since ? w->wall - since : 0,
		.timeout = m && m->timeout ? m->timeout : t->topic->conf.timeout,
	};
	list_init(&r->job.place);
	r->job.taker = taker->conf.data;
	t->run = r;
	t->node.a = WORK_RUNNING;
	topic_started(w, t->topic, m ? m->key : NULL);
	r->loading = !r->body && task_is_stored(t);
	taker->loading += r->loading;
	if (r->loading) { /* those of one turn are read together */
		w->loads = mem_resize(w->loads, (w->n_loads + 1) * sizeof(uint64_t));
		w->loads[w->n_loads++] = t->id;
	} else {
		hand_over(r);
	}
}

void run_loaded(struct run *r, struct body *b)
{
	r->body = b;
	r->loading = false;
	r->taker->loading--;
	hand_over(r);
}

static void run_free(struct run *r)
{
	free(r->text);
	free(r->tail);
	free(r);
}

void run_drop(struct run *r)
{
	body_let_go(r->w, r->body);
	list_remove(&r->link);
	run_free(r);
}

void work_begun(struct work_job *job)
{
	struct run *r = run_of(job);

	if (r->w->marks && r->mark == MARKS_NONE)
		r->mark = marks_set(r->w->marks, job->id);
	struct work_lender *lender = task_lender(r->task);
	if (lender && lender->begun)
		lender->begun(lender->data, job->id);
}

/* The task is out of the taker's hands; its payload is its own again. */
static struct task *finish(struct run *r)
{
	struct work *w = r->w;
	struct task *t = r->task;

	assert(task_state(t) == WORK_RUNNING && t->run == r);
	sched_clock(w);
	if (w->marks)
		marks_clear(w->marks, r->mark);
	heap_remove(&w->times, &r->deadline);
	list_remove(&r->link);
	r->taker->loading -= r->loading;
	t->body = r->body;
	t->node.a = WORK_ENDING; /* until it has a place */
	topic_ended(w, t->topic, t->more ? t->more->key : NULL);
	return t;
}

static struct ending *over(struct run *r, enum work_state how, const char *error)
{
	struct work *w = r->w;
	struct ending *e = ending_new(w, finish(r), how, error);

	e->wait = r->job.wait;
	e->run = w->mono - r->started;
	e->tail = r->tail;
	r->tail = NULL;
	return e;
}

int work_ack(struct work_job *job, const struct work_end *end)
{
	struct run *r = run_of(job);
	struct submission *next = NULL;
	int rc = end && end->n_next ? submission_new(r->w, end->next, end->n_next, &next) : 0;

	if (rc != 0)
		return rc;
	struct ending *e = over(r, WORK_SUCCEEDED, NULL);
	e->next = next;
	e->worker = mem_str(end ? end->worker : NULL);
	if (end) {
		e->size = end->size;
		e->result = end->result ? mem_resize(NULL, end->size + 1) : NULL;
		if (end->size)
			memcpy(e->result, end->result, end->size);
	}
	ending_go(e);
	run_free(r);
	return 0;
}

bool task_is_used_up(const struct task *t)
{
	const struct work_topic_conf *c = &t->topic->conf;
	int most = t->more && t->more->max_attempts ? t->more->max_attempts : c->max_attempts;

	return (most && t->attempts >= most) ||
	       (c->max_crashes && (int)t->crashes >= c->max_crashes);
}

static int64_t next_delay(struct work *w, struct task *t)
{
	struct backoff b = t->topic->conf.backoff;

	if (t->more && t->more->backoff)
		backoff_parse(&b, t->more->backoff, NULL); /* it was checked when it came in */
	w->chance = w->chance * 6364136223846793005u + 1442695040888963407u;
	return backoff_delay(&b, t->attempts, w->chance >> 33);
}

/* To be tried again, which is its lender's to see to. */
static void give_back(struct run *r, const char *error, int64_t delay)
{
	struct ending *e = over(r, WORK_SCHEDULED, error);

	e->delay = delay;
	ending_go(e);
	run_free(r);
}

void work_fail(struct work_job *job, enum work_fault fault, const char *error, bool retry,
	       int64_t delay)
{
	struct run *r = run_of(job);
	struct work *w = r->w;
	struct task *t = r->task;

	t->attempts++;
	if (fault == WORK_FAULT_CRASHED && t->crashes < 31)
		t->crashes++;
	t->topic->failed++;
	hours_touch(w);
	if (job->cancelled) {
		ending_go(over(r, WORK_CANCELLED, error));
	} else if (!retry || task_is_used_up(t)) {
		ending_go(over(r, WORK_DEAD, error));
	} else {
		delay = delay >= 0 ? delay : next_delay(w, t);
		if (task_lender(t)) {
			give_back(r, error, delay);
			return;
		}
		finish(r);
		t->node.c &= (uint8_t) ~(TASK_TURN | TASK_MOMENT);
		if (task_is_stored(t))
			persist_retry(w, t, w->wall + delay, error);
		tell(w, t, WORK_SCHEDULED, NULL);
		sched_place(w, t, w->mono + delay);
	}
	run_free(r);
}

void work_release(struct work_job *job, int64_t delay)
{
	work_release_as(job, delay, job->prio);
}

void work_release_as(struct work_job *job, int64_t delay, int prio)
{
	struct run *r = run_of(job);
	struct work *w = r->w;

	if (task_lender(r->task) && !job->cancelled) {
		give_back(r, NULL, delay);
		return;
	}
	struct task *t = finish(r);
	bool moved = prio != t->node.b;

	t->node.b = (uint8_t)prio;
	if (job->cancelled) {
		ending_go(ending_new(w, t, WORK_CANCELLED, NULL));
		run_free(r);
		return;
	}
	if (task_is_stored(t) && (delay > 0 || moved))
		persist_place(w, t, delay > 0 ? w->wall + delay : 0);
	if (delay > 0) {
		t->node.c &= (uint8_t) ~(TASK_TURN | TASK_MOMENT);
		sched_place(w, t, w->mono + delay);
	} else { /* its old place: ahead of those that came after it */
		t->node.key = (uint64_t)t->node.b << 56 | (r->turn & (((uint64_t)1 << 56) - 1));
		sched_ready(w, t);
	}
	run_free(r);
}

void work_bury(struct work_job *job, int prio, const char *error)
{
	struct run *r = run_of(job);
	struct work *w = r->w;
	struct task *t = r->task;

	if (prio != t->node.b && task_is_stored(t)) {
		t->node.b = (uint8_t)prio;
		persist_place(w, t, 0);
	}
	t->node.b = (uint8_t)prio;
	struct ending *e = over(r, job->cancelled ? WORK_CANCELLED : WORK_DEAD, error);
	e->kept = !job->cancelled && !task_lender(t);
	ending_go(e);
	run_free(r);
}

static struct run *running(struct work *w, uint64_t id)
{
	struct task *t = task_find(w, id);

	return t && task_state(t) == WORK_RUNNING ? t->run : NULL;
}

void work_progress(struct work *w, uint64_t id, int percent, const char *text)
{
	struct run *r = running(w, id);

	if (!r)
		return;
	struct work_event e = {
		.state = WORK_RUNNING,
		.id = id,
		.topic = r->job.topic,
		.type = r->job.type,
		.attempts = r->task->attempts,
		.crashes = r->job.crashes,
	};
	size_t n = text ? strnlen(text, MAX_PROGRESS) : 0;

	r->percent = percent < 0 ? -1 : percent > 100 ? 100 : percent;
	free(r->text);
	r->text = n ? mem_new(n + 1) : NULL;
	if (n)
		memcpy(r->text, text, n);
	e.percent = r->percent;
	e.text = r->text ? r->text : "";
	if (w->conf.on_event)
		w->conf.on_event(w->conf.data, &e);
}

/* Twice as much is kept before it is cut, so that not each line moves all of them. */
void work_log(struct work *w, uint64_t id, const void *text, size_t n)
{
	struct run *r = running(w, id);
	const char *from = text;

	if (!r)
		return;
	if (n > MAX_LOG) {
		from += n - MAX_LOG;
		n = MAX_LOG;
	}
	if (!r->tail)
		r->tail = mem_new(sizeof(*r->tail) + 2 * MAX_LOG);
	struct tail *t = r->tail;
	if (t->size + n > 2 * MAX_LOG) {
		memmove(t->bytes, t->bytes + t->size - (MAX_LOG - n), MAX_LOG - n);
		t->size = MAX_LOG - n;
	}
	memcpy(t->bytes + t->size, from, n);
	t->size += n;
}

void work_touch(struct work_job *job, int64_t ms)
{
	struct run *r = run_of(job);
	struct work *w = r->w;

	sched_clock(w);
	if (!ms)
		ms = job->timeout;
	if (!ms)
		return;
	job->deadline = w->mono + ms;
	heap_set(&w->times, &r->deadline, (uint64_t)job->deadline);
}
