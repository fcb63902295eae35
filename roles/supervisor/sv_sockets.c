#include "roles/supervisor/sv_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/listen.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

struct socket {
	struct list link;
	char *key;
	int fd;
	bool named; /* by the setup in force, see sweep */
};

static void key_of(const struct sv_process_conf *conf, const struct sv_socket *s, char *into,
		   size_t size)
{
	snprintf(into, size, "%s %s:%d %s", s->datagram ? "udp" : "tcp", s->addr.host, s->addr.port,
		 s->reuseport ? conf->full : "");
}

static int set_rights(int fd, const struct sv_socket *s, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); /* programs expect it so */
	if (!s->addr.is_unix)
		return 0;
	if ((s->mode && chmod(s->addr.host, (mode_t)s->mode) != 0) ||
	    (s->chown && chown(s->addr.host, s->uid, s->gid) != 0))
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", s->addr.host,
			       strerror(errno));
	return 0;
}

static int open_datagram(const struct sv_socket *s, struct err *err)
{
	int one = 1, fd = socket(s->addr.socket.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && s->reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&s->addr.socket, s->addr.socket_len) == 0)
		return fd;
	int code = uv_translate_sys_error(errno);
	if (fd >= 0)
		close(fd);
	return err_set(err, code, "udp %s:%d: %s", s->addr.host, s->addr.port, uv_strerror(code));
}

static struct socket *find(const struct sv *sv, const char *key)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->sockets) {
		struct socket *s = container_of(it, struct socket, link);
		if (strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

void sv_sockets_adopt(struct sv *sv, const char *key, int fd)
{
	struct socket *mine = mem_new(sizeof(*mine));

	mine->key = mem_str(key);
	mine->fd = fd;
	list_append(&sv->sockets, &mine->link);
}

/* Over a crash of ours: those who have it go on to accept, and those to come need it too. */
static void keep(struct sv *sv, const char *key, int fd)
{
	char id[SV_KEEPER_ID];

	if (snprintf(id, sizeof(id), "%c%s", SV_SOCKETS_KEPT, key) < (int)sizeof(id))
		sv_keeper_keep(&sv->keeper, id, fd);
}

static void let_go(struct sv *sv, const char *key)
{
	char id[SV_KEEPER_ID];

	if (snprintf(id, sizeof(id), "%c%s", SV_SOCKETS_KEPT, key) < (int)sizeof(id))
		sv_keeper_drop(&sv->keeper, id);
}

/* The descriptor, which stays ours; or a code. */
static int have(struct sv *sv, const struct sv_process_conf *conf, const struct sv_socket *s,
		struct err *err)
{
	char key[700];

	key_of(conf, s, key, sizeof(key));
	struct socket *mine = find(sv, key);
	if (mine)
		return mine->fd;
	int fd = s->datagram ? open_datagram(s, err)
			     : listen_open(&s->addr, s->backlog ? s->backlog : SOMAXCONN,
					   s->reuseport, err);
	if (fd < 0)
		return fd;
	int rc = set_rights(fd, s, err);
	if (rc) {
		close(fd);
		return rc;
	}
	sv_sockets_adopt(sv, key, fd);
	keep(sv, key, fd);
	return fd;
}

int sv_sockets_pass(struct sv_proc *p, struct sv_passed *passed, struct err *err)
{
	const struct sv_program *g = p->conf->program;
	size_t at = 0;

	*passed = (struct sv_passed){ .n = 0 };
	for (size_t i = 0; i < g->socket_count && i < SV_SOCKETS_MOST; i++) {
		int fd = have(p->sv, p->conf, &g->sockets[i], err);
		if (fd < 0)
			return fd;
		passed->fds[passed->n++] = fd;
		int n = snprintf(passed->names + at, sizeof(passed->names) - at, "%s%s",
				 i ? ":" : "", g->sockets[i].name);
		at += at + (size_t)n < sizeof(passed->names) ? (size_t)n : 0;
	}
	return 0;
}

int sv_sockets_fcgi(struct sv_proc *p, struct err *err)
{
	int fd = have(p->sv, p->conf, p->conf->program->fcgi, err);

	if (fd < 0)
		return fd;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd : err_set(err, uv_translate_sys_error(errno), "%s", strerror(errno));
}

/* ---- the end -------------------------------------------------------------------------- */

static void name(struct sv *sv, const struct sv_process_conf *conf, const struct sv_socket *s)
{
	char key[700];

	key_of(conf, s, key, sizeof(key));
	struct socket *mine = find(sv, key);
	if (mine)
		mine->named = true;
}

static void name_all(struct sv *sv, const struct sv_process_conf *conf)
{
	const struct sv_program *g = conf->program;

	if (g->kind == SV_FCGI)
		name(sv, conf, g->fcgi);
	for (size_t i = 0; i < g->socket_count; i++)
		name(sv, conf, &g->sockets[i]);
}

static void socket_close(struct socket *s)
{
	list_remove(&s->link);
	close(s->fd);
	free(s->key);
	free(s);
}

void sv_sockets_sweep(struct sv *sv)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->teams) {
		const struct sv_team *t = container_of(it, struct sv_team, link);
		for (size_t k = 0; !t->removed && k < t->conf->count; k++)
			name_all(sv, t->conf->order[k]);
	}
	list_each (it, tmp, &sv->sockets) {
		struct socket *s = container_of(it, struct socket, link);
		if (s->named) {
			s->named = false;
			continue;
		}
		let_go(sv, s->key);
		socket_close(s);
	}
}

void sv_sockets_close(struct sv *sv)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->sockets)
		socket_close(container_of(it, struct socket, link));
}
