#include "core/net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/err.h"

enum { FIRST_FD = 3 };

static bool same_address(const struct sockaddr *a, const struct addr *b)
{
	char one[ADDR_TEXT], other[ADDR_TEXT];

	return strcmp(addr_text(a, one), addr_text((const struct sockaddr *)&b->socket, other)) ==
	       0;
}

/* A copy that no child inherits; whoever made it may have left it blocking. */
static int take(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);

	if (copy >= 0)
		fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK);
	return copy;
}

/* systemd's protocol: the descriptors from 3 on are ours when LISTEN_PID says so. */
static int inherited(const struct addr *a)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int n = pid && count && atoi(pid) == getpid() ? atoi(count) : 0;

	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		struct sockaddr_storage at = { 0 };
		socklen_t len = sizeof(at);
		if (getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
		    same_address((struct sockaddr *)&at, a))
			return take(fd);
	}
	return -1;
}

/* A unix socket that nobody listens on any more may go. */
static void remove_stale(const struct addr *a)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	bool dead = connect(fd, (const struct sockaddr *)&a->socket, a->socket_len) < 0 &&
		    errno == ECONNREFUSED;
	close(fd);
	if (dead && lstat(a->host, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(a->host);
}

static int bind_and_listen(int fd, const struct addr *a, int backlog, bool share)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (share && !a->is_unix)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (a->is_unix)
		remove_stale(a);
	if (bind(fd, (const struct sockaddr *)&a->socket, a->socket_len) < 0 ||
	    listen(fd, backlog) < 0)
		return -errno;
	return 0;
}

int listen_open(const struct addr *a, int backlog, bool share, struct err *err)
{
	char text[ADDR_TEXT];
	int fd = inherited(a);

	if (fd >= 0)
		return fd;
	if (!a->socket_len)
		return err_set(err, UV_EADDRNOTAVAIL, "listen on %s: not an address of this host",
			       a->host);
	addr_text((const struct sockaddr *)&a->socket, text);
	fd = socket(a->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : bind_and_listen(fd, a, backlog, share);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return err_set(err, rc, "listen on %s: %s", text, strerror(-rc));
}

int listen_port(int fd)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);

	getsockname(fd, (struct sockaddr *)&at, &len);
	return at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)(void *)&at)->sin6_port)
					: ntohs(((struct sockaddr_in *)(void *)&at)->sin_port);
}
