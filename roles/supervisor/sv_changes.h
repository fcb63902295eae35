/* sv_changes - by group, as supervisord tells of a reload: names that came, changed and went. */
#pragma once

#include <jansson.h>

struct sv_difference;

struct sv_changes {
	json_t *added, *changed, *removed; /* texts, each once */
};

void sv_changes_init(struct sv_changes *c);
void sv_changes_fini(struct sv_changes *c);

void sv_changes_note(struct sv_changes *c, const struct sv_difference *d);
