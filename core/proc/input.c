#include "core/proc/input.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/err.h"

int input_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
}

static void on_item_closed(struct poller_item *item)
{
	struct input *i = container_of(item, struct input, item);

	if (i->on_closed)
		i->on_closed(i);
}

static void shut(struct input *i)
{
	assert(!i->closing);
	i->closing = true;
	buf_fini(&i->unsent);
	poller_close(&i->item, on_item_closed);
}

/* Nobody will read any more. One-shot: the pipe would say so again and again. */
static void fail(struct input *i, int code)
{
	i->error = code;
	buf_fini(&i->unsent);
	poller_ask(&i->item, EPOLLONESHOT);
}

/* Returns what the pipe took, or a code. */
static ssize_t send_some(const struct input *i, const void *data, size_t n)
{
	ssize_t sent;

	do
		sent = write(i->item.fd, data, n);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN ? 0 : uv_translate_sys_error(errno);
}

static void on_event(struct poller_item *item, unsigned events)
{
	struct input *i = container_of(item, struct input, item);
	ssize_t sent = events & EPOLLERR ? UV_EPIPE : 0;

	if (sent == 0)
		sent = send_some(i, buf_data(&i->unsent), buf_len(&i->unsent));
	if (sent < 0)
		fail(i, (int)sent);
	else
		buf_take(&i->unsent, (size_t)sent);
	if (buf_len(&i->unsent) > 0)
		return;
	if (i->ending)
		shut(i);
	else if (!i->error)
		poller_ask(&i->item, 0);
}

int input_open(struct input *i, uv_loop_t *loop, int fd, size_t max)
{
	*i = (struct input){ .owner = i->owner };
	buf_init(&i->unsent, max);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	int rc = poller_open(&i->item, loop, fd, 0, on_event);
	if (rc == 0)
		poller_shared(&i->item); /* with a keeper */
	return rc;
}

int input_write(struct input *i, const void *data, size_t n)
{
	ssize_t sent = 0;

	if (i->error || i->ending || i->closing)
		return i->error ? i->error : UV_EPIPE;
	if (n > i->unsent.max - buf_len(&i->unsent))
		return ERR_LIMIT;
	if (buf_len(&i->unsent) == 0)
		sent = send_some(i, data, n);
	if (sent < 0) {
		fail(i, (int)sent);
		return i->error;
	}
	if ((size_t)sent == n)
		return 0;
	buf_put(&i->unsent, (const char *)data + sent, n - (size_t)sent);
	poller_ask(&i->item, EPOLLOUT);
	return 0;
}

int input_fd(const struct input *i)
{
	return i->item.fd;
}

size_t input_backlog(const struct input *i)
{
	return buf_len(&i->unsent);
}

void input_close(struct input *i, input_on_closed on_closed)
{
	i->on_closed = on_closed;
	shut(i);
}

void input_finish(struct input *i, input_on_closed on_closed)
{
	i->on_closed = on_closed;
	i->ending = true;
	if (buf_len(&i->unsent) == 0)
		shut(i);
}
