/* engine - the parts of the program that drives the work engine without a role. */
#pragma once

/* See pools.c. Returns the exit status. dir: NULL: nothing is stored. */
int engine_pools(const char *file, const char *dir);

/* See dispatch.c. */
int engine_dispatch(int depth, int credit, double seconds);
int engine_start(int mib, int n);
int engine_worker(void);
