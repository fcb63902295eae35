/* sv_pick - the processes that a word means: "web:web_00", "web", "web:*", a program of a group,
 * "all", or a glob. */
#pragma once

#include <stddef.h>

struct sv;
struct sv_proc;

/* Their number; *out is the caller's to free. Spare ones are never meant. */
size_t sv_pick(const struct sv *sv, const char *word, struct sv_proc ***out);
