/* sp_probe - the client library's one home: a look at a server, an account read from it. Blocks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sp_monitor_conf;
struct sp_secret;
struct sp_server;

/* Why something failed, for a person. */
struct sp_reason {
	char text[200];
};

struct sp_probe; /* a connection that stays open between looks */

struct sp_look {
	bool read_only;
	bool is_replica;
	bool galera, galera_ready;
	int64_t lag; /* ms, SP_LAG_* */
};

struct sp_probe *sp_probe_new(void);
void sp_probe_free(struct sp_probe *p);

/* True, or false with a reason. Connects when it has to. */
bool sp_probe_look(struct sp_probe *p, const struct sp_server *s, const struct sp_monitor_conf *m,
		   struct sp_look *look, struct sp_reason *reason);

/* Reads what the server keeps of a user's password. False: no such user, or a reason. */
bool sp_probe_account(struct sp_probe *p, const char *user, struct sp_secret *out,
		      struct sp_reason *reason);

/* A line about the server for `troupe check`; true when it is there. */
bool sp_probe_report(const struct sp_server *s, const struct sp_monitor_conf *m, FILE *out);
