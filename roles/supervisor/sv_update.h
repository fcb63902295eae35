/*
 * sv_update - from one setup to the next: only what changed is touched.
 */
#pragma once

struct err;
struct sv;
struct sv_setup;

/* Takes over `now` and its hold. */
void sv_update(struct sv *sv, struct sv_setup *now);

/* The file as it is now, made ready; nothing changes. NULL and err when it is wrong. */
struct sv_setup *sv_update_read(struct sv *sv, struct err *err);

/* Keeps it, and its hold, for groups that are added; NULL: none. */
void sv_update_pend(struct sv *sv, struct sv_setup *now);

/* What was kept is in force, for all that starts from now on. */
void sv_update_commit(struct sv *sv);
