/* What supervisor's sections hold. The rows of a program are in sv_program_keys.c. */
#include "roles/supervisor/sv_keys.h"

#include <stddef.h>

#include "roles/supervisor/sv_expand.h"

static const struct conf_word level_words[] = {
	{ "critical", SV_LEVEL_CRITICAL }, { "error", SV_LEVEL_ERROR },
	{ "warn", SV_LEVEL_WARN },         { "info", SV_LEVEL_INFO },
	{ "debug", SV_LEVEL_DEBUG },       { "trace", SV_LEVEL_DEBUG },
	{ "blather", SV_LEVEL_DEBUG },     { NULL, 0 },
};
static const struct conf_word exit_words[] = { { "stop", SV_EXIT_STOP },
					       { "leave", SV_EXIT_LEAVE },
					       { NULL, 0 } };

#define R CONF_RELOAD

static const struct conf_key main_keys[] = {
	CONF_KEY_STR(struct sv_main_conf, logfile, .dflt = "supervisord.log",
		     .help = "Our own log, when [troupe] log does not say otherwise."),
	CONF_KEY_SIZE(struct sv_main_conf, logfile_maxbytes, .dflt = "50MB", .min = "0", .flags = R,
		      .help = "It is renamed when it would grow over this. 0: never."),
	CONF_KEY_INT(struct sv_main_conf, logfile_backups, .dflt = "10", .min = "0", .max = "1000",
		     .flags = R, .help = "Old ones that stay."),
	CONF_KEY_ENUM(struct sv_main_conf, loglevel, level_words, .dflt = "info", .flags = R,
		      .help = "The least important lines that are written."),
	CONF_KEY_STR(struct sv_main_conf, pidfile, .dflt = "supervisord.pid",
		     .help = "Where our process's number is written."),
	CONF_KEY_STR(struct sv_main_conf, umask, .dflt = "022",
		     .help = "Octal; for us and, where it has none of its own, a program."),
	CONF_KEY_BOOL(struct sv_main_conf, nodaemon, .dflt = "false",
		      .help = "Stays in the foreground."),
	CONF_KEY_BOOL(struct sv_main_conf, silent, .dflt = "false",
		      .help = "In the foreground, writes no log to standard output."),
	CONF_KEY_INT(struct sv_main_conf, minfds, .dflt = "1024", .min = "0", .max = "1000000000",
		     .help = "Open files that must be allowed to us."),
	CONF_KEY_INT(struct sv_main_conf, minprocs, .dflt = "200", .min = "0", .max = "1000000000",
		     .help = "Processes that must be allowed to us."),
	CONF_KEY_BOOL(struct sv_main_conf, nocleanup, .dflt = "false",
		      .help = "Leaves the AUTO logs of an earlier run."),
	CONF_KEY_STR(struct sv_main_conf, childlogdir,
		     .help = "Folder of AUTO logs. Empty: $TMPDIR or /tmp."),
	CONF_KEY_STR(struct sv_main_conf, user, .help = "Whom we become, when started as root."),
	CONF_KEY_STR(struct sv_main_conf, directory, .help = "Where we go as a daemon."),
	CONF_KEY_BOOL(struct sv_main_conf, strip_ansi, .dflt = "false", .flags = R,
		      .help = "Takes escape sequences out of programs' logs."),
	CONF_KEY_STR(struct sv_main_conf, environment, .flags = R,
		     .help = "A=\"1\",B=\"x,y\": goes to us and to all programs."),
	CONF_KEY_STR(struct sv_main_conf, identifier, .dflt = "supervisor", .flags = R,
		     .help = "Our name to clients."),
	CONF_KEY_ENUM(
		struct sv_main_conf, on_exit, exit_words, .dflt = "stop", .flags = R,
		.help = "What becomes of the programs when we are told to end: stop ends them; "
			"leave lets them finish."),
	CONF_KEY_BOOL(struct sv_main_conf, adopt, .dflt = "yes",
		      .help = "After a crash of ours, takes back what still runs."),
	CONF_KEY_BOOL(struct sv_main_conf, subreaper, .dflt = "yes",
		      .help = "Programs' orphans become our children, so that stop can find them."),
	CONF_KEY_STR(struct sv_main_conf, state,
		     .help = "The file that remembers what runs. Empty: beside the control "
			     "socket. off: none."),
	CONF_KEY_STR(struct sv_main_conf, metrics,
		     .help = "Address of /metrics and /healthz alone, for everybody. Empty: none."),
	CONF_KEY_STR(struct sv_main_conf, cgroup, .dflt = "auto",
		     .help = "Folder for the programs' cgroups: a path below /sys/fs/cgroup, auto "
			     "(our own, where it is delegated to us) or off."),
	CONF_KEY_DURATION(
		struct sv_main_conf, log_block, .dflt = "5s", .min = "0", .max = "1h", .flags = R,
		.help = "So long a program may wait for a log that can't be written; then "
			"its output is dropped and counted."),
	CONF_KEY_INT(struct sv_main_conf, max_processes, .dflt = "10000", .min = "1",
		     .max = "100000", .flags = R, .help = "Processes of all programs together."),
	CONF_KEY_LIST(struct sv_main_conf, allow_uid, .flags = R,
		      .help = "Users that may use the unix socket, beside root and our own. Empty: "
			      "whoever can open it."),
	CONF_KEY_LIST(struct sv_main_conf, allow_gid, .flags = R,
		      .help = "Groups that may. Empty: see allow_uid."),
	CONF_END,
};

