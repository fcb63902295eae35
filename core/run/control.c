#include "core/run/control.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/run/request.h"

enum { REQUEST_MAX = 64 * 1024, PEERS_MAX = 32, PEER_TIME = 5000 };

struct control {
	uv_pipe_t pipe;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	control_command command;
	void *owner;
	struct list peers;
	int open; /* handles that libuv holds: ours and our peers' */
	int peer_count;
	bool closing;
};

/* One command and its answer. */
struct peer {
	struct list link;
	struct control *control;
	uv_pipe_t pipe;
	uv_timer_t deadline;
	uv_write_t write;
	struct buf in;
	char *answer;
	int open;
};

static void forget_handle(struct control *c)
{
	if (--c->open == 0 && c->closing)
		free(c);
}

/* ---- a peer ---------------------------------------------------------------- */

static void on_peer_closed(uv_handle_t *h)
{
	struct peer *peer = h->data;
	struct control *c = peer->control;

	if (--peer->open == 0) {
		list_remove(&peer->link);
		c->peer_count--;
		buf_fini(&peer->in);
		free(peer->answer);
		free(peer);
	}
	forget_handle(c);
}

static void peer_close(struct peer *peer)
{
	if (uv_is_closing((uv_handle_t *)&peer->pipe))
		return;
	uv_close((uv_handle_t *)&peer->pipe, on_peer_closed);
	uv_close((uv_handle_t *)&peer->deadline, on_peer_closed);
}

static void on_deadline(uv_timer_t *t)
{
	peer_close(t->data);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	peer_close(w->data);
}

static int carry_out(struct control *c, const char *line, FILE *out)
{
	int argc;
	char **argv;

	if (request_parse(line, &argc, &argv) != 0) {
		fputs("not a command\n", out);
		return 2;
	}
	int status = c->command(c->owner, argc, argv, out);
	request_free(argv);
	return status;
}

/* "STATUS\n" and the answer, in one allocation that libuv writes from. */
static void answer(struct peer *peer, const char *line)
{
	char *text, head[16];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status = carry_out(peer->control, line, out);

	fclose(out);
	int n = snprintf(head, sizeof(head), "%d\n", status);
	peer->answer = mem_resize(text, size + (size_t)n + 1);
	memmove(peer->answer + n, peer->answer, size);
	memcpy(peer->answer, head, (size_t)n);
	uv_buf_t buf = uv_buf_init(peer->answer, (unsigned)(size + (size_t)n));
	peer->write.data = peer;
	uv_read_stop((uv_stream_t *)&peer->pipe);
	if (uv_write(&peer->write, (uv_stream_t *)&peer->pipe, &buf, 1, on_written) != 0)
		peer_close(peer);
}

static void look_for_line(struct peer *peer)
{
	const uint8_t *data = buf_data(&peer->in);
	size_t len = buf_len(&peer->in);
	const uint8_t *end = len ? memchr(data, '\n', len) : NULL;

	if (!end || !peer->control->command || peer->answer)
		return;
	char *line = strndup((const char *)data, (size_t)(end - data));
	answer(peer, line);
	free(line);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct peer *peer = h->data;
	size_t room = 0;

	(void)suggested;
	buf->base = (char *)buf_room(&peer->in, 4096, &room);
	buf->len = room;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct peer *peer = s->data;

	(void)buf;
	if (n < 0) { /* also UV_ENOBUFS: over REQUEST_MAX */
		peer_close(peer);
		return;
	}
	buf_commit(&peer->in, (size_t)n);
	look_for_line(peer);
}

static struct peer *peer_new(struct control *c)
{
	struct peer *peer = mem_new(sizeof(*peer));

	peer->control = c;
	peer->pipe.data = peer->deadline.data = peer;
	buf_init(&peer->in, REQUEST_MAX);
	uv_pipe_init(c->pipe.loop, &peer->pipe, 0);
	uv_timer_init(c->pipe.loop, &peer->deadline);
	uv_unref((uv_handle_t *)&peer->pipe);
	uv_unref((uv_handle_t *)&peer->deadline);
	list_append(&c->peers, &peer->link);
	c->peer_count++;
	c->open += peer->open = 2;
	return peer;
}

