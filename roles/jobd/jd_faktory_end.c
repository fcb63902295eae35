/* How a job ended. Answered when that is stored. */
#include <stdlib.h>
#include <string.h>

#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

/* A job that some worker holds, and is to be answered for; NULL: nobody does. */
static struct work_job *job_of(struct jd_fk_client *c, const struct json *doc)
{
	uint64_t id = jd_fk_id_of(c->fk, doc);

	return id ? work_job_of(c->fk->work, id, c->fk) : NULL;
}

static void wait_for(struct jd_fk_client *c, const struct work_job *job)
{
	c->conn.state = JD_FK_ASKING;
	c->id = job->id;
	c->asking = true;
	c->fk->conns.held++;
	list_append(&c->fk->asking, &c->turn);
}

void jd_fk_asks_no_more(struct jd_fk_client *c)
{
	list_remove(&c->turn);
	if (!c->asking)
		return;
	c->asking = false;
	c->fk->conns.held--;
	jd_conns_settle(&c->fk->conns);
}

void jd_fk_ack(struct jd_fk_client *c, const struct json *doc)
{
	struct work_job *job = job_of(c, doc);

	if (!job) { /* its time was over, it is another's or done: as Faktory, that is no error */
		jd_fk_ok(c);
		return;
	}
	struct jd_watch *w = job->taker;
	wait_for(c, job);
	c->fk->acked++;
	jd_watch_unhold(w, job);
	work_ack(job, NULL);
	jd_watch_settle(w);
}

/* "errtype: message", and the first lines of the way there. */
static void put_error(struct json_out *o, const struct json *doc)
{
	struct json type = json_get(doc, "errtype"), message = json_get(doc, "message");
	struct json lines = json_get(doc, "backtrace"), v;
	char *text = json_unquoted(&type, NULL);

	json_puts(o, text ? text : "error");
	free(text);
	text = json_unquoted(&message, NULL);
	json_puts(o, ": ");
	json_puts(o, text ? text : "");
	free(text);
	if (lines.kind != JSON_ARRAY)
		return;
	for (struct json_at at = json_begin(&lines); json_element(&at, &v) && o->n < 8000;) {
		text = json_unquoted(&v, NULL);
		json_puts(o, "\n");
		json_puts(o, text ? text : "");
		free(text);
	}
}

void jd_fk_fail(struct jd_fk_client *c, const struct json *doc)
{
	struct work_job *job = job_of(c, doc);
	struct json_out o = { .n = 0 };

	if (!job) {
		jd_fk_ok(c);
		return;
	}
	struct jd_watch *w = job->taker;
	wait_for(c, job);
	c->fk->failed++;
	put_error(&o, doc);
	jd_watch_unhold(w, job);
	job->cancelled |= jd_fk_is_dropped(job); /* retry 0: it is not kept among the dead */
	work_fail(job, WORK_FAULT_FAILED, o.p, true, -1);
	jd_watch_settle(w);
	json_out_fini(&o);
}

void jd_fk_lose(struct jd_fk *fk, struct work_job *job)
{
	struct jd_watch *w = job->taker;

	fk->lost++;
	jd_watch_unhold(w, job);
	work_fail(job, WORK_FAULT_CRASHED, "its worker is gone", true, 0);
	jd_watch_settle(w);
}
