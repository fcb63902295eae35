#include "core/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/net/listen.h"
#include "tests/lib/check.h"

Test(addr, reads_what_people_write)
{
	static const struct {
		const char *text;
		int default_port;
		const char *host;
		int port, family;
	} cases[] = {
		{ "10.0.0.1:3306", -1, "10.0.0.1", 3306, AF_INET },
		{ "10.0.0.1", 3306, "10.0.0.1", 3306, AF_INET },
		{ "[::1]:3306", -1, "::1", 3306, AF_INET6 },
		{ "[::1]", 3306, "::1", 3306, AF_INET6 },
		{ "::1", 3306, "::1", 3306, AF_INET6 },
		{ "*:0", -1, "*", 0, AF_INET },
		{ ":65535", -1, "", 65535, AF_INET },
		{ "db.example.org:3306", -1, "db.example.org", 3306, 0 },
		{ "unix:/run/x.sock", -1, "/run/x.sock", 0, AF_UNIX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a;
		struct err err = { 0 };

		check_int(addr_parse(&a, cases[i].text, cases[i].default_port, &err), 0);
		check_str(a.host, cases[i].host);
		check_int(a.port, cases[i].port);
		check_int(a.socket.ss_family, cases[i].family);
		check_int(a.is_unix, cases[i].family == AF_UNIX);
	}
}

Test(addr, refuses_the_rest_with_a_reason)
{
	static const char *const cases[] = { "",           "host",    "host:", "host:x",
					     "host:65536", "host:-1", "[::1",  "[::1]x:1",
					     "::1",        "unix:",   "a:1:" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a;
		struct err err = { 0 };

		cr_expect(addr_parse(&a, cases[i], -1, &err) == ERR_CONF, "%s", cases[i]);
		cr_expect(strlen(err.text) > 0);
	}
}

static bool has(const char *net, const char *address)
{
	struct addr_net n;
	struct addr a;

	check_int(addr_net_parse(&n, net, NULL), 0);
	check_int(addr_parse(&a, address, 1, NULL), 0);
	return addr_net_has(&n, (const struct sockaddr *)&a.socket);
}

Test(addr, networks_contain_their_addresses)
{
	cr_expect(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
	cr_expect(has("192.168.4.0/22", "192.168.7.9") && !has("192.168.4.0/22", "192.168.8.1"));
	cr_expect(has("1.2.3.4", "1.2.3.4") && !has("1.2.3.4", "1.2.3.5"));
	cr_expect(has("0.0.0.0/0", "9.9.9.9") && !has("0.0.0.0/0", "::1"));
	cr_expect(has("fd00::/9", "fd7f::1") && !has("fd00::/9", "fd80::1"));
	struct addr_net n;
	cr_expect(addr_net_parse(&n, "1.2.3.4/33", NULL) == ERR_CONF);
	cr_expect(addr_net_parse(&n, "name/8", NULL) == ERR_CONF);
}

Test(listen, tells_its_port_and_replaces_only_a_dead_socket)
{
	struct addr a;
	struct err err = { 0 };

	addr_parse(&a, "127.0.0.1:0", -1, NULL);
	int fd = listen_open(&a, 5, false, &err);
	cr_expect(fd >= 0 && listen_port(fd) > 0);
	close(fd);

	char text[] = "unix:/tmp/test_listen.XXXXXX";
	close(mkstemp(text + 5));
	addr_parse(&a, text, -1, NULL);
	check_int(listen_open(&a, 5, false, &err), UV_EADDRINUSE); /* a plain file stays */
	unlink(text + 5);
	fd = listen_open(&a, 5, false, &err);
	cr_expect(fd >= 0);
	check_int(listen_open(&a, 5, false, &err), UV_EADDRINUSE); /* somebody is there */
	close(fd);
	fd = listen_open(&a, 5, false, &err);
	cr_expect(fd >= 0, "%s", err.text);
	close(fd);
	unlink(text + 5);
}
