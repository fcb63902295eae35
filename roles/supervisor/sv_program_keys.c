/*
 * The rows of [program NAME], [fcgi-program NAME] and [eventlistener NAME]. Rows that are taken
 * over on reload change nothing of a process that runs; a change of any other restarts it (see
 * sv_diff.c).
 */
#include <stddef.h>

#include "roles/supervisor/sv_keys.h"

#define P struct sv_program_conf
#define R CONF_RELOAD

static const struct conf_word restart_words[] = {
	{ "unexpected", SV_RESTART_UNEXPECTED },
	{ "true", SV_RESTART_ALWAYS },
	{ "false", SV_RESTART_NEVER },
	{ "on-success", SV_RESTART_ON_SUCCESS },
	{ "on-abnormal", SV_RESTART_ON_ABNORMAL },
	{ "on-failure", SV_RESTART_UNEXPECTED },
	{ "always", SV_RESTART_ALWAYS },
	{ "yes", SV_RESTART_ALWAYS },
	{ "on", SV_RESTART_ALWAYS },
	{ "1", SV_RESTART_ALWAYS },
	{ "never", SV_RESTART_NEVER },
	{ "no", SV_RESTART_NEVER },
	{ "off", SV_RESTART_NEVER },
	{ "0", SV_RESTART_NEVER },
	{ NULL, 0 },
};
static const struct conf_word tree_words[] = {
	{ "auto", SV_TREE_AUTO },           { "off", SV_TREE_OFF },
	{ "group", SV_TREE_GROUP },         { "cgroup", SV_TREE_CGROUP },
	{ "subreaper", SV_TREE_SUBREAPER }, { NULL, 0 },
};
static const struct conf_word type_words[] = { { "service", SV_TYPE_SERVICE },
					       { "oneshot", SV_TYPE_ONESHOT },
					       { NULL, 0 } };
static const struct conf_word overlap_words[] = { { "skip", SV_OVERLAP_SKIP },
						  { "queue", SV_OVERLAP_QUEUE },
						  { "kill", SV_OVERLAP_KILL },
						  { NULL, 0 } };
static const struct conf_word compress_words[] = { { "off", SV_COMPRESS_OFF },
						   { "zstd", SV_COMPRESS_ZSTD },
						   { NULL, 0 } };
static const struct conf_word format_words[] = { { "raw", SV_FORMAT_RAW },
						 { "json", SV_FORMAT_JSON },
						 { "prefix", SV_FORMAT_PREFIX },
						 { NULL, 0 } };

/* ---- ours, on time and number ------------------------------------------------ */

static const struct conf_key time_rows[] = {
	CONF_KEY_ENUM(P, type, type_words, .dflt = "service", .flags = R,
		      .help = "oneshot: it is meant to end, and is not started again for that."),
	CONF_KEY_STR(P, schedule, .flags = R,
		     .help = "Starts it at times: five fields as in crontab, or @hourly, @daily, "
			     "@weekly, @monthly, @yearly; then a time zone such as Europe/Berlin, "
			     "else the system's."),
	CONF_KEY_DURATION(P, interval, .dflt = "0", .min = "0", .max = "366d", .flags = R,
			  .help = "Starts it so long after its last start. 0: not."),
	CONF_KEY_ENUM(P, overlap, overlap_words, .dflt = "skip", .flags = R,
		      .help = "When its time comes and it still runs."),
	CONF_KEY_INT(P, numprocs_max, .dflt = "0", .min = "0", .max = "10000", .flags = R,
		     .help = "Processes that scale_on and `ctl scale` may go up to. 0: numprocs."),
	CONF_KEY_STR(
		P, scale_on, .flags = R,
		.help = "When there are more than numprocs: redis:HOST:PORT/DB COMMAND > N, or "
			"exec:COMMAND > N, where the command prints a number."),
	CONF_KEY_DURATION(P, scale_down_after, .dflt = "60s", .min = "1s", .max = "7d", .flags = R,
			  .help = "The number must have been low for so long before one goes."),
	CONF_KEY_LIST(
		P, watch, .flags = R,
		.help = "Patterns of files; it restarts when one changes. src/**/*.py: also in all "
			"folders below."),
	CONF_END,
};

