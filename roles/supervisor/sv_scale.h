/*
 * sv_scale - spare processes of a program, while a number is high: scale_on.
 *
 *	each 2 s: redis or a command --> number -- over --> one spare process more
 *	                                       \-- not for scale_down_after --> one less
 */
#pragma once

struct sv;

/* By the setup that is in force now. */
void sv_scale_look(struct sv *sv);
void sv_scale_close(struct sv *sv);
