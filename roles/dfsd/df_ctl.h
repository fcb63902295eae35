/* df_ctl - what a running node is asked and told by `troupe dfs COMMAND`. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

extern const char df_ctl_help[];

/* The client's word for status with an exit status that says whether all is in sync. */
extern const char df_ctl_status[];

/* See core/run/role.h: ctl, client. */
int df_ctl(void *self, int argc, char **argv, FILE *out, bool json);
int df_ctl_client(const char *control, int argc, char **argv, bool json);