static const struct conf_key unix_keys[] = {
	CONF_KEY_STR(struct sv_http_conf, file, .flags = R | CONF_REQUIRED, .help = "Its path."),
	CONF_KEY_STR(struct sv_http_conf, chmod, .dflt = "0700", .flags = R,
		     .help = "Its mode, octal."),
	CONF_KEY_STR(struct sv_http_conf, chown, .flags = R,
		     .help = "Its owner, user or user:group. Empty: us."),
	CONF_KEY_STR(struct sv_http_conf, username, .flags = R,
		     .help = "Whom clients must be. Empty: nobody is asked."),
	CONF_KEY_STR(struct sv_http_conf, password, .flags = R | CONF_SECRET,
		     .help = "What they must know: plain, or {SHA} and 40 hexadecimal digits."),
	CONF_END,
};

static const struct conf_key inet_keys[] = {
	CONF_KEY_STR(struct sv_http_conf, port, .flags = R | CONF_REQUIRED,
		     .help = "host:port, *:port or port."),
	CONF_KEY_STR(struct sv_http_conf, username, .flags = R,
		     .help = "Whom clients must be. Empty: nobody is asked."),
	CONF_KEY_STR(struct sv_http_conf, password, .flags = R | CONF_SECRET,
		     .help = "What they must know: plain, or {SHA} and 40 hexadecimal digits."),
	CONF_KEY_BOOL(struct sv_http_conf, open, .dflt = "no", .flags = R,
		      .help = "Lets everybody in who can reach it, without a password."),
	CONF_END,
};

static const struct conf_key ctl_keys[] = {
	CONF_KEY_STR(struct sv_ctl_conf, serverurl, .dflt = "http://localhost:9001", .flags = R,
		     .help = "Where the client finds us: unix:///path or http://host:port."),
	CONF_KEY_STR(struct sv_ctl_conf, username, .flags = R, .help = "Who the client is."),
	CONF_KEY_STR(struct sv_ctl_conf, password, .flags = R | CONF_SECRET,
		     .help = "What it knows."),
	CONF_KEY_STR(struct sv_ctl_conf, prompt, .dflt = "supervisor", .flags = R,
		     .help = "Its prompt."),
	CONF_KEY_STR(struct sv_ctl_conf, history_file, .flags = R,
		     .help = "Where it keeps its commands."),
	CONF_END,
};

static const struct conf_key rpc_keys[] = {
	{ .name = "supervisor.rpcinterface_factory",
	  .type = CONF_STR,
	  .offset = CONF_AT(struct sv_rpc_conf, factory, char *),
	  .help = "Only supervisor.rpcinterface:make_main_rpcinterface, which is there without "
		  "it." },
	CONF_END,
};

static const struct conf_key group_keys[] = {
	CONF_KEY_LIST(struct sv_group_keys, programs, .flags = R | CONF_REQUIRED,
		      .help = "Its members."),
	CONF_KEY_INT(struct sv_group_keys, priority, .dflt = "999", .flags = R,
		     .help = "Lower ones start first and end last."),
	CONF_END,
};

const struct conf_section sv_sections[] = {
	{ .name = "supervisord",
	  .help = "The supervisor. This and the sections that follow are read as supervisord does: "
		  "%(here)s, %(program_name)s, %(ENV_X)s and so on are filled in, %% is a per cent "
		  "sign, times without a unit are seconds, ${NAME} stays as it is.",
	  .keys = main_keys,
	  .size = sizeof(struct sv_main_conf),
	  .dialect = &sv_dialect },
	{ .name = "unix_http_server",
	  .help = "A unix socket for clients.",
	  .keys = unix_keys,
	  .size = sizeof(struct sv_http_conf),
	  .named = true,
	  .nameless = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = "inet_http_server",
	  .help = "A TCP port for clients.",
	  .keys = inet_keys,
	  .size = sizeof(struct sv_http_conf),
	  .named = true,
	  .nameless = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = "supervisorctl",
	  .help = "The client.",
	  .keys = ctl_keys,
	  .size = sizeof(struct sv_ctl_conf),
	  .dialect = &sv_dialect },
	{ .name = "rpcinterface",
	  .help = "Extensions of supervisord; none but its own is there.",
	  .keys = rpc_keys,
	  .size = sizeof(struct sv_rpc_conf),
	  .named = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = "program",
	  .help = "What to run.",
	  .keys = sv_keys_program,
	  .size = sizeof(struct sv_program_conf),
	  .named = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = "fcgi-program",
	  .help = "Programs that share a socket, which is their standard input.",
	  .keys = sv_keys_fcgi,
	  .size = sizeof(struct sv_program_conf),
	  .named = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = "eventlistener",
	  .help = "Programs that are told what happens, in supervisord's protocol.",
	  .keys = sv_keys_listener,
	  .size = sizeof(struct sv_program_conf),
	  .named = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = "group",
	  .help = "Programs under one name.",
	  .keys = group_keys,
	  .size = sizeof(struct sv_group_keys),
	  .named = true,
	  .reload = true,
	  .dialect = &sv_dialect },
	{ .name = NULL },
};
