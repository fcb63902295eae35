/* sv_depend - what must be so before a process starts: depends_on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sv_proc;

bool sv_depend_met(const struct sv_proc *p);

/* "waits for db to be healthy" */
void sv_depend_text(const struct sv_proc *p, char *into, size_t size);
