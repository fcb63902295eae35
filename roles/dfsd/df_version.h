/*
 * df_version - version vectors: who has changed a path, and how often.
 *
 * As bytes: for each writer its id and its count, u64 little endian both, sorted by id. A writer's
 * id is of its index: one that has lost it counts as another. Of two vectors neither of which is
 * the newer one, the changes were made without knowing of each other.
 */
#pragma once

#include "roles/dfsd/df_entry.h"

enum { DF_WRITERS = 1024, DF_VERSION = DF_WRITERS * 16 };

enum df_age { DF_SAME, DF_OLDER, DF_NEWER, DF_APART };

bool df_version_is_well(struct df_bytes v);

/* What a is against b. */
enum df_age df_version_compare(struct df_bytes a, struct df_bytes b);

/* Bytes written to out, which has room for DF_VERSION; it may not be where a or b are. Writers
 * above DF_WRITERS are left out. */
size_t df_version_merge(uint8_t *out, struct df_bytes a, struct df_bytes b);

/* One more of that writer. */
size_t df_version_count(uint8_t *out, struct df_bytes v, uint64_t writer);
