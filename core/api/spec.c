#include "core/api/spec.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/api.h"
#include "core/api/keys.h"
#include "core/api/moment.h"
#include "core/api/route.h"
#include "core/api/setup.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"

enum { MAX_HEADERS = 8192, MAX_ID = 200 };
static const int64_t ten_years = (int64_t)3660 * 86400 * 1000;

int api_fault(struct api_fault *f, int status, const char *field, const char *fmt, ...)
{
	va_list args;

	f->status = status;
	snprintf(f->field, sizeof(f->field), "%s", field ? field : "");
	va_start(args, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
	return -1;
}

void api_spec_init(struct api_spec *s)
{
	memset(&s->spec, 0, sizeof(s->spec));
	s->spec.prio = WORK_PRIO;
	s->n_texts = 0;
	s->headers.kind = s->callback.kind = JSON_NONE;
	s->group = s->binary = NULL;
	s->meta = (struct json_out){ .p = NULL };
}

void api_spec_fini(struct api_spec *s)
{
	for (int i = 0; i < s->n_texts; i++)
		free(s->texts[i]);
	free(s->binary);
	json_out_fini(&s->meta);
}

/* ---- values -------------------------------------------------------------------------- */

static const char *own(struct api_spec *s, char *text)
{
	s->texts[s->n_texts++] = text;
	return text;
}

/* NULL and a fault when it is no text, longer than `most`, or has a 0 in it. */
static const char *text_of(struct api_spec *s, const struct json *v, const char *field, size_t most,
			   struct api_fault *f)
{
	size_t n;
	char *text = json_unquoted(v, &n);

	if (!text || n > most || strlen(text) != n) {
		api_fault(f, 400, field, "%s: a text of up to %zu bytes", field, most);
		free(text);
		return NULL;
	}
	if (s->n_texts == API_TEXTS) { /* the same member again and again */
		free(text);
		api_fault(f, 400, field, "%s: said too often", field);
		return NULL;
	}
	return own(s, text);
}

static int number_of(const struct json *v, const char *field, int64_t *out, int64_t most,
		     struct api_fault *f)
{
	int64_t n;

	if (!json_int(v, &n) || n < 0 || n > most)
		return api_fault(f, 400, field, "%s: a whole number from 0 to %lld", field,
				 (long long)most);
	*out = n;
	return 0;
}

bool api_topic_is_good(const char *topic)
{
	size_t n = strlen(topic);

	for (const char *c = topic; *c; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f)
			return false;
	return n >= 1 && n <= 128 && *topic != '.';
}

bool api_id_is_good(const char *id)
{
	for (const char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._:-", *c))
			return false;
	return *id;
}

/* ---- members --------------------------------------------------------------------------- */

struct reading {
	struct api_spec *s;
	struct api_fault *f;
};

static int read_topic(struct reading *r, const struct json *v)
{
	const char *t = text_of(r->s, v, "topic", 128, r->f);

	if (!t)
		return -1;
	r->s->spec.topic = t;
	return 0;
}

static int read_payload(struct reading *r, const struct json *v)
{
	r->s->spec.payload = v->p;
	r->s->spec.size = v->n;
	return 0;
}

static int read_payload_b64(struct reading *r, const struct json *v)
{
	size_t n;

	if (v->kind != JSON_STRING || memchr(v->p, '\\', v->n))
		return api_fault(r->f, 400, "payload_b64", "payload_b64: a text in base 64");
	free(r->s->binary);
	r->s->binary = api_base64_read(v->p + 1, v->n - 2, &n);
	if (!r->s->binary)
		return api_fault(r->f, 400, "payload_b64", "payload_b64: a text in base 64");
	r->s->spec.payload = r->s->binary;
	r->s->spec.size = n;
	return 0;
}

static int read_type(struct reading *r, const struct json *v)
{
	const char *t = text_of(r->s, v, "type", 128, r->f);

	r->s->spec.type = t;
	return t ? 0 : -1;
}

static int read_id(struct reading *r, const struct json *v)
{
	const char *id = text_of(r->s, v, "id", MAX_ID, r->f);

	if (!id || !api_id_is_good(id))
		return api_fault(r->f, 400, "id", "id: up to 200 letters, digits and . _ : -");
	r->s->spec.ext_id = id;
	return 0;
}

static int read_delay(struct reading *r, const struct json *v)
{
	return number_of(v, "delay_ms", &r->s->spec.delay, ten_years, r->f);
}

static int set_run_at(struct api_spec *s, int64_t moment, struct api_fault *f)
{
	if (moment < 0 || moment > api_now() + ten_years)
		return api_fault(f, 422, "run_at",
				 "run_at: ms since 1970, or as 2030-01-31T12:00:00Z; at most ten "
				 "years from now");
	s->spec.run_at = moment ? moment : 1;
	return 0;
}

static int read_run_at(struct reading *r, const struct json *v)
{
	int64_t n = -1;

	if (v->kind == JSON_STRING) {
		char *text = json_unquoted(v, NULL);
		n = api_moment_read(text);
		free(text);
	} else if (!json_int(v, &n)) {
		n = -1;
	}
	return set_run_at(r->s, n, r->f);
}

static int read_priority(struct reading *r, const struct json *v)
{
	int64_t n = 0;

	if (number_of(v, "priority", &n, 255, r->f) != 0)
		return -1;
	r->s->spec.prio = (int)n;
	return 0;
}

static int read_attempts(struct reading *r, const struct json *v)
{
	int64_t n = 0;

	if (number_of(v, "max_attempts", &n, WORK_MAX_ATTEMPTS, r->f) != 0)
		return -1;
	r->s->spec.max_attempts = (int)n;
	return 0;
}

static int read_backoff(struct reading *r, const struct json *v)
{
	const char *t = text_of(r->s, v, "backoff", 200, r->f);
	struct err err = { .text = "" };
	struct backoff b;

	if (!t)
		return -1;
	if (backoff_parse(&b, t, &err) != 0)
		return api_fault(r->f, 400, "backoff", "backoff: %s", err.text);
	r->s->spec.backoff = t;
	return 0;
}

static int read_timeout(struct reading *r, const struct json *v)
{
	return number_of(v, "timeout_ms", &r->s->spec.timeout, 7 * 86400000, r->f);
}

static int read_expires(struct reading *r, const struct json *v)
{
	return number_of(v, "expires_in_ms", &r->s->spec.expires, ten_years, r->f);
}

static int read_keep(struct reading *r, const struct json *v)
{
	return number_of(v, "keep_ms", &r->s->spec.keep, ten_years, r->f);
}

static int read_hold(struct api_spec *s, const struct json *v, struct api_fault *f)
{
	static const char *const words[] = { "finish", "start", "ttl" };

	for (int i = 0; i < 3; i++)
		if (json_is(v, words[i])) {
			s->spec.hold = (enum work_hold)i;
			return 0;
		}
	return api_fault(f, 400, "unique.until", "unique.until: finish, start or ttl");
}

static int read_unique(struct reading *r, const struct json *v)
{
	struct api_spec *s = r->s;
	struct json key = json_get(v, "key"), ttl = json_get(v, "ttl_ms"),
		    until = json_get(v, "until");

	if (v->kind != JSON_OBJECT)
		return api_fault(r->f, 400, "unique", "unique: an object with key, ttl_ms, until");
	s->spec.uniq = text_of(s, &key, "unique.key", WORK_MAX_TEXT, r->f);
	if (!s->spec.uniq)
		return -1;
	if (!*s->spec.uniq)
		return api_fault(r->f, 400, "unique.key", "unique.key: it is empty");
	if (ttl.kind != JSON_NONE &&
	    number_of(&ttl, "unique.ttl_ms", &s->spec.uniq_ttl, ten_years, r->f) != 0)
		return -1;
	if (until.kind != JSON_NONE && read_hold(s, &until, r->f) != 0)
		return -1;
	if (s->spec.hold == WORK_UNTIL_TTL && !s->spec.uniq_ttl)
		return api_fault(r->f, 400, "unique.ttl_ms", "unique.ttl_ms: until ttl needs one");
	return 0;
}

static int read_group(struct reading *r, const struct json *v)
{
	r->s->group = (char *)text_of(r->s, v, "group", WORK_MAX_TEXT, r->f);
	return r->s->group ? 0 : -1;
}

static int read_after(struct reading *r, const struct json *v)
{
	struct api_spec *s = r->s;
	struct json item;

	s->spec.n_after = 0;
	if (v->kind != JSON_ARRAY)
		return api_fault(r->f, 400, "after", "after: an array of ids");
	for (struct json_at at = json_begin(v); json_element(&at, &item);) {
		char *id = json_unquoted(&item, NULL);
		bool good = id && s->spec.n_after < WORK_MAX_AFTER &&
			    ident_read(id, &s->after[s->spec.n_after]);
		free(id);
		if (!good)
			return api_fault(r->f, 400, "after", "after: up to %d ids of tasks",
					 WORK_MAX_AFTER);
		s->spec.n_after++;
	}
	return 0;
}

static bool is_line(const struct json *v)
{
	size_t n;
	char *text = json_unquoted(v, &n);
	bool good = text && strlen(text) == n && !strpbrk(text, "\r\n");

	free(text);
	return good;
}

static int read_headers(struct reading *r, const struct json *v)
{
	struct json key, value;

	if (v->kind != JSON_OBJECT || v->n > MAX_HEADERS)
		return api_fault(r->f, 400, "headers", "headers: an object of up to 8 KiB");
	for (struct json_at at = json_begin(v); json_member(&at, &key, &value);)
		if (!is_line(&value) || !is_line(&key))
			return api_fault(r->f, 400, "headers", "headers: texts of one line each");
	r->s->headers = *v;
	return 0;
}

static bool is_end(const struct json *v)
{
	return json_is(v, "succeeded") || json_is(v, "dead") || json_is(v, "cancelled") ||
	       json_is(v, "expired");
}

static int read_callback(struct reading *r, const struct json *v)
{
	struct json url = json_get(v, "url"), on = json_get(v, "on"), item;
	size_t n = 0;
	char *text = json_unquoted(&url, &n);
	bool good = text && strlen(text) == n && n < 2000 &&
		    (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0);

	free(text);
	if (!good || !is_line(&url))
		return api_fault(r->f, 400, "callback.url",
				 "callback.url: an http or https address");
	if (on.kind != JSON_NONE && on.kind != JSON_ARRAY)
		return api_fault(r->f, 400, "callback.on", "callback.on: an array");
	for (struct json_at at = json_begin(&on); json_element(&at, &item);)
		if (!is_end(&item))
			return api_fault(r->f, 400, "callback.on",
					 "callback.on: of succeeded, dead, cancelled, expired");
	if (v->n > MAX_HEADERS)
		return api_fault(r->f, 400, "callback", "callback: up to 8 KiB");
	r->s->callback = *v;
	return 0;
}

static int read_batch(struct reading *r, const struct json *v)
{
	char *id = json_unquoted(v, NULL);
	bool good = id && ident_read(id, &r->s->spec.batch);

	free(id);
	return good ? 0 : api_fault(r->f, 400, "batch", "batch: the id of one");
}

static const struct {
	const char *name;
	int (*read)(struct reading *r, const struct json *v);
} members[] = {
	{ "topic", read_topic },
	{ "payload", read_payload },
	{ "payload_b64", read_payload_b64 },
	{ "type", read_type },
	{ "id", read_id },
	{ "delay_ms", read_delay },
	{ "run_at", read_run_at },
	{ "priority", read_priority },
	{ "max_attempts", read_attempts },
	{ "backoff", read_backoff },
	{ "timeout_ms", read_timeout },
	{ "expires_in_ms", read_expires },
	{ "unique", read_unique },
	{ "group", read_group },
	{ "after", read_after },
	{ "headers", read_headers },
	{ "callback", read_callback },
	{ "keep_ms", read_keep },
	{ "batch", read_batch },
};

enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

static int read_member(struct reading *r, const struct json *key, const struct json *value)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (json_is(key, members[i].name))
			return value->kind == JSON_NULL && members[i].read != read_payload
				       ? 0
				       : members[i].read(r, value);
	char *name = json_unquoted(key, NULL);
	const char *names[MEMBERS];
	for (size_t i = 0; i < MEMBERS; i++)
		names[i] = members[i].name;
	const char *near = conf_near(name, names, MEMBERS);
	api_fault(r->f, 400, name, "%.100s: there is no such member%s%s", name,
		  near ? ", is this meant: " : "", near ? near : "");
	free(name);
	return -1;
}

int api_spec_read(struct api_spec *s, const struct json *object, struct api_fault *f)
{
	struct reading r = { s, f };
	struct json key, value;

	if (object->kind != JSON_OBJECT)
		return api_fault(f, 400, NULL, "a task is an object");
	for (struct json_at at = json_begin(object); json_member(&at, &key, &value);)
		if (read_member(&r, &key, &value) != 0)
			return -1;
	if (!s->spec.payload) {
		s->spec.payload = "null";
		s->spec.size = 4;
	}
	return 0;
}

/* ---- the end ------------------------------------------------------------------------- */

/* What the topic's limits go by. */
static int find_key(struct api *api, struct api_spec *s)
{
	const char *by = api_setup_key(api, s->spec.topic);

	s->spec.key = s->group;
	if (!by || strcmp(by, "group") == 0)
		return 0;
	s->spec.key = s->spec.type;
	if (strcmp(by, "type") == 0)
		return 0;
	struct json value = json_get(&s->headers, by + strlen("headers."));
	char *text = json_unquoted(&value, NULL);
	s->spec.key = text;
	if (!text)
		return 0;
	if (strlen(text) > WORK_MAX_TEXT || s->n_texts == API_TEXTS) {
		free(text);
		return -1;
	}
	own(s, text);
	return 0;
}

static void put_meta(struct api_spec *s)
{
	struct json_out *o = &s->meta;

	if (s->headers.kind == JSON_NONE && s->callback.kind == JSON_NONE)
		return;
	json_puts(o, "{");
	if (s->headers.kind != JSON_NONE) {
		json_puts(o, "\"headers\":");
		json_put(o, s->headers.p, s->headers.n);
	}
	if (s->callback.kind != JSON_NONE) {
		json_puts(o, o->n > 1 ? ",\"callback\":" : "\"callback\":");
		json_put(o, s->callback.p, s->callback.n);
	}
	json_puts(o, "}");
	s->spec.meta = o->p;
	s->spec.meta_size = o->n;
}

int api_spec_finish(struct api *api, struct api_spec *s, struct api_fault *f)
{
	struct err err = { .text = "" };

	if (!s->spec.topic)
		return api_fault(f, 400, "topic", "topic: missing");
	if (!api_topic_is_good(s->spec.topic))
		return api_fault(f, 400, "topic", "topic: 1 to 128 bytes, without spaces");
	if (s->spec.delay && s->spec.run_at)
		return api_fault(f, 400, "run_at", "either delay_ms or run_at");
	if (find_key(api, s) != 0)
		return api_fault(f, 400, "headers", "the topic's key is longer than %d bytes",
				 WORK_MAX_TEXT);
	put_meta(s);
	s->spec.after = s->after;
	int rc = api_setup_takes(api, s->spec.topic);
	if (rc != 0)
		return api_fault(f, rc == UV_ENOENT ? 404 : 429, "topic",
				 rc == UV_ENOENT ? "topic %s: there is none"
						 : "topic %s: there are too many topics",
				 s->spec.topic);
	rc = work_spec_check(api->work, &s->spec, &err);
	if (rc == 0)
		return 0;
	return api_fault(f,
			 rc == ERR_LIMIT  ? 429
			 : rc == UV_E2BIG ? 413
					  : 400,
			 NULL, "%s", err.text);
}

struct json api_meta_get(const void *meta, size_t n, const char *name)
{
	struct json all = { .kind = JSON_NONE };

	if (!n || json_read(&all, meta, n, NULL) != 0)
		return (struct json){ .kind = JSON_NONE };
	return json_get(&all, name);
}

int64_t api_duration(const char *text)
{
	int64_t ms;

	return *text && conf_number(CONF_DURATION, text, &ms, NULL) == 0 && ms >= 0 ? ms : -1;
}
