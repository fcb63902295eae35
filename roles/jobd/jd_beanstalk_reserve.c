/*
 * Jobs out: who reserves, what he holds, and the times that run meanwhile.
 */
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_beanstalk_private.h"

static const int64_t never = INT64_MAX;

/* ---- held ------------------------------------------------------------------------------ */

struct work_job *jd_bs_held(struct jd_bs_client *c, uint64_t id)
{
	struct work_job *job = work_job_of(c->bs->work, id, c->bs);

	return job && job->data == c ? job : NULL;
}

struct jd_watch *jd_bs_unhold(struct work_job *job)
{
	struct jd_watch *w = job->taker;

	jd_watch_unhold(w, job);
	return w;
}

static struct jd_bs *bs_of(const struct jd_watch *w)
{
	return container_of(w->all, struct jd_bs, watches);
}

/* It was reserved once more than its mark knows. */
static void give_back(struct work_job *job)
{
	struct jd_watch *w = jd_bs_unhold(job);

	jd_bs_mark_get(bs_of(w), job->id)->reserves++;
	work_release(job, 0);
	jd_watch_settle(w);
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

/* Of the place where it waits, in any state. */
void jd_bs_stop_waiting(struct jd_bs_client *c)
{
	if (c->conn.state == JD_BS_WAITING) {
		jd_watch_waits(c->watch, -1);
	}
	list_remove(&c->turn);
	jd_conn_not_due(&c->conn);
	c->conn.state = JD_CONN_READING;
}

static void give(struct jd_bs_client *c, struct work_job *job)
{
	jd_bs_stop_waiting(c);
	job->data = c;
	jd_watch_hold(job->taker, job, &c->jobs);
	jd_bs_put_job(c, "RESERVED ", job->id, (struct jd_bs_body){ job->payload, job->size });
	jd_conn_answered_now(&c->conn);
}

static struct jd_bs_client *who_takes(struct jd_bs *bs, uint64_t id)
{
	for (struct list *it = bs->asking.next; it != &bs->asking; it = it->next) {
		struct jd_bs_client *c = container_of(it, struct jd_bs_client, turn);
		if (c->conn.state == JD_BS_TAKING && c->id == id)
			return c;
	}
	return NULL;
}

static void on_job(void *data, struct work_job *job)
{
	struct jd_watch *w = data;
	struct jd_bs_client *c = who_takes(bs_of(w), job->id);

	if (!c && !list_empty(&w->waiting))
		c = container_of(w->waiting.next, struct jd_bs_client, turn);
	if (c)
		give(c, job);
	else
		work_release(job, 0);
}

static void on_served(void *data)
{
	jd_conns_flush(((struct jd_watch *)data)->all->conns);
}

static void on_overdue(void *data, struct work_job *job)
{
	struct jd_bs *bs = bs_of(data);

	bs->timeouts++;
	jd_bs_mark_get(bs, job->id)->timeouts++;
	give_back(job);
}

/* The protocol has no word for it: the client's next one about the job finds nothing. */
static void on_cancel(void *data, struct work_job *job, bool now)
{
	struct jd_watch *w = jd_bs_unhold(job);

	(void)data;
	(void)now;
	work_release(job, 0);
	jd_watch_settle(w);
}

const struct work_taker_conf jd_bs_taker_conf = {
	.order = WORK_URGENT,
	.on_overdue = on_overdue,
	.on_cancel = on_cancel,
	.on_job = on_job,
	.on_served = on_served,
};

static void wait_on(struct jd_bs_client *c)
{
	int64_t at = margin_at(c);

	if (c->wait_until && c->wait_until < at)
		at = c->wait_until;
	if (at != never)
		jd_conn_set_due(&c->conn, at);
}

/* timeout: seconds; 0: now or not at all; less: as long as it takes. */
void jd_bs_reserve(struct jd_bs_client *c, int64_t timeout)
{
	struct jd_watch *w = c->watch;
	struct work_taker *taker = jd_watch_taker(w);
	bool found = false;

	c->worker = true;
	c->conn.state = JD_BS_WAITING;
	c->wait_until = 0;
	list_append(&w->waiting, &c->turn);
	jd_watch_waits(w, 1);
	while (c->conn.state == JD_BS_WAITING && !c->bs->conns.draining && work_serve(taker))
		found = true; /* for who came before it, or its payload is being read */
	if (c->conn.state != JD_BS_WAITING)
		return;
	int64_t now = timeout >= 0 || !list_empty(&c->jobs) ? work_clock(c->bs->work) : 0;
	const char *line = NULL;
	if (!list_empty(&c->jobs) && margin_at(c) <= now)
		line = "DEADLINE_SOON";
	else if (c->conn.eof || (timeout == 0 && !found))
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
	struct work_taker *taker = jd_watch_taker(c->watch);

	c->worker = true;
	c->conn.state = JD_BS_TAKING;
	c->id = id;
	list_append(&c->bs->asking, &c->turn);
	if (work_take(taker, id) != 0) {
		jd_bs_stop_waiting(c);
		jd_bs_say(c, "NOT_FOUND");
	} else if (c->conn.state == JD_BS_TAKING) {
		jd_conn_set_due(&c->conn, work_clock(c->bs->work) + JD_BS_PATIENCE);
	}
}

/* ---- times -------------------------------------------------------------------------------- */

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
	jd_conn_go_on(&c->conn);
}

void jd_bs_due(struct jd_conn *conn, int64_t now)
{
	struct jd_bs_client *c = jd_bs_client_of(conn);

	switch (conn->state) {
	case JD_BS_WAITING:
		end_wait(c, now);
		break;
	case JD_BS_TAKING:
		jd_bs_stop_waiting(c);
		jd_bs_say(c, "NOT_FOUND");
		jd_conn_go_on(conn);
		break;
	default:
		jd_conn_go_on(conn);
	}
}