/* ---- ours, on limits --------------------------------------------------------- */

static const struct conf_key limit_rows[] = {
	CONF_KEY_STR(P, rlimit_as, .help = "Address space: N, SOFT:HARD or unlimited."),
	CONF_KEY_STR(P, rlimit_core, .help = "Core files."),
	CONF_KEY_STR(P, rlimit_cpu, .help = "Processor seconds."),
	CONF_KEY_STR(P, rlimit_data, .help = "Data segment."),
	CONF_KEY_STR(P, rlimit_fsize, .help = "Size of a file."),
	CONF_KEY_STR(P, rlimit_memlock, .help = "Locked memory."),
	CONF_KEY_STR(P, rlimit_nofile, .help = "Open files."),
	CONF_KEY_STR(P, rlimit_nproc, .help = "Processes of the user."),
	CONF_KEY_STR(P, rlimit_rss, .help = "Resident memory; Linux does not heed it."),
	CONF_KEY_STR(P, rlimit_stack, .help = "Stack."),
	CONF_KEY_SIZE(P, memory_max, .dflt = "0", .min = "0", .flags = R,
		      .help = "Memory of a process and its children, by cgroup. 0: no limit."),
	CONF_KEY_SIZE(P, memory_high, .dflt = "0", .min = "0", .flags = R,
		      .help = "From there on it is slowed down. 0: no limit."),
	CONF_KEY_STR(P, cpu_max, .flags = R,
		     .help = "Of one core, as 150%, by cgroup. Empty: no limit."),
	CONF_KEY_INT(P, cpu_weight, .dflt = "0", .min = "0", .max = "10000", .flags = R,
		     .help = "Share among others, by cgroup; theirs is 100. 0: as it is."),
	CONF_KEY_INT(P, pids_max, .dflt = "0", .min = "0", .max = "4194304", .flags = R,
		     .help = "Processes and threads, by cgroup. 0: no limit."),
	CONF_KEY_SIZE(P, max_rss, .dflt = "0", .min = "0", .flags = R,
		      .help = "It restarts when it uses more memory. 0: never."),
	CONF_KEY_LIST(P, max_age, .flags = R,
		      .help = "It restarts when it is so old: 24h, or 24h, jitter 1h."),
	CONF_MORE(time_rows),
};

/* ---- ours, on who and where -------------------------------------------------- */

static const struct conf_key who_rows[] = {
	CONF_KEY_LIST(P, groups, .help = "More groups, beside those of user."),
	CONF_KEY_STR(P, env_file,
		     .help = "File of NAME=value lines, before environment. A - before it: it may "
			     "be missing."),
	CONF_KEY_STR(P, chroot, .help = "The new root. Empty: ours."),
	CONF_KEY_LIST(P, capabilities,
		      .help = "All that it keeps, as net_bind_service, or none. Empty: as it is."),
	CONF_KEY_BOOL(P, no_new_privs, .dflt = "no",
		      .help = "Programs that it starts gain nothing by set-uid bits."),
	CONF_KEY_STR(P, cpu_affinity, .help = "Cores, as 0-3,6. Empty: all."),
	CONF_KEY_INT(P, niceness, .dflt = "0", .min = "-20", .max = "19",
		     .help = "Above 0: others go first."),
	CONF_KEY_INT(P, oom_score_adj, .dflt = "0", .min = "-1000", .max = "1000",
		     .help = "The higher, the sooner it is killed when memory runs out."),
	CONF_KEY_LIST(
		P, sockets,
		.help = "Sockets that it gets open (LISTEN_FDS): NAME=tcp:HOST:PORT, udp:..., "
			"unix:PATH; then reuseport, backlog=N, mode=0660."),
	CONF_MORE(limit_rows),
};

