/*
 * Jobs out: who reserves, what he holds, and the times that run meanwhile.
 *
 * All clients that watch the same tubes wait at one taker, in their order, so that a job that comes
 * costs the same with one of them waiting and with a thousand.
 */
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

static const int64_t never = INT64_MAX;

/* ---- held ------------------------------------------------------------------------------ */

static void hold(struct jd_bs_client *c, struct work_job *job)
{
	struct jd_bs_watch *w = job->taker;

	job->data = c;
	list_append(&c->jobs, &job->place);
	w->held++;
	c->bs->held++;
}

struct work_job *jd_bs_held(struct jd_bs_client *c, uint64_t id)
{
	struct work_job *job = work_job_of(c->bs->work, id, c->bs);

	return job && job->data == c ? job : NULL;
}

struct jd_bs_watch *jd_bs_unhold(struct work_job *job)
{
	struct jd_bs_watch *w = job->taker;

	list_remove(&job->place);
	w->held--;
	w->bs->held--;
	return w;
}

/* It was reserved once more than its mark knows. */
static void give_back(struct work_job *job)
{
	struct jd_bs_watch *w = jd_bs_unhold(job);

	jd_bs_mark_get(w->bs, job->id)->reserves++;
	work_release(job, 0);
	jd_bs_watch_settle(w);
}

void jd_bs_give_back_all(struct jd_bs_client *c)
{
	while (!list_empty(&c->jobs))
		give_back(container_of(c->jobs.next, struct work_job, place));
}

/* When the first of its jobs has no more than the margin left. */
static int64_t margin_at(const struct jd_bs_client *c)
{
	int64_t first = never;

	for (struct list *it = c->jobs.next; it != &c->jobs; it = it->next) {
		int64_t at = container_of(it, struct work_job, place)->deadline;
		if (at && at - JD_BS_SAFE < first)
			first = at - JD_BS_SAFE;
	}
	return first;
}

/* ---- waiting ---------------------------------------------------------------------------- */

static void want(struct jd_bs_watch *w)
{
	if (w->taker)
		work_want(w->taker, w->bs->draining ? 0 : w->n_waiting);
}

/* Of the place where it waits, in any state. */
void jd_bs_stop_waiting(struct jd_bs_client *c)
{
	if (c->state == JD_BS_WAITING) {
		c->watch->n_waiting--;
		want(c->watch);
	}
	list_remove(&c->turn);
	heap_remove(&c->bs->due, &c->due);
	c->state = JD_BS_READING;
}

static void give(struct jd_bs_client *c, struct work_job *job)
{
	struct jd_bs *bs = c->bs;

	jd_bs_stop_waiting(c);
	hold(c, job);
	jd_bs_put_job(c, "RESERVED ", job->id, (struct jd_bs_body){ job->payload, job->size });
	if (c->going || c->closed)
		return;
	if (bs->depth && buf_len(&c->in)) { /* not on top of another one's commands */
		jd_bs_go_on_later(c);
		return;
	}
	if (!bs->depth)
		jd_bs_go_on(c);
	if (!bs->depth && !work_is_turning(bs->work))
		jd_bs_flush(bs);
}

static struct jd_bs_client *who_takes(struct jd_bs *bs, uint64_t id)
{
	for (struct list *it = bs->asking.next; it != &bs->asking; it = it->next) {
		struct jd_bs_client *c = container_of(it, struct jd_bs_client, turn);
		if (c->state == JD_BS_TAKING && c->id == id)
			return c;
	}
	return NULL;
}

static void on_job(void *data, struct work_job *job)
{
	struct jd_bs_watch *w = data;
	struct jd_bs_client *c = who_takes(w->bs, job->id);

	if (!c && !list_empty(&w->waiting))
		c = container_of(w->waiting.next, struct jd_bs_client, turn);
	if (c)
		give(c, job);
	else
		work_release(job, 0);
}

static void on_served(void *data)
{
	jd_bs_flush(((struct jd_bs_watch *)data)->bs);
}

static void on_overdue(void *data, struct work_job *job)
{
	struct jd_bs *bs = ((struct jd_bs_watch *)data)->bs;

	bs->timeouts++;
	jd_bs_mark_get(bs, job->id)->timeouts++;
	give_back(job);
}

/* The protocol has no word for it: the client's next one about the job finds nothing. */
static void on_cancel(void *data, struct work_job *job, bool now)
{
	struct jd_bs_watch *w = jd_bs_unhold(job);

	(void)data;
	(void)now;
	work_release(job, 0);
	jd_bs_watch_settle(w);
}

