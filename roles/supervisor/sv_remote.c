#include "roles/supervisor/sv_remote.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/control.h"
#include "roles/supervisor/sv_xml.h"

enum { ANSWER_MOST = 256 * 1024 * 1024, HEAD_MOST = 16 * 1024, CALL_MOST = 16 * 1024 * 1024 };

static int refuse(struct sv_refusal *why, int code, const char *what)
{
	*why = (struct sv_refusal){ .code = code };
	snprintf(why->text, sizeof(why->text), "%s%s%s", what, *what ? ": " : "",
		 code == ERR_PROTO ? "not understood" : uv_strerror(code));
	return code;
}

/* ---- connections ---------------------------------------------------------------------- */

static int reach_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path))
		return UV_ENAMETOOLONG;
	strcpy(to.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	int code = -errno;
	if (fd >= 0)
		close(fd);
	return code;
}

static int reach_one(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	int code = -errno;
	if (fd >= 0)
		close(fd);
	return code;
}

/* "host:port", "[::1]:port", "host" */
static bool split_host(const char *text, char host[256], char port[16])
{
	const char *end = text + strcspn(text, "/"), *from = text, *colon;
	bool bracket = *text == '[';

	colon = bracket ? memchr(text, ']', (size_t)(end - text))
			: memchr(text, ':', (size_t)(end - text));
	const char *stop = colon ? colon : end;
	if (bracket) {
		if (!colon)
			return false;
		from++;
		colon = colon + 1 < end && colon[1] == ':' ? colon + 1 : NULL;
	}
	if (stop == from || stop - from > 255 || (colon && end - colon > 15))
		return false;
	snprintf(host, 256, "%.*s", (int)(stop - from), from);
	snprintf(port, 16, "%.*s", colon ? (int)(end - colon - 1) : 2, colon ? colon + 1 : "80");
	return true;
}

static int reach_inet(const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	char host[256], port[16];
	int fd = UV_EINVAL;

	if (!split_host(text, host, port) || getaddrinfo(host, port, &hints, &all) != 0)
		return UV_EAI_NONAME;
	for (const struct addrinfo *to = all; to && fd < 0; to = to->ai_next)
		fd = reach_one(to);
	freeaddrinfo(all);
	return fd;
}

static int reach(const struct sv_remote *r)
{
	if (strncmp(r->url, "unix://", 7) == 0)
		return reach_unix(r->url + 7);
	return reach_inet(r->url + 7);
}

int sv_remote_check(const char *url, struct err *err)
{
	char host[256], port[16];

	if (strncmp(url, "unix://", 7) == 0 && url[7])
		return 0;
	if (strncmp(url, "http://", 7) == 0 && split_host(url + 7, host, port))
		return 0;
	return err_set(err, ERR_CONF, "url must be http:// or unix://");
}

/* ---- HTTP ------------------------------------------------------------------------------ */

static void put_basic(FILE *out, const char *user, const char *pass)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text;
	int n = asprintf(&text, "%s:%s", user, pass ? pass : "");

	if (n < 0)
		abort();
	fputs("Authorization: Basic ", out);
	for (int i = 0; i < n; i += 3) {
		unsigned a = (unsigned char)text[i], b = i + 1 < n ? (unsigned char)text[i + 1] : 0;
		unsigned c = i + 2 < n ? (unsigned char)text[i + 2] : 0;
		unsigned bits = a << 16 | b << 8 | c;

		fputc(digits[bits >> 18], out);
		fputc(digits[bits >> 12 & 63], out);
		fputc(i + 1 < n ? digits[bits >> 6 & 63] : '=', out);
		fputc(i + 2 < n ? digits[bits & 63] : '=', out);
	}
	fputs("\r\n", out);
	free(text);
}