/* ---- ours, on life ----------------------------------------------------------- */

static const struct conf_key life_rows[] = {
	CONF_KEY_DURATION(P, restart_delay, .dflt = "0", .min = "0", .max = "1d", .flags = R,
			  .help = "Between its end and its next start; 1s where restart_backoff "
				  "stands alone."),
	CONF_KEY_LIST(
		P, restart_backoff, .flags = R,
		.help = "FACTOR, LONGEST, jitter 20%: grows the delay each time that it does not "
			"stay up. Empty: always restart_delay; or, without that, 1, 2, 3 ... "
			"seconds, as supervisord."),
	CONF_KEY_DURATION(P, restart_reset, .dflt = "60s", .min = "0", .max = "7d", .flags = R,
			  .help = "Up for so long, the delay begins anew."),
	CONF_KEY_LIST(
		P, flap, .flags = R,
		.help = "N/TIME, retry TIME: so many starts in that time are FATAL, with one try "
			"each so often; without retry: none. Empty: startretries counts."),
	CONF_KEY_LIST(
		P, depends_on, .flags = R,
		.help = "NAME:CONDITION of programs, groups or group:process, which must be "
			"started, ready, healthy or exited (with success) before; NAME alone: "
			"ready."),
	CONF_KEY_BOOL(P, essential, .dflt = "no", .flags = R,
		      .help = "Its end ends us, with its exit status."),
	CONF_KEY_STR(
		P, ready, .dflt = "none",
		.help = "How it says that it is: none (startsecs have passed), notify (sd_notify), "
			"fd:N (it writes a line there), log:REGEX (it writes such a line), or "
			"probe (the first good health check)."),
	CONF_KEY_DURATION(P, ready_timeout, .dflt = "90s", .min = "0", .max = "1d", .flags = R,
			  .help = "It restarts when it has not said so by then. 0: whenever."),
	CONF_KEY_STR(P, health, .flags = R,
		     .help = "http://HOST:PORT/PATH, tcp:HOST:PORT or exec:COMMAND. Empty: none."),
	CONF_KEY_DURATION(P, health_interval, .dflt = "10s", .min = "100ms", .max = "1d",
			  .flags = R, .help = "Between two checks."),
	CONF_KEY_DURATION(P, health_timeout, .dflt = "1s", .min = "10ms", .max = "1h", .flags = R,
			  .help = "For each."),
	CONF_KEY_INT(P, health_failures, .dflt = "3", .min = "1", .max = "1000", .flags = R,
		     .help = "So many in a row make it unhealthy."),
	CONF_KEY_DURATION(P, health_grace, .dflt = "0", .min = "0", .max = "1d", .flags = R,
			  .help = "After its start, failures do not count for so long."),
	CONF_KEY_STR(P, health_action, .dflt = "restart", .flags = R,
		     .help = "What is done then: restart, kill, none or exec:COMMAND."),
	CONF_KEY_DURATION(
		P, watchdog, .dflt = "0", .min = "0", .max = "1d",
		.help = "When it is ready it must say WATCHDOG=1 (sd_notify) so often, or is "
			"restarted. 0: not."),
	CONF_KEY_ENUM(
		P, kill_tree, tree_words, .dflt = "auto", .flags = R,
		.help = "How a stop finds its children: by cgroup, as our orphans (subreaper), by "
			"process group, or not at all; auto: by cgroup where a limit gave it one, "
			"else as our orphans."),
	CONF_KEY_STR(P, reload_signal, .flags = R, .help = "What `ctl reload` sends it."),
	CONF_KEY_STR(P, reload_command, .flags = R, .help = "What `ctl reload` runs in its place."),
	CONF_KEY_INT(P, rolling, .dflt = "1", .min = "1", .max = "10000", .flags = R,
		     .help = "A rolling restart takes so many at a time."),
	CONF_KEY_ENUM(P, stdout_compress, compress_words, .dflt = "off", .flags = R,
		      .help = "Packs its old logs."),
	CONF_KEY_ENUM(
		P, stdout_format, format_words, .dflt = "raw", .flags = R,
		.help = "raw: as it comes; json: an object a line, with time and name; prefix: "
			"both before each line."),
	CONF_KEY_ENUM(P, stderr_compress, compress_words, .dflt = "off", .flags = R,
		      .help = "The same for standard error."),
	CONF_KEY_ENUM(P, stderr_format, format_words, .dflt = "raw", .flags = R,
		      .help = "The same for standard error."),
	CONF_MORE(who_rows),
};

