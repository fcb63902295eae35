#include "roles/jobd/jd_payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/jsontext.h"
#include "core/base/utf8.h"
#include "core/work/work.h"
#include "roles/jobd/jd_unserialize.h"

enum { TIMES = 4, LEAST = 4096, STEP = 16, PRIORITIES = 5 };

static const int64_t week = 7 * 86400000LL;

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

void jd_payload_read(struct jd_payload *out, const char *p, size_t n,
		     const struct jd_payload_rules *rules)
{
	struct json doc, name, method;

	*out = (struct jd_payload){ .p = p, .n = n, .prio = WORK_PRIO };
	if (rules->format == JD_RAW)
		return;
	bool is_json = read_text(out, &doc);
	name = is_json ? json_get(&doc, "jobClass") : (struct json){ .kind = JSON_NONE };
	if (name.kind == JSON_STRING) {
		method = json_get(&doc, "jobMethod");
		take_type(out, &name, &method);
		take_extras(out, &doc);
	} else if (rules->job_class && *rules->job_class && (is_json || utf8_is(p, n))) {
		call_by_default(out, is_json ? &doc : NULL, rules);
	}
}

void jd_payload_fini(struct jd_payload *p)
{
	free(p->own);
	p->own = NULL;
}
