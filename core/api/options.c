/* Options of a task beside its payload: X-Troupe-... fields and the query, as texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/route.h"
#include "core/api/spec.h"
#include "core/base/mem.h"
#include "core/net/http_server.h"

/* NAME is ?NAME=, X-Troupe-Name, and the member. */
static const struct {
	const char *name, *field;
	char kind; /* n: a number, s: a text, m: a moment, d: a duration for NAME_ms */
	const char *member;
} options[] = {
	{ "type", "X-Troupe-Type", 's', "type" },
	{ "id", "X-Troupe-Id", 's', "id" },
	{ "delay_ms", "X-Troupe-Delay-Ms", 'n', "delay_ms" },
	{ "delay", "X-Troupe-Delay", 'd', "delay_ms" },
	{ "run_at", "X-Troupe-Run-At", 'm', "run_at" },
	{ "priority", "X-Troupe-Priority", 'n', "priority" },
	{ "max_attempts", "X-Troupe-Max-Attempts", 'n', "max_attempts" },
	{ "backoff", "X-Troupe-Backoff", 's', "backoff" },
	{ "timeout_ms", "X-Troupe-Timeout-Ms", 'n', "timeout_ms" },
	{ "expires_in_ms", "X-Troupe-Expires-In-Ms", 'n', "expires_in_ms" },
	{ "keep_ms", "X-Troupe-Keep-Ms", 'n', "keep_ms" },
	{ "group", "X-Troupe-Group", 's', "group" },
	{ "batch", "X-Troupe-Batch", 's', "batch" },
};

static int put_value(struct json_out *o, char kind, const char *value)
{
	bool digits = *value && strspn(value, "0123456789") == strlen(value);
	int64_t ms = kind == 'd' ? api_duration(value) : 0;

	if ((kind == 'n' && !digits) || ms < 0)
		return -1;
	if (kind == 'd')
		json_printf(o, "%lld", (long long)ms);
	else if (kind == 'n' || (kind == 'm' && digits))
		json_puts(o, value);
	else
		json_put_text(o, value);
	return 0;
}

static const char *value_of(const struct api_ask *ask, size_t i)
{
	const char *v = api_query(ask, options[i].name);

	return v ? v : http_field(ask->m, options[i].field);
}

static int put_options(struct json_out *o, const struct api_ask *ask, struct api_fault *f)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *v = value_of(ask, i);
		if (!v)
			continue;
		json_printf(o, "%s\"%s\":", o->n > 1 ? "," : "", options[i].member);
		if (put_value(o, options[i].kind, v) != 0)
			return api_fault(f, 400, options[i].name, "%s: '%.100s' is no %s",
					 options[i].name, v,
					 options[i].kind == 'n' ? "whole number" : "time, as 5m");
	}
	const char *unique = api_query(ask, "unique");
	if (!unique)
		unique = http_field(ask->m, "X-Troupe-Unique");
	if (unique) {
		json_puts(o, o->n > 1 ? ",\"unique\":{\"key\":" : "\"unique\":{\"key\":");
		json_put_text(o, unique);
		json_puts(o, "}");
	}
	return 0;
}

/* As an object, so that one reader has all rules. Texts are copied by it; nothing points into it.
 */
int api_spec_options(struct api_spec *s, const struct api_ask *ask, struct api_fault *f)
{
	struct work_spec was = s->spec;
	struct json_out o = { .p = NULL };
	struct json object;

	json_puts(&o, "{");
	int rc = put_options(&o, ask, f);
	json_puts(&o, "}");
	if (rc == 0 && o.n > 2) {
		if (json_read(&object, o.p, o.n, NULL) != 0)
			rc = api_fault(f, 400, NULL, "an option is not UTF-8");
		else
			rc = api_spec_read(s, &object, f);
	}
	json_out_fini(&o);
	s->spec.topic = was.topic;
	s->spec.payload = was.payload;
	s->spec.size = was.size;
	return rc;
}
