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

static bool has_section(const struct role *role, const char *name)
{
	for (const struct conf_section *s = role->sections; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return true;
	return false;
}

static bool is_shared(const char *section)
{
	int n = 0;

	for (const struct role *const *role = roles; *role; role++)
		n += has_section(*role, section);
	return n > 1;
}

static bool is_in(const struct conf *conf, const char *section)
{
	const struct conf_item *item = conf_next(conf, section, NULL);

	return item && item->file;
}

/* By a section that is its alone. */
static bool is_named(const struct conf *conf, const struct role *role)
{
	for (const struct conf_section *s = role->sections; s->name; s++)
		if (!is_shared(s->name) && is_in(conf, s->name))
			return true;
	return false;
}

/* Whom a section of several roles speaks of where the file names none of them: the first. */
static const struct role *owner(const struct conf *conf, const char *section)
{
	const struct role *first = NULL;

	for (const struct role *const *role = roles; *role; role++) {
		if (!has_section(*role, section))
			continue;
		if (is_named(conf, *role))
			return NULL;
		if (!first)
			first = *role;
	}
	return first;
}

bool roles_describes(const struct conf *conf, const struct role *role)
{
	if (is_named(conf, role))
		return true;
	for (const struct conf_section *s = role->sections; s->name; s++)
		if (is_shared(s->name) && is_in(conf, s->name) && owner(conf, s->name) == role)
			return true;
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
