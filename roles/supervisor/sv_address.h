/*
 * sv_address - sockets, probes and scales: what of a program names an address.
 *
 * All return 0, or ERR_CONF and one sentence. What they fill is freed with the _fini beside it.
 */
#pragma once

#include "roles/supervisor/sv_process.h"

struct err;

/* http://HOST:PORT/PATH, tcp:HOST:PORT, exec:COMMAND, or "" for none. */
int sv_address_probe(const char *text, struct sv_probe *out, struct err *err);
void sv_address_probe_fini(struct sv_probe *probe);

/* NAME=tcp:HOST:PORT reuseport backlog=N | udp:HOST:PORT | unix:PATH mode=0660 owner=USER:GROUP */
int sv_address_socket(const char *text, struct sv_socket *out, struct err *err);

/* supervisord's unix:///path and tcp://host:port. */
int sv_address_fcgi(const char *text, struct sv_socket *out, struct err *err);
/* user, user:group: its owner. */
int sv_address_owner(const char *text, struct sv_socket *out, struct err *err);
void sv_address_socket_fini(struct sv_socket *socket);

/* supervisord's host:port, *:port, port. */
int sv_address_inet(const char *text, struct addr *out, struct err *err);

/* redis:HOST:PORT/DB COMMAND > N, exec:COMMAND >= N, or "" for none. */
int sv_address_scale(const char *text, struct sv_scale *out, struct err *err);
void sv_address_scale_fini(struct sv_scale *scale);
