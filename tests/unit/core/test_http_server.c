#include "core/net/http_server.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/check.h"

/* A server with short times, and one blocking client that is pumped by hand. */
struct world {
	uv_loop_t loop;
	struct http_server *server;
	struct sockaddr_in at;
	struct http_call *held; /* by /hold */
	int gone;
};

static void on_gone(void *data)
{
	((struct world *)data)->gone++;
}

static void on_call(struct http_call *call, void *data)
{
	struct world *w = data;
	const struct http_message *m = http_call_message(call);

	if (strcmp(m->target, "/hold") == 0) {
		w->held = call;
		http_call_wait(call, w, on_gone);
	} else if (strcmp(m->target, "/big") == 0) {
		char *big = calloc(1, 8 << 20);
		http_reply(call, &(struct http_answer){ 200, "text/plain", NULL, big, 8 << 20 });
		free(big);
	} else if (strcmp(m->target, "/pieces") == 0) {
		http_call_wait(call, w, on_gone);
		http_stream(call, &(struct http_answer){ .status = 200, .type = "text/plain" },
			    NULL);
		http_stream_put(call, "one ", 4);
		http_stream_put(call, "", 0);
		http_stream_put(call, "and another", 11);
		http_stream_end(call);
	} else if (strcmp(m->target, "/stream") == 0) {
		w->held = call;
		http_call_wait(call, w, on_gone);
		http_stream(call, &(struct http_answer){ .status = 200 }, NULL);
	} else {
		http_reply(call,
			   &(struct http_answer){ 200, "text/plain", NULL, m->body, m->body_len });
	}
}

static void start(struct world *w)
{
	struct http_server_conf conf = http_server_defaults;
	socklen_t n = sizeof(w->at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memset(w, 0, sizeof(*w));
	conf.head_timeout = conf.body_timeout = conf.idle_timeout = 200;
	conf.connections = 2;
	w->at.sin_family = AF_INET;
	w->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check_int(bind(fd, (struct sockaddr *)&w->at, sizeof(w->at)), 0);
	check_int(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)&w->at, &n);
	uv_loop_init(&w->loop);
	w->server = http_server_new(&w->loop, &conf, on_call, w);
	check_int(http_server_listen(w->server, fd), 0);
}

static void end(struct world *w)
{
	http_server_close(w->server);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&w->loop), 0);
}

static int client(const struct world *w)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	check_int(connect(fd, (const struct sockaddr *)&w->at, sizeof(w->at)), 0);
	return fd;
}

/* Runs the loop until the server has closed the connection or `want` has come; what came. */
static char *answer_to(struct world *w, int fd, const char *text, const char *want)
{
	static char got[1 << 16];
	size_t n = 0;

	check_int(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	for (int i = 0; i < 3000; i++) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		ssize_t more = recv(fd, got + n, sizeof(got) - 1 - n, MSG_DONTWAIT);
		n += more > 0 ? (size_t)more : 0;
		got[n] = '\0';
		if (more == 0 || (want && strstr(got, want)))
			return got;
		usleep(1000);
	}
	return strcpy(got, "nothing came");
}

#define check_has(text, part) cr_expect(strstr((text), (part)) != NULL, "no %s in:\n%s", part, text)

