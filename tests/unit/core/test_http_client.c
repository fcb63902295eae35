#include "core/net/http_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/net/tls.h"
#include "tests/lib/check.h"

/* ---- a server that does as it is told ------------------------------------------------ */

#define OK    "HTTP/1.1 200 OK\r\n"
#define HELLO OK "Content-Length: 5\r\n\r\nhello"

/* What it does with the next request, over whichever connection. */
struct turn {
	const char *answer; /* NULL: the end */
	bool closes;        /* behind it */
	bool deaf;          /* before it has read anything */
	bool resets;
};

struct world {
	uv_loop_t loop;
	struct http_client *client;
	struct http_url url;
	int fd;
	pthread_t thread;
	const struct turn *turns;
	int connections;
	char asked[8][4096];
	int n_asked;
	/* outcomes */
	int n_done, rc[8], status[8];
	bool sent[8], cut[8];
	int gone_out; /* as the client said while it was at it */
	char body[8][64], why[8][200];
	bool closed;
};

/* A request with its body; false: the connection is over. */
static bool read_request(struct world *w, int fd)
{
	char *text = w->asked[w->n_asked & 7];
	size_t n = 0;

	memset(text, 0, sizeof(w->asked[0]));
	for (;;) {
		ssize_t got = recv(fd, text + n, sizeof(w->asked[0]) - 1 - n, 0);
		if (got <= 0)
			return false;
		n += (size_t)got;
		char *end = strstr(text, "\r\n\r\n"), *size = strstr(text, "Content-Length: ");
		if (end && n >= (size_t)(end + 4 - text) + (size_t)(size ? atoi(size + 16) : 0))
			break;
	}
	w->n_asked++;
	return true;
}

static void *serve(void *data)
{
	struct world *w = data;
	const struct turn *t = w->turns;

	while (t->answer) {
		int fd = accept(w->fd, NULL, NULL);
		bool open = fd >= 0;
		if (fd < 0)
			break;
		w->connections++;
		while (open && t->answer && (t->deaf || read_request(w, fd))) {
			send(fd, t->answer, strlen(t->answer), MSG_NOSIGNAL);
			open = !t->closes && !t->deaf;
			if (t->resets)
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
					   sizeof(struct linger));
			t++;
		}
		if (!t->answer && open) { /* until the client goes */
			char waste[4096];
			while (recv(fd, waste, sizeof(waste), 0) > 0)
				;
		}
		close(fd);
	}
	return NULL;
}

