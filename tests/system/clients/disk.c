/*
 * Preloaded: a disk that goes bad. The file $DISK_FAULT says how: `sync` fails fsync and fdatasync,
 * `write` fails pwrite, both with EIO; `full` fails pwrite with ENOSPC after half of its bytes.
 * Only files whose name begins with $DISK_FOLDER are hit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(int fd, const char *fault)
{
	const char *path = getenv("DISK_FAULT"), *folder = getenv("DISK_FOLDER");
	char link[64], name[4096], word[16] = "";
	int at = path && folder ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n;

	if (at < 0)
		return 0;
	n = read(at, word, sizeof(word) - 1);
	close(at);
	if (n <= 0 || strncmp(word, fault, strlen(fault)) != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	return n > 0 && strncmp(name, folder, strlen(folder)) == 0;
}

static int fail(int code)
{
	errno = code;
	return -1;
}

int fsync(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "fsync");

	return is(fd, "sync") ? fail(EIO) : real(fd);
}

int fdatasync(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");

	return is(fd, "sync") ? fail(EIO) : real(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");

	if (is(fd, "write"))
		return fail(EIO);
	if (is(fd, "full") && n < 2)
		return fail(ENOSPC);
	return real(fd, data, is(fd, "full") ? n / 2 : n, at);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	return pwrite64(fd, data, n, at);
}
