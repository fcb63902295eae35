/*
 * A job: what a producer says of it, for the engine; and what a worker gets.
 *
 * Beside a job stands "faktory", or "faktory drop": one that fails once and is forgotten
 * (retry 0). What came by another way than PUSH gets the members that a worker of Faktory needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/moment.h"
#include "core/api/setup.h"
#include "core/api/spec.h"
#include "core/base/err.h"
#include "core/net/digest.h"
#include "core/work/ident.h"
#include "roles/jobd/jd.h"
#include "roles/jobd/jd_faktory_private.h"

static const char no_batch[] = "bid: there is no open batch of that name";
static const char meta[] = "faktory", meta_drop[] = "faktory drop";

/* ---- in ------------------------------------------------------------------------------------ */

static bool refuse(struct err *err, const char *what)
{
	err_set(err, ERR_PROTO, "%s", what);
	return false;
}

static bool read_names(const struct json *doc, struct jd_fk_job *job, struct err *err)
{
	struct json jid = json_get(doc, "jid"), type = json_get(doc, "jobtype");
	struct json queue = json_get(doc, "queue"), args = json_get(doc, "args");
	size_t n = 0;

	job->jid = json_unquoted(&jid, &n);
	if (!job->jid || n < 8 || strlen(job->jid) != n || !api_id_is_good(job->jid))
		return refuse(err, "jid: 8 to 200 letters, digits and . _ : -");
	job->type = json_unquoted(&type, &n);
	if (!job->type || !n || n > 128 || strlen(job->type) != n)
		return refuse(err, "jobtype: 1 to 128 bytes");
	if (args.kind != JSON_ARRAY)
		return refuse(err, "args: an array");
	if (queue.kind != JSON_NONE && queue.kind != JSON_NULL) {
		job->queue = json_unquoted(&queue, &n);
		if (!job->queue || strlen(job->queue) != n || !api_topic_is_good(job->queue))
			return refuse(err, "queue: 1 to 128 bytes, no spaces");
	}
	job->spec.ext_id = job->jid;
	job->spec.type = job->type;
	job->spec.topic = job->queue ? job->queue : "default";
	return true;
}

/* A number of a member; where it is none: dflt. */
static int64_t number(const struct json *doc, const char *name, int64_t dflt)
{
	struct json v = json_get(doc, name);
	int64_t n;

	return json_int(&v, &n) ? n : dflt;
}

/* ms since 1970; 0: not there; -1: it is none. */
static int64_t moment(const struct json *doc, const char *name)
{
	struct json v = json_get(doc, name);
	char *text = json_unquoted(&v, NULL);
	int64_t at = !text   ? (v.kind == JSON_NONE || v.kind == JSON_NULL ? 0 : -1)
		     : *text ? api_moment_read(text)
			     : 0;

	free(text);
	return at;
}

/* 9 is the most urgent one. */
static bool read_numbers(const struct json *doc, struct jd_fk_job *job, struct err *err)
{
	int64_t prio = number(doc, "priority", 5), retry = number(doc, "retry", 25);
	int64_t reserve = number(doc, "reserve_for", JD_FK_RESERVE), at = moment(doc, "at");

	if (reserve && (reserve < 60 || reserve > 86400))
		return refuse(err, "reserve_for: 60 to 86400 seconds");
	if (at < 0)
		return refuse(err, "at: a moment as 2030-01-31T12:00:00Z");
	prio = prio < 1 ? 1 : prio > 9 ? 9 : prio;
	job->spec.prio = WORK_PRIO + (int)(5 - prio) * 10;
	job->spec.run_at = at;
	job->spec.timeout = (reserve ? reserve : JD_FK_RESERVE) * 1000;
	job->spec.max_attempts = retry <= 0                  ? 1
				 : retry < WORK_MAX_ATTEMPTS ? (int)retry + 1
							     : WORK_MAX_ATTEMPTS;
	job->spec.backoff = "poly4";
	strcpy(job->meta, retry == 0 ? meta_drop : meta);
	job->spec.meta = job->meta;
	job->spec.meta_size = strlen(job->meta);
	return true;
}

/* The same jobtype and args of a queue. */
static void hold(const struct json *doc, struct jd_fk_job *job)
{
	struct json args = json_get(doc, "args");
	struct json_out o = { .n = 0 };
	unsigned char bytes[DIGEST_BYTES];

	json_put(&o, job->type, strlen(job->type) + 1);
	json_put(&o, args.p, args.n);
	digest_sha256(o.p, o.n, bytes);
	digest_hex(bytes, sizeof(bytes), job->uniq);
	json_out_fini(&o);
	job->spec.uniq = job->uniq;
}

static bool read_custom(const struct json *doc, struct jd_fk_job *job, struct err *err)
{
	struct json custom = json_get(doc, "custom"), until = json_get(&custom, "unique_until");
	struct json bid = json_get(&custom, "bid");
	int64_t expires = moment(&custom, "expires_at"), unique = number(&custom, "unique_for", 0);
	char *text = json_unquoted(&bid, NULL);
	bool named = !text || (strlen(text) == IDENT_LEN + 2 &&
			       ident_read(text + 2, &job->spec.batch) && job->spec.batch);

	free(text);
	if (!named)
		return refuse(err, no_batch);
	if (expires < 0)
		return refuse(err, "expires_at: a moment as 2030-01-31T12:00:00Z");
	job->spec.expires_at = expires;
	if (unique > 0 && unique <= 10 * 365 * 86400) {
		hold(doc, job);
		job->spec.uniq_ttl = unique * 1000;
		job->spec.hold = json_is(&until, "start") ? WORK_UNTIL_START : WORK_UNTIL_FINISH;
	}
	return true;
}

