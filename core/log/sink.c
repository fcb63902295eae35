#include "core/log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "core/log/rotate.h"

static int open_file(const char *path, int64_t *size)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return -errno;
	*size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
	return fd;
}

/* libc's syslog() waits for a full socket; this one doesn't. */
static int open_syslog(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	int code = -errno;
	close(fd);
	return code;
}

int sink_open(struct sink *s, const char *target, int64_t max_size, int64_t keep)
{
	struct sink now = { .fd = 2, .max_size = max_size, .keep = keep };

	if (strcmp(target, "syslog") == 0) {
		now.syslog = true;
		now.fd = open_syslog();
	} else if (strcmp(target, "stderr") != 0) {
		if (strlen(target) >= sizeof(now.path) - 8)
			return -ENAMETOOLONG;
		strcpy(now.path, target);
		now.fd = open_file(target, &now.size);
	}
	if (now.fd < 0)
		return now.fd;
	sink_close(s);
	*s = now;
	return 0;
}

int sink_reopen(struct sink *s)
{
	if (!*s->path)
		return 0;
	int fd = open_file(s->path, &s->size);
	if (fd < 0)
		return fd;
	close(s->fd);
	s->fd = fd;
	return 0;
}

void sink_close(struct sink *s)
{
	if (s->fd > 2)
		close(s->fd);
	*s = (struct sink){ .fd = 2 };
}

static void rotate(struct sink *s)
{
	rotate_names(s->path, s->keep);
	if (sink_reopen(s) < 0)
		s->size = 0; /* goes on in the old one; tries again when it has doubled */
}

static bool send_syslog(struct sink *s, int level, const char *line, size_t len)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	char head[64];
	int n = snprintf(head, sizeof(head), "<%d>troupe[%d]: ", LOG_DAEMON | priorities[level],
			 (int)getpid());
	struct iovec parts[] = { { head, (size_t)n }, { (char *)line, len - 1 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (s->fd >= 0 && sendmsg(s->fd, &message, MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN)
		return false;
	if (s->fd >= 0) /* it was restarted: once more with a new one */
		close(s->fd);
	s->fd = open_syslog();
	return s->fd >= 0 && sendmsg(s->fd, &message, MSG_NOSIGNAL) >= 0;
}

/* Someone who stopped reading our pipe, or a terminal that is held, must not hold us. */
static bool would_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 0;
}

bool sink_write(struct sink *s, int level, const char *line, size_t len)
{
	if (s->syslog)
		return send_syslog(s, level, line, len);
	if (*s->path && s->max_size && s->size + (int64_t)len > s->max_size)
		rotate(s);
	if (would_wait(s->fd))
		return false;
	ssize_t n = write(s->fd, line, len);
	if (n > 0)
		s->size += n;
	return n == (ssize_t)len;
}
