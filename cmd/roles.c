#include "cmd/roles.h"

#include <string.h>

#include "roles/sqlproxy/sqlproxy.h"

static const struct role *const roles[] = {
	&sqlproxy_role,
	NULL,
};

const struct role *const *roles_all(void)
{
	return roles;
}

const struct role *roles_find(const char *name)
{
	for (const struct role *const *role = roles; *role; role++)
		if (strcmp((*role)->name, name) == 0)
			return *role;
	return NULL;
}
