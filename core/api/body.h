/* api_body - the body of an order: a JSON object, or nothing. */
#pragma once

#include "core/base/jsontext.h"
#include "core/work/work.h"

struct api_ask;

/* false: it was answered. kind JSON_NONE: there is no body. */
bool api_body(const struct api_ask *ask, struct json *object);

/* A member, when it is there; false: it was answered with 400. NULL and most: not there stays as it
 * was. text: the caller's to free. */
bool api_body_text(const struct api_ask *ask, const struct json *o, const char *name, char **text);
bool api_body_number(const struct api_ask *ask, const struct json *o, const char *name, int64_t *n,
		     int64_t most);
bool api_body_bool(const struct api_ask *ask, const struct json *o, const char *name, bool *b);
