#include "core/run/settings.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "core/net/addr.h"

static const struct conf_word formats[] = {
	{ "text", SETTINGS_TEXT },
	{ "json", SETTINGS_JSON },
	{ NULL, 0 },
};

static const struct conf_word levels[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};

static const struct conf_key keys[] = {
	CONF_KEY_STR(
		struct settings, role,
		.help = "The role to play when neither the command line, the program's name nor "
			"TROUPE_ROLE says it."),
	CONF_KEY_STR(struct settings, log, .dflt = "stderr", .flags = CONF_RELOAD,
		     .help = "Where log lines go: stderr, syslog, or the absolute path of a file."),
	CONF_KEY_ENUM(struct settings, log_format, formats, .dflt = "text", .flags = CONF_RELOAD,
		      .help = "How a log line looks."),
	CONF_KEY_ENUM(struct settings, log_level, levels, .dflt = "info", .flags = CONF_RELOAD,
		      .help = "The least important lines that are written. `troupe ctl log-level` "
			      "changes it until the next reload."),
	CONF_KEY_SIZE(
		struct settings, log_max_size, .dflt = "100MiB", .min = "0", .flags = CONF_RELOAD,
		.help = "A log file that would grow over this is renamed to FILE.1; 0: never."),
	CONF_KEY_INT(struct settings, log_keep, .dflt = "5", .min = "0", .max = "1000",
		     .flags = CONF_RELOAD,
		     .help = "How many old log files, FILE.1 to FILE.n, stay."),
	CONF_KEY_STR(struct settings, pid_file,
		     .help = "Where the process's number is written. Empty: beside the control "
			     "socket."),
	CONF_KEY_STR(
		struct settings, control,
		.help = "The path of the control socket, or off. Empty: ROLE.sock in /run/troupe; "
			"where that is not ours, in $XDG_RUNTIME_DIR/troupe or /tmp/troupe-UID. "
			"For another file than /etc/troupe/troupe.ini the name has a number that "
			"belongs to the file's path."),
	CONF_KEY_STR(struct settings, admin,
		     .help = "Address of the admin page with /metrics, /healthz, /readyz and "
			     "/status.json, as 127.0.0.1:9100. Empty: none."),
	CONF_KEY_STR(
		struct settings, admin_password, .flags = CONF_SECRET | CONF_RELOAD,
		.help = "What the admin page asks for, of the user admin or as a Bearer token; "
			"/healthz and /readyz ask for nothing. Empty: nobody is asked."),
	CONF_KEY_STR(
		struct settings, data_dir,
		.help = "Where roles keep what must outlive them, each in a folder of its name; a "
			"relative path begins at the folder of the file that says it. "
			"Empty: /var/lib/troupe for root, else $XDG_STATE_HOME/troupe or "
			"~/.local/state/troupe."),
	CONF_KEY_STR(
		struct settings, user,
		.help = "The user to become once all ports are open. Only when started as root."),
	CONF_KEY_STR(struct settings, group, .help = "The group to become. Empty: the user's."),
	CONF_KEY_DURATION(
		struct settings, drain_timeout, .dflt = "30s", .min = "0", .max = "24h",
		.flags = CONF_RELOAD,
		.help = "How long work under way may take to end after the order to stop."),
	CONF_END,
};

const struct conf_section settings_section = {
	.name = "troupe",
	.help = "What all roles share.",
	.keys = keys,
	.size = sizeof(struct settings),
};

const struct settings *settings_of(const struct conf *conf)
{
	return conf_get(conf, "troupe");
}

static void check_log(const struct settings *s, const struct conf_item *at,
		      struct conf_errors *errors)
{
	if (*s->log != '/' && strcmp(s->log, "stderr") != 0 && strcmp(s->log, "syslog") != 0)
		conf_error(errors, at, "log", "'%s' is not stderr, syslog or an absolute path",
			   s->log);
}

static void check_names(const struct settings *s, const struct conf_item *at,
			struct conf_errors *errors)
{
	if (s->user && *s->user && !getpwnam(s->user))
		conf_error(errors, at, "user", "'%s': no such user", s->user);
	if (s->group && *s->group && !getgrnam(s->group))
		conf_error(errors, at, "group", "'%s': no such group", s->group);
}

static void check_admin(const struct settings *s, const struct conf_item *at,
			struct conf_errors *errors)
{
	struct addr addr;
	struct err err = { 0 };

	if (s->admin && *s->admin && addr_parse(&addr, s->admin, -1, &err) != 0)
		conf_error(errors, at, "admin", "%s", err.text);
}

void settings_check(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_item *at = conf_find(conf, "troupe", "");
	const struct settings *s = settings_of(conf);

	check_log(s, at, errors);
	check_names(s, at, errors);
	check_admin(s, at, errors);
}

int settings_apply_log(const struct settings *s)
{
	struct log_conf conf = {
		.target = s->log,
		.json = s->log_format == SETTINGS_JSON,
		.level = getenv("TROUPE_DEBUG") ? LOG_LEVEL_DEBUG : (enum log_level)s->log_level,
		.max_size = s->log_max_size,
		.keep = s->log_keep,
	};

	return log_open(&conf);
}
