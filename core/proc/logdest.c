#include "core/proc/logdest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/rotate.h"

enum {
	LINE_OVER = 1024 * 1024, /* a line may be so much longer than the file */
	POLITE = 4096,           /* PIPE_BUF: a pipe with any room takes so much without waiting */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- open ---------------------------------------------------------------------- */

/* The number of "/dev/fd/3" and its like, or -1. */
static int fd_named(const char *path)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };

	if (strcmp(path, "/dev/stdout") == 0)
		return 1;
	if (strcmp(path, "/dev/stderr") == 0)
		return 2;
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(folders[i]);
		if (strncmp(path, folders[i], n) == 0 && path[n] >= '0' && path[n] <= '9')
			return atoi(path + n);
	}
	return -1;
}

/* A description of our own, where that is possible: O_NONBLOCK on one that we inherited would be
 * felt by all who have it. */
static int open_fd(struct logdest *d, int from)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
	int fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	d->shared = true;
	fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* A fifo is opened for both, so that it is there before its reader, and after him. */
static int open_path(const struct logdest *d)
{
	struct stat st;
	bool fifo = stat(d->path, &st) == 0 && S_ISFIFO(st.st_mode);
	int how = fifo ? O_RDWR : O_WRONLY | O_APPEND | O_CREAT;
	int fd = open(d->path, how | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		      d->conf.mode ? d->conf.mode : 0644);

	return fd < 0 ? -errno : fd;
}

static void look_at(struct logdest *d, bool named)
{
	struct stat st = { 0 };
	struct statx sx;

	fstat(d->fd, &st);
	d->regular = S_ISREG(st.st_mode) && !named;
	d->socket = S_ISSOCK(st.st_mode);
	d->size = st.st_size;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	d->line_end = true;
	d->began = now_ms();
	if (d->size > 0 && statx(d->fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) == 0)
		d->began = (uint64_t)(sx.stx_mask & STATX_BTIME ? sx.stx_btime.tv_sec
								: st.st_mtim.tv_sec) *
			   1000;
}

int logdest_open(struct logdest *d)
{
	int named = fd_named(d->path);
	int fd = named >= 0 ? open_fd(d, named) : open_path(d);

	if (fd < 0)
		return fd;
	d->fd = fd;
	look_at(d, named >= 0);
	return 0;
}

int logdest_reopen(struct logdest *d)
{
	if (!d->regular)
		return 0;
	int fd = open_path(d);
	if (fd < 0)
		return fd;
	close(d->fd);
	d->fd = fd;
	look_at(d, false);
	return 0;
}

/* ---- rotation ------------------------------------------------------------------- */

static void numbered(const struct logdest *d, char *out, int64_t n, const char *suffix)
{
	snprintf(out, PATH_MAX, "%s.%lld%s", d->path, (long long)n, suffix);
}

static void zip_next(struct logdest *d);

static void on_zipped(struct logzip *z, int status)
{
	struct logdest *d = z->owner;
	char done[PATH_MAX];

	d->zip = NULL;
	if (status == 0 && d->zip_n <= d->conf.keep) { /* it may have moved on meanwhile */
		numbered(d, done, d->zip_n, ".zst");
		if (rename(z->to, done) == 0) {
			numbered(d, done, d->zip_n, "");
			unlink(done);
		}
	} else {
		unlink(z->to);
	}
	free(z);
	if (status == 0)
		zip_next(d);
	if (!d->zip)
		d->on_idle(d);
}

/* The newest that is not compressed; also one that an earlier process left. */
static void zip_next(struct logdest *d)
{
	char name[PATH_MAX];
	int64_t n = 1;

	if (!d->conf.zstd || d->zip || d->hurry)
		return;
	for (; n <= d->conf.keep; n++) {
		numbered(d, name, n, "");
		if (access(name, F_OK) == 0)
			break;
	}
	if (n > d->conf.keep)
		return;
	struct logzip *z = mem_new(sizeof(*z));
	z->owner = d;
	strcpy(z->from, name);
	snprintf(z->to, sizeof(z->to), "%s.zst.tmp", d->path);
	if (logzip_start(z, d->loop, on_zipped) != 0) {
		free(z);
		return;
	}
	d->zip = z;
	d->zip_n = n;
}