static bool may_come(struct jd_fk *fk, const struct jd_fk_job *job, struct err *err)
{
	struct work_batch_figures f;

	if (job->spec.batch && (work_batch_get(fk->work, job->spec.batch, &f) != 0 || !f.open))
		return refuse(err, no_batch);
	if (fk->api->draining)
		return refuse(err, "the server is about to end");
	if (job->spec.size > (size_t)fk->jd->keys->max_job)
		return refuse(err, "the job is larger than max_job");
	int rc = api_setup_takes(fk->api, job->spec.topic);
	if (rc != 0)
		return refuse(err, rc == ERR_LIMIT ? "queue: there are too many"
						   : "queue: there is none of that name");
	return work_spec_check(fk->work, &job->spec, err) == 0;
}

bool jd_fk_job_parse(const struct json *doc, struct jd_fk_job *job, struct err *err)
{
	*job = (struct jd_fk_job){ .jid = NULL };
	if (doc->kind != JSON_OBJECT)
		return refuse(err, "a job is an object");
	job->spec.payload = doc->p;
	job->spec.size = doc->n;
	return read_names(doc, job, err) && read_numbers(doc, job, err) &&
	       read_custom(doc, job, err);
}

bool jd_fk_job_read(struct jd_fk *fk, const struct json *doc, struct jd_fk_job *job,
		    struct err *err)
{
	return jd_fk_job_parse(doc, job, err) && may_come(fk, job, err);
}

void jd_fk_job_fini(struct jd_fk_job *job)
{
	free(job->jid);
	free(job->type);
	free(job->queue);
}

uint64_t jd_fk_id_of(struct jd_fk *fk, const struct json *doc)
{
	struct json v = json_get(doc, "jid");
	char *jid = json_unquoted(&v, NULL);
	uint64_t id = 0;

	if (jid && !work_find(fk->work, jid, &id))
		id = 0;
	free(jid);
	return id;
}

/* ---- out ----------------------------------------------------------------------------------- */

static bool is_ours(const struct work_job *job)
{
	return job->meta_size >= sizeof(meta) - 1 && memcmp(job->meta, meta, sizeof(meta) - 1) == 0;
}

bool jd_fk_is_dropped(const struct work_job *job)
{
	return job->meta_size == sizeof(meta_drop) - 1 &&
	       memcmp(job->meta, meta_drop, sizeof(meta_drop) - 1) == 0;
}

/* What is no array is the one argument. */
static void put_args(struct json_out *o, const struct work_job *job)
{
	struct json doc;
	bool is_json = json_read(&doc, job->payload, job->size, NULL) == 0;

	if (is_json && doc.kind == JSON_ARRAY) {
		json_put(o, doc.p, doc.n);
		return;
	}
	json_puts(o, "[");
	if (is_json)
		json_put(o, doc.p, doc.n);
	else
		json_put_string(o, job->payload, job->size);
	json_puts(o, "]");
}

static void put_failure(struct json_out *o, const struct work_job *job)
{
	json_printf(o, ",\"failure\":{\"retry_count\":%d,\"remaining\":-1}", job->attempt - 2);
}

static void put_names(struct json_out *o, const struct work_job *job)
{
	char id[IDENT_LEN + 1];

	ident_write(job->id, id);
	json_puts(o, "\"jid\":");
	json_put_text(o, job->ext_id ? job->ext_id : id);
	json_puts(o, ",\"queue\":");
	json_put_text(o, job->topic);
}

/* Whether it is a job of Faktory's already, by whatever way it came. */
static bool has_all(const struct json *doc)
{
	return doc->kind == JSON_OBJECT && json_get(doc, "jobtype").kind == JSON_STRING &&
	       json_get(doc, "args").kind == JSON_ARRAY;
}

/* Its own names come first, and its members but those. */
static void put_members(struct json_out *o, const struct json *doc)
{
	struct json key, value;

	for (struct json_at at = json_begin(doc); json_member(&at, &key, &value);) {
		if (json_is(&key, "jid") || json_is(&key, "queue") || json_is(&key, "failure"))
			continue;
		json_puts(o, ",");
		json_put(o, key.p, key.n);
		json_puts(o, ":");
		json_put(o, value.p, value.n);
	}
}

char *jd_fk_job_write(const struct work_job *job, size_t *n)
{
	struct json_out o = { .n = 0 };
	struct json doc;

	if (is_ours(job) && job->attempt == 1)
		return NULL;
	json_puts(&o, "{");
	put_names(&o, job);
	if (json_read(&doc, job->payload, job->size, NULL) == 0 && has_all(&doc)) {
		put_members(&o, &doc);
	} else {
		json_puts(&o, ",\"jobtype\":");
		json_put_text(&o, job->type ? job->type : job->topic);
		json_puts(&o, ",\"args\":");
		put_args(&o, job);
	}
	if (job->attempt > 1)
		put_failure(&o, job);
	json_puts(&o, "}");
	*n = o.n;
	return o.p;
}
