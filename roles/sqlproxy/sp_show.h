/*
 * sp_show - what the proxy knows about itself, gathered from its workers. Main thread.
 *
 * A table is a row of sp_shows: its name, its columns, and the function that fills it. The console,
 * `troupe ctl show ...` and the list in HELP all come from there.
 */
#pragma once

#include "roles/sqlproxy/sp_rows.h"

struct sp_proxy;
struct stat_out;

struct sp_show {
	const char *name; /* lower case */
	const char *help;
	const struct sp_column *columns;
	void (*fill)(struct sp_proxy *p, struct sp_rows *r);
};

/* Ends with name NULL. */
extern const struct sp_show sp_shows[];

/* NULL: no such table. */
const struct sp_show *sp_show_find(const char *name);

/* rows: to be finished by the caller. */
void sp_show_fill(const struct sp_show *show, struct sp_proxy *p, struct sp_rows *rows);

/* What the configuration says, and not the workers: sp_show_conf.c */
extern const struct sp_column sp_show_rule_columns[], sp_show_config_columns[],
	sp_show_listener_columns[], sp_show_user_columns[], sp_show_version_columns[];
void sp_show_rules(struct sp_proxy *p, struct sp_rows *r);
void sp_show_config(struct sp_proxy *p, struct sp_rows *r);
void sp_show_listeners(struct sp_proxy *p, struct sp_rows *r);
void sp_show_users(struct sp_proxy *p, struct sp_rows *r);
void sp_show_version(struct sp_proxy *p, struct sp_rows *r);

/* Figures for status, /metrics and the admin page. */
void sp_show_status(struct sp_proxy *p, struct stat_out *out);

/* "up", "down", "drained" or "paused"; "primary" or "replica". */
struct sp_server;
const char *sp_show_server_state(const struct sp_server *s);
const char *sp_show_server_role(const struct sp_server *s);
const char *sp_show_backend_state(int state);
/* Without the 5.5.5- that MariaDB puts before its own. */
const char *sp_show_version_of(const char *greeting);

/* The names of the pins, comma separated. */
const char *sp_show_pins(uint32_t pins, char out[320]);
