/* Jobs out: who fetches, and for how long he waits. */
#include <stdlib.h>
#include <string.h>

#include "core/api/spec.h"
#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

static struct jd_fk *fk_of(const struct jd_watch *w)
{
	return container_of(w->all, struct jd_fk, watches);
}

void jd_fk_stop_waiting(struct jd_fk_client *c)
{
	if (c->conn.state == JD_FK_FETCHING && c->turn.next != &c->turn)
		jd_watch_waits(c->watch, -1);
	jd_fk_asks_no_more(c);
	jd_conn_not_due(&c->conn);
	if (c->conn.state == JD_FK_FETCHING || c->conn.state == JD_FK_ASKING)
		c->conn.state = JD_CONN_READING;
}

static void give(struct jd_fk_client *c, struct work_job *job)
{
	size_t n = job->size;
	char *own = jd_fk_job_write(job, &n);

	jd_fk_stop_waiting(c);
	job->data = c->worker;
	jd_watch_hold(job->taker, job, &c->worker->jobs);
	work_begun(job);
	c->fk->fetched++;
	jd_fk_bulk(c, own ? own : job->payload, n);
	free(own);
	jd_conn_answered_now(&c->conn);
}

static void on_job(void *data, struct work_job *job)
{
	struct jd_watch *w = data;

	if (list_empty(&w->waiting))
		work_release(job, 0);
	else
		give(container_of(w->waiting.next, struct jd_fk_client, turn), job);
}

static void on_served(void *data)
{
	jd_conns_flush(((struct jd_watch *)data)->all->conns);
}

/* It was reserved for so long. */
static void on_overdue(void *data, struct work_job *job)
{
	struct jd_watch *w = data;
	struct jd_fk *fk = fk_of(w);

	fk->lost++;
	jd_watch_unhold(w, job);
	work_fail(job, WORK_FAULT_TIMEOUT, "its reservation has expired", true, -1);
	jd_watch_settle(w);
}

/* The protocol has no word for it: what the worker says of the job finds nothing. */
static void on_cancel(void *data, struct work_job *job, bool now)
{
	struct jd_watch *w = data;

	(void)now;
	jd_watch_unhold(w, job);
	work_fail(job, WORK_FAULT_FAILED, "cancelled", false, -1);
	jd_watch_settle(w);
}

const struct work_taker_conf jd_fk_taker_conf = {
	.order = WORK_STRICT,
	.on_overdue = on_overdue,
	.on_cancel = on_cancel,
	.on_job = on_job,
	.on_served = on_served,
};

/* ---- FETCH ----------------------------------------------------------------------------------- */

/* How many queues it names; -1: one of them can't be one, or there are too many. */
static int read_queues(const char *words, size_t size, char *names[JD_FK_QUEUES])
{
	const char *at = words, *word;
	size_t n;
	int count = 0;

	while ((word = jd_fk_word(&at, words + size, &n))) {
		if (count == JD_FK_QUEUES)
			return -1;
		names[count] = mem_new(n + 1);
		memcpy(names[count], word, n);
		if (!api_topic_is_good(names[count++]))
			return -1;
	}
	return count;
}

static bool watch(struct jd_fk_client *c, const char *words, size_t size)
{
	static char dflt[] = "default";
	char *names[JD_FK_QUEUES + 1] = { NULL }, *all[1] = { dflt };
	struct jd_watch *before = c->watch;
	int n = read_queues(words, size, names);

	if (n >= 0)
		c->watch = jd_watch_of(&c->fk->watches, n ? names : all, n ? n : 1);
	if (n >= 0 && before)
		jd_watch_leave(before);
	for (int i = 0; i < JD_FK_QUEUES && names[i]; i++)
		free(names[i]);
	return n >= 0;
}

void jd_fk_fetch(struct jd_fk_client *c, const char *words, size_t size)
{
	struct jd_fk *fk = c->fk;

	if (!watch(c, words, size)) {
		jd_fk_err(c, "MALFORMED", "FETCH: up to %d names of queues", JD_FK_QUEUES);
		return;
	}
	if (!c->worker) { /* one without a name, as long as this connection */
		c->worker = jd_fk_worker_get(fk, "", "");
		if (!c->worker) {
			jd_fk_err(c, NULL, "too many workers");
			return;
		}
		c->worker->conns++;
	}
	c->conn.state = JD_FK_FETCHING;
	if (!fk->conns.draining && !c->worker->quiet && !c->conn.eof) {
		struct work_taker *taker = jd_watch_taker(c->watch);
		list_append(&c->watch->waiting, &c->turn);
		jd_watch_waits(c->watch, 1);
		while (c->conn.state == JD_FK_FETCHING && work_serve(taker))
			continue;
	}
	if (c->conn.state != JD_FK_FETCHING)
		return;
	if (!c->conn.eof) {
		jd_conn_set_due(&c->conn, work_clock(fk->work) + JD_FK_BLOCK);
		return;
	}
	jd_fk_stop_waiting(c);
	jd_fk_nil(c);
}

void jd_fk_due(struct jd_conn *conn, int64_t now)
{
	struct jd_fk_client *c = jd_fk_client_of(conn);

	(void)now;
	if (!c->greeted) {
		jd_fk_err(c, NULL, "HELLO did not come");
		jd_conn_leave(conn);
		return;
	}
	if (conn->state == JD_FK_FETCHING) {
		jd_fk_stop_waiting(c);
		jd_fk_nil(c);
	}
	jd_conn_go_on(conn);
}
