/*
 * sv_keys - what supervisor's sections hold, as the tables read it.
 *
 * The sections are supervisord's own, so that its files load as they are, and our keys stand
 * among its keys. Times are milliseconds here, whatever the key is called. The strings of a
 * program are still raw - %(process_num)d differs for each process - and are made ready by
 * sv_program; those of all other sections are expanded.
 */
#pragma once

#include "core/conf/conf.h"

enum sv_on_exit { SV_EXIT_STOP, SV_EXIT_LEAVE };
enum sv_loglevel {
	SV_LEVEL_CRITICAL,
	SV_LEVEL_ERROR,
	SV_LEVEL_WARN,
	SV_LEVEL_INFO,
	SV_LEVEL_DEBUG
};
enum sv_restart {
	SV_RESTART_NEVER,
	SV_RESTART_UNEXPECTED, /* not after an exit code of `exitcodes` */
	SV_RESTART_ALWAYS,
	SV_RESTART_ON_SUCCESS,  /* only after an exit code of `exitcodes` */
	SV_RESTART_ON_ABNORMAL, /* only after a signal, a watchdog or a health check */
};
enum sv_kill_tree {
	SV_TREE_AUTO, /* cgroup where it has one, else subreaper */
	SV_TREE_OFF,  /* as supervisord */
	SV_TREE_GROUP,
	SV_TREE_CGROUP,
	SV_TREE_SUBREAPER,
};
enum sv_type { SV_TYPE_SERVICE, SV_TYPE_ONESHOT };
enum sv_overlap { SV_OVERLAP_SKIP, SV_OVERLAP_QUEUE, SV_OVERLAP_KILL };
enum sv_compress { SV_COMPRESS_OFF, SV_COMPRESS_ZSTD };
enum sv_format { SV_FORMAT_RAW, SV_FORMAT_JSON, SV_FORMAT_PREFIX };

/* [supervisord] */
struct sv_main_conf {
	char *logfile, *pidfile, *childlogdir, *directory, *user, *umask, *environment, *identifier;
	int64_t logfile_maxbytes, logfile_backups, minfds, minprocs;
	int loglevel;
	bool nodaemon, silent, nocleanup, strip_ansi;
	/* ours */
	char *metrics, *state, *cgroup;
	char **allow_uid, **allow_gid;
	int64_t log_block, max_processes;
	int on_exit;
	bool adopt, subreaper;
};

/* [unix_http_server], [inet_http_server], each also with a name */
struct sv_http_conf {
	char *file, *chmod, *chown; /* unix */
	char *port;                 /* inet */
	char *username, *password;
	bool open; /* inet: nobody is asked for a password, wherever it listens */
};

/* [supervisorctl] */
struct sv_ctl_conf {
	char *serverurl, *username, *password, *prompt, *history_file;
};

/* [rpcinterface:NAME] */
struct sv_rpc_conf {
	char *factory;
};

/* [group:NAME] */
struct sv_group_keys {
	char **programs;
	int64_t priority;
};

/* [program:NAME], [fcgi-program:NAME], [eventlistener:NAME] */
struct sv_program_conf {
	/* what runs */
	char *command, *process_name, *directory, *umask, *user, *environment, *serverurl;
	int64_t numprocs, numprocs_start, priority;
	/* when it runs */
	int64_t startsecs, startretries, stopwaitsecs;
	char **exitcodes, **stopsignal;
	int autorestart;
	bool autostart, stopasgroup, killasgroup;
	/* what it says */
	char *stdout_logfile, *stderr_logfile;
	int64_t stdout_logfile_maxbytes, stderr_logfile_maxbytes;
	int64_t stdout_logfile_backups, stderr_logfile_backups;
	int64_t stdout_capture_maxbytes, stderr_capture_maxbytes;
	bool stdout_events_enabled, stderr_events_enabled, stdout_syslog, stderr_syslog;
	bool redirect_stderr;
	/* fcgi-program */
	char *socket, *socket_owner, *socket_mode;
	int64_t socket_backlog;
	/* eventlistener */
	char **events;
	char *result_handler;
	int64_t buffer_size;

	/* ours: restarts */
	int64_t restart_delay, restart_reset;
	char **restart_backoff, **flap;
	char **depends_on;
	bool essential;
	/* ready and healthy */
	char *ready, *health, *health_action;
	int64_t ready_timeout, health_interval, health_timeout, health_failures, health_grace;
	int64_t watchdog;
	/* stop and reload */
	int kill_tree;
	char *reload_signal, *reload_command;
	int64_t rolling;
	/* who and where */
	char **groups, **capabilities;
	char *env_file, *chroot, *cpu_affinity;
	int64_t niceness, oom_score_adj;
	bool no_new_privs;
	/* limits */
	char *rlimit_as, *rlimit_core, *rlimit_cpu, *rlimit_data, *rlimit_fsize, *rlimit_memlock;
	char *rlimit_nofile, *rlimit_nproc, *rlimit_rss, *rlimit_stack;
	char *cpu_max;
	int64_t memory_max, memory_high;
	int64_t pids_max, cpu_weight;
	int64_t max_rss;
	char **max_age;
	char **sockets;
	/* logs */
	int stdout_compress, stdout_format, stderr_compress, stderr_format;
	/* time and number */
	int type, overlap;
	char *schedule, *scale_on;
	int64_t interval, numprocs_max, scale_down_after;
	char **watch;
};

extern const struct conf_section sv_sections[];
/* The rows of each kind of program. */
extern const struct conf_key sv_keys_program[], sv_keys_fcgi[], sv_keys_listener[];
