/* sv_main - [supervisord] and its listeners, made ready to use. */
#pragma once

#include "roles/supervisor/sv_setup.h"

/* What is wrong is in errors. The setup's conf is set. */
void sv_main_make(struct sv_setup *s, struct conf_errors *errors);
void sv_main_fini(struct sv_setup *s);
