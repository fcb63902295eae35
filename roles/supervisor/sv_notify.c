#include "roles/supervisor/sv_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/poller.h"
#include "core/proc/env.h"
#include "core/proc/spawn.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_proc.h"

enum { MESSAGE_MOST = 4096, LINE_MOST = 4096, MESSAGES_MOST = 64 };

struct sv_notify {
	struct sv_life *life; /* NULL: it has ended */
	struct poller_item item;
	bool watched; /* item is open */
	bool has_tap;
	int child_fd; /* -1: the child has it, or there is none */
	char name[64];
	struct output_tap tap[2];
	struct buf line[2];
};

/* ---- sd_notify ------------------------------------------------------------------------- */

static void take_word(struct sv_proc *p, const char *word)
{
	if (strcmp(word, "READY=1") == 0)
		sv_proc_is_ready(p);
	else if (strncmp(word, "STATUS=", 7) == 0)
		sv_proc_says(p, word + 7);
	else if (strcmp(word, "WATCHDOG=1") == 0)
		p->watchdog = uv_now(p->sv->loop);
	else if (strcmp(word, "WATCHDOG=trigger") == 0)
		sv_proc_restart(p, SV_BY_WATCHDOG);
}

static void on_message(struct poller_item *i, unsigned events)
{
	struct sv_notify *n = container_of(i, struct sv_notify, item);
	char text[MESSAGE_MOST + 1];
	ssize_t got;

	(void)events;
	for (int k = 0; k < MESSAGES_MOST && n->life; k++) {
		got = recv(i->fd, text, MESSAGE_MOST, MSG_DONTWAIT);
		if (got <= 0)
			return;
		text[got] = '\0';
		char *save, *rest = text;
		for (char *word; n->life && (word = strtok_r(rest, "\n", &save)); rest = NULL)
			take_word(n->life->proc, word);
	}
}

static int open_socket(struct sv_notify *n, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(n->name, sizeof(n->name), "@troupe-notify-%s", n->life->mark);
	size_t len = strlen(n->name);
	memcpy(at.sun_path + 1, n->name + 1, len - 1);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0) {
		int code = uv_translate_sys_error(errno);
		if (fd >= 0)
			close(fd);
		return err_set(err, code, "its notify socket: %s", uv_strerror(code));
	}
	int rc = poller_open(&n->item, n->life->sv->loop, fd, EPOLLIN, on_message);
	if (rc)
		close(fd);
	n->watched = rc == 0;
	return rc;
}

/* ---- a descriptor ------------------------------------------------------------------------ */

static void on_written(struct poller_item *i, unsigned events)
{
	struct sv_notify *n = container_of(i, struct sv_notify, item);
	char text[256];
	ssize_t got = read(i->fd, text, sizeof(text));

	(void)events;
	if (got > 0 && n->life)
		sv_proc_is_ready(n->life->proc);
	if (got == 0 || (got < 0 && errno != EAGAIN))
		poller_ask(i, 0); /* closed: it said what it had to say */
}

static int open_pipe(struct sv_notify *n, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set(err, uv_translate_sys_error(errno), "pipe: %s", strerror(errno));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	int rc = poller_open(&n->item, n->life->sv->loop, ends[0], EPOLLIN, on_written);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return err_set(err, rc, "pipe: %s", uv_strerror(rc));
	}
	n->watched = true;
	n->child_fd = ends[1];
	return 0;
}

/* ---- a line -------------------------------------------------------------------------------- */

static void look_at(struct sv_notify *n, struct buf *line)
{
	struct sv_proc *p = n->life->proc;

	buf_put(line, "", 1);
	if (regexec(&p->conf->program->ready.match, (const char *)buf_data(line), 0, NULL, 0) == 0)
		sv_proc_is_ready(p);
	buf_take(line, buf_len(line));
}

static void on_bytes(struct output_tap *t, const void *data, size_t len)
{
	struct sv_notify *n = t->owner;
	struct buf *line = &n->line[t == &n->tap[1]];
	const char *at = data;

	while (len > 0 && n->life && !n->life->proc->ready) {
		const char *end = memchr(at, '\n', len);
		size_t piece = end ? (size_t)(end - at) : len;
		buf_put(line, at, piece); /* what is too long is not looked at */
		if (end)
			look_at(n, line);
		at += piece + (end != NULL);
		len -= piece + (end != NULL);
	}
}

static void tap(struct sv_notify *n)
{
	struct sv_life *l = n->life;

	n->has_tap = true;
	for (int i = 0; i < 2; i++) {
		list_init(&n->tap[i].link);
		buf_init(&n->line[i], LINE_MOST);
	}
	if (l->has_out)
		output_tap(&l->out, &n->tap[0], on_bytes, n);
	if (l->has_err)
		output_tap(&l->err, &n->tap[1], on_bytes, n);
}

/* ---- life ----------------------------------------------------------------------------------- */

int sv_notify_new(struct sv_life *l, struct sv_notify **out, struct err *err)
{
	const struct sv_program *g = l->proc->conf->program;
	enum sv_ready_by by = g->ready.by;
	bool socket = by == SV_READY_NOTIFY || g->conf->watchdog > 0;
	int rc = 0;

	if (!socket && by != SV_READY_FD && by != SV_READY_LOG)
		return 0;
	struct sv_notify *n = mem_new(sizeof(*n));
	n->life = l;
	n->child_fd = -1;
	if (socket)
		rc = open_socket(n, err);
	else if (by == SV_READY_FD)
		rc = open_pipe(n, err);
	if (!rc && by == SV_READY_LOG)
		tap(n);
	*out = n;
	return rc;
}

void sv_notify_pass(struct sv_notify *n, struct env *env, struct spawn_fd *fds, size_t *count)
{
	const struct sv_program *g = n->life->proc->conf->program;
	char number[32];

	if (*n->name)
		env_set(env, "NOTIFY_SOCKET", n->name);
	if (g->conf->watchdog > 0) {
		snprintf(number, sizeof(number), "%lld", (long long)g->conf->watchdog * 1000);
		env_set(env, "WATCHDOG_USEC", number);
	}
	if (n->child_fd >= 0)
		fds[(*count)++] = (struct spawn_fd){ g->ready.fd, n->child_fd };
}

void sv_notify_passed(struct sv_notify *n)
{
	if (!n || n->child_fd < 0)
		return;
	close(n->child_fd);
	n->child_fd = -1;
}

static void notify_free(struct sv_notify *n)
{
	for (int i = 0; n->has_tap && i < 2; i++)
		buf_fini(&n->line[i]);
	free(n);
}

static void on_closed(struct poller_item *i)
{
	notify_free(container_of(i, struct sv_notify, item));
}

void sv_notify_free(struct sv_notify *n)
{
	if (!n)
		return;
	n->life = NULL;
	sv_notify_passed(n);
	for (int i = 0; n->has_tap && i < 2; i++)
		output_untap(&n->tap[i]);
	if (n->watched)
		poller_close(&n->item, on_closed);
	else
		notify_free(n);
}
