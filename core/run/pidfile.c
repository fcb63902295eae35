#include "core/run/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"

static int written(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

static int owner_of(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : written(fd); /* 0: from another pid namespace */
}

int pidfile_owner(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	int pid = owner_of(fd);
	close(fd);
	return pid;
}

static int take(int fd, const char *path, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[32];

	if (fcntl(fd, F_SETLK, &lock) != 0)
		return err_set(err, UV_EALREADY, "already running as process %d (%s)", owner_of(fd),
			       path);
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	return fd;
}

int pidfile_take(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = take(fd, path, err);
	if (rc < 0)
		close(fd);
	return rc;
}

void pidfile_give(const char *path, int fd)
{
	if (fd < 0)
		return;
	unlink(path);
	close(fd);
}
