/* supervisor - the role that keeps processes alive. */
#pragma once

#include "core/run/role.h"

extern const struct role supervisor_role;
