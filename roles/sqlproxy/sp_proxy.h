/* sp_proxy - the role as a whole: its workers, its monitor, its console. Lives on the main thread.
 */
#pragma once

#include <stdbool.h>

struct run;
struct sp_setup;
struct sp_worker;

struct sp_proxy;

/* NULL: there are not so many. The list never changes while workers run. */
struct sp_worker *sp_proxy_worker(struct sp_proxy *p, int index);

/* The configuration in force; of the main thread. */
struct sp_setup *sp_proxy_setup(struct sp_proxy *p);

struct run *sp_proxy_run(struct sp_proxy *p);

/* A worker has no client left; any thread. */
void sp_proxy_drained(struct sp_proxy *p);
