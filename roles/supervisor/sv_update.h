/*
 * sv_update - from one setup to the next: only what changed is touched.
 */
#pragma once

#include <stddef.h>

struct err;
struct sv;
struct sv_difference;
struct sv_setup;

/* Takes over `now` and its hold. */
void sv_update(struct sv *sv, struct sv_setup *now);

/* The groups of these names only; the others go on as they are, until they are updated. */
void sv_update_only(struct sv *sv, struct sv_setup *now, char *const *names);

/* Of what runs, whenever it was taken over. As sv_groups_diff. */
size_t sv_update_diff(const struct sv *sv, const struct sv_setup *now,
		      void (*tell)(void *data, const struct sv_difference *d), void *data);

/* The file as it is now, made ready; nothing changes. NULL and err when it is wrong. */
struct sv_setup *sv_update_read(struct sv *sv, struct err *err);

/* Keeps it, and its hold, for groups that are added; NULL: none. */
void sv_update_pend(struct sv *sv, struct sv_setup *now);

/* What was kept is in force, for all that starts from now on. */
void sv_update_commit(struct sv *sv);
