/* api_patch - a topic's limits, changed while it runs; they outlive a restart. */
#pragma once

#include "core/base/jsontext.h"

struct api;
struct api_fault;

/* false: *f (NULL: nobody asks) says what is wrong, and nothing has changed. */
bool api_patch_apply(struct api *api, const char *topic, const struct json *object,
		     struct api_fault *f);
