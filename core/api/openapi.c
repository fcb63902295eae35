/* openapi.json, from the table that requests are dispatched by. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/handlers.h"
#include "core/api/reply.h"
#include "core/api/route.h"

static void put_schema(struct json_out *o, const char *type)
{
	if (strcmp(type, "any") == 0)
		json_puts(o, "{}");
	else if (strcmp(type, "array") == 0)
		json_puts(o, "{\"type\":\"array\",\"items\":{}}");
	else
		json_printf(o, "{\"type\":\"%s\"}", type);
}

static void put_parameter(struct json_out *o, const char *name, const char *in, const char *type)
{
	json_printf(o, "{\"name\":\"%s\",\"in\":\"%s\",\"required\":%s,\"schema\":", name, in,
		    strcmp(in, "path") == 0 ? "true" : "false");
	put_schema(o, type);
}

static void put_parameters(struct json_out *o, const struct api_route *r)
{
	const char *open = strchr(r->path, '{');
	char name[64];
	int n = 0;

	json_puts(o, ",\"parameters\":[");
	if (open) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(open + 1, "}"), open + 1);
		put_parameter(o, name, "path", "string");
		json_puts(o, "}");
		n++;
	}
	for (const struct api_field *f = r->query; f && f->name; f++) {
		json_puts(o, n++ ? "," : "");
		put_parameter(o, f->name, "query", f->type);
		json_puts(o, ",\"description\":");
		json_put_text(o, f->help);
		json_puts(o, "}");
	}
	json_puts(o, "]");
}

static void put_body(struct json_out *o, const struct api_route *r)
{
	if (r->raw)
		json_puts(o, ",\"requestBody\":{\"content\":{\"*/*\":{\"schema\":{}}}}");
	if (!r->body)
		return;
	json_puts(o, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":{\"type\":"
		     "\"object\",\"properties\":{");
	for (const struct api_field *f = r->body; f->name; f++) {
		json_printf(o, "%s\"%s\":", f == r->body ? "" : ",", f->name);
		size_t from = o->n;
		put_schema(o, f->type);
		o->n--; /* the brace */
		json_puts(o, o->n - from > 1 ? ",\"description\":" : "\"description\":");
		json_put_text(o, f->help);
		json_puts(o, "}");
	}
	json_puts(o, "}}}}}");
}

static void put_responses(struct json_out *o, const struct api_route *r)
{
	int n = 0;

	json_puts(o, ",\"responses\":{");
	for (const char *s = r->statuses; *s; s += strcspn(s, " "), s += *s == ' ') {
		int status = atoi(s);
		json_printf(o, "%s\"%d\":{\"description\":\"%s\"", n++ ? "," : "", status,
			    http_status_text(status));
		if (status >= 400)
			json_puts(o, ",\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
				     "\"#/components/schemas/Error\"}}}");
		json_puts(o, "}");
	}
	json_puts(o, "}");
}

static void put_operation(struct json_out *o, const struct api_route *r)
{
	static const char *const scopes[] = {
		[API_PUSH] = "push", [API_READ] = "read", [API_ADMIN] = "admin"
	};
	char method[8] = "";

	for (size_t i = 0; r->method[i]; i++)
		method[i] = (char)(r->method[i] | 32);
	json_printf(o, "\"%s\":{\"summary\":", method);
	json_put_text(o, r->summary);
	json_printf(o, ",\"security\":[%s%s%s]", r->scope ? "{\"bearer\":[\"" : "",
		    r->scope ? scopes[r->scope] : "", r->scope ? "\"]}" : "");
	put_parameters(o, r);
	put_body(o, r);
	put_responses(o, r);
	json_puts(o, "}");
}

static bool was_before(const struct api_route *r)
{
	for (const struct api_route *before = api_routes; before != r; before++)
		if (strcmp(before->path, r->path) == 0)
			return true;
	return false;
}

/* All methods of a path stand together. */
static void put_path(struct json_out *o, const struct api_route *r)
{
	int n = 0;

	json_printf(o, "\"%s\":{", r->path);
	for (const struct api_route *same = r; same->path; same++)
		if (strcmp(same->path, r->path) == 0) {
			json_puts(o, n++ ? "," : "");
			put_operation(o, same);
		}
	json_puts(o, "}");
}

void api_openapi(struct api_ask *ask)
{
	struct json_out o = { .p = NULL };
	int n = 0;

	json_puts(
		&o,
		"{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"taskd\",\"version\":\"" TROUPE_VERSION
		"\",\"description\":\"Tasks by HTTP. Times are milliseconds, moments ms since "
		"1970.\"},\"paths\":{");
	for (const struct api_route *r = api_routes; r->path; r++) {
		if (was_before(r))
			continue;
		json_puts(&o, n++ ? ",\n" : "\n");
		put_path(&o, r);
	}
	json_puts(&o, "},\n\"components\":{\"securitySchemes\":{\"bearer\":{\"type\":\"http\","
		      "\"scheme\":\"bearer\"}},\"schemas\":{\"Error\":{\"type\":\"object\","
		      "\"properties\":{\"error\":{\"type\":\"object\",\"properties\":{\"code\":"
		      "{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"field\":{\"type\":"
		      "\"string\"}}}}}}}}\n");
	api_reply(ask, 200, NULL, &o);
	json_out_fini(&o);
}