static void start(struct world *w, const struct turn *turns, const struct http_client_conf *conf)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	char text[64];

	memset(w, 0, sizeof(*w));
	w->turns = turns;
	w->fd = socket(AF_INET, SOCK_STREAM, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check_int(bind(w->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	check_int(listen(w->fd, 5), 0);
	getsockname(w->fd, (struct sockaddr *)&at, &n);
	snprintf(text, sizeof(text), "http://127.0.0.1:%d/there?x=1", ntohs(at.sin_port));
	check_int(http_url_read(&w->url, text, NULL), 0);
	pthread_create(&w->thread, NULL, serve, w);
	uv_loop_init(&w->loop);
	w->client = http_client_new(&w->loop, conf);
}

static void on_closed(void *data)
{
	((struct world *)data)->closed = true;
}

static void end(struct world *w)
{
	http_client_close(w->client, on_closed, w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	check_true(w->closed);
	shutdown(w->fd, SHUT_RDWR);
	pthread_join(w->thread, NULL);
	close(w->fd);
	check_int(uv_loop_close(&w->loop), 0);
}

static void on_sent(void *data)
{
	((struct world *)data)->gone_out++;
}

static void on_done(void *data, const struct http_outcome *o)
{
	struct world *w = data;
	int i = w->n_done++ & 7;

	w->rc[i] = o->rc;
	w->sent[i] = o->sent;
	snprintf(w->why[i], sizeof(w->why[i]), "%s", o->why);
	check_int(o->response != NULL, o->rc == 0);
	if (!o->response)
		return;
	w->status[i] = o->response->status;
	w->cut[i] = o->response->cut;
	snprintf(w->body[i], sizeof(w->body[i]), "%.*s", (int)o->response->size,
		 (const char *)o->response->body);
}

static struct http_exchange *ask(struct world *w, const char *body, uint64_t timeout)
{
	struct http_ask a = { .method = body ? "POST" : "GET",
			      .url = &w->url,
			      .type = body ? "text/plain" : NULL,
			      .body = body,
			      .size = body ? strlen(body) : 0,
			      .keep = 60,
			      .timeout = timeout,
			      .sent = on_sent,
			      .done = on_done,
			      .data = w };

	return http_client_ask(w->client, &a);
}

static void wait_for(struct world *w, int n)
{
	for (int i = 0; w->n_done < n && i < 10000; i++) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		usleep(500);
	}
	check_int(w->n_done, n);
}

static void ask_and_wait(struct world *w, const char *body)
{
	ask(w, body, 5000);
	wait_for(w, w->n_done + 1);
}

static const struct http_client_conf keeps = { .idle = 4, .idle_timeout = 10000 };

/* ---- what goes well ------------------------------------------------------------------- */

Test(http_client, sends_what_it_is_given_and_keeps_the_connection)
{
	static const struct turn turns[] = { { .answer = HELLO },
					     { .answer = OK "Content-Length: 0\r\n\r\n" },
					     { .answer = HELLO },
					     { 0 } };
	struct world w;

	start(&w, turns, &keeps);
	ask_and_wait(&w, "body");
	check_int(w.status[0], 200);
	check_str(w.body[0], "hello");
	char want[600];
	snprintf(want, sizeof(want),
		 "POST /there?x=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: troupe/" TROUPE_VERSION
		 "\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody",
		 w.url.host);
	check_str(w.asked[0], want);
	ask_and_wait(&w, "");
	cr_expect(strstr(w.asked[1], "Content-Length: 0\r\n") != NULL);
	ask_and_wait(&w, NULL);
	cr_expect(strstr(w.asked[2], "GET /there") == w.asked[2]);
	cr_expect(strstr(w.asked[2], "Content-") == NULL);
	check_int(w.connections, 1);
	end(&w);
}

Test(http_client, keeps_no_connection_when_it_may_not)
{
	static const struct turn turns[] = {
		{ .answer = HELLO }, { .answer = HELLO, .closes = true }, { .answer = HELLO }, { 0 }
	};
	struct world w;

	start(&w, turns, &(struct http_client_conf){ .idle = 0 });
	ask_and_wait(&w, NULL);
	ask_and_wait(&w, NULL);
	ask_and_wait(&w, NULL);
	cr_expect(strstr(w.asked[0], "\r\nConnection: close\r\n") != NULL);
	check_int(w.connections, 3);
	end(&w);
}

Test(http_client, closes_what_was_idle_too_long)
{
	static const struct turn turns[] = { { .answer = HELLO }, { .answer = HELLO }, { 0 } };
	struct world w;

	start(&w, turns, &(struct http_client_conf){ .idle = 4, .idle_timeout = 30 });
	ask_and_wait(&w, NULL);
	for (int i = 0; i < 100; i++) {
		uv_run(&w.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	ask_and_wait(&w, NULL);
	check_int(w.connections, 2);
	end(&w);
}

Test(http_client, replaces_a_connection_that_was_closed_while_it_was_idle)
{
	static const struct turn turns[] = { { .answer = HELLO, .closes = true },
					     { .answer = HELLO, .closes = true },
					     { .answer = HELLO },
					     { 0 } };
	struct world w;

	start(&w, turns, &keeps);
	for (int i = 0; i < 3; i++) { /* its end is not seen before the next request goes out */
		ask_and_wait(&w, "x");
		check_int(w.rc[i], 0);
		usleep(20000);
	}
	check_int(w.connections, 3);
	check_int(w.gone_out >= 3, true);
	end(&w);
}

Test(http_client, asks_many_at_once)
{
	static const struct turn turns[] = { { .answer = HELLO, .closes = true },
					     { .answer = HELLO, .closes = true },
					     { .answer = HELLO, .closes = true },
					     { 0 } };
	struct world w;

	start(&w, turns, &keeps);
	for (int i = 0; i < 3; i++)
		ask(&w, "x", 5000);
	wait_for(&w, 3);
	for (int i = 0; i < 3; i++)
		check_str(w.body[i], "hello");
	end(&w);
}

static void on_done_ask_again(void *data, const struct http_outcome *o)
{
	struct world *w = data;

	on_done(data, o);
	ask(w, NULL, 5000);
	check_true(memcmp(o->response->body, "hello", 5) == 0); /* is not lost by that */
}

static void on_done_close(void *data, const struct http_outcome *o)
{
	struct world *w = data;

	on_done(data, o);
	http_client_close(w->client, on_closed, w);
}

Test(http_client, may_be_asked_and_closed_by_who_is_told)
{
	static const struct turn turns[] = { { .answer = HELLO, .closes = true },
					     { .answer = HELLO, .closes = true },
					     { .answer = HELLO, .closes = true },
					     { 0 } };
	struct world w;
	struct http_ask a = { .method = "GET", .keep = 50, .timeout = 5000, .data = &w };

	start(&w, turns, &keeps);
	a.url = &w.url;
	a.done = on_done_ask_again;
	http_client_ask(w.client, &a);
	wait_for(&w, 2);
	a.done = on_done_close;
	http_client_ask(w.client, &a);
	wait_for(&w, 3);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	check_true(w.closed);
	check_int(uv_loop_close(&w.loop), 0);
	pthread_join(w.thread, NULL);
	close(w.fd);
}

/* ---- who misbehaves ----------------------------------------------------------------------- */

static const struct {
	struct turn turn;
	int rc;
	const char *why;
} hostile[] = {
	{ { .answer = "", .closes = true },
	  UV_ECONNRESET,
	  "the connection was closed without an answer" },
	{ { .answer = OK "Content-Length: 9\r\n\r\nabc", .closes = true },
	  UV_ECONNRESET,
	  "the connection was closed in the middle of an answer" },
	{ { .answer = "220 smtp ready\r\n" }, ERR_PROTO, "" },
	{ { .answer = OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
	  ERR_PROTO,
	  "" },
	{ { .answer = "" }, UV_ETIMEDOUT, "no answer in time" },
	{ { .answer = OK "Content-Length: 9\r\n\r\nabc" }, UV_ETIMEDOUT, "no answer in time" },
	{ { .answer = OK, .closes = true, .resets = true }, UV_ECONNRESET, "" },
};

Test(http_client, says_what_a_bad_server_did)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct turn turns[] = { hostile[i].turn, { .answer = HELLO }, { 0 } };
		struct world w;
		start(&w, turns, &keeps);
		ask(&w, "x", hostile[i].rc == UV_ETIMEDOUT ? 100 : 5000);
		wait_for(&w, 1);
		check_int(w.rc[0], hostile[i].rc);
		check_true(w.sent[0]);
		cr_expect(strlen(w.why[0]) > 3);
		if (*hostile[i].why)
			check_str(w.why[0], hostile[i].why);
		ask_and_wait(&w, "x"); /* over another connection */
		check_str(w.body[1], "hello");
		check_int(w.connections, 2);
		end(&w);
	}
}

Test(http_client, cuts_what_is_longer_than_asked_for)
{
	static const struct turn turns[] = {
		{ .answer = OK
		  "\r\n"
		  "0123456789012345678901234567890123456789012345678901234567890123456789" },
		{ .answer = HELLO },
		{ 0 }
	};
	struct world w;

	start(&w, turns, &keeps);
	ask_and_wait(&w, NULL); /* which has no end yet */
	check_true(w.cut[0]);
	check_int(strlen(w.body[0]), 60);
	ask_and_wait(&w, NULL);
	check_int(w.connections, 2);
	end(&w);
}

Test(http_client, hears_who_answers_before_he_has_read_all)
{
	static const struct turn turns[] = {
		{ .answer = "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", .deaf = true }, { 0 }
	};
	size_t size = 8 << 20;
	char *large = malloc(size + 1);
	struct world w;

	memset(large, 'x', size);
	large[size] = '\0';
	start(&w, turns, &keeps);
	ask_and_wait(&w, large);
	/* a reset may overtake the answer, as RFC 9112 9.6 says; the client has not lost it */
	check_true(w.status[0] == 413 || w.rc[0] == UV_ECONNRESET || w.rc[0] == UV_EPIPE);
	free(large);
	end(&w);
}

Test(http_client, says_that_nobody_is_there)
{
	static const struct turn turns[] = { { 0 } };
	struct world w;

	start(&w, turns, &keeps);
	pthread_join(w.thread, NULL);
	close(w.fd);
	ask_and_wait(&w, "x");
	check_int(w.rc[0], UV_ECONNREFUSED);
	check_str(w.why[0], "connection refused");
	check_int(w.sent[0], false);
	check_int(http_url_read(&w.url, "http://no-such-host.invalid/", NULL), 0);
	ask_and_wait(&w, "x");
	check_true(w.rc[1] == UV_EAI_NONAME || w.rc[1] == UV_EAI_AGAIN || w.rc[1] == UV_EAI_FAIL);
	check_int(w.sent[1], false);
	http_client_close(w.client, on_closed, &w);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	check_int(uv_loop_close(&w.loop), 0);
}

Test(http_client, cancels_at_every_stage)
{
	static const struct turn turns[] = { { .answer = OK "Content-Length: 9\r\n\r\nabc" },
					     { 0 } };

	for (int rounds = 0; rounds < 40; rounds++) {
		struct world w;
		start(&w, turns, &keeps);
		struct http_exchange *x = ask(&w, "x", 5000);
		for (int i = 0; i < rounds; i++)
			uv_run(&w.loop, UV_RUN_NOWAIT);
		http_exchange_cancel(x);
		check_int(w.n_done, 0);
		http_exchange_cancel(x);
		if (rounds & 1) {
			wait_for(&w, 1);
			check_int(w.rc[0], UV_ECANCELED);
		}
		end(&w);
		check_int(w.n_done, 1);
	}
}

Test(http_client, tells_all_when_it_is_closed)
{
	static const struct turn turns[] = { { .answer = "" }, { 0 } };
	struct world w;

	start(&w, turns, &keeps);
	for (int i = 0; i < 3; i++)
		ask(&w, "x", 5000);
	usleep(10000);
	for (int i = 0; i < 20; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	end(&w);
	check_int(w.n_done, 3);
	for (int i = 0; i < 3; i++)
		check_int(w.rc[i], UV_ECANCELED);
}

/* A server that is no TLS server: nothing was sent that it could act upon. */
Test(http_client, has_not_sent_what_tls_did_not_let_through)
{
	static const struct turn turns[] = { { .answer = "HTTP/1.1 400 Bad\r\n\r\n", .deaf = true },
					     { 0 } };
	struct world w;

	start(&w, turns, &keeps);
	w.url.tls = true;
	ask_and_wait(&w, "x");
	check_true(w.rc[0] == ERR_PROTO || w.rc[0] == UV_ECONNRESET);
	check_int(w.sent[0], false);
	check_int(w.gone_out, 0);
	cr_expect(strlen(w.why[0]) > 3);
	end(&w);
}

/* ---- addresses ------------------------------------------------------------------------------ */

Test(http_url, is_taken_apart)
{
	static const struct {
		const char *text;
		bool tls;
		const char *host, *name, *target;
		int port;
	} cases[] = {
		{ "http://a", false, "a", "a", "/", 80 },
		{ "HTTPS://a.b/c?d=e#f", true, "a.b", "a.b", "/c?d=e", 443 },
		{ "http://a:81?x", false, "a:81", "a", "/?x", 81 },
		{ "https://[::1]:8443/", true, "[::1]:8443", "::1", "/", 8443 },
		{ "http://10.0.0.1/%20//x#", false, "10.0.0.1", "10.0.0.1", "/%20//x", 80 },
	};
	static const char *const bad[] = { "",
					   "ftp://a/",
					   "a:80",
					   "http://",
					   "http:///x",
					   "http://:80/",
					   "http://u@a/",
					   "http://a b/",
					   "http://a/\n",
					   "http://a:x/",
					   "http://a:99999/",
					   "http://[::1/",
					   "http://a/\xc3\xa9" };
	struct http_url u;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_int(http_url_read(&u, cases[i].text, NULL), 0);
		check_int(u.tls, cases[i].tls);
		check_str(u.host, cases[i].host);
		check_str(u.addr.host, cases[i].name);
		check_str(u.target, cases[i].target);
		check_int(u.addr.port, cases[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		cr_expect(http_url_read(&u, bad[i], &err) == ERR_CONF, "%s", bad[i]);
		check_true(err.text[0]);
	}
	char *lengthy = malloc(5000);
	memset(lengthy, 'a', 5000);
	memcpy(lengthy, "http://a/", 9);
	lengthy[4999] = '\0';
	check_int(http_url_read(&u, lengthy, NULL), ERR_CONF);
	free(lengthy);
}