/* ---- supervisord's ----------------------------------------------------------- */

static const struct conf_key shared_rows[] = {
	CONF_KEY_STR(P, command,
		     .help = "Program and arguments, with quotes as in a shell; no shell runs. "
			     "Required, but for `troupe run`'s [program ROLE]."),
	CONF_KEY_STR(
		P, process_name, .dflt = "%(program_name)s", .flags = R,
		.help = "A process's name; with more than one, %(process_num)d must be in it."),
	CONF_KEY_INT(P, numprocs, .dflt = "1", .min = "0", .max = "10000", .flags = R,
		     .help = "How many of them."),
	CONF_KEY_INT(P, numprocs_start, .dflt = "0", .min = "0", .max = "1000000000", .flags = R,
		     .help = "The number of the first."),
	CONF_KEY_BOOL(P, autostart, .dflt = "true", .flags = R, .help = "Starts with us."),
	CONF_KEY_ENUM(
		P, autorestart, restart_words, .dflt = "unexpected", .flags = R,
		.help = "After which end it starts again: any but a stop (true), none (false), "
			"one whose exit code is not in exitcodes (unexpected), is in it "
			"(on-success), or one by a signal or a failed check (on-abnormal)."),
	CONF_KEY_DURATION(P, startsecs, .dflt = "1", .min = "0", .max = "365d", .flags = R,
			  .help = "It must stay up for so long to count as running."),
	CONF_KEY_INT(P, startretries, .dflt = "3", .min = "0", .max = "1000000000", .flags = R,
		     .help = "Further tries when it does not, before it is FATAL."),
	CONF_KEY_LIST(P, exitcodes, .dflt = "0", .flags = R, .help = "Those that are no failure."),
	CONF_KEY_LIST(
		P, stopsignal, .dflt = "TERM", .flags = R,
		.help = "What a stop sends: a signal, or several, as TERM/10s, INT/5s, each with "
			"how long it is given; without: stopwaitsecs."),
	CONF_KEY_DURATION(P, stopwaitsecs, .dflt = "10", .min = "0", .max = "365d", .flags = R,
			  .help = "Until KILL follows."),
	CONF_KEY_BOOL(P, stopasgroup, .dflt = "false", .flags = R,
		      .help = "A stop signal goes to its process group; so does KILL."),
	CONF_KEY_BOOL(P, killasgroup, .dflt = "false", .flags = R,
		      .help = "KILL goes to its process group. As stopasgroup by default."),
	CONF_KEY_STR(P, user, .help = "Whom it becomes: a name or a number. Empty: as we are."),
	CONF_KEY_STR(P, directory, .help = "Where it starts. Empty: where we are."),
	CONF_KEY_STR(P, umask, .help = "Octal. Empty: ours."),
	CONF_KEY_STR(P, environment, .help = "A=\"1\",B=\"x,y\": what it gets beside ours."),
	CONF_KEY_STR(P, serverurl, .dflt = "AUTO",
		     .help = "SUPERVISOR_SERVER_URL. AUTO: our first listener's."),
	CONF_KEY_BOOL(P, redirect_stderr, .dflt = "false",
		      .help = "Standard error goes the way of standard output."),
	CONF_KEY_STR(P, stdout_logfile, .dflt = "AUTO", .flags = R,
		     .help = "A file, AUTO (in childlogdir, until we start again), NONE, syslog, "
			     "/dev/stdout or /dev/stderr."),
	CONF_KEY_SIZE(P, stdout_logfile_maxbytes, .dflt = "50MB", .min = "0", .flags = R,
		      .help = "It is renamed when it would grow over this. 0: never."),
	CONF_KEY_INT(P, stdout_logfile_backups, .dflt = "10", .min = "0", .max = "1000", .flags = R,
		     .help = "Old ones that stay."),
	CONF_KEY_SIZE(P, stdout_capture_maxbytes, .dflt = "0", .min = "0", .max = "1GB", .flags = R,
		      .help = "Of a PROCESS_COMMUNICATION event. 0: none of them."),
	CONF_KEY_BOOL(P, stdout_events_enabled, .dflt = "false", .flags = R,
		      .help = "Output makes PROCESS_LOG_STDOUT events."),
	CONF_KEY_BOOL(P, stdout_syslog, .dflt = "false", .flags = R,
		      .help = "Output goes to syslog, too."),
	CONF_KEY_STR(P, stderr_logfile, .dflt = "AUTO", .flags = R,
		     .help = "The same for standard error."),
	CONF_KEY_SIZE(P, stderr_logfile_maxbytes, .dflt = "50MB", .min = "0", .flags = R,
		      .help = "The same for standard error."),
	CONF_KEY_INT(P, stderr_logfile_backups, .dflt = "10", .min = "0", .max = "1000", .flags = R,
		     .help = "The same for standard error."),
	CONF_KEY_SIZE(P, stderr_capture_maxbytes, .dflt = "0", .min = "0", .max = "1GB", .flags = R,
		      .help = "The same for standard error."),
	CONF_KEY_BOOL(P, stderr_events_enabled, .dflt = "false", .flags = R,
		      .help = "The same for standard error."),
	CONF_KEY_BOOL(P, stderr_syslog, .dflt = "false", .flags = R,
		      .help = "The same for standard error."),
	CONF_MORE(life_rows),
};

