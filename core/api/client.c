#include "core/api/client.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool api_client_at(struct api_client *c, const char *text)
{
	if (strncmp(text, "unix:", 5) == 0) {
		snprintf(c->host, sizeof(c->host), "%s", text + 5);
		c->port[0] = '\0';
		return c->host[0] != '\0';
	}
	if (strncasecmp(text, "http://", 7) == 0)
		text += 7;
	size_t n = strcspn(text, "/");
	const char *colon = memrchr(text, ':', n);
	if (!colon || colon == text || n - (size_t)(colon - text) > 6)
		return false;
	const char *from = *text == '[' ? text + 1 : text;
	size_t len = (size_t)(colon - from) - (*text == '[');
	if (len >= sizeof(c->host))
		return false;
	memcpy(c->host, from, len);
	c->host[len] = '\0';
	if (strcmp(c->host, "*") == 0 || strcmp(c->host, "0.0.0.0") == 0)
		strcpy(c->host, "127.0.0.1");
	snprintf(c->port, sizeof(c->port), "%.*s", (int)(text + n - colon - 1), colon + 1);
	return true;
}

void api_client_escape(struct json_out *o, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~:";

	for (; *text; text++)
		if (strchr(plain, *text))
			json_put(o, text, 1);
		else
			json_printf(o, "%%%02X", (unsigned char)*text);
}

/* ---- the connection ---------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	strcpy(sa.sun_path, path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_tcp(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found, *at;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -1;
	for (at = found; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

static int connect_it(const struct api_client *c)
{
	return *c->port ? connect_tcp(c->host, c->port) : connect_unix(c->host);
}

bool api_client_is_there(const struct api_client *c)
{
	int fd = connect_it(c);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0 && errno != EINTR)
			return false;
		p += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
	}
	return true;
}

static int open_and_ask(const struct api_client *c, const char *method, const char *target,
			const struct json_out *body)
{
	int fd = connect_it(c);
	struct json_out head = { .p = NULL };

	if (fd < 0)
		return -1;
	json_printf(&head, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method,
		    target);
	if (*c->token)
		json_printf(&head, "Authorization: Bearer %s\r\n", c->token);
	if (body)
		json_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			    body->n);
	json_puts(&head, "\r\n");
	if (body)
		json_put(&head, body->p, body->n);
	bool sent = send_all(fd, head.p, head.n);
	json_out_fini(&head);
	if (sent)
		return fd;
	close(fd);
	return -1;
}

/* ---- the answer ----------------------------------------------------------------------------- */

struct answer {
	struct json_out in;
	size_t body; /* where it begins; 0: the head is not whole */
	bool chunked;
	int status;
};

static void look_at_head(struct answer *a)
{
	char *end = a->in.p ? strstr(a->in.p, "\r\n\r\n") : NULL;

	if (a->body || !end)
		return;
	a->body = (size_t)(end + 4 - a->in.p);
	a->status = a->in.n > 12 ? atoi(a->in.p + 9) : -1;
	*end = '\0';
	a->chunked = strcasestr(a->in.p, "\r\nTransfer-Encoding: chunked") != NULL;
}

/* Takes whole chunks off; the rest stays. */
static void take_chunks(struct answer *a, void (*piece)(void *data, const char *bytes, size_t n),
			void *data)
{
	size_t at = a->body;

	while (at < a->in.n) {
		char *line = strstr(a->in.p + at, "\r\n");
		size_t size = line ? strtoul(a->in.p + at, NULL, 16) : 0;
		size_t from = line ? (size_t)(line + 2 - a->in.p) : 0;
		if (!line || !size || a->in.n - from < size + 2)
			break;
		piece(data, a->in.p + from, size);
		at = from + size + 2;
	}
	memmove(a->in.p + a->body, a->in.p + at, a->in.n - at + 1);
	a->in.n -= at - a->body;
}

static int read_answer(int fd, void (*piece)(void *data, const char *bytes, size_t n), void *data)
{
	struct answer a = { .status = -1 };
	char bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0 || (n < 0 && errno == EINTR)) {
		json_put(&a.in, bytes, n > 0 ? (size_t)n : 0);
		look_at_head(&a);
		if (a.body && a.chunked)
			take_chunks(&a, piece, data);
	}
	if (a.body && !a.chunked)
		piece(data, a.in.p + a.body, a.in.n - a.body);
	json_out_fini(&a.in);
	close(fd);
	return a.status;
}

static void keep(void *data, const char *bytes, size_t n)
{
	json_put(data, bytes, n);
}

void api_client_ask(const struct api_client *c, const char *method, const char *target,
		    const struct json_out *body, struct api_got *got)
{
	int fd = open_and_ask(c, method, target, body);

	got->from = c;
	got->body = (struct json_out){ .p = NULL };
	got->status = fd < 0 ? 0 : read_answer(fd, keep, &got->body);
}

int api_client_follow(const struct api_client *c, const char *target,
		      void (*piece)(void *data, const char *bytes, size_t n), void *data)
{
	int fd = open_and_ask(c, "GET", target, NULL);

	return fd < 0 ? 0 : read_answer(fd, piece, data);
}
