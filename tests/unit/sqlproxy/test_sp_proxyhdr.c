#include "roles/sqlproxy/sp_proxyhdr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

struct row {
	const char *bytes;
	size_t len;
	int want;         /* header's length, or ERR_PROTO */
	const char *from; /* "address port", "-": none */
};

#define ROW(text, want, from)                                                                      \
	{                                                                                          \
		text, sizeof text - 1, want, from                                                  \
	}

static const struct row rows[] = {
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1234 3306\r\nrest", 38, "1.2.3.4 1234"),
	ROW("PROXY TCP6 ::1 fe80::2 65535 0\r\n", 32, "::1 65535"),
	ROW("PROXY TCP6 ffff:f...f:ffff x 1 2\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    104, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"),
	ROW("PROXY UNKNOWN\r\n", 15, "-"),
	ROW("PROXY UNKNOWN ffff::1 any thing\r\n", 33, "-"),
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1234 3306\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1234\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 1234 3306 \r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4  5.6.7.8 1234 3306\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 65536 3306\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 012 3306\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4 5.6.7.8 -1 3306\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 ::1 ::1 1 2\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP5 1.2.3.4 5.6.7.8 1234 3306\r\n", ERR_PROTO, NULL),
	ROW("PROXY \r\n", ERR_PROTO, NULL),
	ROW("PROXY\r\n", ERR_PROTO, NULL),
	ROW("PROXY TCP4 1.2.3.4\0 5.6.7.8 1234 3306\r\n", ERR_PROTO, NULL),
	ROW("PROXY UNKNOWN 3456789012345678901234567890123456789012345678901234567890"
	    "1234567890123456789012345678901234567890\r\n",
	    ERR_PROTO, NULL),
	ROW("GET / HTTP/1.0", ERR_PROTO, NULL),
	ROW(V2 "\x21\x11\0\x0c\1\2\3\4\5\6\7\x8\x04\xd2\x0c\xea", 28, "1.2.3.4 1234"),
	ROW(V2 "\x21\x11\0\x0f\1\2\3\4\5\6\7\x8\x04\xd2\x0c\xea\x04\0\0more", 31, "1.2.3.4 1234"),
	ROW(V2 "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\1"
	       "\0\2",
	    52, "::1 1"),
	ROW(V2 "\x20\0\0\0", 16, "-"),
	ROW(V2 "\x20\x11\0\2ab", 18, "-"),
	ROW(V2 "\x21\0\0\0", 16, "-"),
	ROW(V2 "\x21\x31\0\1x", 17, "-"),
	ROW(V2 "\x21\x11\0\x0b\1\2\3\4\5\6\7\x8\x04\xd2\x0c\xea", ERR_PROTO, NULL),
	ROW(V2 "\x21\x21\0\x0c\1\2\3\4\5\6\7\x8\x04\xd2\x0c\xea", ERR_PROTO, NULL),
	ROW(V2 "\x11\x11\0\x0c", ERR_PROTO, NULL),
	ROW(V2 "\x22\x11\0\x0c", ERR_PROTO, NULL),
	ROW(V2 "\x21\x11\x02\x09", ERR_PROTO, NULL), /* 537 bytes */
	ROW("\r\n\r\n\0\r\nQUIX\n", ERR_PROTO, NULL),
};

static void describe(const struct sockaddr_storage *from, char *out, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in6 *in6 = (const void *)from;
	const struct sockaddr_in *in = (const void *)from;
	bool six = from->ss_family == AF_INET6;

	if (from->ss_family == AF_UNSPEC) {
		snprintf(out, size, "-");
		return;
	}
	inet_ntop(from->ss_family, six ? (const void *)&in6->sin6_addr : &in->sin_addr, addr,
		  sizeof addr);
	snprintf(out, size, "%s %u", addr, ntohs(six ? in6->sin6_port : in->sin_port));
}

/* Any shorter part asks for more, or is refused when the whole is. */
static void check_parts(const struct row *row)
{
	struct sockaddr_storage from = { .ss_family = AF_UNIX };

	for (size_t len = 0; len < row->len; len++) {
		uint8_t *part = malloc(len + 1);
		memcpy(part + 1, row->bytes, len);
		int rc = sp_proxyhdr_read(part + 1, len, &from);
		int want = row->want > 0 && len >= (size_t)row->want ? row->want : 0;
		cr_expect(rc == want || (row->want < 0 && rc == ERR_PROTO), "%s: %d at %zu",
			  row->bytes, rc, len);
		free(part);
	}
}

Test(sp_proxyhdr, reads_both_versions_at_any_cut)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		struct sockaddr_storage from = { .ss_family = AF_UNIX };
		char text[80] = "";
		int rc = sp_proxyhdr_read((const uint8_t *)row->bytes, row->len, &from);
		cr_expect(rc == row->want, "row %zu %s: %d", i, row->bytes, rc);
		check_parts(row);
		if (rc > 0) {
			describe(&from, text, sizeof text);
			check_str(text, row->from);
		} else {
			check_int(from.ss_family, AF_UNIX);
		}
	}
}

static struct sockaddr_storage address(const char *text, uint16_t port)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNIX };
	struct sockaddr_in6 *in6 = (void *)&sa;
	struct sockaddr_in *in = (void *)&sa;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		sa.ss_family = AF_INET;
		in->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		sa.ss_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
	return sa;
}

Test(sp_proxyhdr, writes_what_it_reads)
{
	static const struct {
		const char *from, *to, *v1, *read;
	} cases[] = {
		{ "1.2.3.4", "5.6.7.8", "PROXY TCP4 1.2.3.4 5.6.7.8 1234 3306\r\n",
		  "1.2.3.4 1234" },
		{ "::1", "fe80::2", "PROXY TCP6 ::1 fe80::2 1234 3306\r\n", "::1 1234" },
		{ "1.2.3.4", "::2", "PROXY TCP6 ::ffff:1.2.3.4 ::2 1234 3306\r\n",
		  "::ffff:1.2.3.4 1234" },
		{ "unix", "1.2.3.4", "PROXY UNKNOWN\r\n", "-" },
		{ "1.2.3.4", "unix", "PROXY UNKNOWN\r\n", "-" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sockaddr_storage from = address(cases[i].from, 1234), got;
		struct sockaddr_storage to = address(cases[i].to, 3306);
		for (int version = 1; version <= 2; version++) {
			uint8_t out[SP_PROXYHDR_MAX] = { 0 };
			char text[80];
			size_t len = sp_proxyhdr_write(version, (struct sockaddr *)&from,
						       (struct sockaddr *)&to, out);
			check_int(sp_proxyhdr_read(out, len, &got), (int)len);
			describe(&got, text, sizeof text);
			check_str(text, cases[i].read);
			if (version == 1)
				check_str((char *)out, cases[i].v1);
		}
	}
	uint8_t out[SP_PROXYHDR_MAX];
	check_int(sp_proxyhdr_write(2, NULL, NULL, out), 16);
}
