/* settings - the section [troupe], which all roles share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/conf/conf.h"

enum { SETTINGS_TEXT, SETTINGS_JSON };

struct settings {
	char *role;
	char *log;
	int log_format;
	int log_level;
	int64_t log_max_size;
	int64_t log_keep;
	char *pid_file;
	char *control;
	char *admin;
	char *admin_password;
	char *data_dir;
	char *user;
	char *group;
	int64_t drain_timeout;
};

extern const struct conf_section settings_section;

const struct settings *settings_of(const struct conf *conf);

/* Rules that the table can't say. */
void settings_check(const struct conf *conf, struct conf_errors *errors);

/* Sends the log where [troupe] says. Returns 0, or -errno and the log goes on as before. */
int settings_apply_log(const struct settings *s);
