/* daemon - a role in a process of its own, which has left its terminal. */
#pragma once

struct role;
struct run_options;

/* Returns once it is ready: 0 and its number, or its exit status. options->report is not looked at.
 */
int run_daemon(const struct role *role, const struct run_options *options, int *pid);
