#include "roles/sqlproxy/sp_admin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/addr.h"
#include "core/net/listen.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_setup.h"

struct sp_admin {
	struct sp_proxy *proxy;
	uv_poll_t listener;
	int fd;
};

const char sp_admin_ctl_help[] = "";

static void on_incoming(uv_poll_t *p, int status, int events)
{
	struct sp_admin *a = p->data;

	(void)events;
	if (status < 0)
		return;
	int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

int sp_admin_start(struct sp_admin **out, struct sp_proxy *p, uv_loop_t *loop, struct err *err)
{
	const char *at = sp_proxy_setup(p)->main->admin;
	struct addr addr;

	*out = NULL;
	if (!at || !*at)
		return 0;
	int fd = addr_parse(&addr, at, 3367, err);
	if (fd == 0)
		fd = listen_open(&addr, 64, false, err);
	if (fd < 0)
		return fd;
	struct sp_admin *a = mem_new(sizeof(*a));
	a->proxy = p;
	a->fd = fd;
	a->listener.data = a;
	uv_poll_init(loop, &a->listener, fd);
	uv_poll_start(&a->listener, UV_READABLE, on_incoming);
	if (addr.is_unix)
		log_info("admin on unix:%s", addr.host);
	else
		log_info("admin on %s:%d", *addr.host ? addr.host : "*", listen_port(fd));
	*out = a;
	return 0;
}

static void on_listener_closed(uv_handle_t *h)
{
	struct sp_admin *a = h->data;

	close(a->fd);
	free(a);
}

void sp_admin_stop(struct sp_admin *a)
{
	if (a)
		uv_close((uv_handle_t *)&a->listener, on_listener_closed);
}

int sp_admin_ctl(void *self, int argc, char **argv, FILE *out, bool json)
{
	(void)self;
	(void)argc;
	(void)argv;
	(void)out;
	(void)json;
	return 2;
}
