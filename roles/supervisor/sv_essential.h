/* sv_essential - programs whose end is our end (essential = true). */
#pragma once

struct sv_proc;

/* It has ended and will not be started again, and nobody told it so. */
void sv_essential_ended(struct sv_proc *p);
