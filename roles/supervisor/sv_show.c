#include "roles/supervisor/sv_show.h"

#include <string.h>

#include "core/proc/procstat.h"
#include "core/stat/stat.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_team.h"

static uint64_t restarts(const struct sv_proc *p)
{
	uint64_t n = 0;

	for (int i = 0; i < SV_REASONS; i++)
		n += p->restarts[i];
	return n;
}

static void show_use(const struct sv_proc *p, struct stat_out *out)
{
	struct procstat s = { .user = 0 };

	if (p->pid)
		procstat_read(&s, p->pid);
	stat_counter(out, "cpu_seconds", "CPU time of the process, seconds.",
		     (double)(s.user + s.system) / 1e6);
	stat_gauge(out, "rss_bytes", "Resident memory of the process.", (double)s.rss);
}

static void show_logs(const struct sv_proc *p, struct stat_out *out)
{
	const struct sv_life *l = p->life;
	uint64_t bytes = p->log_bytes, dropped = p->log_dropped;

	if (l && l->has_out) {
		bytes += l->out.bytes;
		dropped += l->out.dropped;
	}
	if (l && l->has_err) {
		bytes += l->err.bytes;
		dropped += l->err.dropped;
	}
	stat_counter(out, "log_bytes", "Bytes of output.", bytes);
	stat_counter(out, "log_dropped_bytes", "Bytes of output that no file took.", dropped);
}

static void show_proc(const struct sv_proc *p, struct stat_out *out)
{
	enum sv_proc_state s = sv_proc_state(p);
	char text[512];

	stat_row(out);
	stat_label(out, "name", sv_proc_full(p, text, sizeof(text)));
	stat_word(out, "state", sv_proc_state_name(s));
	stat_word(out, "about", sv_proc_description(p, text, sizeof(text)));
	stat_gauge(out, "up", "1: it is RUNNING.", s == SV_RUNNING_STATE);
	stat_gauge(out, "ready", "1: it is RUNNING, and said that it is ready where it has to.",
		   sv_proc_has_come(p));
	if (p->conf->program->conf->health)
		stat_gauge(out, "healthy", "1: its last health check passed.", p->healthy);
	stat_gauge(out, "fatal", "1: given up.", s == SV_FATAL_STATE);
	stat_gauge(out, "exit_code", "Of its last end; -1: a signal.", p->exit_status);
	stat_gauge(out, "start_seconds", "Of its last start, since 1970.",
		   (double)p->started_at / 1000);
	stat_counter(out, "restarts", "Starts that nobody asked for, and restarts.", restarts(p));
	show_use(p, out);
	show_logs(p, out);
}

/* Only what there was: most processes have none. */
static void show_restarts(const struct sv_proc *p, struct stat_out *out)
{
	static const char *const reasons[SV_REASONS] = {
		[SV_BY_EXIT] = "exit",     [SV_BY_HEALTH] = "health", [SV_BY_WATCHDOG] = "watchdog",
		[SV_BY_MEMORY] = "memory", [SV_BY_AGE] = "age",       [SV_BY_FILES] = "files",
		[SV_BY_ORDER] = "order",   [SV_BY_CHANGE] = "change",
	};
	char text[512];

	for (int i = 0; i < SV_REASONS; i++) {
		if (!p->restarts[i])
			continue;
		stat_row(out);
		stat_label(out, "name", sv_proc_full(p, text, sizeof(text)));
		stat_label(out, "reason", reasons[i]);
		stat_counter(out, "restarts", "Starts that nobody asked for, and restarts.",
			     (double)p->restarts[i]);
	}
}

void sv_show_status(struct sv *sv, struct stat_out *out)
{
	struct list *it, *tmp, *in, *next;

	stat_table(out, "program", "Processes.");
	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs)
			show_proc(container_of(in, struct sv_proc, link), out);
	stat_table(out, "", "Restarts by their reasons.");
	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs)
			show_restarts(container_of(in, struct sv_proc, link), out);
}
