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

enum { REQUEST_MAX = 64 * 1024, PEERS_MAX = 128, PEER_TIME = 5000, LITTLE = 64 * 1024 };

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
struct control_peer {
	struct list link;
	struct control *control;
	uv_pipe_t pipe;
	uv_timer_t deadline;
	uv_write_t write;
	struct buf in;
	char *answer;
	bool later, ended; /* it is answered later; to the last byte */
	void *data;        /* of the one who answers later */
	void (*gone)(void *data);
	void (*room)(void *data);
	int open;
};

/* A part of an answer that comes later. */
struct piece {
	uv_write_t write;
	char data[];
};

static void forget_handle(struct control *c)
{
	if (--c->open == 0 && c->closing)
		free(c);
}

/* ---- a peer ---------------------------------------------------------------- */

static void on_peer_closed(uv_handle_t *h)
{
	struct control_peer *peer = h->data;
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

static void peer_close(struct control_peer *peer)
{
	if (uv_is_closing((uv_handle_t *)&peer->pipe))
		return;
	if (peer->later && !peer->ended && peer->gone)
		peer->gone(peer->data);
	peer->ended = true;
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

static int carry_out(struct control_peer *peer, const char *line, FILE *out)
{
	struct control *c = peer->control;
	int argc;
	char **argv;

	if (request_parse(line, &argc, &argv) != 0) {
		fputs("not a command\n", out);
		return 2;
	}
	peer->later = true; /* it may be answered before the command returns */
	int status = c->command(c->owner, argc, argv, out, peer);
	peer->later = status == CONTROL_LATER;
	request_free(argv);
	return status;
}

/* "STATUS\n" and the answer, in one allocation that libuv writes from. */
static void answer(struct control_peer *peer, const char *line)
{
	char *text, head[16];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status = carry_out(peer, line, out);

	fclose(out);
	if (status == CONTROL_LATER) {
		free(text);
		return;
	}
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

/* ---- an answer that comes later ----------------------------------------------- */

void control_wait(struct control_peer *p, void *data, void (*gone)(void *data),
		  void (*room)(void *data))
{
	p->data = data;
	p->gone = gone;
	p->room = room;
	uv_timer_stop(&p->deadline);
}

static void on_piece_written(uv_write_t *w, int status)
{
	struct control_peer *peer = w->data;
	size_t unsent = uv_stream_get_write_queue_size((uv_stream_t *)&peer->pipe);

	free(container_of(w, struct piece, write));
	if (status < 0 || (peer->ended && unsent == 0))
		peer_close(peer);
	else if (!peer->ended && peer->room && unsent < LITTLE)
		peer->room(peer->data);
}

size_t control_put(struct control_peer *p, const void *data, size_t n)
{
	uv_stream_t *stream = (uv_stream_t *)&p->pipe;

	if (n && !uv_is_closing((uv_handle_t *)stream)) {
		struct piece *piece = mem_new(sizeof(*piece) + n);
		uv_buf_t buf = uv_buf_init(piece->data, (unsigned)n);

		memcpy(piece->data, data, n);
		piece->write.data = p;
		if (uv_write(&piece->write, stream, &buf, 1, on_piece_written) != 0)
			free(piece);
	}
	return uv_stream_get_write_queue_size(stream);
}

void control_begin(struct control_peer *p, int status)
{
	char head[16];
	int n = snprintf(head, sizeof(head), "%d\n", status);

	control_put(p, head, (size_t)n);
}

/* What is unsent has as long as a command had. */
void control_end(struct control_peer *p)
{
	p->ended = true;
	if (uv_is_closing((uv_handle_t *)&p->pipe))
		return;
	uv_timer_start(&p->deadline, on_deadline,
		       uv_stream_get_write_queue_size((uv_stream_t *)&p->pipe) ? PEER_TIME : 0, 0);
}

/* ---- reading ------------------------------------------------------------------ */

static void look_for_line(struct control_peer *peer)
{
	const uint8_t *data = buf_data(&peer->in);
	size_t len = buf_len(&peer->in);
	const uint8_t *end = len ? memchr(data, '\n', len) : NULL;

	if (!end || !peer->control->command || peer->answer || peer->later)
		return;
	char *line = strndup((const char *)data, (size_t)(end - data));
	answer(peer, line);
	free(line);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct control_peer *peer = h->data;
	size_t room = 0;

	(void)suggested;
	buf->base = (char *)buf_room(&peer->in, 4096, &room);
	buf->len = room;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct control_peer *peer = s->data;

	(void)buf;
	if (n < 0) { /* also UV_ENOBUFS: over REQUEST_MAX */
		peer_close(peer);
		return;
	}
	buf_commit(&peer->in, (size_t)n);
	if (peer->later)
		buf_take(&peer->in, buf_len(&peer->in));
	look_for_line(peer);
}

static struct control_peer *peer_new(struct control *c)
{
	struct control_peer *peer = mem_new(sizeof(*peer));

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
	struct control_peer *peer = peer_new(c);
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
		look_for_line(container_of(it, struct control_peer, link));
}

void control_close(struct control *c)
{
	struct list *it, *tmp;

	if (!c || c->closing)
		return;
	c->closing = true;
	unlink(c->path); /* uv_close does too, but later: a successor may be there by then */
	list_each (it, tmp, &c->peers)
		peer_close(container_of(it, struct control_peer, link));
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

/* ---- the client ------------------------------------------------------------- */

/* As it comes: it may be a log that is followed. */
static int copy_answer(int fd, FILE *out)
{
	char bytes[16384], *line;
	size_t have = 0;
	ssize_t n;

	do {
		n = read(fd, bytes + have, sizeof(bytes) - have);
		have += n > 0 ? (size_t)n : 0;
		line = memchr(bytes, '\n', have);
	} while (n > 0 && !line);
	if (!line)
		return UV_ECONNRESET;
	int status = atoi(bytes);
	size_t head = (size_t)(line + 1 - bytes);
	fwrite(line + 1, 1, have - head, out);
	fflush(out);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		fwrite(bytes, 1, (size_t)n, out);
		fflush(out);
	}
	return status;
}

int control_ask(const char *path, int argc, char *const *argv, int timeout)
{
	struct timeval wait = { .tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000 };
	int fd = reach(path, NULL);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	char *request = request_text(argc, argv);
	size_t n = strlen(request);
	bool sent = send(fd, request, n, MSG_NOSIGNAL) == (ssize_t)n;
	free(request);
	if (sent)
		return fd;
	close(fd);
	return UV_EPIPE;
}

int control_call(const char *path, int argc, char *const *argv, int timeout, FILE *out)
{
	int fd = control_ask(path, argc, argv, timeout);

	if (fd < 0)
		return fd;
	int rc = copy_answer(fd, out);
	close(fd);
	return rc;
}
