#include "core/api/route.h"

#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/auth.h"
#include "core/api/counts.h"
#include "core/api/keys.h"
#include "core/api/legacy.h"
#include "core/api/reply.h"
#include "core/base/mem.h"
#include "core/net/http_decode.h"

/* ---- addresses ----------------------------------------------------------------------- */

/* false: it is wrong, or there are too many. */
static bool read_query(struct api_ask *ask, const char *text)
{
	size_t n = strlen(text);
	char *to = ask->text = mem_resize(NULL, n + 2);

	while (*text) {
		size_t len = strcspn(text, "&"), name = strcspn(text, "=&");
		struct api_query *q = &ask->queries[ask->n_queries];
		bool has_value = name < len;

		if (len && ask->n_queries == API_QUERIES)
			return false;
		int a = http_decode(text, name, to, true);
		if (a < 0)
			return false;
		q->name = to;
		to += a + 1;
		int b = http_decode(text + name + has_value, len - name - has_value, to, true);
		if (b < 0)
			return false;
		q->value = has_value ? to : "";
		if (has_value)
			to += b + 1;
		ask->n_queries += len > 0;
		text += len + (text[len] == '&');
	}
	return true;
}

const char *api_query(const struct api_ask *ask, const char *name)
{
	for (size_t i = 0; i < ask->n_queries; i++)
		if (strcmp(ask->queries[i].name, name) == 0)
			return ask->queries[i].value;
	return NULL;
}

bool api_query_yes(const struct api_ask *ask, const char *name)
{
	const char *v = api_query(ask, name);

	return v && (!*v || strcmp(v, "1") == 0 || strcmp(v, "true") == 0 || strcmp(v, "yes") == 0);
}

/* ---- the table's patterns ---------------------------------------------------------------- */

/* Whether `path` of n bytes is the route's; *part and *part_n: what stands for {...}. */
static bool matches(const struct api_route *r, const char *path, size_t n, const char **part,
		    size_t *part_n)
{
	const char *open = strchr(r->path, '{');
	size_t before = open ? (size_t)(open - r->path) : strlen(r->path);

	*part_n = 0;
	if (n < before || memcmp(path, r->path, before) != 0)
		return false;
	if (!open)
		return n == before;
	const char *close = strchr(open, '}') + 1;
	size_t after = strlen(close);
	if (n <= before + after || memcmp(path + n - after, close, after) != 0)
		return false;
	*part = path + before;
	*part_n = n - before - after;
	return !memchr(*part, '/', *part_n) && *part_n < API_PART;
}

/* A longer end is more of a match: {id}:retry before {id}. */
static size_t weight(const struct api_route *r)
{
	const char *close = strchr(r->path, '}');

	return close ? strlen(close) : 1000;
}

static bool is_method(const struct api_route *r, const char *method)
{
	return strcmp(r->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

static void answer_wrong(struct api_ask *ask)
{
	api_refuse(ask, 400, NULL, "the path can't be read");
}

/* An address that is one of ours, but for a %XX in it. */
static const struct api_route wrong = { .act = answer_wrong };

static const struct api_route *find(struct api_ask *ask, const char *path, size_t n)
{
	const struct api_route *best = NULL;
	const char *part = NULL, *best_part = NULL;
	size_t part_n, best_n = 0;

	for (const struct api_route *r = api_routes; r->path; r++) {
		if (!is_method(r, ask->m->method) || !matches(r, path, n, &part, &part_n))
			continue;
		if (best && weight(r) <= weight(best))
			continue;
		best = r;
		best_part = part;
		best_n = part_n;
		if (!strchr(r->path, '{'))
			break;
	}
	if (best && best_n && http_decode(best_part, best_n, ask->part, false) < 0)
		return &wrong;
	return best;
}

/* "Allow: GET, POST": the path is there, for another method. */
static bool allowed(const char *path, size_t n, char *field, size_t size)
{
	const char *part;
	size_t part_n, at = 0;

	for (const struct api_route *r = api_routes; r->path; r++) {
		if (!matches(r, path, n, &part, &part_n) || strstr(field, r->method))
			continue;
		if (strchr(r->path, '}') && !strchr(strchr(r->path, '}'), ':') &&
		    memchr(part, ':', part_n) && strcmp(r->method, "GET") != 0 &&
		    strcmp(r->method, "DELETE") != 0)
			continue;
		at += (size_t)snprintf(field + at, size - at, "%s%s",
				       at ? ", " : "Allow: ", r->method);
	}
	if (at)
		snprintf(field + at, size - at, "\r\n");
	return at;
}

static void not_there(struct api_ask *ask, const char *path, size_t n)
{
	char field[128] = "";
	struct api_reply r = api_reply_to(ask);
	struct json_out o = { .p = NULL };

	if (!allowed(path, n, field, sizeof(field))) {
		api_error(&r, 404, NULL, "there is no such address");
		return;
	}
	json_puts(&o, "{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"not by this "
		      "method\"}}\n");
	api_answer(&r, 405, field, &o);
	json_out_fini(&o);
}

/* http://host/path: what counts is the path. */
static const char *path_of(const char *target)
{
	const char *at = strstr(target, "://");

	if (*target == '/' || !at)
		return target;
	at = strchr(at + 3, '/');
	return at ? at : "/";
}

static void answer(struct api_ask *ask)
{
	const char *path = path_of(ask->m->target);
	size_t n = strcspn(path, "?");

	if (path[n] && !read_query(ask, path + n + 1)) {
		api_refuse(ask, 400, NULL, "the query can't be read");
		return;
	}
	ask->route = find(ask, path, n);
	if (!ask->route && ask->api->keys->legacy && api_legacy(ask, path, n))
		return;
	if (!ask->route)
		not_there(ask, path, n);
	else if (api_auth(ask))
		ask->route->act(ask);
}

void api_serve(struct api *api, struct http_call *call)
{
	struct api_ask ask;

	ask.api = api;
	ask.call = call;
	ask.m = http_call_message(call);
	ask.route = NULL;
	ask.token = NULL;
	ask.part[0] = '\0';
	ask.n_queries = 0;
	ask.text = NULL;
	answer(&ask);
	free(ask.text);
}