static void on_connection(uv_stream_t *s, int status)
{
	struct control *c = s->data;

	if (status != 0)
		return;
	struct peer *peer = peer_new(c);
	if (uv_accept(s, (uv_stream_t *)&peer->pipe) != 0 || c->peer_count > PEERS_MAX) {
		peer_close(peer);
		return;
	}
	uv_timer_start(&peer->deadline, on_deadline, PEER_TIME, 0);
	uv_read_start((uv_stream_t *)&peer->pipe, on_room, on_read);
}

/* ---- the listener ----------------------------------------------------------- */

static int reach(const char *path, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(err, UV_ENAMETOOLONG, "%s: too long for a socket", path);
	strcpy(to.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	int code = -errno;
	close(fd);
	return err_set(err, code, "%s: %s", path, strerror(-code));
}

/* Makes the path free unless somebody listens there. */
static int clear_path(const char *path, struct err *err)
{
	int fd = reach(path, err);

	if (fd >= 0) {
		close(fd);
		return err_set(err, UV_EALREADY, "already running: somebody answers at %s", path);
	}
	if (fd == UV_ECONNREFUSED)
		unlink(path);
	return fd == UV_ECONNREFUSED || fd == UV_ENOENT ? 0 : fd;
}

static int bind_and_listen(struct control *c)
{
	mode_t old = umask(0177);
	int rc = uv_pipe_bind(&c->pipe, c->path);

	umask(old);
	return rc ? rc : uv_listen((uv_stream_t *)&c->pipe, PEERS_MAX, on_connection);
}

static void on_closed(uv_handle_t *h)
{
	forget_handle(h->data);
}

int control_open(struct control **out, uv_loop_t *loop, const char *path, struct err *err)
{
	int rc = clear_path(path, err);
	if (rc)
		return rc;

	struct control *c = mem_new(sizeof(*c));
	strcpy(c->path, path);
	list_init(&c->peers);
	uv_pipe_init(loop, &c->pipe, 0);
	c->pipe.data = c;
	c->open = 1;
	rc = bind_and_listen(c);
	if (rc) {
		c->closing = true;
		uv_close((uv_handle_t *)&c->pipe, on_closed);
		return err_set(err, rc, "%s: %s", path, uv_strerror(rc));
	}
	uv_unref((uv_handle_t *)&c->pipe);
	*out = c;
	return 0;
}

void control_serve(struct control *c, control_command command, void *owner)
{
	struct list *it, *tmp;

	c->command = command;
	c->owner = owner;
	list_each (it, tmp, &c->peers)
		look_for_line(container_of(it, struct peer, link));
}

void control_close(struct control *c)
{
	struct list *it, *tmp;

	if (!c || c->closing)
		return;
	c->closing = true;
	unlink(c->path); /* uv_close does too, but later: a successor may be there by then */
	list_each (it, tmp, &c->peers)
		peer_close(container_of(it, struct peer, link));
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

/* ---- the client ------------------------------------------------------------- */

static int copy_answer(FILE *in, FILE *out)
{
	char line[4096];
	size_t n;

	if (!fgets(line, 16, in))
		return UV_ECONNRESET;
	int status = atoi(line);
	while ((n = fread(line, 1, sizeof(line), in)) > 0)
		fwrite(line, 1, n, out);
	return status;
}

int control_call(const char *path, int argc, char *const *argv, int timeout, FILE *out)
{
	struct timeval wait = { .tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000 };
	int fd = reach(path, NULL);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	char *request = request_text(argc, argv);
	size_t n = strlen(request);
	int rc = send(fd, request, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : UV_EPIPE;
	free(request);
	FILE *in = fdopen(fd, "r");
	if (rc == 0)
		rc = copy_answer(in, out);
	fclose(in);
	return rc;
}
