#include "core/api/body.h"

#include <stdlib.h>
#include <string.h>

#include "core/api/push.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/base/err.h"

/* What the row of the table has; a word that is misspelt is not passed over. */
static bool has_known_members(const struct api_ask *ask, const struct json *object)
{
	struct json key, value;
	bool known = true;

	for (struct json_at at = json_begin(object); known && json_member(&at, &key, &value);) {
		const struct api_field *f = ask->route->body;
		while (f && f->name && !json_is(&key, f->name))
			f++;
		known = f && f->name;
		if (known)
			continue;
		char *name = json_unquoted(&key, NULL);
		api_refuse(ask, 400, name, "%.100s: there is no such member", name);
		free(name);
	}
	return known;
}

bool api_body(const struct api_ask *ask, struct json *object)
{
	struct err err = { .text = "" };

	*object = (struct json){ .kind = JSON_NONE };
	if (!ask->m->body_len)
		return true;
	if (!api_push_is_json(ask))
		return false;
	if (json_read(object, ask->m->body, ask->m->body_len, &err) != 0)
		api_refuse(ask, 400, NULL, "%s", err.text);
	else if (object->kind != JSON_OBJECT)
		api_refuse(ask, 400, NULL, "the body is to be an object");
	else
		return has_known_members(ask, object);
	return false;
}

static bool is_there(const struct json *v)
{
	return v->kind != JSON_NONE && v->kind != JSON_NULL;
}

bool api_body_text(const struct api_ask *ask, const struct json *o, const char *name, char **text)
{
	struct json v = json_get(o, name);
	size_t n;

	if (!is_there(&v))
		return true;
	char *own = json_unquoted(&v, &n);
	if (own && strlen(own) == n) {
		free(*text);
		*text = own;
		return true;
	}
	free(own);
	api_refuse(ask, 400, name, "%s: a text", name);
	return false;
}

bool api_body_number(const struct api_ask *ask, const struct json *o, const char *name, int64_t *n,
		     int64_t most)
{
	struct json v = json_get(o, name);
	int64_t got;

	if (!is_there(&v))
		return true;
	if (json_int(&v, &got) && got >= 0 && got <= most) {
		*n = got;
		return true;
	}
	api_refuse(ask, 400, name, "%s: a whole number from 0 to %lld", name, (long long)most);
	return false;
}

bool api_body_bool(const struct api_ask *ask, const struct json *o, const char *name, bool *b)
{
	struct json v = json_get(o, name);

	if (!is_there(&v))
		return true;
	*b = v.kind == JSON_TRUE;
	if (v.kind == JSON_TRUE || v.kind == JSON_FALSE)
		return true;
	api_refuse(ask, 400, name, "%s: true or false", name);
	return false;
}
