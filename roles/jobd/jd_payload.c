#include "roles/jobd/jd_payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/base/jsontext.h"
#include "core/base/utf8.h"
#include "core/work/work.h"
#include "roles/jobd/jd_unserialize.h"

enum { TIMES = 4, LEAST = 4096, STEP = 16, PRIORITIES = 5 };

static const int64_t week = 7 * 86400000LL, year = 366 * 86400;

/* false: it is no JSON, and nothing that PHP wrote. */
static bool read_text(struct jd_payload *out, struct json *doc)
{
	struct json_out json = { .p = NULL };

	if (!jd_is_serialized(out->p, out->n))
		return json_read(doc, out->p, out->n, NULL) == 0;
	if (jd_unserialize(out->p, out->n, TIMES * out->n + LEAST, &json, NULL) != 0 ||
	    json_read(doc, json.p, json.n, NULL) != 0) {
		json_out_fini(&json);
		return false;
	}
	out->own = json.p;
	out->p = json.p;
	out->n = json.n;
	return true;
}

static int64_t extra(const struct json *extras, const char *name, int64_t most)
{
	struct json v = json_get(extras, name);
	int64_t n = 0;

	return json_int(&v, &n) && n > 0 ? (n < most ? n : most) : 0;
}

static void take_extras(struct jd_payload *out, const struct json *doc)
{
	struct json extras = json_get(doc, "jobExtras");
	int64_t priority = extra(&extras, "priority", PRIORITIES);

	out->delay = extra(&extras, "delay", week);
	out->expires = extra(&extras, "expiration", week);
	out->prio = WORK_PRIO - STEP * (int)priority;
}

static void take_type(struct jd_payload *out, const struct json *name, const struct json *method)
{
	char *first = json_unquoted(name, NULL), *second = json_unquoted(method, NULL);

	snprintf(out->type, sizeof(out->type), "%s%s%s", first ? first : "", second ? "::" : "",
		 second ? second : "");
	utf8_mend(out->type, strlen(out->type));
	free(first);
	free(second);
}

static void call_by_default(struct jd_payload *out, const struct json *doc,
			    const struct jd_payload_rules *rules)
{
	struct json_out o = { .p = NULL };

	json_puts(&o, "{\"jobClass\":");
	json_put_text(&o, rules->job_class);
	json_puts(&o, ",\"jobMethod\":");
	json_put_text(&o, rules->job_method ? rules->job_method : "");
	json_puts(&o, ",\"jobParams\":[");
	if (doc)
		json_put(&o, doc->p, doc->n);
	else
		json_put_string(&o, out->p, out->n);
	json_puts(&o, "]}");
	snprintf(out->type, sizeof(out->type), "%s::%s", rules->job_class,
		 rules->job_method ? rules->job_method : "");
	free(out->own);
	out->own = o.p;
	out->p = o.p;
	out->n = o.n;
}

static void read_call(struct jd_payload *out, const struct jd_payload_rules *rules)
{
	struct json doc, name, method;
	bool is_json = read_text(out, &doc);

	name = is_json ? json_get(&doc, "jobClass") : (struct json){ .kind = JSON_NONE };
	if (name.kind == JSON_STRING) {
		method = json_get(&doc, "jobMethod");
		take_type(out, &name, &method);
		take_extras(out, &doc);
	} else if (rules->job_class && *rules->job_class && (is_json || utf8_is(out->p, out->n))) {
		call_by_default(out, is_json ? &doc : NULL, rules);
	}
}

/* ---- Sidekiq, Laravel --------------------------------------------------------------------- */

static void take_name(struct jd_payload *out, const struct json *doc, const char *name)
{
	struct json v = json_get(doc, name), none = { .kind = JSON_NONE };

	if (v.kind == JSON_STRING)
		take_type(out, &v, &none);
}

/* A whole number from 1 to most; 0: it is none. */
static int count(const struct json *doc, const char *name, int most)
{
	struct json v = json_get(doc, name);
	int64_t n = 0;

	return json_int(&v, &n) && n > 0 ? (int)(n < most ? n : most) : 0;
}

