#include "core/net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/listen.h"
#include "core/net/tls.h"
#include "tests/lib/check.h"
#include "tests/lib/pem.h"

/* One end: it reads what comes, or is a bare descriptor of the test. */
struct side {
	struct stream stream;
	struct buf got;
	ssize_t end; /* what stream_read said at last, when it was no bytes */
	int readable, drained, secure, closed;
	size_t sip; /* bytes of one read; 0: 64 KiB */
};

static uv_loop_t loop;

static void on_event(struct stream *s, enum stream_event event)
{
	struct side *side = s->owner;
	static uint8_t data[64 * 1024];
	ssize_t n;

	side->readable += event == STREAM_READABLE;
	side->drained += event == STREAM_DRAINED;
	side->secure += event == STREAM_SECURE;
	if (event != STREAM_READABLE)
		return;
	do {
		n = stream_read(s, data, side->sip ? side->sip : sizeof(data));
		if (n > 0)
			buf_put(&side->got, data, (size_t)n);
	} while (n > 0 && stream_more(s));
	if (n < 0 && !side->end) { /* told again as long as it is not closed */
		side->end = n;
		stream_pause(s);
	}
}

static void on_closed(struct stream *s)
{
	((struct side *)s->owner)->closed++;
}

static void side_open(struct side *side, int fd)
{
	memset(side, 0, sizeof(*side));
	buf_init(&side->got, 256 * 1024 * 1024);
	check_int(stream_open(&side->stream, &loop, fd, on_event, side), 0);
}

