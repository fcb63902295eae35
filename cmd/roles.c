#include "cmd/roles.h"

#include "roles/sqlproxy/sqlproxy.h"

const struct role *const roles[] = {
	&sqlproxy_role,
	NULL,
};
