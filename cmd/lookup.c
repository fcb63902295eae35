/* Questions to the table of roles. */
#include <string.h>

#include "cmd/roles.h"
#include "core/conf/conf.h"
#include "core/run/settings.h"

enum { SECTIONS_MAX = 64, ROLES_MAX = 16 };

const struct role *roles_find(const char *name)
{
	for (const struct role *const *role = roles; *role; role++)
		if (strcmp((*role)->name, name) == 0)
			return *role;
	return NULL;
}

const struct role_name *roles_find_name(const char *name)
{
	for (const struct role *const *role = roles; *role; role++)
		for (const struct role_name *n = (*role)->names; n && n->name; n++)
			if (strcmp(n->name, name) == 0)
				return n;
	return NULL;
}

const char *roles_near(const char *name)
{
	const char *names[ROLES_MAX];
	size_t n = 0;

	for (const struct role *const *role = roles; *role && n < ROLES_MAX; role++)
		names[n++] = (*role)->name;
	return conf_near(name, names, n);
}

bool roles_describes(const struct conf *conf, const struct role *role)
{
	for (const struct conf_section *s = role->sections; s->name; s++) {
		const struct conf_item *item = conf_next(conf, s->name, NULL);

		if (item && item->file)
			return true;
	}
	return false;
}

static bool has(const struct conf_section *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return true;
	return false;
}

const struct conf_section *roles_sections(void)
{
	static struct conf_section all[SECTIONS_MAX];
	size_t n = 0;

	all[n++] = settings_section;
	for (const struct role *const *role = roles; *role; role++)
		for (const struct conf_section *s = (*role)->sections; s->name; s++)
			if (n < SECTIONS_MAX - 1 && !has(all, n, s->name))
				all[n++] = *s;
	all[n].name = NULL;
	return all;
}
