#include "roles/jobd/jd_door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/api/api.h"
#include "core/api/keys.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/listen.h"
#include "core/run/place.h"

struct socket {
	struct acceptor acceptor;
	struct list link;
	struct api *api;
	char *path; /* of a unix socket; NULL */
};

void jd_door_init(struct jd_door *d, struct api *api, const char *what)
{
	d->api = api;
	d->what = what;
	list_init(&d->sockets);
}

static void tell(const struct jd_door *d, int fd, const char *text)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t n = sizeof(bound);
	char name[ADDR_TEXT];

	getsockname(fd, (struct sockaddr *)&bound, &n);
	if (bound.ss_family != AF_UNIX)
		text = addr_text((const struct sockaddr *)&bound, name);
	log_info("listening on %s %s", text, d->what);
}

static int open_one(struct jd_door *d, const char *text, struct err *err)
{
	struct addr addr = { .port = 0 };
	int rc = addr_parse(&addr, text, -1, err);
	int fd = rc == 0 ? listen_open(&addr, SOMAXCONN, false, err) : rc;

	if (fd < 0)
		return err_wrap(err, fd, "%s %s", d->what, text);
	mode_t mode = (mode_t)strtol(d->api->keys->socket_mode, NULL, 8);
	if (addr.is_unix && chmod(addr.host, mode) != 0)
		log_warn("%s: %s", addr.host, strerror(errno));
	if (addr.is_unix)
		place_give(d->api->conf, addr.host);
	struct socket *s = mem_new(sizeof(*s));
	rc = acceptor_open(&s->acceptor, d->api->loop, fd, d->on_socket, d->data);
	if (rc != 0) {
		close(fd);
		free(s);
		return err_set(err, rc, "%s %s: %s", d->what, text, uv_strerror(rc));
	}
	s->api = d->api;
	s->path = addr.is_unix ? mem_str(addr.host) : NULL;
	s->api->open++;
	list_append(&d->sockets, &s->link);
	tell(d, fd, text);
	return 0;
}

int jd_door_open(struct jd_door *d, char *const *addresses, struct err *err)
{
	int rc = 0;

	for (; *addresses && rc == 0; addresses++)
		rc = open_one(d, *addresses, err);
	return rc;
}

static void on_closed(struct acceptor *a)
{
	struct socket *s = container_of(a, struct socket, acceptor);
	struct api *api = s->api;

	free(s->path);
	free(s);
	api->open--;
	api_settle(api);
}

void jd_door_close(struct jd_door *d)
{
	struct list *it, *tmp;

	list_each (it, tmp, &d->sockets) {
		struct socket *s = container_of(it, struct socket, link);
		list_remove(&s->link);
		if (s->path)
			unlink(s->path);
		acceptor_close(&s->acceptor, on_closed);
	}
}
