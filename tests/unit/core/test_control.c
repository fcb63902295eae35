/* Commands of a control socket that are answered later, in pieces, or not at all. */
#include "core/run/control.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

enum { BIG = 4 * 1024 * 1024, PUMPS = 2000 };

struct world {
	uv_loop_t loop;
	uv_timer_t alive; /* a control's own handles keep no loop going */
	char path[64];
	struct control *control;
	struct control_peer *held;
	int commands, gone, rooms;
};

static void on_gone(void *data)
{
	struct world *w = data;

	w->gone++;
	w->held = NULL;
}

static void on_room(void *data)
{
	((struct world *)data)->rooms++;
}

static int on_command(void *owner, int argc, char **argv, FILE *out, struct control_peer *peer)
{
	struct world *w = owner;

	w->commands++;
	if (strcmp(argv[0], "later") != 0) {
		fprintf(out, "%d words\n", argc);
		return 3;
	}
	w->held = peer;
	control_wait(peer, w, on_gone, on_room);
	if (argc > 1) { /* at once, before it returns */
		control_begin(peer, 5);
		control_put(peer, "now", 3);
		control_end(peer);
	}
	return CONTROL_LATER;
}

static void on_alive(uv_timer_t *t)
{
	(void)t;
}

static void start(struct world *w)
{
	struct err err = { 0 };

	*w = (struct world){ .commands = 0 };
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->alive);
	uv_timer_start(&w->alive, on_alive, 1, 1);
	snprintf(w->path, sizeof(w->path), "/tmp/troupe-control-%d", (int)getpid());
	check_int(control_open(&w->control, &w->loop, w->path, &err), 0);
	control_serve(w->control, on_command, w);
}

static void pump(struct world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	usleep(100);
}

static void finish(struct world *w)
{
	control_close(w->control);
	for (int i = 0; i < 50; i++)
		pump(w);
	uv_close((uv_handle_t *)&w->alive, NULL);
	int rc = UV_EBUSY;
	for (int i = 0; i < PUMPS && (rc = uv_loop_close(&w->loop)) != 0; i++)
		pump(w);
	check_int(rc, 0);
	check_int(access(w->path, F_OK), -1);
}

static int ask(struct world *w, const char *first, const char *second)
{
	char *words[] = { (char *)first, (char *)second, NULL };
	int before = w->commands, fd = control_ask(w->path, second ? 2 : 1, words, 5000);

	cr_assert(fd >= 0);
	for (int i = 0; i < PUMPS && w->commands == before; i++)
		pump(w);
	check_int(w->commands, before + 1);
	return fd;
}

/* What comes until the end, NUL-terminated; its number of bytes. */
static size_t read_all(struct world *w, int fd, char *into, size_t most)
{
	size_t n = 0;

	for (int i = 0; i < PUMPS; i++) {
		ssize_t got = recv(fd, into + n, most - 1 - n, MSG_DONTWAIT);
		if (got == 0)
			break;
		n += got > 0 ? (size_t)got : 0;
		pump(w);
	}
	into[n] = '\0';
	return n;
}

static void expect(struct world *w, int fd, const char *want)
{
	char got[256];

	read_all(w, fd, got, sizeof(got));
	check_str(got, want);
	close(fd);
}

Test(control, answers_at_once_and_later)
{
	struct world w;

	start(&w);
	expect(&w, ask(&w, "plain", "word"), "3\n2 words\n");
	expect(&w, ask(&w, "later", "now"), "5\nnow");
	int fd = ask(&w, "later", NULL);
	control_begin(w.held, 0);
	control_put(w.held, "one ", 4);
	pump(&w);
	control_put(w.held, "", 0);
	control_put(w.held, "two", 3);
	control_end(w.held);
	expect(&w, fd, "0\none two");
	check_int(w.gone, 0);
	finish(&w);
}

Test(control, client_that_leaves_is_told_of_once)
{
	struct world w;

	start(&w);
	close(ask(&w, "later", NULL));
	for (int i = 0; i < PUMPS && !w.gone; i++)
		pump(&w);
	check_int(w.gone, 1);
	check_true(!w.held);
	int fd = ask(&w, "later", NULL); /* and one that is there at the end */
	finish(&w);
	check_int(w.gone, 2);
	close(fd);
}

Test(control, says_how_much_is_unsent_and_when_there_is_room)
{
	struct world w;
	char *big = calloc(1, BIG), *got = calloc(1, BIG + 16);

	start(&w);
	int fd = ask(&w, "later", NULL);
	memset(big, 'x', BIG);
	control_begin(w.held, 0);
	check_true(control_put(w.held, big, BIG) > BIG / 2);
	for (int i = 0; i < 20; i++)
		pump(&w);
	check_int(w.rooms, 0);
	size_t n = 0;
	while (n < BIG + 2) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		pump(&w);
		cr_assert(poll(&p, 1, 5000) == 1);
		ssize_t part = recv(fd, got + n, BIG + 15 - n, MSG_DONTWAIT);
		cr_assert(part > 0);
		n += (size_t)part;
	}
	for (int i = 0; i < PUMPS && !w.rooms; i++)
		pump(&w);
	check_true(w.rooms > 0);
	check_int(control_put(w.held, "", 0), 0);
	control_end(w.held);
	check_int(read_all(&w, fd, big, BIG), 0);
	check_true(memcmp(got, "0\nxxx", 5) == 0);
	close(fd);
	finish(&w);
	free(big);
	free(got);
}

/* What a client says after its command is nobody's. */
Test(control, more_than_one_line_is_one_command)
{
	struct world w;

	start(&w);
	int fd = ask(&w, "later", NULL);
	check_int(send(fd, "[\"plain\"]\n", 10, MSG_NOSIGNAL), 10);
	for (int i = 0; i < 20; i++)
		pump(&w);
	check_int(w.commands, 1);
	control_begin(w.held, 0);
	control_end(w.held);
	expect(&w, fd, "0\n");
	finish(&w);
}
