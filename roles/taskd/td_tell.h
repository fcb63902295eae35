/* td_tell - tasks as JSON. */
#pragma once

#include "core/base/jsontext.h"
#include "core/work/work.h"

struct td;

/* {"id":"...","state":"ready"} */
void td_tell_state(struct json_out *o, uint64_t id, enum work_state state);

/* What became of it. */
void td_tell_end(struct json_out *o, const struct work_event *e);

/* All of it; fields: "id,state": only these; NULL: all. */
void td_tell_task(struct json_out *o, struct td *td, const struct work_status *s,
		  const char *fields);

/* "result": as it is when it is JSON, as a text when it is one, else "result_b64". */
void td_tell_value(struct json_out *o, const char *name, const void *p, size_t n);

/* Of a path: a task's id in the engine's form; false: no task can have that name. */
bool td_find(struct td *td, const char *name, uint64_t *id);
