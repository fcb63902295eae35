#include "roles/sqlproxy/sp_proxyhdr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

enum {
	V1_MAX = 107, /* with "\r\n" */
	V2_FIXED = 16,
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	V2_TCP4_LEN = 12, /* two addresses, two ports */
	V2_TCP6_LEN = 36,
};

static const uint8_t v1_start[6] = "PROXY ";
static const uint8_t v2_start[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool begins(const uint8_t *data, size_t len, const uint8_t *start, size_t start_len)
{
	return memcmp(data, start, len < start_len ? len : start_len) == 0;
}

static void put_addr(struct sockaddr_storage *to, int family, const void *addr, uint16_t port)
{
	memset(to, 0, sizeof *to);
	to->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)to;
		memcpy(&in->sin_addr, addr, sizeof in->sin_addr);
		in->sin_port = htons(port);
	} else if (family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
		memcpy(&in6->sin6_addr, addr, sizeof in6->sin6_addr);
		in6->sin6_port = htons(port);
	}
}

/* ---- version 1 */

/* Cuts the next word off the line; false when there is none. */
static bool next_word(char **line, char **word)
{
	if (!*line)
		return false;
	*word = strsep(line, " ");
	return **word != '\0';
}

static bool read_port(const char *text, uint16_t *port)
{
	unsigned n = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5 || (text[0] == '0' && len > 1))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
	}
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

/* line: what is between "PROXY " and the end of the line. */
static int parse_v1(char *line, struct sockaddr_storage *from)
{
	char *protocol, *source, *target, *source_port, *target_port;
	uint8_t addr[16], unused[16];
	uint16_t port, unused_port;

	if (!next_word(&line, &protocol))
		return ERR_PROTO;
	if (strcmp(protocol, "UNKNOWN") == 0) { /* what may follow is to be ignored */
		put_addr(from, AF_UNSPEC, NULL, 0);
		return 0;
	}
	int family = strcmp(protocol, "TCP4") == 0 ? AF_INET : AF_INET6;
	if (family == AF_INET6 && strcmp(protocol, "TCP6") != 0)
		return ERR_PROTO;
	if (!next_word(&line, &source) || !next_word(&line, &target) ||
	    !next_word(&line, &source_port) || !next_word(&line, &target_port) || line)
		return ERR_PROTO;
	if (inet_pton(family, source, addr) != 1 || inet_pton(family, target, unused) != 1)
		return ERR_PROTO;
	if (!read_port(source_port, &port) || !read_port(target_port, &unused_port))
		return ERR_PROTO;
	put_addr(from, family, addr, port);
	return 0;
}

static int read_v1(const uint8_t *data, size_t len, struct sockaddr_storage *from)
{
	char line[V1_MAX];
	size_t most = len < V1_MAX ? len : V1_MAX;
	const uint8_t *lf = memchr(data, '\n', most);

	if (!lf)
		return len < V1_MAX ? 0 : ERR_PROTO;
	size_t total = (size_t)(lf - data) + 1;
	if (total < sizeof v1_start + 2 || lf[-1] != '\r')
		return ERR_PROTO;
	size_t line_len = total - sizeof v1_start - 2;
	memcpy(line, data + sizeof v1_start, line_len);
	line[line_len] = '\0';
	if (strlen(line) != line_len || parse_v1(line, from) != 0)
		return ERR_PROTO;
	return (int)total;
}

/* ---- version 2 */

static uint16_t read_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static int parse_v2(uint8_t kind, const uint8_t *body, size_t len, struct sockaddr_storage *from)
{
	if (kind == V2_TCP4) {
		if (len < V2_TCP4_LEN)
			return ERR_PROTO;
		put_addr(from, AF_INET, body, read_u16(body + 8));
	} else if (kind == V2_TCP6) {
		if (len < V2_TCP6_LEN)
			return ERR_PROTO;
		put_addr(from, AF_INET6, body, read_u16(body + 32));
	} else {
		put_addr(from, AF_UNSPEC, NULL, 0);
	}
	return 0;
}

