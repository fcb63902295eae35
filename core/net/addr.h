/*
 * addr - where to listen or to connect, as a person writes it.
 *
 *	host:port   10.0.0.1:3306   [::1]:3306   *:3306   :3306   unix:/run/x.sock
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct err;

enum { ADDR_TEXT = 300 };

struct addr {
	char host[256]; /* a name or an address; "" or "*": any; unix: the path */
	int port;       /* 0..65535 */
	bool is_unix;
	struct sockaddr_storage socket; /* filled when no look-up is needed; else family 0 */
	socklen_t socket_len;
};

/* default_port: for a text without one; -1: it must have one. Returns 0 or ERR_CONF. */
int addr_parse(struct addr *a, const char *text, int default_port, struct err *err);

/* The text form of any socket address; "unix" for an unnamed unix socket. Returns out. */
const char *addr_text(const struct sockaddr *sa, char out[ADDR_TEXT]);

/* The address alone, without a port. Returns out. */
const char *addr_host(const struct sockaddr *sa, char out[ADDR_TEXT]);

/* A network such as 10.0.0.0/8, or one address. */
struct addr_net {
	int family;
	unsigned char bytes[16];
	int bits;
};

int addr_net_parse(struct addr_net *net, const char *text, struct err *err);
bool addr_net_has(const struct addr_net *net, const struct sockaddr *sa);
