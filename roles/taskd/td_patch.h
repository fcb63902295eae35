/* td_patch - a topic's limits, changed while it runs; they outlive a restart. */
#pragma once

#include "core/base/jsontext.h"

struct td;
struct td_fault;

/* false: *f (NULL: nobody asks) says what is wrong, and nothing has changed. */
bool td_patch_apply(struct td *td, const char *topic, const struct json *object,
		    struct td_fault *f);
