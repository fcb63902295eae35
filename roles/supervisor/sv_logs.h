/* sv_logs - what a process, or we, have written, and who reads on while it comes. */
#pragma once

#include <stdbool.h>

#include "core/proc/tail.h"

struct sv;
struct sv_proc;

/* false: it is kept nowhere. Holds until the next event. */
bool sv_logs_of(const struct sv_proc *p, bool err, struct tail *tail);
bool sv_logs_main(const struct sv *sv, struct tail *tail);
