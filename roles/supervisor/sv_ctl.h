/*
 * sv_ctl - the server's half of `troupe ctl`: methods and streams over the control socket.
 *
 *	call METHOD [PARAMS]    the result as JSON, or status 1 and
 *{"fault":n,"name":...,"text":...} stream TARGET           /logtail/NAME/stdout, /mainlogtail,
 * /events: as HTTP has them
 */
#pragma once

#include <stdbool.h>

struct control_peer;

/* The role's ctl_later. */
bool sv_ctl_later(void *self, int argc, char **argv, struct control_peer *peer);
