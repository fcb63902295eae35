/*
 * sv_setup - a loaded configuration made ready to use: groups, programs, processes, listeners.
 *
 * It never changes and is counted. sv_setup_check and sv_setup_new do the same work, so what
 * passes the check can be used; what is wrong is told at once, all of it, with file and line.
 */
#pragma once

#include "roles/supervisor/sv_process.h"

struct conf_errors;
struct err;
struct sv_wish;

/* A listener of the HTTP server. */
struct sv_http {
	const struct sv_http_conf *conf;
	struct addr addr;
	int mode; /* unix: permission bits */
	bool chown;
	uid_t uid; /* -1: not changed */
	gid_t gid;
	const char *username, *password; /* NULL: nobody is asked */
	bool password_is_sha;            /* password: 40 hexadecimal digits */
	bool metrics_only;               /* [supervisord] metrics; conf is NULL */
};

/* [supervisord] */
struct sv_main {
	const struct sv_main_conf *conf;
	char *logfile, *pidfile, *childlogdir;
	int umask;
	bool has_user;
	struct user user;
	char **env; /* NAME=value: goes to us and to all children */
	uid_t *allow_uid;
	gid_t *allow_gid;
	size_t allow_uid_count, allow_gid_count;
	bool has_metrics;
	struct addr metrics;
	char *serverurl; /* of the first listener; NULL: none */
};

struct sv_setup {
	const struct conf *conf;
	struct sv_main main;
	struct sv_http *http;
	size_t http_count;
	struct sv_group *groups;   /* by priority and name */
	struct sv_group **by_name; /* the same, by name */
	size_t group_count;
	size_t process_count;
	const struct sv_wish *wishes; /* while it is made */
	int held;                     /* atomic */
};

/* Rules that the tables can't say. */
void sv_setup_check(const struct conf *conf, struct conf_errors *errors);

/* Holds conf. NULL: err has the first thing that is wrong. */
struct sv_setup *sv_setup_new(const struct conf *conf, struct err *err);
/* With another numprocs for some programs; NULL: none. */
struct sv_setup *sv_setup_new_as(const struct conf *conf, const struct sv_wish *wishes,
				 struct err *err);
struct sv_setup *sv_setup_hold(struct sv_setup *s);
void sv_setup_drop(struct sv_setup *s);

/* NULL: none of that name. */
const struct sv_group *sv_setup_group(const struct sv_setup *s, const char *name);
const struct sv_process_conf *sv_group_process(const struct sv_group *g, const char *name);

enum sv_change {
	SV_GROUP_ADDED,
	SV_GROUP_REMOVED,
	SV_PROCESS_ADDED,   /* to a group that stays */
	SV_PROCESS_REMOVED, /* from a group that stays */
	SV_PROCESS_RESTART, /* what changed needs a restart */
	SV_PROCESS_LIVE,    /* what changed is taken over as it runs */
};

/* One difference. old or now is NULL where there is none; line: for a person, without secrets. */
struct sv_difference {
	enum sv_change change;
	const struct sv_group *old_group, *now_group;
	const struct sv_process_conf *old, *now;
	const char *line;
};

/* Calls `tell` for each, groups in order. Returns their number. */
size_t sv_groups_diff(const struct sv_group *const *old, size_t n, const struct sv_setup *now,
		      void (*tell)(void *data, const struct sv_difference *d), void *data);
size_t sv_setup_diff(const struct sv_setup *old, const struct sv_setup *now,
		     void (*tell)(void *data, const struct sv_difference *d), void *data);