static int read_v2(const uint8_t *data, size_t len, struct sockaddr_storage *from)
{
	if (len > 12 && data[12] != V2_LOCAL && data[12] != V2_PROXY)
		return ERR_PROTO;
	if (len < V2_FIXED)
		return 0;
	size_t body = read_u16(data + 14), total = V2_FIXED + body;
	if (total > SP_PROXYHDR_MAX)
		return ERR_PROTO;
	if (len < total)
		return 0;
	uint8_t kind = data[12] == V2_LOCAL ? 0 : data[13];
	if (parse_v2(kind, data + V2_FIXED, body, from) != 0)
		return ERR_PROTO;
	return (int)total;
}

int sp_proxyhdr_read(const uint8_t *data, size_t len, struct sockaddr_storage *from)
{
	if (len == 0)
		return 0;
	if (begins(data, len, v1_start, sizeof v1_start))
		return len < sizeof v1_start ? 0 : read_v1(data, len, from);
	if (begins(data, len, v2_start, sizeof v2_start))
		return len < sizeof v2_start ? 0 : read_v2(data, len, from);
	return ERR_PROTO;
}

/* ---- writing */

struct end {
	int family; /* AF_INET, AF_INET6, AF_UNSPEC */
	uint8_t addr[16];
	uint16_t port;
};

static struct end end_of(const struct sockaddr *sa)
{
	struct end end = { .family = AF_UNSPEC };

	if (sa && sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof in);
		end.family = AF_INET;
		memcpy(end.addr, &in.sin_addr, 4);
		end.port = ntohs(in.sin_port);
	} else if (sa && sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof in6);
		end.family = AF_INET6;
		memcpy(end.addr, &in6.sin6_addr, 16);
		end.port = ntohs(in6.sin6_port);
	}
	return end;
}

/* 1.2.3.4 becomes ::ffff:1.2.3.4 */
static void widen(struct end *end)
{
	if (end->family != AF_INET)
		return;
	memcpy(end->addr + 12, end->addr, 4);
	memset(end->addr, 0, 10);
	memset(end->addr + 10, 0xff, 2);
	end->family = AF_INET6;
}

static size_t write_v1(const struct end *from, const struct end *to, uint8_t *out)
{
	char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
	int n;

	if (from->family == AF_UNSPEC) {
		n = snprintf((char *)out, SP_PROXYHDR_MAX, "PROXY UNKNOWN\r\n");
	} else {
		inet_ntop(from->family, from->addr, source, sizeof source);
		inet_ntop(to->family, to->addr, target, sizeof target);
		n = snprintf((char *)out, SP_PROXYHDR_MAX, "PROXY TCP%c %s %s %u %u\r\n",
			     from->family == AF_INET ? '4' : '6', source, target, from->port,
			     to->port);
	}
	return (size_t)n;
}

static void write_u16(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static size_t write_v2(const struct end *from, const struct end *to, uint8_t *out)
{
	size_t width = from->family == AF_INET ? 4 : 16;
	uint8_t *body = out + V2_FIXED;

	memcpy(out, v2_start, sizeof v2_start);
	if (from->family == AF_UNSPEC) {
		memcpy(out + 12, (const uint8_t[]){ V2_LOCAL, 0, 0, 0 }, 4);
		return V2_FIXED;
	}
	out[12] = V2_PROXY;
	out[13] = from->family == AF_INET ? V2_TCP4 : V2_TCP6;
	write_u16(out + 14, 2 * width + 4);
	memcpy(body, from->addr, width);
	memcpy(body + width, to->addr, width);
	write_u16(body + 2 * width, from->port);
	write_u16(body + 2 * width + 2, to->port);
	return V2_FIXED + 2 * width + 4;
}

size_t sp_proxyhdr_write(int version, const struct sockaddr *from, const struct sockaddr *to,
			 uint8_t out[SP_PROXYHDR_MAX])
{
	struct end source = end_of(from), target = end_of(to);

	if (source.family == AF_UNSPEC || target.family == AF_UNSPEC)
		source.family = AF_UNSPEC;
	else if (source.family != target.family) {
		widen(&source);
		widen(&target);
	}
	return version == 1 ? write_v1(&source, &target, out) : write_v2(&source, &target, out);
}
