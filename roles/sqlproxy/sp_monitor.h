/*
 * sp_monitor - one thread that watches the servers and reads accounts from them, with the client
 * library (sp_probe), which may block: nothing else waits for it.
 */
#pragma once

#include <stdint.h>

struct sp_secret;
struct sp_setup;
struct sp_worker;

/* Starts with what the setup says; once. */
void sp_monitor_start(struct sp_setup *setup);
/* Another setup is in force. */
void sp_monitor_change(struct sp_setup *setup);
/* Ends the thread; waits for the look under way, which is bounded by its time-out. */
void sp_monitor_stop(void);

/* Looks up an account on a primary; sp_login_looked_up tells the client of that worker. */
void sp_monitor_lookup(struct sp_worker *w, uint32_t client, const char *user);
void sp_login_looked_up(struct sp_worker *w, uint32_t client, const struct sp_secret *found);