static void side_close(struct side *side)
{
	if (!side->closed)
		stream_close(&side->stream, on_closed);
	for (int i = 0; i < 100 && !side->closed; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	check_int(side->closed, 1);
	buf_fini(&side->got);
}

static void spin(int times)
{
	for (int i = 0; i < times; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void begin(int fds[2])
{
	uv_loop_init(&loop);
	check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void finish(void)
{
	check_int(uv_loop_close(&loop), 0);
}

/* A TCP connection on loopback: only there a reset is one. */
static void begin_tcp(int fds[2])
{
	struct addr a;
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	uv_loop_init(&loop);
	addr_parse(&a, "127.0.0.1:0", -1, NULL);
	int server = listen_open(&a, 5, false, NULL);
	getsockname(server, (struct sockaddr *)&at, &len);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	check_int(connect(fds[1], (struct sockaddr *)&at, len), 0);
	while ((fds[0] = accept4(server, NULL, NULL, SOCK_NONBLOCK)) < 0)
		;
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	close(server);
}

/* The n-th byte of what is sent. */
static uint8_t pattern(size_t n)
{
	return (uint8_t)(n * 31 + (n >> 8) * 7);
}

static uint8_t *made(size_t n)
{
	uint8_t *data = mem_new(n);

	for (size_t i = 0; i < n; i++)
		data[i] = pattern(i);
	return data;
}

static bool as_made(const struct buf *b, size_t n)
{
	if (buf_len(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (buf_data(b)[i] != pattern(i))
			return false;
	return true;
}

/* ---- plain ------------------------------------------------------------------------ */

Test(stream, both_ways_and_the_end)
{
	struct side a, b;
	int fds[2];

	begin(fds);
	side_open(&a, fds[0]);
	side_open(&b, fds[1]);
	char one[] = "one ", two[] = "two ", none[] = "";
	uv_buf_t parts[3] = { { one, 4 }, { two, 4 }, { none, 0 } };
	check_int(stream_write(&a.stream, parts, 3), 0);
	check_int(stream_put(&b.stream, "back", 4), 0);
	check_int(stream_backlog(&a.stream), 0);
	spin(3);
	check_int(buf_len(&b.got), 8);
	check_true(memcmp(buf_data(&b.got), "one two ", 8) == 0);
	check_int(buf_len(&a.got), 4);
	side_close(&a);
	spin(3);
	check_int(b.end, UV_EOF);
	check_int(stream_put(&a.stream, "x", 1), UV_ECANCELED);
	side_close(&b);
	finish();
}

/* ---- a round of several events --------------------------------------------------- */

/* A stream and who talks through it: two sources, each with its say when it becomes readable. */
struct hub {
	struct side to;
	struct stream from[2];
	int peers[3];           /* of from[0], from[1] and to */
	size_t seen[2], say[2]; /* what the reader had after its say; bytes to say */
	size_t said;
	bool close_at_once, linger_at_once;
};

static size_t peek(int fd)
{
	int n = 0;

	ioctl(fd, FIONREAD, &n);
	return (size_t)n;
}

static void on_source(struct stream *s, enum stream_event event)
{
	struct hub *h = s->owner;
	int i = s == &h->from[1];
	char waste[16];

	(void)event;
	if (stream_read(s, waste, sizeof(waste)) <= 0)
		return;
	uint8_t *data = mem_new(h->say[i] + 1);
	for (size_t k = 0; k < h->say[i]; k++)
		data[k] = pattern(h->said + k);
	stream_put(&h->to.stream, data, h->say[i]);
	free(data);
	h->said += h->say[i];
	h->seen[i] = peek(h->peers[2]);
	if (h->close_at_once)
		stream_close(&h->to.stream, on_closed);
	if (h->linger_at_once)
		stream_linger(&h->to.stream, on_closed);
}

static void hub_open(struct hub *h, size_t first, size_t second)
{
	int fds[2];

	*h = (struct hub){ .say = { first, second } };
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			begin(fds);
		else
			check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		h->peers[i] = fds[1];
		if (i < 2)
			check_int(stream_open(&h->from[i], &loop, fds[0], on_source, h), 0);
		else
			side_open(&h->to, fds[0]);
	}
}

static void on_source_closed(struct stream *s)
{
	(void)s;
}

static void hub_close(struct hub *h)
{
	struct buf got;
	size_t room;
	ssize_t n;

	buf_init(&got, 1024 * 1024);
	while ((n = read(h->peers[2], buf_room(&got, 65536, &room), 65536)) > 0)
		buf_commit(&got, (size_t)n);
	check_true(as_made(&got, h->said)); /* all of it, in order */
	buf_fini(&got);
	for (int i = 0; i < 3; i++)
		close(h->peers[i]);
	stream_close(&h->from[0], on_source_closed);
	stream_close(&h->from[1], on_source_closed);
	side_close(&h->to);
	spin(3);
	finish();
}

static void talk(struct hub *h, int sources)
{
	for (int i = 0; i < sources; i++)
		check_int(write(h->peers[i], "x", 1), 1);
	spin(3);
}

Test(stream, what_several_say_in_a_round_goes_out_at_its_end)
{
	struct hub h;

	hub_open(&h, 10, 20);
	talk(&h, 2);
	check_int(h.seen[0] + h.seen[1], 0);
	check_int(peek(h.peers[2]), 30);
	check_int(stream_backlog(&h.to.stream), 0);
	talk(&h, 2);
	check_int(peek(h.peers[2]), 60);
	hub_close(&h);
}

Test(stream, a_lone_event_does_not_wait)
{
	struct hub h;

	hub_open(&h, 10, 0);
	talk(&h, 1);
	check_int(h.seen[0], 10);
	hub_close(&h);
}

Test(stream, much_does_not_wait_and_stays_behind_what_did)
{
	struct hub h;

	hub_open(&h, 10, 20000);
	talk(&h, 2);
	check_int(h.said, 20010);
	check_true(h.seen[0] > 0 || h.seen[1] > 0);
	hub_close(&h);
	hub_open(&h, 20000, 10);
	talk(&h, 2);
	hub_close(&h);
}

Test(stream, a_close_or_linger_in_a_round_takes_along_what_waits)
{
	struct hub h;

	hub_open(&h, 10, 0);
	h.close_at_once = true;
	talk(&h, 2);
	check_int(h.to.closed, 1);
	hub_close(&h);
	hub_open(&h, 10, 0);
	h.linger_at_once = true;
	talk(&h, 2);
	hub_close(&h);
}

Test(stream, rounds_use_the_same_memory_again)
{
	struct hub h;

	hub_open(&h, 0, 10); /* nothing first: that borrows nothing */
	for (int i = 0; i < 100; i++)
		talk(&h, 2);
	check_true(h.to.stream.out.mem == NULL);
	hub_close(&h);
}

Test(stream, a_failure_at_the_end_of_a_round_is_told)
{
	struct hub h;
	char waste[4];

	hub_open(&h, 10, 20);
	close(h.peers[2]);
	h.peers[2] = open("/dev/null", O_RDONLY);
	stream_pause(&h.to.stream);
	talk(&h, 2);
	check_int(stream_read(&h.to.stream, waste, sizeof(waste)), UV_EPIPE);
	h.said = 0;
	hub_close(&h);
}

/* ---- much ------------------------------------------------------------------------ */

Test(stream, a_slow_reader_drains_the_backlog_once)
{
	enum { SIZE = 3 * 1024 * 1024 };
	struct side a, b;
	int fds[2];
	uint8_t *data = made(SIZE);

	begin(fds);
	side_open(&a, fds[0]);
	side_open(&b, fds[1]);
	stream_pause(&b.stream);
	for (size_t at = 0; at < SIZE; at += SIZE / 64)
		check_int(stream_put(&a.stream, data + at, SIZE / 64), 0);
	check_true(stream_backlog(&a.stream) > STREAM_HIGH);
	spin(10);
	check_int(b.readable, 0);
	check_int(a.drained, 0);
	b.sip = 5000;
	stream_resume(&b.stream);
	for (int i = 0; i < 100000 && buf_len(&b.got) < SIZE; i++) {
		bool above = stream_backlog(&a.stream) >= STREAM_LOW;
		check_true(!above || a.drained == 0);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	check_true(as_made(&b.got, SIZE));
	check_int(a.drained, 1);
	check_int(stream_backlog(&a.stream), 0);
	check_true(!a.stream.out.mem); /* nothing unsent, no buffer */
	side_close(&a);
	side_close(&b);
	free(data);
	finish();
}

Test(stream, the_ceiling_ends_it)
{
	enum { MIB = 1024 * 1024 };
	struct side a;
	int fds[2], rc = 0, n = 0;
	uint8_t *data = mem_new(MIB);

	begin(fds);
	side_open(&a, fds[0]);
	for (; rc == 0 && n < 100; n++)
		rc = stream_put(&a.stream, data, MIB);
	check_int(rc, ERR_LIMIT);
	check_true(n >= 64 && n <= 66);
	check_int(stream_put(&a.stream, "x", 1), ERR_LIMIT);
	check_int(stream_backlog(&a.stream), 0);
	char byte;
	check_int(stream_read(&a.stream, &byte, 1), ERR_LIMIT);
	side_close(&a);
	close(fds[1]);
	free(data);
	finish();
}

Test(stream, paused_it_says_nothing)
{
	struct side a;
	int fds[2];

	begin(fds);
	side_open(&a, fds[0]);
	stream_pause(&a.stream);
	check_int(write(fds[1], "hello", 5), 5);
	spin(5);
	check_int(a.readable, 0);
	stream_resume(&a.stream);
	spin(2);
	check_int(buf_len(&a.got), 5);
	close(fds[1]);
	spin(2);
	check_int(a.end, UV_EOF);
	side_close(&a);
	finish();
}

Test(stream, at_an_edge_bytes_are_told_once_and_the_end_with_the_last)
{
	struct side a;
	int fds[2];

	begin(fds);
	memset(&a, 0, sizeof(a));
	buf_init(&a.got, 64);
	check_int(stream_open_edge(&a.stream, &loop, fds[0], on_event, &a), 0);
	a.sip = 1;
	check_int(write(fds[1], "abc", 3), 3);
	spin(5);
	check_int(a.readable, 1);
	check_int(buf_len(&a.got), 1);
	check_int(stream_dry(&a.stream), 0);
	a.sip = 0;
	check_int(write(fds[1], "d", 1), 1);
	spin(5);
	check_int(a.readable, 2);
	check_int(buf_len(&a.got), 4);
	check_int(stream_dry(&a.stream), 1);
	stream_pause(&a.stream);
	check_int(write(fds[1], "e", 1), 1);
	spin(5);
	check_int(a.readable, 2);
	stream_resume(&a.stream);
	spin(5);
	check_int(buf_len(&a.got), 5);
	check_int(write(fds[1], "f", 1), 1);
	close(fds[1]);
	spin(5);
	check_int(buf_len(&a.got), 6);
	check_int(stream_dry(&a.stream), 0);
	side_close(&a);
	finish();
}

/* ---- ends ---------------------------------------------------------------------------- */

static void reset_by(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

Test(stream, what_came_before_a_failed_write_can_be_had)
{
	struct side a;
	char got[16];
	int fds[2];

	begin(fds);
	side_open(&a, fds[0]);
	stream_pause(&a.stream);
	check_int(write(fds[1], "before", 6), 6);
	close(fds[1]);
	check_int(stream_put(&a.stream, "x", 1), UV_EPIPE);
	check_int(stream_read(&a.stream, got, sizeof(got)), UV_EPIPE);
	check_int(stream_rest(&a.stream, got, sizeof(got)), 6);
	cr_expect(memcmp(got, "before", 6) == 0);
	check_int(stream_rest(&a.stream, got, sizeof(got)), UV_EOF);
	side_close(&a);
	finish();
}

Test(stream, a_reset_is_told)
{
	struct side a;
	int fds[2];

	begin_tcp(fds);
	side_open(&a, fds[0]);
	reset_by(fds[1]);
	spin(5);
	check_int(a.end, UV_ECONNRESET);
	side_close(&a);
	finish();
}

Test(stream, a_reset_is_told_while_unsent_bytes_wait)
{
	struct side a;
	int fds[2];
	uint8_t *data = mem_new(16 * 1024 * 1024);

	begin_tcp(fds);
	side_open(&a, fds[0]);
	stream_pause(&a.stream);
	check_int(stream_put(&a.stream, data, 16 * 1024 * 1024), 0);
	check_true(stream_backlog(&a.stream) > 0);
	reset_by(fds[1]);
	for (int i = 0; i < 100 && a.end == 0; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	check_true(a.end == UV_ECONNRESET || a.end == UV_EPIPE);
	side_close(&a);
	free(data);
	finish();
}

/* A plain close would be a reset here, and take the last words with it. */
Test(stream, last_words_arrive_though_the_peer_sent_more)
{
	static const char words[] = "these are the last words";
	struct side a;
	int fds[2];
	char got[64];

	begin_tcp(fds);
	side_open(&a, fds[0]);
	stream_pause(&a.stream);
	check_int(write(fds[1], "unread", 6), 6);
	check_int(stream_put(&a.stream, words, sizeof(words)), 0);
	stream_linger(&a.stream, on_closed);
	stream_linger(&a.stream, on_closed);
	spin(3);
	check_int(a.closed, 0);
	check_int(write(fds[1], "more", 4), 4);
	spin(3);
	check_int(read(fds[1], got, sizeof(got)), sizeof(words));
	check_int(read(fds[1], got, sizeof(got)), 0);
	check_int(a.readable, 0);
	close(fds[1]);
	spin(5);
	check_int(a.closed, 1);
	side_close(&a);
	finish();
}

Test(stream, a_linger_sends_its_backlog_first)
{
	enum { SIZE = 2 * 1024 * 1024 };
	uint8_t *data = made(SIZE);
	struct side a, b;
	int fds[2];

	begin(fds);
	side_open(&a, fds[0]);
	side_open(&b, fds[1]);
	stream_put(&a.stream, data, SIZE);
	stream_linger(&a.stream, on_closed);
	for (int i = 0; i < 10000 && b.end == 0; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	check_int(b.end, UV_EOF);
	check_true(as_made(&b.got, SIZE));
	side_close(&b);
	spin(5);
	check_int(a.closed, 1);
	side_close(&a);
	free(data);
	finish();
}

Test(stream, a_linger_is_cut_short_by_a_close)
{
	struct side a;
	int fds[2];

	begin(fds);
	side_open(&a, fds[0]);
	stream_linger(&a.stream, on_closed);
	spin(3);
	check_int(a.closed, 0);
	side_close(&a);
	close(fds[1]);
	finish();
}

static volatile bool flooding = true;

static void flood(void *arg)
{
	static char data[256 * 1024];
	int fd = *(int *)arg;

	fcntl(fd, F_SETFL, 0);
	while (flooding)
		if (send(fd, data, sizeof(data), MSG_NOSIGNAL) < 0)
			break;
}

/* Who never stops to send must not hold the loop. */
Test(stream, a_flood_into_a_linger_leaves_time_for_others, .timeout = 20)
{
	struct side a;
	uv_thread_t thread;
	int fds[2];

	begin(fds);
	side_open(&a, fds[0]);
	uv_thread_create(&thread, flood, &fds[1]);
	stream_linger(&a.stream, on_closed);
	uint64_t end = uv_hrtime() + 200 * 1000000ull;
	int turns = 0;
	while (uv_hrtime() < end)
		turns += uv_run(&loop, UV_RUN_NOWAIT);
	check_true(turns > 10);
	flooding = false;
	side_close(&a);
	uv_thread_join(&thread);
	close(fds[1]);
	finish();
}

/* ---- TLS ----------------------------------------------------------------------------------- */

static struct tls_ctx *context(const struct pem *pem, bool server)
{
	struct tls_conf conf = { .cert = server ? pem->cert : NULL,
				 .key = server ? pem->key : NULL };

	return tls_ctx_new(&conf, server, NULL);
}

static void secure_both(struct side *a, struct side *b, const struct pem *pem)
{
	struct tls_ctx *client = context(pem, false), *server = context(pem, true);

	check_int(stream_secure(&b->stream, server, NULL), 0);
	check_int(stream_secure(&a->stream, client, NULL), 0);
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	for (int i = 0; i < 100 && !(a->secure && b->secure); i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	check_int(a->secure, 1);
	check_int(b->secure, 1);
}

Test(stream, tls_both_ways_with_back_pressure)
{
	enum { SIZE = 5 * 1024 * 1024 };
	uint8_t *data = made(SIZE);
	struct side a, b;
	struct pem pem;
	int fds[2];

	pem_make(&pem);
	begin(fds);
	side_open(&a, fds[0]);
	side_open(&b, fds[1]);
	secure_both(&a, &b, &pem);
	a.sip = b.sip = 3001;
	for (size_t at = 0; at < SIZE; at += SIZE / 128) {
		check_int(stream_put(&a.stream, data + at, SIZE / 128), 0);
		check_int(stream_put(&b.stream, data + at, SIZE / 128), 0);
	}
	check_true(stream_backlog(&a.stream) > STREAM_HIGH);
	for (int i = 0; i < 100000 && (buf_len(&b.got) < SIZE || buf_len(&a.got) < SIZE); i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	check_true(as_made(&a.got, SIZE));
	check_true(as_made(&b.got, SIZE));
	check_int(a.drained, 1);
	side_close(&a);
	spin(3);
	check_int(b.end, UV_EOF);
	side_close(&b);
	free(data);
	pem_remove(&pem);
	finish();
}

/* A client by hand, so that its wire bytes can be sent as we like. */
static size_t hand_shaken(struct tls *t, int fd, uint8_t *out, size_t size)
{
	uint8_t wire[16 * 1024];
	size_t n;

	for (int i = 0; i < 1000 && tls_handshake(t) == 0; i++) {
		const void *data = tls_pending(t, &n);
		if (n > 0)
			check_int(write(fd, data, n), n);
		tls_sent(t);
		uv_run(&loop, UV_RUN_NOWAIT);
		ssize_t got = read(fd, wire, sizeof(wire));
		if (got > 0)
			tls_feed(t, wire, (size_t)got);
	}
	tls_write(t, "login", 5);
	const void *data = tls_pending(t, &n);
	check_true(n <= size);
	memcpy(out, data, n);
	tls_sent(t);
	return n;
}

/* The end of the handshake and the first words, in one segment or cut anywhere. */
Test(stream, tls_first_words_in_the_same_segment)
{
	struct pem pem;
	uint8_t last[4096];
	size_t len = 1;

	pem_make(&pem);
	struct tls_ctx *client = context(&pem, false), *server = context(&pem, true);
	for (size_t cut = 0; cut < len; cut++) {
		struct tls *t = tls_new(client, NULL);
		struct side b;
		int fds[2];
		begin(fds);
		side_open(&b, fds[1]);
		check_int(stream_secure(&b.stream, server, NULL), 0);
		len = hand_shaken(t, fds[0], last, sizeof(last));
		if (cut)
			check_int(write(fds[0], last, cut), cut);
		spin(2);
		check_int(write(fds[0], last + cut, len - cut), len - cut);
		spin(4);
		check_int(b.secure, 1);
		check_int(buf_len(&b.got), 5);
		tls_free(t);
		side_close(&b);
		close(fds[0]);
		finish();
	}
	check_true(len > 50);
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	pem_remove(&pem);
}

/* The hello was read with what stood before it: all of it, and cut at every byte. */
Test(stream, tls_hello_that_was_read_already)
{
	struct pem pem;
	uint8_t last[4096];
	size_t len = 1;

	pem_make(&pem);
	struct tls_ctx *client = context(&pem, false), *server = context(&pem, true);
	for (size_t cut = 0; cut <= len; cut += 1 + cut / 8) {
		struct tls *t = tls_new(client, NULL);
		struct side b;
		int fds[2];
		begin(fds);
		side_open(&b, fds[1]);
		tls_handshake(t);
		const uint8_t *hello = tls_pending(t, &len);
		check_int(stream_secure(&b.stream, server, NULL), 0);
		stream_feed(&b.stream, hello, cut);
		check_int(write(fds[0], hello + cut, len - cut), len - cut);
		tls_sent(t);
		size_t n = hand_shaken(t, fds[0], last, sizeof(last));
		check_int(write(fds[0], last, n), n);
		spin(4);
		check_int(b.secure, 1);
		check_int(buf_len(&b.got), 5);
		tls_free(t);
		side_close(&b);
		close(fds[0]);
		finish();
	}
	tls_ctx_drop(client);
	tls_ctx_drop(server);
	pem_remove(&pem);
}

/* Paused with bytes inside: they come when it goes on, though the socket is dry. */
Test(stream, tls_bytes_inside_survive_a_pause)
{
	struct side a, b;
	struct pem pem;
	int fds[2];

	pem_make(&pem);
	begin(fds);
	side_open(&a, fds[0]);
	side_open(&b, fds[1]);
	secure_both(&a, &b, &pem);
	spin(5);
	stream_put(&a.stream, "0123456789", 10);
	char some[4];
	while (uv_run(&loop, UV_RUN_NOWAIT) && !b.readable && stream_read(&b.stream, some, 4) != 4)
		;
	if (buf_len(&b.got) == 0) {
		check_true(stream_more(&b.stream));
		stream_pause(&b.stream);
		spin(5);
		check_int(buf_len(&b.got), 0);
		stream_resume(&b.stream);
		spin(5);
		check_int(buf_len(&b.got), 6);
	}
	side_close(&a);
	side_close(&b);
	pem_remove(&pem);
	finish();
}

Test(stream, tls_that_is_none_fails)
{
	struct side b;
	struct pem pem;
	int fds[2];

	pem_make(&pem);
	struct tls_ctx *server = context(&pem, true);
	begin(fds);
	side_open(&b, fds[1]);
	check_int(stream_secure(&b.stream, server, NULL), 0);
	check_int(write(fds[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
	spin(3);
	check_int(b.secure, 0);
	check_int(b.end, ERR_PROTO);
	side_close(&b);
	close(fds[0]);
	finish();

	begin(fds);
	side_open(&b, fds[1]);
	check_int(stream_secure(&b.stream, server, NULL), 0);
	close(fds[0]);
	spin(3);
	check_int(b.end, UV_EOF);
	side_close(&b);
	tls_ctx_drop(server);
	pem_remove(&pem);
	finish();
}
