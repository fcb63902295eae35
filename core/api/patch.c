/* PATCH /v1/topics/{t}: limits that change while all goes on. */
#include "core/api/patch.h"

#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/body.h"
#include "core/api/handlers.h"
#include "core/api/keys.h"
#include "core/api/push.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/api/setup.h"
#include "core/api/spec.h"
#include "core/base/err.h"
#include "core/base/mem.h"

static const int64_t ten_years = (int64_t)3660 * 86400 * 1000;

static int set_int(int *to, const struct json *v, int64_t most, const char *name,
		   struct api_fault *f)
{
	int64_t n;

	if (!json_int(v, &n) || n < 0 || n > most)
		return api_fault(f, 400, name, "%s: a whole number from 0 to %lld", name,
				 (long long)most);
	*to = (int)n;
	return 0;
}

static int set_long(int64_t *to, const struct json *v, const char *name, struct api_fault *f)
{
	int64_t n;

	if (!json_int(v, &n) || n < 0 || n > ten_years)
		return api_fault(f, 400, name, "%s: a whole number from 0 on", name);
	*to = n;
	return 0;
}

static int set_text(struct work_topic_conf *c, const struct json *v, const char *name,
		    struct api_fault *f)
{
	struct err err = { .text = "" };
	char *text = json_unquoted(v, NULL);
	int rc = 0;

	if (!text)
		return api_fault(f, 400, name, "%s: a text", name);
	bool by_key = c->key_rate.per_s > 0;
	struct work_rate *rate = by_key ? &c->key_rate : &c->rate;
	if (strcmp(name, "backoff") == 0)
		rc = backoff_parse(&c->backoff, text, &err);
	else if (*text)
		rc = api_rate_parse(text, rate, &err);
	else
		*rate = (struct work_rate){ 0, 0 };
	free(text);
	return rc == 0 ? 0 : api_fault(f, 400, name, "%s: %s", name, err.text);
}

static int set_member(struct work_topic_conf *c, const char *name, const struct json *v,
		      struct api_fault *f)
{
	int64_t n = 0;
	int rc;

	if (strcmp(name, "max_attempts") == 0)
		return set_int(&c->max_attempts, v, WORK_MAX_ATTEMPTS, name, f);
	if (strcmp(name, "max_crashes") == 0)
		return set_int(&c->max_crashes, v, 31, name, f);
	if (strcmp(name, "concurrency") == 0)
		return set_int(&c->concurrency, v, 1000000, name, f);
	if (strcmp(name, "key_concurrency") == 0)
		return set_int(&c->key_concurrency, v, 1000000, name, f);
	if (strcmp(name, "timeout_ms") == 0)
		return set_long(&c->timeout, v, name, f);
	if (strcmp(name, "expires_in_ms") == 0)
		return set_long(&c->expires, v, name, f);
	if (strcmp(name, "keep_ms") == 0)
		return set_long(&c->keep, v, name, f);
	if (strcmp(name, "rate") == 0 || strcmp(name, "backoff") == 0)
		return set_text(c, v, name, f);
	bool jobs = strcmp(name, "max_jobs") == 0;
	if (!jobs && strcmp(name, "max_bytes") != 0)
		return api_fault(f, 400, name, "%.100s: there is no such limit", name);
	rc = set_long(&n, v, name, f);
	if (rc == 0)
		*(jobs ? &c->max_jobs : &c->max_bytes) = (uint64_t)n;
	return rc;
}

bool api_patch_apply(struct api *api, const char *topic, const struct json *object,
		     struct api_fault *f)
{
	struct work_topic_conf c;
	struct api_fault ignored;
	struct json key, value;

	if (!work_topic_get(api->work, topic, &c))
		return false;
	for (struct json_at at = json_begin(object); json_member(&at, &key, &value);) {
		char *name = json_unquoted(&key, NULL);
		int rc = set_member(&c, name, &value, f ? f : &ignored);
		free(name);
		if (rc != 0)
			return false;
	}
	return work_topic_set(api->work, topic, &c) == 0;
}

/* What was set before, and this: kept as one text. */
static void keep(struct api *api, const char *topic, const struct json *more)
{
	struct json_out o = { .p = NULL };
	struct json old, key, value, again;
	const char *was = work_topic_noted(api->work, topic);

	json_puts(&o, "{");
	if (was && json_read(&old, was, strlen(was), NULL) == 0)
		for (struct json_at at = json_begin(&old); json_member(&at, &key, &value);) {
			char *name = json_unquoted(&key, NULL);
			again = json_get(more, name);
			free(name);
			if (again.kind != JSON_NONE)
				continue;
			json_printf(&o, "%s%.*s:%.*s", o.n > 1 ? "," : "", (int)key.n, key.p,
				    (int)value.n, value.p);
		}
	for (struct json_at at = json_begin(more); json_member(&at, &key, &value);)
		json_printf(&o, "%s%.*s:%.*s", o.n > 1 ? "," : "", (int)key.n, key.p, (int)value.n,
			    value.p);
	json_puts(&o, "}");
	work_topic_note(api->work, topic, o.p);
	json_out_fini(&o);
}

void api_topic_patch(struct api_ask *ask)
{
	struct work_topic_conf c;
	struct api_fault f = { .status = 0 };
	struct json body;

	if (!api_auth_topic(ask, ask->part) || !api_body(ask, &body))
		return;
	if (!work_topic_get(ask->api->work, ask->part, &c)) {
		api_refuse(ask, 404, NULL, "there is no such topic");
		return;
	}
	if (body.kind == JSON_NONE) {
		api_refuse(ask, 400, NULL, "a limit is needed");
		return;
	}
	if (!api_patch_apply(ask->api, ask->part, &body, &f)) {
		api_push_refuse(ask, &f);
		return;
	}
	keep(ask->api, ask->part, &body);
	api_topic_get(ask);
}
