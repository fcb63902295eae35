#include "core/base/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

static json_t *step(json_t *at, const char *name, size_t n)
{
	if (json_is_object(at))
		return json_object_getn(at, name, n);
	if (!json_is_array(at) || !n || strspn(name, "0123456789") < n)
		return NULL;
	return json_array_get(at, strtoul(name, NULL, 10));
}

static char *text_of(const json_t *at)
{
	if (!at || json_is_null(at))
		return NULL;
	if (json_is_string(at))
		return mem_str(json_string_value(at));
	return json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY);
}

char *json_text_at(const void *text, size_t n, const char *path)
{
	json_t *root = json_loadb(text ? text : "", n, JSON_DECODE_ANY, NULL), *at = root;

	while (at && *path) {
		size_t len = strcspn(path, ".");
		at = step(at, path, len);
		path += len + (path[len] == '.');
	}
	char *got = text_of(at);
	json_decref(root);
	return got;
}
