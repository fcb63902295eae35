/* td_alarm - who is told when something is wrong. */
#pragma once

#include "roles/taskd/td_keys.h"

struct td;

void td_alarm_open(struct td *td);
void td_alarm_close(struct td *td);

/* td->conf is another. */
void td_alarm_apply(struct td *td);

/* subject: "topic mail", "pool report"; what is said again of the same waits for `every`. */
void td_alarm_raise(struct td *td, enum td_alarm_event what, const char *subject, const char *text);
