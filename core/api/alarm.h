/* api_alarm - who is told when something is wrong. */
#pragma once

#include "core/api/keys.h"

struct api;

void api_alarm_open(struct api *api);
void api_alarm_close(struct api *api);

/* api->conf is another. */
void api_alarm_apply(struct api *api);

/* subject: "topic mail", "pool report"; what is said again of the same waits for `every`. */
void api_alarm_raise(struct api *api, enum api_alarm_event what, const char *subject,
		     const char *text);