static void put_target(FILE *out, const char *target)
{
	for (; *target; target++) {
		unsigned char c = (unsigned char)*target;

		if (c > 0x20 && c < 0x7f && c != '%' && c != '"')
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

static bool send_all(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool send_request(const struct sv_remote *r, int fd, const char *target,
			 const struct buf *body)
{
	char *head;
	size_t n;
	FILE *out = open_memstream(&head, &n);

	fputs(body ? "POST " : "GET ", out);
	put_target(out, target);
	fputs(" HTTP/1.0\r\nHost: localhost\r\nUser-Agent: troupe\r\n", out);
	if (r->user)
		put_basic(out, r->user, r->pass);
	if (body)
		fprintf(out, "Content-Type: text/xml\r\nContent-Length: %zu\r\n", buf_len(body));
	fputs("\r\n", out);
	fclose(out);
	bool sent = send_all(fd, head, n) && (!body || send_all(fd, buf_data(body), buf_len(body)));
	free(head);
	return sent;
}

/* The status. A byte at a time, since what follows is another's to read. */
static int read_head(int fd)
{
	char head[HEAD_MOST];
	size_t n = 0;
	int status = 0;

	while (n < sizeof(head) - 1 && read(fd, head + n, 1) == 1) {
		n++;
		if (n > 3 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0) {
			head[n] = '\0';
			return sscanf(head, "HTTP/%*d.%*d %d", &status) == 1 ? status : ERR_PROTO;
		}
	}
	return n ? ERR_PROTO : UV_ECONNRESET;
}

/* A descriptor behind the head of a 200; else a code. */
static int ask(const struct sv_remote *r, const char *target, const struct buf *body,
	       struct sv_refusal *why)
{
	int fd = reach(r);

	if (fd < 0)
		return refuse(why, fd, r->url);
	int status = send_request(r, fd, target, body) ? read_head(fd) : UV_EPIPE;
	if (status == 200)
		return fd;
	close(fd);
	if (status < 0)
		return refuse(why, status, r->url);
	*why = (struct sv_refusal){ .status = status, .code = UV_EPROTO };
	snprintf(why->text, sizeof(why->text), "%s: HTTP status %d", r->url, status);
	return UV_EPROTO;
}

static int read_all(int fd, struct buf *b)
{
	size_t room;
	ssize_t n;

	do {
		uint8_t *at = buf_room(b, 64 * 1024, &room);
		if (!at)
			return ERR_LIMIT;
		n = read(fd, at, room);
		if (n > 0)
			buf_commit(b, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* ---- a method, by XML-RPC ---------------------------------------------------------------- */

static json_t *understand(const struct buf *b, struct sv_refusal *why)
{
	struct err err = { 0 };
	json_t *value;
	bool fault;

	if (sv_xml_read_response((const char *)buf_data(b), buf_len(b), &value, &fault, &err)) {
		refuse(why, ERR_PROTO, err.text);
		return NULL;
	}
	if (!fault)
		return value;
	const char *text = json_string_value(json_object_get(value, "faultString"));
	*why = (struct sv_refusal){ .fault = (int)json_integer_value(
					    json_object_get(value, "faultCode")) };
	snprintf(why->text, sizeof(why->text), "%s", text ? text : "");
	json_decref(value);
	return NULL;
}

static json_t *call_http(const struct sv_remote *r, const char *method, const json_t *params,
			 struct sv_refusal *why)
{
	json_t *value = NULL;
	struct buf b;

	buf_init(&b, CALL_MOST);
	int fd = sv_xml_write_call(&b, method, params) ? refuse(why, ERR_LIMIT, method)
						       : ask(r, "/RPC2", &b, why);
	buf_fini(&b);
	if (fd < 0)
		return NULL;
	buf_init(&b, ANSWER_MOST);
	int rc = read_all(fd, &b);
	if (rc)
		refuse(why, rc, r->url);
	else
		value = understand(&b, why);
	buf_fini(&b);
	close(fd);
	return value;
}

/* ---- the control socket -------------------------------------------------------------------- */

/* The first line, as a number. */
static int read_status(int fd)
{
	char line[16];
	size_t n = 0;

	while (n < sizeof(line) - 1 && read(fd, line + n, 1) == 1)
		if (line[n++] == '\n') {
			line[n] = '\0';
			return atoi(line);
		}
	return UV_ECONNRESET;
}

static json_t *fault_of(json_t *answer, struct sv_refusal *why)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	*why = (struct sv_refusal){ .fault = (int)json_integer_value(
					    json_object_get(answer, "fault")) };
	snprintf(why->text, sizeof(why->text), "%s", text ? text : "not understood");
	if (!why->fault)
		why->code = ERR_PROTO;
	json_decref(answer);
	return NULL;
}

static json_t *call_control(const struct sv_remote *r, const char *method, const json_t *params,
			    struct sv_refusal *why)
{
	char *text = json_dumps(params, JSON_COMPACT);
	char *words[] = { (char *)"call", (char *)method, text ? text : (char *)"[]", NULL };
	int fd = control_ask(r->control, 3, words, 0);
	struct buf b;

	free(text);
	if (fd < 0) {
		refuse(why, fd, r->control);
		return NULL;
	}
	buf_init(&b, ANSWER_MOST);
	int status = read_status(fd), rc = read_all(fd, &b);
	json_t *answer = json_loadb((const char *)buf_data(&b), buf_len(&b), JSON_DECODE_ANY, NULL);
	buf_fini(&b);
	close(fd);
	if (status == 0 && rc == 0 && answer)
		return answer;
	if (status == 1 && answer)
		return fault_of(answer, why);
	refuse(why, rc ? rc : status < 0 ? status : ERR_PROTO, r->control);
	json_decref(answer);
	return NULL;
}

static int stream_control(const struct sv_remote *r, const char *target, struct sv_refusal *why)
{
	char *words[] = { (char *)"stream", (char *)target, NULL };
	int fd = control_ask(r->control, 2, words, 0);

	if (fd < 0)
		return refuse(why, fd, r->control);
	int status = read_status(fd);
	if (status == 0)
		return fd;
	close(fd);
	refuse(why, status < 0 ? status : UV_ENOENT, target);
	why->status = status;
	return UV_ENOENT;
}

/* ---- either --------------------------------------------------------------------------------- */

json_t *sv_remote_call(const struct sv_remote *r, const char *method, json_t *params,
		       struct sv_refusal *why)
{
	json_t *value = r->control ? call_control(r, method, params, why)
				   : call_http(r, method, params, why);

	json_decref(params);
	return value;
}

int sv_remote_stream(const struct sv_remote *r, const char *target, struct sv_refusal *why)
{
	return r->control ? stream_control(r, target, why) : ask(r, target, NULL, why);
}
