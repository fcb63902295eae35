/* Jobs in: answered when they are stored. */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

static void on_pushed(void *data, int status, const struct work_receipt *r, int n)
{
	struct jd_fk_client *c = data;

	(void)n;
	if (!jd_conn_answered(&c->conn))
		return;
	if (status != 0)
		jd_fk_err(c, NULL, "%s", uv_strerror(status));
	else if (r->conflict)
		jd_fk_err(c, "NOTUNIQUE", "Job has already been pushed");
	else
		jd_fk_ok(c);
	c->fk->pushed += status == 0 && !r->duplicate;
	jd_fk_go_on(c);
}

void jd_fk_push(struct jd_fk_client *c, const struct json *doc)
{
	struct err err = { .text = "" };
	struct jd_fk_job job;

	if (!jd_fk_job_read(c->fk, doc, &job, &err)) {
		jd_fk_err(c, err.code == ERR_PROTO ? "MALFORMED" : NULL, "%s", err.text);
	} else {
		int rc = work_submit(c->fk->work, &job.spec, 1, on_pushed, c);
		if (rc != 0)
			jd_fk_err(c, NULL, "nothing new is taken: %s", uv_strerror(rc));
		else
			c->conn.state = JD_FK_PUSHING;
		c->conn.pending += rc == 0;
	}
	jd_fk_job_fini(&job);
}

/* ---- many ------------------------------------------------------------------------------------ */

/* What is answered: the jids of those that were not taken, with the reason. */
struct refused {
	struct json_out o;
	char *jids[JD_FK_JOBS]; /* of those that were sent to the engine */
	int n;
};

static void refuse(struct refused *r, const char *jid, const char *why)
{
	json_puts(&r->o, r->o.n ? "," : "{");
	json_put_text(&r->o, jid);
	json_puts(&r->o, ":");
	json_put_text(&r->o, why);
}

static void answer(struct jd_fk_client *c, struct refused *r)
{
	json_puts(&r->o, r->o.n ? "}" : "{}");
	jd_fk_bulk(c, r->o.p, r->o.n);
}

static void refused_free(struct refused *r)
{
	for (int i = 0; i < r->n; i++)
		free(r->jids[i]);
	json_out_fini(&r->o);
	free(r);
}

static void on_all_pushed(void *data, int status, const struct work_receipt *receipts, int n)
{
	struct jd_fk_client *c = data;
	struct refused *r = c->answer;

	c->answer = NULL;
	for (int i = 0; i < n; i++) {
		if (status != 0)
			refuse(r, r->jids[i], uv_strerror(status));
		else if (receipts[i].conflict)
			refuse(r, r->jids[i], "NOTUNIQUE");
		c->fk->pushed += status == 0 && !receipts[i].duplicate;
	}
	if (jd_conn_answered(&c->conn)) {
		answer(c, r);
		jd_fk_go_on(c);
	}
	refused_free(r);
}

static int count(const struct json *doc)
{
	struct json v;
	int n = 0;

	for (struct json_at at = json_begin(doc); json_element(&at, &v);)
		n++;
	return n;
}

static void submit(struct jd_fk_client *c, const struct work_spec *specs, struct refused *r)
{
	int rc = r->n ? work_submit(c->fk->work, specs, r->n, on_all_pushed, c) : 0;

	if (r->n && rc == 0) {
		c->answer = r;
		c->conn.state = JD_FK_PUSHING;
		c->conn.pending++;
		return;
	}
	for (int i = 0; i < r->n; i++)
		refuse(r, r->jids[i], uv_strerror(rc));
	answer(c, r);
	refused_free(r);
}

/* The jid of one that is not well, as far as it has one. */
static void refuse_bad(struct refused *r, const struct json *v, const char *why)
{
	struct json name = json_get(v, "jid");
	char *jid = json_unquoted(&name, NULL);

	refuse(r, jid ? jid : "", why);
	free(jid);
}

void jd_fk_push_all(struct jd_fk_client *c, const struct json *doc)
{
	int n = doc->kind == JSON_ARRAY ? count(doc) : -1;
	struct json v;

	if (n < 0 || n > JD_FK_JOBS) {
		jd_fk_err(c, "MALFORMED", "PUSHB: an array of up to %d jobs", JD_FK_JOBS);
		return;
	}
	struct jd_fk_job *jobs = mem_new(((size_t)n + 1) * sizeof(*jobs));
	struct work_spec *specs = mem_new(((size_t)n + 1) * sizeof(*specs));
	struct refused *r = mem_new(sizeof(*r));
	for (struct json_at at = json_begin(doc); json_element(&at, &v);) {
		struct err err = { .text = "" };
		struct jd_fk_job *job = &jobs[r->n];
		if (jd_fk_job_read(c->fk, &v, job, &err)) {
			specs[r->n] = job->spec;
			r->jids[r->n++] = mem_str(job->jid);
			continue;
		}
		refuse_bad(r, &v, err.text);
		jd_fk_job_fini(job);
	}
	int good = r->n;
	submit(c, specs, r);
	for (int i = 0; i < good; i++)
		jd_fk_job_fini(&jobs[i]);
	free(jobs);
	free(specs);
}