const struct conf_key sv_keys_program[] = {
	CONF_KEY_INT(P, priority, .dflt = "999", .flags = R,
		     .help = "Lower ones start first and end last."),
	CONF_MORE(shared_rows),
};

const struct conf_key sv_keys_fcgi[] = {
	CONF_KEY_STR(P, socket, .flags = CONF_REQUIRED, .help = "unix:///path or tcp://host:port."),
	CONF_KEY_STR(P, socket_owner, .help = "user or user:group. Empty: those of user."),
	CONF_KEY_STR(P, socket_mode, .help = "Octal. Empty: 0700."),
	CONF_KEY_INT(P, socket_backlog, .dflt = "0", .min = "0", .max = "65535",
		     .help = "Connections that wait. 0: as many as the system allows."),
	CONF_KEY_INT(P, priority, .dflt = "999", .flags = R,
		     .help = "Lower ones start first and end last."),
	CONF_MORE(shared_rows),
};

const struct conf_key sv_keys_listener[] = {
	CONF_KEY_LIST(P, events, .flags = R | CONF_REQUIRED,
		      .help = "Those that it is told, as PROCESS_STATE, TICK_60."),
	CONF_KEY_INT(P, buffer_size, .dflt = "10", .min = "1", .max = "1000000", .flags = R,
		     .help = "Events that wait for it; then the oldest is dropped."),
	CONF_KEY_STR(P, result_handler, .dflt = "supervisor.dispatchers:default_handler",
		     .flags = R, .help = "Only this one is there."),
	CONF_KEY_INT(P, priority, .dflt = "-1", .flags = R,
		     .help = "Lower ones start first and end last."),
	CONF_MORE(shared_rows),
};