static struct work_taker *taker_of(struct jd_bs_watch *w)
{
	struct work_taker_conf conf = {
		.topics = (const char *const *)w->names,
		.n_topics = w->n,
		.order = WORK_URGENT,
		.on_overdue = on_overdue,
		.on_cancel = on_cancel,
		.on_job = on_job,
		.on_served = on_served,
		.owner = w->bs,
		.data = w,
	};

	if (!w->taker)
		w->taker = work_taker_new(w->bs->work, &conf);
	return w->taker;
}

static void wait_on(struct jd_bs_client *c)
{
	int64_t at = margin_at(c);

	if (c->wait_until && c->wait_until < at)
		at = c->wait_until;
	if (at != never)
		jd_bs_set_due(c, at);
}

/* timeout: seconds; 0: now or not at all; less: as long as it takes. */
void jd_bs_reserve(struct jd_bs_client *c, int64_t timeout)
{
	struct jd_bs_watch *w = c->watch;
	struct work_taker *taker = taker_of(w);
	bool found = false;

	c->worker = true;
	c->state = JD_BS_WAITING;
	c->wait_until = 0;
	list_append(&w->waiting, &c->turn);
	w->n_waiting++;
	want(w);
	while (c->state == JD_BS_WAITING && !c->bs->draining && work_serve(taker))
		found = true; /* for who came before it, or its payload is being read */
	if (c->state != JD_BS_WAITING)
		return;
	int64_t now = timeout >= 0 || !list_empty(&c->jobs) ? work_clock(c->bs->work) : 0;
	const char *line = NULL;
	if (!list_empty(&c->jobs) && margin_at(c) <= now)
		line = "DEADLINE_SOON";
	else if (c->eof || (timeout == 0 && !found))
		line = "TIMED_OUT";
	if (line) {
		jd_bs_stop_waiting(c);
		jd_bs_say(c, line);
		return;
	}
	if (timeout >= 0)
		c->wait_until = now + (timeout ? timeout * 1000 : JD_BS_PATIENCE);
	wait_on(c);
}

/* The job of this name, if it is where it can be taken. */
void jd_bs_take(struct jd_bs_client *c, uint64_t id)
{
	struct work_taker *taker = taker_of(c->watch);

	c->worker = true;
	c->state = JD_BS_TAKING;
	c->id = id;
	list_append(&c->bs->asking, &c->turn);
	if (work_take(taker, id) != 0) {
		jd_bs_stop_waiting(c);
		jd_bs_say(c, "NOT_FOUND");
	} else if (c->state == JD_BS_TAKING) {
		jd_bs_set_due(c, work_clock(c->bs->work) + JD_BS_PATIENCE);
	}
}

/* ---- times -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *t);

void jd_bs_wake(struct jd_bs *bs, int64_t at)
{
	int64_t now = work_clock(bs->work);

	if (bs->closing || (bs->timer_at && bs->timer_at <= at))
		return;
	bs->timer_at = at;
	uv_timer_start(&bs->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
}

/* The timer may go off before its time, and is then set anew: most who wait get a job before. */
void jd_bs_set_due(struct jd_bs_client *c, int64_t at)
{
	heap_set(&c->bs->due, &c->due, (uint64_t)at);
	jd_bs_wake(c->bs, at);
}

static void end_wait(struct jd_bs_client *c, int64_t now)
{
	const char *line = margin_at(c) <= now                     ? "DEADLINE_SOON"
			   : c->wait_until && c->wait_until <= now ? "TIMED_OUT"
								   : NULL;

	if (!line) {
		wait_on(c);
		return;
	}
	jd_bs_stop_waiting(c);
	jd_bs_say(c, line);
	jd_bs_go_on(c);
}

static void come_due(struct jd_bs_client *c, int64_t now)
{
	switch (c->state) {
	case JD_BS_WAITING:
		end_wait(c, now);
		break;
	case JD_BS_TAKING:
		jd_bs_stop_waiting(c);
		jd_bs_say(c, "NOT_FOUND");
		jd_bs_go_on(c);
		break;
	case JD_BS_GONE:
		jd_bs_close(c);
		break;
	default:
		jd_bs_go_on(c);
	}
}

static void on_timer(uv_timer_t *t)
{
	struct jd_bs *bs = t->data;
	int64_t now = work_clock(bs->work);
	struct heap_node *n;

	bs->timer_at = 0;
	while ((n = heap_first(&bs->due)) && (int64_t)n->key <= now) {
		heap_remove(&bs->due, n);
		come_due(container_of(n, struct jd_bs_client, due), now);
	}
	jd_bs_flush(bs);
	jd_bs_watch_sweep(bs);
	if ((n = heap_first(&bs->due)))
		jd_bs_wake(bs, (int64_t)n->key);
	if (bs->draining && !bs->held && !bs->drained) {
		bs->drained = true;
		jd_drained(bs->jd);
	}
}
