#include "roles/supervisor/sv_event.h"

#include <stdbool.h>
#include <string.h>

#include "core/conf/conf.h"

static const char *const leaves[SV_EVENTS] = {
	[SV_EVENT_PROCESS_STATE_STOPPED] = "PROCESS_STATE_STOPPED",
	[SV_EVENT_PROCESS_STATE_EXITED] = "PROCESS_STATE_EXITED",
	[SV_EVENT_PROCESS_STATE_STARTING] = "PROCESS_STATE_STARTING",
	[SV_EVENT_PROCESS_STATE_STOPPING] = "PROCESS_STATE_STOPPING",
	[SV_EVENT_PROCESS_STATE_BACKOFF] = "PROCESS_STATE_BACKOFF",
	[SV_EVENT_PROCESS_STATE_FATAL] = "PROCESS_STATE_FATAL",
	[SV_EVENT_PROCESS_STATE_RUNNING] = "PROCESS_STATE_RUNNING",
	[SV_EVENT_PROCESS_STATE_UNKNOWN] = "PROCESS_STATE_UNKNOWN",
	[SV_EVENT_PROCESS_COMMUNICATION_STDOUT] = "PROCESS_COMMUNICATION_STDOUT",
	[SV_EVENT_PROCESS_COMMUNICATION_STDERR] = "PROCESS_COMMUNICATION_STDERR",
	[SV_EVENT_PROCESS_LOG_STDOUT] = "PROCESS_LOG_STDOUT",
	[SV_EVENT_PROCESS_LOG_STDERR] = "PROCESS_LOG_STDERR",
	[SV_EVENT_PROCESS_GROUP_ADDED] = "PROCESS_GROUP_ADDED",
	[SV_EVENT_PROCESS_GROUP_REMOVED] = "PROCESS_GROUP_REMOVED",
	[SV_EVENT_REMOTE_COMMUNICATION] = "REMOTE_COMMUNICATION",
	[SV_EVENT_SUPERVISOR_STATE_CHANGE_RUNNING] = "SUPERVISOR_STATE_CHANGE_RUNNING",
	[SV_EVENT_SUPERVISOR_STATE_CHANGE_STOPPING] = "SUPERVISOR_STATE_CHANGE_STOPPING",
	[SV_EVENT_TICK_5] = "TICK_5",
	[SV_EVENT_TICK_60] = "TICK_60",
	[SV_EVENT_TICK_3600] = "TICK_3600",
};

/* Those that stand for all that begin with them. */
static const char *const inner[] = {
	"PROCESS_STATE", "PROCESS_COMMUNICATION",   "PROCESS_LOG",
	"PROCESS_GROUP", "SUPERVISOR_STATE_CHANGE", "TICK",
};

enum { INNER = sizeof(inner) / sizeof(inner[0]) };

const char *sv_event_name(enum sv_event event)
{
	return leaves[event];
}

uint64_t sv_event_bits(const char *name)
{
	uint64_t bits = 0;
	bool branch = false;

	if (strcasecmp(name, "EVENT") == 0)
		return (1ULL << SV_EVENTS) - 1;
	for (int i = 0; i < INNER; i++)
		branch |= strcasecmp(inner[i], name) == 0;
	for (int i = 0; i < SV_EVENTS; i++) {
		size_t n = strlen(name);

		if (strncasecmp(leaves[i], name, n) == 0 &&
		    (leaves[i][n] == '\0' || (branch && leaves[i][n] == '_')))
			bits |= 1ULL << i;
	}
	return bits;
}

const char *sv_event_near(const char *name)
{
	const char *all[SV_EVENTS + INNER];

	memcpy(all, leaves, sizeof(leaves));
	memcpy(all + SV_EVENTS, inner, sizeof(inner));
	return conf_near(name, all, SV_EVENTS + INNER);
}
