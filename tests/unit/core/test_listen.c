#include "core/net/listen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

/* As systemd hands a socket down: blocking, and open for every child. */
static int hand_down(struct addr *a)
{
	char text[64];
	int fd;

	addr_parse(a, "127.0.0.1:0", -1, NULL);
	fd = listen_open(a, 5, false, NULL);
	snprintf(text, sizeof(text), "127.0.0.1:%d", listen_port(fd));
	check_int(addr_parse(a, text, -1, NULL), 0);
	fcntl(fd, F_SETFL, 0);
	fcntl(fd, F_SETFD, 0);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", fd - 2);
	setenv("LISTEN_FDS", text, 1);
	return fd;
}

Test(listen, an_inherited_socket_is_not_blocking_and_no_childs)
{
	struct addr a;
	int given = hand_down(&a);

	for (int worker = 0; worker < 2; worker++) {
		int fd = listen_open(&a, 5, true, NULL);
		check_true(fd >= 0 && fd != given);
		check_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		check_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		check_int(listen_port(fd), a.port);
		check_int(accept(fd, NULL, NULL), -1);
		close(fd);
	}
	setenv("LISTEN_PID", "1", 1); /* somebody else's */
	check_true(listen_open(&a, 5, false, NULL) < 0);
	close(given);
}

Test(listen, says_what_is_wrong)
{
	struct err err = { 0 };
	struct addr a;

	check_int(addr_parse(&a, "unix:/no/such/folder/x.sock", -1, NULL), 0);
	check_true(listen_open(&a, 5, false, &err) < 0);
	check_str(err.text, "listen on unix:/no/such/folder/x.sock: No such file or directory");
}
