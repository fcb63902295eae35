/* jobd - workers on queues, by topic: taskd's engine behind the protocols that programs speak
 * already. */
#pragma once

#include "core/run/role.h"

extern const struct role jobd_role;
