/* api_tell - tasks as JSON. */
#pragma once

#include "core/base/jsontext.h"
#include "core/work/work.h"

struct api;

/* {"id":"...","state":"ready"} */
void api_tell_state(struct json_out *o, uint64_t id, enum work_state state);

/* What became of it. */
void api_tell_end(struct json_out *o, const struct work_event *e);

/* All of it; fields: "id,state": only these; NULL: all. */
void api_tell_task(struct json_out *o, struct api *api, const struct work_status *s,
		   const char *fields);

/* "result": as it is when it is JSON, as a text when it is one, else "result_b64". */
void api_tell_value(struct json_out *o, const char *name, const void *p, size_t n);

/* Of a path: a task's id in the engine's form; false: no task can have that name. */
bool api_find(struct api *api, const char *name, uint64_t *id);
