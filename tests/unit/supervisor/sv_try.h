/* sv_try - a text as a configuration of the supervisor, and what is said of it. */
#pragma once

#include "core/conf/conf.h"
#include "roles/supervisor/sv_setup.h"

/* All that loading and checking say: errors, then warnings, a line each. The caller's to free. */
char *sv_try_said(const char *text);

/* The setup of a text that has no error in it; printed and asserted. */
struct sv_setup *sv_try(const char *text);

/* A process of the one program that the text describes. */
const struct sv_process_conf *sv_try_process(const struct sv_setup *s, const char *group,
					     const char *name);
