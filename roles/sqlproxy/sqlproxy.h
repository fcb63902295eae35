#pragma once

#include "core/run/role.h"

extern const struct role sqlproxy_role;
