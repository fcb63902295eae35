/* Every key of a program: its default, and another value as the file has it. */
#include "roles/supervisor/sv_keys.h"

#include <string.h>

#include "tests/lib/check.h"

enum { MB = 1 << 20 };

static const struct {
	const char *key;
	int64_t dflt; /* or text */
	const char *dflt_text;
	const char *odd;
	int64_t want;
	const char *want_text;
} cases[] = {
	{ "command", 0, "", "cat -u", 0, "cat -u" },
	{ "process_name", 0, "%(program_name)s", "x%(process_num)d", 0, "x%(process_num)d" },
	{ "numprocs", 1, NULL, "10000", 10000, NULL },
	{ "numprocs_start", 0, NULL, "1", 1, NULL },
	{ "priority", 999, NULL, "-1", -1, NULL },
	{ "autostart", 1, NULL, "False", 0, NULL },
	{ "autorestart", SV_RESTART_UNEXPECTED, NULL, "TRUE", SV_RESTART_ALWAYS, NULL },
	{ "startsecs", 1000, NULL, "0", 0, NULL },
	{ "startretries", 3, NULL, "0", 0, NULL },
	{ "exitcodes", 0, "0", "0, 2", 0, "0" },
	{ "stopsignal", 0, "TERM", "QUIT/5s,INT", 0, "QUIT/5s" },
	{ "stopwaitsecs", 10000, NULL, "1m", 60000, NULL },
	{ "stopasgroup", 0, NULL, "on", 1, NULL },
	{ "killasgroup", 0, NULL, "1", 1, NULL },
	{ "user", 0, NULL, "0", 0, "0" },
	{ "directory", 0, NULL, "%(here)s", 0, "%(here)s" },
	{ "umask", 0, NULL, "077", 0, "077" },
	{ "environment", 0, NULL, "A=\"1\",B=\"${x}\"", 0, "A=\"1\",B=\"${x}\"" },
	{ "serverurl", 0, "AUTO", "http://x:1", 0, "http://x:1" },
	{ "redirect_stderr", 0, NULL, "yes", 1, NULL },
	{ "stdout_logfile", 0, "AUTO", "NONE", 0, "NONE" },
	{ "stdout_logfile_maxbytes", 50 * MB, NULL, "1gb", 1 << 30, NULL },
	{ "stdout_logfile_backups", 10, NULL, "0", 0, NULL },
	{ "stdout_capture_maxbytes", 0, NULL, "1 MB", MB, NULL },
	{ "stdout_events_enabled", 0, NULL, "true", 1, NULL },
	{ "stdout_syslog", 0, NULL, "true", 1, NULL },
	{ "stderr_logfile", 0, "AUTO", "/dev/stderr", 0, "/dev/stderr" },
	{ "stderr_logfile_maxbytes", 50 * MB, NULL, "0", 0, NULL },
	{ "stderr_logfile_backups", 10, NULL, "3", 3, NULL },
	{ "stderr_capture_maxbytes", 0, NULL, "512KB", 512 << 10, NULL },
	{ "stderr_events_enabled", 0, NULL, "true", 1, NULL },
	{ "stderr_syslog", 0, NULL, "true", 1, NULL },
	{ "restart_delay", 0, NULL, "100ms", 100, NULL },
	{ "restart_backoff", 0, NULL, "2.0, 30s", 0, "2.0" },
	{ "restart_reset", 60000, NULL, "5", 5000, NULL },
	{ "flap", 0, NULL, "5/60s", 0, "5/60s" },
	{ "depends_on", 0, NULL, "a:ready", 0, "a:ready" },
	{ "essential", 0, NULL, "yes", 1, NULL },
	{ "ready", 0, "none", "fd:3", 0, "fd:3" },
	{ "ready_timeout", 90000, NULL, "0", 0, NULL },
	{ "health", 0, NULL, "tcp:x:1", 0, "tcp:x:1" },
	{ "health_interval", 10000, NULL, "5", 5000, NULL },
	{ "health_timeout", 1000, NULL, "10ms", 10, NULL },
	{ "health_failures", 3, NULL, "1", 1, NULL },
	{ "health_grace", 0, NULL, "1h", 3600000, NULL },
	{ "health_action", 0, "restart", "exec:x y", 0, "exec:x y" },
	{ "watchdog", 0, NULL, "30s", 30000, NULL },
	{ "kill_tree", SV_TREE_AUTO, NULL, "cgroup", SV_TREE_CGROUP, NULL },
	{ "reload_signal", 0, NULL, "HUP", 0, "HUP" },
	{ "reload_command", 0, NULL, "kill -1", 0, "kill -1" },
	{ "rolling", 1, NULL, "3", 3, NULL },
	{ "stdout_compress", SV_COMPRESS_OFF, NULL, "zstd", SV_COMPRESS_ZSTD, NULL },
	{ "stdout_format", SV_FORMAT_RAW, NULL, "json", SV_FORMAT_JSON, NULL },
	{ "stderr_compress", SV_COMPRESS_OFF, NULL, "zstd", SV_COMPRESS_ZSTD, NULL },
	{ "stderr_format", SV_FORMAT_RAW, NULL, "prefix", SV_FORMAT_PREFIX, NULL },
	{ "groups", 0, NULL, "a,b", 0, "a" },
	{ "env_file", 0, NULL, "-/x", 0, "-/x" },
	{ "chroot", 0, NULL, "/x", 0, "/x" },
	{ "capabilities", 0, NULL, "none", 0, "none" },
	{ "no_new_privs", 0, NULL, "yes", 1, NULL },
	{ "cpu_affinity", 0, NULL, "0-3", 0, "0-3" },
	{ "niceness", 0, NULL, "-20", -20, NULL },
	{ "oom_score_adj", 0, NULL, "-1000", -1000, NULL },
	{ "sockets", 0, NULL, "a=tcp:x:1", 0, "a=tcp:x:1" },
	{ "rlimit_as", 0, NULL, "1G", 0, "1G" },
	{ "rlimit_core", 0, NULL, "0", 0, "0" },
	{ "rlimit_cpu", 0, NULL, "60", 0, "60" },
	{ "rlimit_data", 0, NULL, "1", 0, "1" },
	{ "rlimit_fsize", 0, NULL, "1", 0, "1" },
	{ "rlimit_memlock", 0, NULL, "unlimited", 0, "unlimited" },
	{ "rlimit_nofile", 0, NULL, "1:2", 0, "1:2" },
	{ "rlimit_nproc", 0, NULL, "1", 0, "1" },
	{ "rlimit_rss", 0, NULL, "1", 0, "1" },
	{ "rlimit_stack", 0, NULL, "8M", 0, "8M" },
	{ "memory_max", 0, NULL, "512M", 512 * MB, NULL },
	{ "memory_high", 0, NULL, "1KiB", 1024, NULL },
	{ "cpu_max", 0, NULL, "150%", 0, "150%" },
	{ "cpu_weight", 0, NULL, "100", 100, NULL },
	{ "pids_max", 0, NULL, "200", 200, NULL },
	{ "max_rss", 0, NULL, "400M", 400 * MB, NULL },
	{ "max_age", 0, NULL, "24h, jitter 1h", 0, "24h" },
	{ "type", SV_TYPE_SERVICE, NULL, "oneshot", SV_TYPE_ONESHOT, NULL },
	{ "schedule", 0, NULL, "@daily", 0, "@daily" },
	{ "interval", 0, NULL, "5m", 300000, NULL },
	{ "overlap", SV_OVERLAP_SKIP, NULL, "queue", SV_OVERLAP_QUEUE, NULL },
	{ "numprocs_max", 0, NULL, "12", 12, NULL },
	{ "scale_on", 0, NULL, "exec:x > 1", 0, "exec:x > 1" },
	{ "scale_down_after", 60000, NULL, "1", 1000, NULL },
	{ "watch", 0, NULL, "*.py", 0, "*.py" },
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static const struct conf_item *load(const char *key, const char *value, struct conf **conf)
{
	struct conf_errors errors = { 0 };
	char text[300];

	snprintf(text, sizeof(text), "[program:p]\n%s%s%s\n", key ? key : "", key ? " = " : "",
		 key ? value : "");
	if (!key || strcmp(key, "command") != 0)
		strcat(text, "command = x\n");
	check_int(conf_parse(text, "t", sv_sections, conf, &errors), 0);
	conf_errors_print(&errors, stderr);
	conf_warnings_print(&errors, stderr);
	check_int(errors.warning_count, 0);
	conf_errors_fini(&errors);
	return conf_find(*conf, "program", "p");
}

static const struct conf_key *row_of(const struct conf_item *item, const char *name)
{
	const struct conf_key *key = conf_first_key(item->section);

	while (key && strcmp(key->name, name) != 0)
		key = conf_next_key(key);
	return key;
}

static void check_value(const struct conf_item *item, const char *name, int64_t number,
			const char *text)
{
	const struct conf_key *key = row_of(item, name);

	cr_assert(key != NULL);
	const void *at = (const char *)item->values + key->offset;
	const char *got = key->type == CONF_STR ? *(char *const *)at : NULL;
	if (key->type == CONF_LIST)
		got = **(char **const *)at;
	bool is_text = key->type == CONF_STR || key->type == CONF_LIST;
	int64_t n = key->type == CONF_BOOL   ? *(const bool *)at
		    : key->type == CONF_ENUM ? *(const int *)at
		    : is_text                ? 0
					     : *(const int64_t *)at;
	if (is_text ? strcmp(got ? got : "", text ? text : "") != 0 : n != number)
		fprintf(stderr, "%s: got %s %lld\n", name, got, (long long)n);
	check_int(n, number);
	check_str(got ? got : "", text ? text : "");
}

Test(sv_keys, defaults_are_as_documented)
{
	struct conf *conf;
	const struct conf_item *item = load(NULL, NULL, &conf);

	for (size_t i = 1; i < CASES; i++)
		check_value(item, cases[i].key, cases[i].dflt, cases[i].dflt_text);
	conf_free(conf);
}

Test(sv_keys, take_other_values)
{
	for (size_t i = 0; i < CASES; i++) {
		struct conf *conf;
		const struct conf_item *item = load(cases[i].key, cases[i].odd, &conf);
		check_value(item, cases[i].key, cases[i].want, cases[i].want_text);
		conf_free(conf);
	}
}

Test(sv_keys, are_all_tested_and_explained)
{
	struct conf *conf;
	const struct conf_item *item = load(NULL, NULL, &conf);

	for (const struct conf_key *k = conf_first_key(item->section); k; k = conf_next_key(k)) {
		size_t i = 0;
		while (i < CASES && strcmp(cases[i].key, k->name) != 0)
			i++;
		check_str(i < CASES ? k->name : "not tested", k->name);
		check_true(k->help && k->help[strlen(k->help) - 1] == '.');
	}
	conf_free(conf);
}

Test(sv_keys, listeners_and_the_main_section_have_their_own_defaults)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;

	conf_parse("[eventlistener:l]\ncommand=l\nevents=TICK\n"
		   "[fcgi-program:f]\ncommand=f\nsocket=tcp://x:1\n",
		   "t", sv_sections, &conf, &errors);
	const struct sv_program_conf *l = conf_find(conf, "eventlistener", "l")->values;
	const struct sv_program_conf *f = conf_find(conf, "fcgi-program", "f")->values;
	const struct sv_main_conf *m = conf_get(conf, "supervisord");
	const struct sv_ctl_conf *c = conf_get(conf, "supervisorctl");

	check_int(errors.count + errors.warning_count, 0);
	check_int(l->priority, -1);
	check_int(l->buffer_size, 10);
	check_int(l->startsecs, 1000);
	check_int(f->priority, 999);
	check_int(f->socket_backlog, 0);
	check_str(m->logfile, "supervisord.log");
	check_str(m->pidfile, "supervisord.pid");
	check_str(m->umask, "022");
	check_str(m->identifier, "supervisor");
	check_int(m->logfile_maxbytes, 50 * MB);
	check_int(m->logfile_backups, 10);
	check_int(m->loglevel, SV_LEVEL_INFO);
	check_int(m->minfds, 1024);
	check_int(m->minprocs, 200);
	check_true(!m->nodaemon && !m->silent && !m->nocleanup && !m->strip_ansi);
	check_int(m->on_exit, SV_EXIT_STOP);
	check_true(m->adopt && m->subreaper);
	check_int(m->log_block, 5000);
	check_str(c->serverurl, "http://localhost:9001");
	check_str(c->prompt, "supervisor");
	conf_free(conf);
}
