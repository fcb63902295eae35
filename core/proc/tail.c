#include "core/proc/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/buf.h"

/* A log that can be read, whichever it is. */
struct source {
	const struct tail *tail;
	int fd;       /* -1: bytes in memory */
	int64_t size; /* bytes that ever were there */
};

static int open_source(struct source *s, const struct tail *t)
{
	struct stat st;

	*s = (struct source){ .tail = t, .fd = -1, .size = (int64_t)t->total };
	if (!t->path)
		return 0;
	s->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return -errno;
	s->size = st.st_size;
	return 0;
}

static void close_source(const struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
}

/* What memory has forgotten is left out. */
static int read_memory(const struct source *s, int64_t from, int64_t n, struct buf *into)
{
	int64_t first = s->size - (int64_t)s->tail->n, end = from + n;
	size_t room = into->max - buf_len(into);

	if (from < first)
		from = first;
	if (end > s->size)
		end = s->size;
	if (from >= end)
		return 0;
	size_t some = (size_t)(end - from);
	return buf_put(into, s->tail->bytes + (from - first), some < room ? some : room);
}

static int read_file(const struct source *s, int64_t from, int64_t n, struct buf *into)
{
	while (n > 0) {
		size_t room;
		uint8_t *at = buf_room(into, n < 65536 ? (size_t)n : 65536, &room);
		ssize_t got = at ? pread(s->fd, at, room, from) : 0;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		buf_commit(into, (size_t)got);
		from += got;
		n -= got;
	}
	return 0;
}

static int read_piece(const struct source *s, int64_t from, int64_t n, struct buf *into)
{
	return s->fd >= 0 ? read_file(s, from, n, into) : read_memory(s, from, n, into);
}

int tail_read(const struct tail *t, int64_t offset, int64_t length, struct buf *into)
{
	struct source s;

	if (length < 0 || (offset < 0 && length != 0) || offset == INT64_MIN)
		return UV_EINVAL;
	int rc = open_source(&s, t);
	if (rc == 0 && offset < 0) {
		length = -offset;
		offset = s.size > length ? s.size - length : 0;
	} else if (rc == 0 && length == 0) {
		length = s.size > offset ? s.size - offset : 0;
	}
	if (rc == 0 && length > INT64_MAX - offset)
		length = INT64_MAX - offset;
	if (rc == 0)
		rc = read_piece(&s, offset, length, into);
	close_source(&s);
	return rc;
}

void tail_follow(const struct tail *t, int64_t *offset, int64_t length, bool *overflow,
		 struct buf *into)
{
	struct source s;

	*overflow = false;
	if (open_source(&s, t) != 0) {
		close_source(&s);
		return;
	}
	if (length < 0)
		length = 0;
	int64_t from = *offset > 0 ? *offset : 0;
	*overflow = s.size - from > length;
	if (from < s.size && read_piece(&s, s.size > length ? s.size - length : 0, length, into))
		*overflow = false;
	*offset = s.size;
	close_source(&s);
}
