#include "roles/sqlproxy/sp_admin.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/addr.h"
#include "core/net/listen.h"
#include "roles/sqlproxy/sp_console.h"
#include "roles/sqlproxy/sp_order.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_setup.h"

enum { TICK_MS = 100, SPARE = 32, BACKLOG = 64, ACCEPT_MOST = 16 };

struct sp_admin {
	struct sp_consoles consoles;
	uv_poll_t listener;
	uv_timer_t tick; /* runs while somebody is connected, or nobody could be accepted */
	int fd;
	int handles; /* of ours, open */
	bool stopping;
	char path[256]; /* of a unix socket; "" */
};

static void settle(struct sp_admin *a)
{
	if (a->stopping && a->handles == 0 && a->consoles.count == 0)
		free(a);
}

static void on_incoming(uv_poll_t *p, int status, int events);

static void on_tick(uv_timer_t *t)
{
	struct sp_admin *a = t->data;

	sp_console_tick(&a->consoles);
	uv_poll_start(&a->listener, UV_READABLE, on_incoming);
	if (a->consoles.count == 0)
		uv_timer_stop(t);
}

static void on_incoming(uv_poll_t *p, int status, int events)
{
	struct sp_admin *a = p->data;
	int one = 1;

	(void)events;
	for (int i = 0; status == 0 && i < ACCEPT_MOST; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		bool full = a->consoles.count >= SP_CONSOLES_MAX + SPARE;
		int fd = full ? -1
			      : accept4(a->fd, (struct sockaddr *)&peer, &len,
					SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			status = -1;
			if (full || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED))
				uv_poll_stop(p); /* until the next tick */
			break;
		}
		if (peer.ss_family != AF_UNIX)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		sp_console_accept(&a->consoles, fd, &peer);
	}
	if (!uv_is_active((uv_handle_t *)&a->tick))
		uv_timer_start(&a->tick, on_tick, TICK_MS, TICK_MS);
}

static void on_gone(struct sp_consoles *all)
{
	settle(container_of(all, struct sp_admin, consoles));
}

static int open_socket(const char *at, struct addr *addr, struct err *err)
{
	int rc = addr_parse(addr, at, 3367, err);

	return rc ? rc : listen_open(addr, BACKLOG, false, err);
}

static void tell(const struct sp_main_conf *m, const struct addr *addr, int fd)
{
	bool shut = (!m->admin_password || !*m->admin_password) &&
		    (!m->stats_password || !*m->stats_password);

	if (addr->is_unix)
		log_info("admin on unix:%s", addr->host);
	else
		log_info("admin on %s:%d", *addr->host ? addr->host : "*", listen_port(fd));
	if (shut)
		log_warn("nobody can log in to the console: admin_password is not set");
}

int sp_admin_start(struct sp_admin **out, struct sp_proxy *p, uv_loop_t *loop, struct err *err)
{
	const struct sp_main_conf *m = sp_proxy_setup(p)->main;
	struct addr addr;

	*out = NULL;
	if (!m->admin || !*m->admin)
		return 0;
	int fd = open_socket(m->admin, &addr, err);
	if (fd < 0)
		return fd;
	struct sp_admin *a = mem_new(sizeof(*a));
	a->consoles.proxy = p;
	a->consoles.loop = loop;
	a->consoles.on_gone = on_gone;
	list_init(&a->consoles.list);
	a->fd = fd;
	a->handles = 2;
	a->listener.data = a->tick.data = a;
	if (addr.is_unix)
		snprintf(a->path, sizeof(a->path), "%s", addr.host);
	uv_timer_init(loop, &a->tick);
	uv_poll_init(loop, &a->listener, fd);
	uv_poll_start(&a->listener, UV_READABLE, on_incoming);
	tell(m, &addr, fd);
	*out = a;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct sp_admin *a = h->data;

	a->handles--;
	settle(a);
}

static void on_listener_closed(uv_handle_t *h)
{
	close(((struct sp_admin *)h->data)->fd);
	on_closed(h);
}

void sp_admin_stop(struct sp_admin *a)
{
	if (!a)
		return;
	a->stopping = true;
	if (*a->path)
		unlink(a->path);
	sp_console_close_all(&a->consoles);
	uv_close((uv_handle_t *)&a->tick, on_closed);
	uv_close((uv_handle_t *)&a->listener, on_listener_closed);
}

/* ---- troupe ctl -------------------------------------------------------------------------- */

const char sp_admin_ctl_help[] =
	"commands     the console's, which are ctl's too: show pools, explain route 'SQL', ...\n";

/* A shell has taken the quotes off: a word that needs them gets them back. */
static void put_word(FILE *to, const char *word, bool alone)
{
	if (alone || !strpbrk(word, " \t\n'\"")) {
		fputs(word, to);
		return;
	}
	fputc('\'', to);
	for (; *word; word++) {
		if (*word == '\'' || *word == '\\')
			fputc(*word == '\'' ? '\'' : '\\', to);
		fputc(*word, to);
	}
	fputc('\'', to);
}

static char *join(int argc, char **argv)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (int i = 0; i < argc; i++) {
		fputs(i ? " " : "", to);
		put_word(to, argv[i], argc == 1);
	}
	fclose(to);
	return text;
}

static int print(struct sp_reply *r, FILE *out, bool json)
{
	if (r->kind == SP_REPLY_ERROR) {
		fprintf(out, "%s\n", r->text);
		return 1;
	}
	if (r->kind == SP_REPLY_OK)
		fprintf(out, "%s\n", r->text);
	else if (json)
		sp_rows_as_json(&r->rows, out);
	else
		sp_rows_as_text(&r->rows, out);
	return 0;
}

/* Is it ours? The first word of the first argument says. */
static bool is_ours(const char *first)
{
	char word[32];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(first, " \t\n;"), first);
	return sp_order_knows(word);
}

int sp_admin_ctl(void *self, int argc, char **argv, FILE *out, bool json)
{
	struct sp_reply reply;

	if (!is_ours(argv[0]))
		return 2;
	char *text = join(argc, argv);
	struct sp_order o = { self, SP_RIGHT_ALL, "ctl", 0, text, strlen(text) };
	sp_order(&o, &reply);
	if (reply.kind == SP_REPLY_CHECK) {
		sp_order_check(sp_proxy_setup(self), &reply.rows);
		sp_reply_rows(&reply);
	}
	int status = print(&reply, out, json);
	sp_reply_fini(&reply);
	free(text);
	return status;
}
