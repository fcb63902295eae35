/*
 * sv_tell - what listeners hear of, in supervisord's words (supervisord.org/events.html). Nothing
 * is done for an event that nobody asked for; there is no timer while nobody wants TICKs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "roles/supervisor/sv_event.h"

struct sv;
struct sv_group;
struct sv_proc;

/* Part of struct sv. */
struct sv_tell {
	uv_timer_t tick;
	int64_t slices[3]; /* the last, of 5, 60 and 3600 s */
	bool ticking;
};

/* Whose output it is. */
struct sv_speaker {
	char *name, *group;
	pid_t pid;
};

void sv_tell_open(struct sv *sv);
void sv_tell_close(struct sv *sv);

/* Other listeners, or other wishes of theirs. */
void sv_tell_look(struct sv *sv);

/* SUPERVISOR_STATE_CHANGE_* */
void sv_tell_state(struct sv *sv, enum sv_event event);

/* PROCESS_STATE_*, of what it moved to. */
void sv_tell_move(struct sv_proc *p, int from);

/* PROCESS_GROUP_* */
void sv_tell_group(struct sv *sv, enum sv_event event, const struct sv_group *group);

/* PROCESS_LOG_*, PROCESS_COMMUNICATION_* */
void sv_tell_output(struct sv *sv, const struct sv_speaker *s, enum sv_event event,
		    const void *data, size_t n);

/* REMOTE_COMMUNICATION */
void sv_tell_remote(struct sv *sv, const char *type, const char *data, size_t n);
