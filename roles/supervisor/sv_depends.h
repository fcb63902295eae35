/* sv_depends - depends_on: names into programs, and no program that waits for itself. */
#pragma once

#include "roles/supervisor/sv_setup.h"

/* Fills the depends of all programs of a setup. */
void sv_depends_make(struct sv_setup *s, struct conf_errors *errors);
