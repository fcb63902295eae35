/* sv_info - a process as the API tells it. */
#pragma once

#include <jansson.h>

struct sv_proc;

json_t *sv_info_process(const struct sv_proc *p);
