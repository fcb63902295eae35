/* taskd - tasks by HTTP: taken in, kept, run by pools of workers. */
#pragma once

#include "core/run/role.h"

extern const struct role taskd_role;
