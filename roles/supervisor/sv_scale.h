/*
 * sv_scale - spare processes of a program, while a number is high: scale_on.
 *
 *	each 2 s: redis or a command --> number -- over --> one spare process more
 *	                                       \-- not for scale_down_after --> one less
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sv;

enum { SV_SCALE_MORE, SV_SCALE_NUMBER, SV_SCALE_TEXT, SV_SCALE_BAD };

/*
 * The first reply of redis in these bytes. NUMBER: :12, "12", nil as 0; TEXT: a status, no number;
 * BAD: an error or anything else; MORE: it is not complete. *used: its bytes.
 */
int sv_scale_reply(const char *text, size_t n, int64_t *number, size_t *used);

/* By the setup that is in force now. */
void sv_scale_look(struct sv *sv);
void sv_scale_close(struct sv *sv);