/* retry: how often again; false: never; true: as the topic says. retry_count: 0 after the first. */
static void take_sidekiq(struct jd_payload *out, const struct json *doc)
{
	struct json retry = json_get(doc, "retry"), again = json_get(doc, "retry_count");
	int64_t n;

	take_name(out, doc, "class");
	if (retry.kind == JSON_FALSE)
		out->max_attempts = 1;
	else if (json_int(&retry, &n) && n >= 0)
		out->max_attempts = n < WORK_MAX_ATTEMPTS ? (int)n + 1 : WORK_MAX_ATTEMPTS;
	if (json_int(&again, &n) && n >= 0)
		out->attempts = n < WORK_MAX_ATTEMPTS ? (int)n + 1 : WORK_MAX_ATTEMPTS;
}

/* 10, "10" or "1,5,10", seconds: before the second attempt, the third ...; the last one goes on. */
static void take_backoff(struct jd_payload *out, const struct json *doc)
{
	struct json v = json_get(doc, "backoff");
	const char *p = v.p, *end = v.p + v.n;
	char text[sizeof(out->backoff)];
	int64_t seconds;
	size_t n = 0;

	if (v.kind != JSON_NUMBER && v.kind != JSON_STRING && v.kind != JSON_ARRAY)
		return;
	for (int steps = 0; p < end && steps < BACKOFF_STEPS;) {
		if (strchr("\"[, ]", *p)) {
			p++;
			continue;
		}
		for (seconds = 0; p < end && *p >= '0' && *p <= '9' && seconds <= year; p++)
			seconds = 10 * seconds + (*p - '0');
		if (seconds > year || (p < end && !strchr("\", ]", *p)))
			return;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llds",
				      steps++ ? "," : "list ", (long long)seconds);
	}
	if (n)
		memcpy(out->backoff, text, n + 1);
}

static void take_laravel(struct jd_payload *out, const struct json *doc)
{
	struct json until = json_get(doc, "retryUntil");
	int64_t end;

	take_name(out, doc, "displayName");
	take_backoff(out, doc);
	out->max_attempts = count(doc, "maxTries", WORK_MAX_ATTEMPTS);
	out->attempts = count(doc, "attempts", WORK_MAX_ATTEMPTS);
	out->timeout = (int64_t)count(doc, "timeout", (int)(week / 1000)) * 1000;
	if (json_int(&until, &end) && end > 0 && end < INT64_MAX / 1000)
		out->expires_at = end * 1000;
}

static bool has(const struct json *doc, const char *name)
{
	struct json v = json_get(doc, name);

	return v.kind != JSON_NONE;
}

char *jd_payload_complete(enum jd_format format, const char *topic, const char *p, size_t n,
			  size_t *size)
{
	struct json_out o = { .p = NULL };
	struct timespec now;
	unsigned char id[12];
	struct json doc;

	if (format != JD_SIDEKIQ || json_read(&doc, p, n, NULL) != 0 || doc.kind != JSON_OBJECT ||
	    !has(&doc, "class") || has(&doc, "jid"))
		return NULL;
	json_put(&o, doc.p, doc.n - 1);
	json_puts(&o, ",\"jid\":\"");
	uv_random(NULL, NULL, id, sizeof(id), 0, NULL);
	for (size_t i = 0; i < sizeof(id); i++)
		json_printf(&o, "%02x", id[i]);
	json_puts(&o, "\"");
	if (!has(&doc, "queue")) {
		json_puts(&o, ",\"queue\":");
		json_put_text(&o, topic);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	json_printf(&o, "%s%s,\"created_at\":%lld.%06ld,\"enqueued_at\":%lld.%06ld}",
		    has(&doc, "args") ? "" : ",\"args\":[]",
		    has(&doc, "retry") ? "" : ",\"retry\":true", (long long)now.tv_sec,
		    now.tv_nsec / 1000, (long long)now.tv_sec, now.tv_nsec / 1000);
	*size = o.n;
	return o.p;
}

/* ---- all ------------------------------------------------------------------------------------ */

void jd_payload_read(struct jd_payload *out, const char *p, size_t n,
		     const struct jd_payload_rules *rules)
{
	struct json doc;

	*out = (struct jd_payload){ .p = p, .n = n, .prio = WORK_PRIO };
	if (rules->format == JD_SWOOLE_JOBS) {
		read_call(out, rules);
	} else if (rules->format != JD_RAW && json_read(&doc, p, n, NULL) == 0) {
		if (rules->format == JD_SIDEKIQ)
			take_sidekiq(out, &doc);
		else
			take_laravel(out, &doc);
	}
}

void jd_payload_fini(struct jd_payload *p)
{
	free(p->own);
	p->own = NULL;
}
