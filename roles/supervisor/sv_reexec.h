/* sv_reexec - another image of ourselves, in the same process: no child is restarted. */
#pragma once

struct err;
struct sv;

/* Does not return, or with a code: all goes on as before. */
int sv_reexec(struct sv *sv, struct err *err);

/* The same once the answer to the one who asked has left. Returns 0; or a code and one sentence:
 * it can't be done. What still fails then is in the log. */
int sv_reexec_soon(struct sv *sv, struct err *err);
