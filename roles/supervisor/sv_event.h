/*
 * sv_event - the names of supervisord's events, which form a tree: who asks for PROCESS_STATE gets
 * all that begins with it. A set of them is a word of bits, of the leaves only.
 */
#pragma once

#include <stdint.h>

enum sv_event {
	SV_EVENT_PROCESS_STATE_STOPPED,
	SV_EVENT_PROCESS_STATE_EXITED,
	SV_EVENT_PROCESS_STATE_STARTING,
	SV_EVENT_PROCESS_STATE_STOPPING,
	SV_EVENT_PROCESS_STATE_BACKOFF,
	SV_EVENT_PROCESS_STATE_FATAL,
	SV_EVENT_PROCESS_STATE_RUNNING,
	SV_EVENT_PROCESS_STATE_UNKNOWN,
	SV_EVENT_PROCESS_COMMUNICATION_STDOUT,
	SV_EVENT_PROCESS_COMMUNICATION_STDERR,
	SV_EVENT_PROCESS_LOG_STDOUT,
	SV_EVENT_PROCESS_LOG_STDERR,
	SV_EVENT_PROCESS_GROUP_ADDED,
	SV_EVENT_PROCESS_GROUP_REMOVED,
	SV_EVENT_REMOTE_COMMUNICATION,
	SV_EVENT_SUPERVISOR_STATE_CHANGE_RUNNING,
	SV_EVENT_SUPERVISOR_STATE_CHANGE_STOPPING,
	SV_EVENT_TICK_5,
	SV_EVENT_TICK_60,
	SV_EVENT_TICK_3600,
	SV_EVENTS,
};

/* "PROCESS_STATE_STOPPED" */
const char *sv_event_name(enum sv_event event);

/* The bits of a name, EVENT and other inner names of the tree too; 0: no such name. */
uint64_t sv_event_bits(const char *name);

/* The name that is nearest, or NULL. */
const char *sv_event_near(const char *name);