/* Is what the path names still what we write to? Others move logs too. */
static bool is_ours(const struct logdest *d)
{
	struct stat st;

	return stat(d->path, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino;
}

int logdest_rotate(struct logdest *d)
{
	if (!d->regular)
		return 0;
	if (is_ours(d)) {
		rotate_names(d->path, d->conf.keep);
		d->zip_n++;
	}
	int rc = logdest_reopen(d);
	if (rc == 0)
		zip_next(d);
	return rc;
}

int logdest_clear(struct logdest *d)
{
	if (!d->regular)
		return 0;
	if (is_ours(d) && unlink(d->path) != 0)
		return -errno;
	return logdest_reopen(d);
}

/* When the limit seems to be reached: somebody may have emptied it. */
static void rotate_now(struct logdest *d)
{
	struct stat st;

	if (fstat(d->fd, &st) == 0 && st.st_size < d->size) {
		d->size = st.st_size;
		return;
	}
	if (logdest_rotate(d) != 0) {
		d->size = 0; /* goes on in the old one; tries again when it has doubled */
		d->began = now_ms();
	}
}

/* Bytes that may still go into this file, LINE_OVER not counted. */
static int64_t room_in(const struct logdest *d)
{
	const struct logfile_conf *c = &d->conf;

	if (c->max_age && d->size > 0 && now_ms() >= d->began + c->max_age)
		return 0;
	if (c->max_size == 0)
		return INT64_MAX;
	return c->max_size > d->size ? c->max_size - d->size : 0;
}

/* How many of n bytes go into this file; 0: first the next one. */
static size_t piece_of(const struct logdest *d, const char *data, size_t n)
{
	int64_t room = d->regular ? room_in(d) : INT64_MAX;

	if (room >= (int64_t)n)
		return n;
	const char *end = memrchr(data, '\n', (size_t)room);
	if (end)
		return (size_t)(end - data) + 1;
	if (d->line_end && d->size > 0)
		return 0;
	/* in the middle of a line, or it is longer than a file: up to its end */
	int64_t over = d->conf.max_size + LINE_OVER - d->size;
	end = memchr(data, '\n', n);
	size_t rest = end ? (size_t)(end - data) + 1 : n;
	if (d->conf.max_size == 0 || (int64_t)rest <= over)
		return rest;
	return over > 0 ? (size_t)over : 0;
}

/* ---- write ---------------------------------------------------------------------- */

static ssize_t write_shared(const struct logdest *d, const char *data, size_t n)
{
	struct pollfd p = { .fd = d->fd, .events = POLLOUT };

	if (poll(&p, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(d->fd, data, n < POLITE ? n : POLITE);
}

static ssize_t write_once(const struct logdest *d, const char *data, size_t n)
{
	ssize_t k;

	do
		k = d->socket   ? send(d->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL)
		    : d->shared ? write_shared(d, data, n)
				: write(d->fd, data, n);
	while (k < 0 && errno == EINTR);
	return k;
}

size_t logdest_write(struct logdest *d, const char *data, size_t n, int *code)
{
	size_t done = 0;

	while (done < n) {
		size_t piece = piece_of(d, data + done, n - done);
		if (piece == 0) {
			rotate_now(d);
			continue;
		}
		if (d->inflight)
			inflight_writing(d->inflight, d->fd, piece);
		ssize_t k = write_once(d, data + done, piece);
		if (d->inflight)
			inflight_wrote(d->inflight, k > 0 ? (size_t)k : 0);
		if (k <= 0) {
			*code = k == 0 ? UV_EIO : uv_translate_sys_error(errno);
			return done;
		}
		done += (size_t)k;
		d->size += k;
		d->line_end = data[done - 1] == '\n';
	}
	return done;
}

void logdest_close(struct logdest *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

void logdest_hurry(struct logdest *d)
{
	d->hurry = true;
	if (d->zip)
		logzip_cancel(d->zip);
}
