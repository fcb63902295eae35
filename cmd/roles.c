#include "cmd/roles.h"

#include "roles/dfsd/dfsd.h"
#include "roles/jobd/jobd.h"
#include "roles/sqlproxy/sqlproxy.h"
#include "roles/supervisor/supervisor.h"
#include "roles/taskd/taskd.h"

const struct role *const roles[] = {
	&sqlproxy_role, &supervisor_role, &taskd_role, &jobd_role, &dfsd_role, NULL,
};
