#include "roles/supervisor/sv_changes.h"

#include <string.h>

#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_update.h"

void sv_changes_init(struct sv_changes *c)
{
	*c = (struct sv_changes){ json_array(), json_array(), json_array() };
}

void sv_changes_fini(struct sv_changes *c)
{
	json_decref(c->added);
	json_decref(c->changed);
	json_decref(c->removed);
}

static void append_once(json_t *list, const char *name)
{
	size_t i;
	json_t *have;

	json_array_foreach(list, i, have)
	{
		if (strcmp(json_string_value(have), name) == 0)
			return;
	}
	json_array_append_new(list, json_string(name));
}

void sv_changes_note(struct sv_changes *c, const struct sv_difference *d)
{
	if (d->change == SV_GROUP_ADDED)
		append_once(c->added, d->now_group->name);
	else if (d->change == SV_GROUP_REMOVED)
		append_once(c->removed, d->old_group->name);
	else
		append_once(c->changed, d->now_group ? d->now_group->name : d->old_group->name);
}
