/*
 * Batches: BATCH NEW {description, success: job, complete: job} -> bid; jobs with custom.bid of it;
 * BATCH COMMIT bid; then, when they are over, the callbacks. BATCH OPEN, BATCH STATUS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/work/ident.h"
#include "roles/jobd/jd_faktory_private.h"

enum { BID = IDENT_LEN + 3 };

static void bid_write(uint64_t id, char bid[BID])
{
	memcpy(bid, "b-", 2);
	ident_write(id, bid + 2);
}

static void on_made(void *data, int status, const struct work_receipt *r, int n)
{
	struct jd_fk_client *c = data;
	char bid[BID];

	(void)n;
	if (!jd_conn_answered(&c->conn))
		return;
	if (status != 0) {
		jd_fk_err(c, NULL, "%s", uv_strerror(status));
	} else {
		bid_write(r->id, bid);
		jd_fk_bulk(c, bid, strlen(bid));
	}
	jd_fk_go_on(c);
}

/* A callback's job; false: it is none. spec: NULL when there is none. */
static bool read_callback(struct jd_fk_client *c, const struct json *doc, const char *name,
			  struct jd_fk_job *job, const struct work_spec **spec)
{
	struct json v = json_get(doc, name);
	struct err err = { .text = "" };

	*spec = NULL;
	*job = (struct jd_fk_job){ .jid = NULL };
	if (v.kind == JSON_NONE || v.kind == JSON_NULL)
		return true;
	if (!jd_fk_job_read(c->fk, &v, job, &err)) {
		jd_fk_err(c, "MALFORMED", "%s: %s", name, err.text);
		return false;
	}
	*spec = &job->spec;
	return true;
}

static void do_new(struct jd_fk_client *c, const char *text, size_t n)
{
	struct jd_fk_job success, complete = { .jid = NULL };
	struct work_batch b = { .on_success = NULL };
	struct err err = { .text = "" };
	struct json doc;

	if (json_read(&doc, text, n, &err) != 0) {
		jd_fk_err(c, "MALFORMED", "BATCH NEW: %s", err.text);
		return;
	}
	bool well = read_callback(c, &doc, "success", &success, &b.on_success) &&
		    read_callback(c, &doc, "complete", &complete, &b.on_complete);
	if (well && !b.on_success && !b.on_complete) {
		jd_fk_err(c, "MALFORMED", "BATCH NEW: success, complete: one of them is wanted");
	} else if (well) {
		int rc = work_batch_new(c->fk->work, &b, on_made, c);
		if (rc != 0)
			jd_fk_err(c, NULL, "%s", uv_strerror(rc));
		else
			c->conn.state = JD_FK_PUSHING;
		c->conn.pending += rc == 0;
	}
	jd_fk_job_fini(&success);
	jd_fk_job_fini(&complete);
}

static void show(struct jd_fk_client *c, const char *bid, const struct work_batch_figures *f)
{
	struct json_out o = { .n = 0 };

	json_puts(&o, "{\"bid\":");
	json_put_text(&o, bid);
	json_printf(&o,
		    ",\"total\":%lu,\"pending\":%lu,\"failed\":%lu,\"complete_st\":\"%d\","
		    "\"success_st\":\"%d\"}",
		    (unsigned long)f->total, (unsigned long)f->pending, (unsigned long)f->failed,
		    f->over != 0, f->over != 0 && !f->failed);
	jd_fk_bulk(c, o.p, o.n);
	json_out_fini(&o);
}

void jd_fk_batch(struct jd_fk_client *c, const char *words, size_t size)
{
	const char *at = words, *end = words + size;
	char bid[BID] = "";
	struct work_batch_figures f;
	uint64_t id = 0;
	size_t n, len;
	const char *what = jd_fk_word(&at, end, &n);

	if (what && n == 3 && memcmp(what, "NEW", 3) == 0) {
		do_new(c, at, (size_t)(end - at));
		return;
	}
	const char *name = jd_fk_word(&at, end, &len);
	if (name && len == BID - 1)
		memcpy(bid, name, len);
	if (!*bid || !ident_read(bid + 2, &id) || work_batch_get(c->fk->work, id, &f) != 0) {
		jd_fk_err(c, NULL, "BATCH: there is none of that name");
	} else if (n == 6 && memcmp(what, "COMMIT", 6) == 0) {
		work_batch_close(c->fk->work, id);
		jd_fk_ok(c);
	} else if (n == 6 && memcmp(what, "STATUS", 6) == 0) {
		show(c, bid, &f);
	} else if (n == 4 && memcmp(what, "OPEN", 4) == 0) {
		if (f.open)
			jd_fk_ok(c);
		else
			jd_fk_err(c, NULL, "BATCH OPEN: it is committed");
	} else {
		jd_fk_err(c, NULL, "BATCH: NEW, OPEN, COMMIT or STATUS");
	}
}
