/*
 * sv_print - fingerprints: what of a process differs between two configurations.
 *
 * Two numbers: over what only a restart changes, and over what is taken over as it runs. The rows
 * of the tables say which is which (CONF_RELOAD), so a new key needs nothing here.
 */
#pragma once

#include <stdio.h>

#include "roles/supervisor/sv_expand.h"
#include "roles/supervisor/sv_process.h"

/* Sets both. The process's environment has not got our own variables yet. */
void sv_print_make(struct sv_process_conf *process, const struct sv_names *names);

/* Writes "key: old -> new; key: ..." of all that differs, without values of variables. */
void sv_print_differences(const struct sv_process_conf *old, const struct sv_process_conf *now,
			  FILE *out);
