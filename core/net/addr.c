#include "core/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

static int parse_unix(struct addr *a, const char *path, struct err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&a->socket;

	if (!*path || strlen(path) >= sizeof(un->sun_path))
		return err_set(err, ERR_CONF, "'unix:%s' is not a socket path of 1 to %zu bytes",
			       path, sizeof(un->sun_path) - 1);
	a->is_unix = true;
	snprintf(a->host, sizeof(a->host), "%s", path);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	a->socket_len = sizeof(*un);
	return 0;
}

static bool parse_port(const char *text, int *port)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0 || n > 65535)
		return false;
	*port = (int)n;
	return true;
}

/* Fills the socket address when the host is a number, or any. */
static void resolve_number(struct addr *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&a->socket;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&a->socket;
	bool any = !a->host[0] || strcmp(a->host, "*") == 0;

	if (any || inet_pton(AF_INET, a->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)a->port);
		a->socket_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, a->host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)a->port);
		a->socket_len = sizeof(*v6);
	}
}

/* Where the host ends and, after a colon, the port begins. NULL: brackets that don't close. */
static const char *host_end(const char *text, const char **host)
{
	*host = text;
	if (*text == '[') {
		*host = text + 1;
		return strchr(text, ']');
	}
	const char *colon = strrchr(text, ':');
	if (colon && strchr(text, ':') != colon) /* a bare IPv6 address */
		return text + strlen(text);
	return colon ? colon : text + strlen(text);
}

int addr_parse(struct addr *a, const char *text, int default_port, struct err *err)
{
	const char *host;

	memset(a, 0, sizeof(*a));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(a, text + 5, err);

	const char *end = host_end(text, &host);
	if (!end || (size_t)(end - host) >= sizeof(a->host))
		return err_set(err, ERR_CONF, "'%.200s' is not an address", text);
	memcpy(a->host, host, (size_t)(end - host));
	if (*end == ']')
		end++;
	a->port = default_port;
	if (*end == ':' ? !parse_port(end + 1, &a->port) : *end || default_port < 0)
		return err_set(err, ERR_CONF, "'%.200s' is not of the form host:port", text);
	resolve_number(a);
	return 0;
}

const char *addr_host(const struct sockaddr *sa, char out[ADDR_TEXT])
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	snprintf(out, ADDR_TEXT, "unix");
	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, out, ADDR_TEXT);
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, out, ADDR_TEXT);
	return out;
}

const char *addr_text(const struct sockaddr *sa, char out[ADDR_TEXT])
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	const struct sockaddr_un *un = (const void *)sa;
	char host[ADDR_TEXT];

	addr_host(sa, host);
	if (sa->sa_family == AF_INET)
		snprintf(out, ADDR_TEXT, "%.64s:%d", host, ntohs(v4->sin_port));
	else if (sa->sa_family == AF_INET6)
		snprintf(out, ADDR_TEXT, "[%.64s]:%d", host, ntohs(v6->sin6_port));
	else if (sa->sa_family == AF_UNIX && un->sun_path[0])
		snprintf(out, ADDR_TEXT, "unix:%s", un->sun_path);
	else
		snprintf(out, ADDR_TEXT, "unix");
	return out;
}

int addr_net_parse(struct addr_net *net, const char *text, struct err *err)
{
	char host[64];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	memset(net, 0, sizeof(*net));
	snprintf(host, sizeof(host), "%.*s", (int)(len < 63 ? len : 63), text);
	if (inet_pton(AF_INET, host, net->bytes) == 1)
		net->family = AF_INET;
	else if (inet_pton(AF_INET6, host, net->bytes) == 1)
		net->family = AF_INET6;
	else
		return err_set(err, ERR_CONF, "'%.100s' is not an address or network", text);

	int most = net->family == AF_INET ? 32 : 128;
	net->bits = most;
	if (slash && (!parse_port(slash + 1, &net->bits) || net->bits > most))
		return err_set(err, ERR_CONF, "'%.100s': the prefix is not 0 to %d", text, most);
	return 0;
}

bool addr_net_has(const struct addr_net *net, const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	const unsigned char *bytes = sa->sa_family == AF_INET ? (const void *)&v4->sin_addr
							      : (const void *)&v6->sin6_addr;
	size_t whole = (size_t)net->bits / 8;

	if (sa->sa_family != net->family || memcmp(bytes, net->bytes, whole) != 0)
		return false;
	unsigned rest = (unsigned)net->bits % 8;
	return rest == 0 || ((bytes[whole] ^ net->bytes[whole]) >> (8 - rest)) == 0;
}
