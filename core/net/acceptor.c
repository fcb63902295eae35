#include "core/net/acceptor.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 64, REST = 100 };

static void on_acceptable(uv_poll_t *p, int status, int events);

static void on_again(uv_timer_t *t)
{
	struct acceptor *a = t->data;

	uv_poll_start(&a->poll, UV_READABLE, on_acceptable);
}

static bool for_want_of_something(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

static void on_acceptable(uv_poll_t *p, int status, int events)
{
	struct acceptor *a = p->data;

	(void)status;
	(void)events;
	for (int i = 0; i < AT_ONCE && a->on_socket; i++) {
		int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && for_want_of_something(errno)) {
			uv_poll_stop(&a->poll);
			uv_timer_start(&a->again, on_again, REST, 0);
		}
		if (fd < 0)
			return;
		a->on_socket(a->data, fd);
	}
}

int acceptor_open(struct acceptor *a, uv_loop_t *loop, int fd, acceptor_on_socket on_socket,
		  void *data)
{
	*a = (struct acceptor){ .on_socket = on_socket, .data = data, .fd = fd, .open = 2 };
	int rc = uv_poll_init(loop, &a->poll, fd);
	if (rc != 0)
		return rc;
	uv_timer_init(loop, &a->again);
	a->poll.data = a->again.data = a;
	return uv_poll_start(&a->poll, UV_READABLE, on_acceptable);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct acceptor *a = h->data;

	if (--a->open)
		return;
	close(a->fd);
	a->on_closed(a);
}

void acceptor_close(struct acceptor *a, void (*on_closed)(struct acceptor *a))
{
	a->on_closed = on_closed;
	a->on_socket = NULL;
	uv_close((uv_handle_t *)&a->poll, on_handle_closed);
	uv_close((uv_handle_t *)&a->again, on_handle_closed);
}
