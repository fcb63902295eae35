/* sv_reexec - another image of ourselves, in the same process: no child is restarted. */
#pragma once

struct err;
struct sv;

/* Does not return, or with a code: all goes on as before. */
int sv_reexec(struct sv *sv, struct err *err);