Test(http_server, answers_in_order_and_keeps_the_connection)
{
	struct world w;
	start(&w);
	int fd = client(&w);

	char *got = answer_to(&w, fd,
			      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\noneP"
			      "OST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo"
			      "HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree",
			      "Content-Length: 5\r\n");
	check_has(got, "\r\n\r\noneHTTP/1.1 200 OK\r\n");
	check_has(got, "\r\n\r\ntwoHTTP/1.1 200 OK\r\n");
	cr_expect(strstr(got, "three") == NULL);
	got = answer_to(&w, fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
	check_has(got, "Connection: close\r\n");
	close(fd);
	end(&w);
}

Test(http_server, says_continue)
{
	struct world w;
	start(&w);
	int fd = client(&w);

	check_has(answer_to(&w, fd,
			    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
			    "2\r\n\r\n",
			    "\r\n\r\n"),
		  "HTTP/1.1 100 Continue\r\n\r\n");
	check_has(answer_to(&w, fd, "hi", "\r\n\r\nhi"), "200 OK");
	close(fd);
	end(&w);
}

Test(http_server, gives_up_on_the_slow)
{
	struct world w;
	start(&w);
	int slow_head = client(&w), idle = client(&w);

	check_has(answer_to(&w, slow_head, "GET / HT", NULL), "408 Request Timeout");
	check_str(answer_to(&w, idle, "", NULL), "");
	close(slow_head);
	close(idle);
	int slow_body = client(&w);
	check_has(answer_to(&w, slow_body,
			    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh", NULL),
		  "408 Request Timeout");
	close(slow_body);
	end(&w);
}

Test(http_server, closes_on_a_client_that_does_not_read)
{
	struct world w;
	start(&w);
	int fd = client(&w);
	const char *text = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";

	check_int(send(fd, text, strlen(text), 0), strlen(text));
	for (int i = 0; i < 900; i++) {
		uv_run(&w.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	char waste[65536];
	size_t got = 0;
	for (ssize_t n; (n = recv(fd, waste, sizeof(waste), 0)) > 0;)
		got += (size_t)n;
	cr_expect(got < 8 << 20);
	close(fd);
	end(&w);
}

Test(http_server, sends_the_third_of_two_away)
{
	struct world w;
	start(&w);
	int a = client(&w), b = client(&w), c = client(&w);

	check_has(answer_to(&w, c, "", NULL), "503 Service Unavailable");
	close(a);
	close(b);
	close(c);
	end(&w);
}

Test(http_server, a_held_call_may_be_answered_later_or_cut)
{
	struct world w;
	start(&w);
	int fd = client(&w), cut = client(&w);

	send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", 31, 0);
	while (!w.held)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	http_reply_status(w.held, 202);
	check_has(answer_to(&w, fd, "", "202 Accepted\n"), "HTTP/1.1 202 Accepted\r\n");
	w.held = NULL;
	send(cut, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", 31, 0);
	while (!w.held)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	end(&w);
	check_int(w.gone, 1);
	close(fd);
	close(cut);
}

Test(http_server, who_is_gone_for_good_is_not_worked_for)
{
	struct linger now = { 1, 0 };
	struct world w;

	start(&w);
	int fd = client(&w);
	send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", 31, 0);
	while (!w.held)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd); /* a reset */
	for (int i = 0; i < 100 && !w.gone; i++)
		uv_run(&w.loop, UV_RUN_ONCE);
	check_int(w.gone, 1);
	end(&w);
}

Test(http_server, who_says_no_more_is_answered_all_the_same)
{
	struct world w;

	start(&w);
	int fd = client(&w);
	send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", 31, 0);
	shutdown(fd, SHUT_WR);
	while (!w.held)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	for (int i = 0; i < 10; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	check_int(w.gone, 0);
	http_reply_status(w.held, 202);
	for (int i = 0; i < 10; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	char got[512];
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	cr_assert(n > 0);
	got[n] = '\0';
	check_has(got, "HTTP/1.1 202 Accepted\r\n");
	check_int(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0); /* it is closed */
	close(fd);
	end(&w);
}

Test(http_server, drain_ends_by_itself)
{
	struct world w;
	start(&w);
	int fd = client(&w), idle = client(&w);

	send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", 31, 0);
	while (!w.held)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	http_server_drain(w.server);
	check_str(answer_to(&w, idle, "", NULL), "");
	http_reply_status(w.held, 200);
	check_has(answer_to(&w, fd, "", NULL), "Connection: close\r\n");
	close(fd);
	close(idle);
	end(&w);
}

Test(http_server, answers_in_pieces)
{
	struct world w;

	start(&w);
	int fd = client(&w);
	char *got = answer_to(&w, fd, "GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n");
	check_has(got, "Transfer-Encoding: chunked");
	check_has(got, "\r\n\r\n4\r\none \r\nb\r\nand another\r\n0\r\n\r\n");
	got = answer_to(&w, fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nafter",
			"after");
	check_has(got, "after");
	close(fd);
	fd = client(&w);
	got = answer_to(&w, fd, "GET /pieces HTTP/1.0\r\n\r\n", NULL);
	cr_expect(strstr(got, "chunked") == NULL);
	check_has(got, "\r\n\r\none and another");
	close(fd);
	check_int(w.gone, 0);
	end(&w);
}

Test(http_server, the_end_of_who_takes_a_stream_is_seen)
{
	struct world w;

	start(&w);
	int fd = client(&w);
	answer_to(&w, fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n");
	cr_assert(w.held != NULL);
	check_int(w.gone, 0);
	close(fd);
	for (int i = 0; i < 100 && !w.gone; i++)
		uv_run(&w.loop, UV_RUN_ONCE);
	check_int(w.gone, 1);
	end(&w);
}
