#include "cmd/roles.h"

#include "roles/sqlproxy/sqlproxy.h"
#include "roles/supervisor/supervisor.h"

const struct role *const roles[] = {
	&sqlproxy_role,
	&supervisor_role,
	NULL,
};
