/* A process in words: its name, and what supervisorctl shows of it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "roles/supervisor/sv_depend.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

int sv_proc_code(enum sv_proc_state s)
{
	static const int codes[] = { 0, 10, 20, 30, 40, 100, 200, 1000, 1000 };

	return codes[s];
}

const char *sv_proc_full(const struct sv_proc *p, char *into, size_t size)
{
	snprintf(into, size, "%s:%s", p->team->conf->name, p->conf->name);
	return into;
}

/* As Python writes a timedelta. */
static void uptime(int64_t s, char *into, size_t size)
{
	int64_t days = s / 86400;
	int at = 0;

	if (days)
		at = snprintf(into, size, "%lld day%s, ", (long long)days, days == 1 ? "" : "s");
	snprintf(into + at, size - (size_t)at, "%d:%02d:%02d", (int)(s / 3600 % 24),
		 (int)(s / 60 % 60), (int)(s % 60));
}

static void moment(int64_t ms, char *into, size_t size)
{
	time_t at = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(into, size, "%b %d %I:%M %p", &tm);
}

static void add_next_start(const struct sv_proc *p, char *into, size_t size)
{
	size_t n = strlen(into);
	char text[64];

	if (!p->next_start || n >= size)
		return;
	moment(p->next_start, text, sizeof(text));
	snprintf(into + n, size - n, "%snext start %s", n ? ", " : "", text);
}

char *sv_proc_description(const struct sv_proc *p, char *into, size_t size)
{
	enum sv_proc_state s = sv_proc_state(p);
	char text[64];
	int64_t age = time(NULL) - p->started_at / 1000;

	*into = '\0';
	if (p->waits) {
		sv_depend_text(p, into, size);
	} else if (s == SV_RUNNING_STATE) {
		uptime(age < 0 ? 0 : age, text, sizeof(text));
		snprintf(into, size, "pid %d, uptime %s", (int)p->pid, text);
	} else if (s == SV_FATAL_STATE || s == SV_BACKOFF) {
		snprintf(into, size, "%s",
			 p->spawn_error ? p->spawn_error
					: "unknown error (try \"tail\" of its log)");
	} else if (s == SV_STOPPED || s == SV_EXITED) {
		if (p->started_at)
			moment(p->stopped_at, into, size);
		else
			snprintf(into, size, "Not started");
	}
	add_next_start(p, into, size);
	return into;
}
