/*
 * sv_process - what is to run, made ready to use. Nothing here changes once sv_setup_new returned
 * it; all of it lives as long as its sv_setup.
 *
 *	sv_setup -> groups, in the order of their start
 *	    sv_group -> programs: a [program], [fcgi-program] or [eventlistener] as part of that
 *group sv_program -> processes: numprocs of them (room for numprocs_max)
 *
 * A program that two groups list is there twice. What differs between the processes of a program
 * stands in sv_process_conf, the rest in sv_program; plain numbers and words stay where the
 * tables put them: program->conf.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/net/addr.h"
#include "core/proc/limits.h"
#include "core/proc/user.h"
#include "roles/supervisor/sv_keys.h"

struct cron;
struct http_url;
struct sv_group;
struct sv_process_conf;
struct sv_program;

enum { SV_CPUS = 1024 };

enum sv_kind { SV_PROGRAM, SV_FCGI, SV_LISTENER };

enum sv_log_to {
	SV_LOG_NONE,
	SV_LOG_FILE,
	SV_LOG_AUTO, /* path ends with XXXXXX.log: mkstemps(path copy, 4) names it */
	SV_LOG_FD,   /* our own stdout or stderr (or another of our files): no rotation */
};

/* Where a stream of a process goes. */
struct sv_log {
	enum sv_log_to to;
	bool syslog; /* also */
	bool events; /* PROCESS_LOG_* */
	int fd;
	char *path; /* FILE, AUTO */
	int64_t maxbytes, backups, capture_maxbytes;
	enum sv_compress compress;
	enum sv_format format;
};

struct sv_stop_step {
	int signal;
	int64_t wait; /* ms, until the next step, or SIGKILL after the last */
};

/* before the nth restart in a row: min(cap, delay * factor^(n-1)), +- jitter * that */
struct sv_backoff {
	bool given; /* else as supervisord: n seconds before the nth */
	int64_t delay, cap;
	double factor, jitter;
};

/* so many starts within `window` ms are FATAL; then one try each `retry` ms, 0: never */
struct sv_flap {
	bool given; /* else as supervisord: startretries in a row */
	int64_t count, window, retry;
};

enum sv_ready_by { SV_READY_NONE, SV_READY_NOTIFY, SV_READY_FD, SV_READY_LOG, SV_READY_PROBE };

struct sv_ready {
	enum sv_ready_by by;
	int fd;        /* the number that the process writes to */
	regex_t match; /* LOG: of a line of its output */
};

enum sv_probe_by { SV_PROBE_NONE, SV_PROBE_HTTP, SV_PROBE_TCP, SV_PROBE_EXEC };

/* One question to a process. */
struct sv_probe {
	enum sv_probe_by by;
	struct addr addr;     /* TCP */
	struct http_url *url; /* HTTP */
	char **argv;          /* EXEC */
};

enum sv_action { SV_ACTION_RESTART, SV_ACTION_KILL, SV_ACTION_NONE, SV_ACTION_EXEC };

enum sv_until { SV_UNTIL_STARTED, SV_UNTIL_READY, SV_UNTIL_HEALTHY, SV_UNTIL_EXITED };

/* What must be so before a process starts. */
struct sv_depend {
	const struct sv_program *program;      /* all its processes */
	const struct sv_process_conf *process; /* only this one; NULL: all */
	enum sv_until until;
};

/* A socket that we open and pass on. */
struct sv_socket {
	char *name; /* LISTEN_FDNAMES */
	struct addr addr;
	bool datagram, reuseport;
	int backlog; /* 0: the system's most */
	int mode;    /* unix: permission bits */
	bool chown;
	uid_t uid;
	gid_t gid;
};

enum sv_scale_by { SV_SCALE_NONE, SV_SCALE_REDIS, SV_SCALE_EXEC };

/* More processes while a number is `over` a threshold. */
struct sv_scale {
	enum sv_scale_by by;
	struct addr addr;
	int db;
	char **argv;   /* REDIS: the command's words; EXEC: prints a number */
	bool or_equal; /* >= */
	int64_t over;
};

struct sv_process_conf {
	const struct sv_program *program;
	char *name;              /* unique in its group */
	char *full;              /* group:name, or the name alone where both are the same */
	int num;                 /* process_num */
	bool spare;              /* beyond numprocs: runs only when scaled up */
	char **argv;             /* at least one word */
	char **env;              /* NAME=value, on top of our own environment; ends with NULL */
	char *directory;         /* NULL: ours */
	char *chroot;            /* NULL: none */
	struct sv_log out, err;  /* err is NONE where it goes the way of out */
	struct sv_probe *health; /* NULL: nobody asks */
	uint64_t restart_print;  /* differs: only a restart makes it so */
	uint64_t live_print;     /* differs: taken over as it runs */
};

struct sv_program {
	enum sv_kind kind;
	const char *name;
	const struct sv_group *group;
	const struct conf_item *item; /* its section */
	const struct sv_program_conf *conf;
	struct sv_process_conf *processes; /* by num */
	size_t count;                      /* with spare ones */
	int *exitcodes, exitcode_count;
	struct sv_stop_step *stop; /* at least one */
	size_t stop_count;
	bool killasgroup;
	bool has_user; /* else as we are */
	struct user user;
	int umask; /* -1: ours */
	struct sv_backoff backoff;
	struct sv_flap flap;
	struct sv_depend *depends;
	size_t depend_count;
	struct sv_ready ready;
	enum sv_action health_action;
	char **health_argv; /* EXEC */
	int reload_signal;  /* 0: none */
	char **reload_argv; /* NULL: none */
	struct limit *limits;
	size_t limit_count;
	int64_t cpu_max; /* per cent of one core; 0: no limit */
	int64_t max_age, max_age_jitter;
	struct sv_socket *sockets;
	size_t socket_count;
	struct sv_socket *fcgi; /* FCGI: becomes fd 0; else NULL */
	uint64_t caps;          /* bits of CAP_...; with caps_set */
	bool caps_set;
	uint64_t *cpus;         /* bits of SV_CPUS cores; NULL: as it is */
	struct cron *cron;      /* NULL: none */
	struct sv_scale *scale; /* NULL: none */
	char **watch;           /* patterns of files; ends with NULL */
	uint64_t events;        /* LISTENER: bits of sv_event.h */
};

struct sv_group {
	const char *name;
	enum sv_kind kind; /* PROGRAM for [group:...] */
	int priority;
	struct sv_program *programs;
	size_t program_count;
	struct sv_process_conf **order;   /* all of its processes, by priority and name */
	struct sv_process_conf **by_name; /* the same, by name */
	size_t count;
};
