#pragma once

#include "core/run/role.h"

extern const struct role dfsd_role;
