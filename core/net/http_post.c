#include "core/net/http_post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/addr.h"
#include "core/net/dial.h"
#include "core/net/stream.h"
#include "core/net/tls.h"

enum { STATUS_LINE = 12 }; /* "HTTP/1.1 202" */

struct http_post {
	uv_loop_t *loop;
	struct addr addr;
	struct dial dial;
	struct stream stream;
	uv_timer_t deadline;
	struct tls_ctx *tls; /* NULL: plain */
	char *request;
	size_t size;
	char name[256]; /* the host's, for its certificate */
	char answer[STATUS_LINE + 1];
	size_t got;
	int status, open;
	bool dialing, streaming, over;
	void (*done)(void *data, int status);
	void *data;
};

/* ---- the end -------------------------------------------------------------------------- */

static void release(struct http_post *p)
{
	if (--p->open)
		return;
	p->done(p->data, p->status);
	tls_ctx_drop(p->tls);
	free(p->request);
	free(p);
}

static void on_deadline_closed(uv_handle_t *h)
{
	release(h->data);
}

static void on_stream_closed(struct stream *s)
{
	release(s->owner);
}

static void finish(struct http_post *p, int status)
{
	if (p->over)
		return;
	p->over = true;
	p->status = status;
	if (p->dialing)
		dial_cancel(&p->dial);
	if (p->streaming)
		stream_close(&p->stream, on_stream_closed);
	uv_close((uv_handle_t *)&p->deadline, on_deadline_closed);
}

static void on_deadline(uv_timer_t *t)
{
	finish(t->data, UV_ETIMEDOUT);
}

void http_post_cancel(struct http_post *p)
{
	finish(p, UV_ECANCELED);
}

/* ---- the way -------------------------------------------------------------------------- */

static void send_request(struct http_post *p)
{
	int rc = stream_put(&p->stream, p->request, p->size);

	if (rc != 0)
		finish(p, rc);
}

static void read_answer(struct http_post *p)
{
	while (!p->over && p->got < STATUS_LINE) {
		ssize_t n = stream_read(&p->stream, p->answer + p->got, STATUS_LINE - p->got);
		if (n < 0)
			finish(p, n == UV_EOF ? UV_ECONNRESET : (int)n);
		if (n <= 0)
			return;
		p->got += (size_t)n;
	}
	if (p->over)
		return;
	int status = atoi(p->answer + 9);
	bool http = strncmp(p->answer, "HTTP/1.", 7) == 0 && p->answer[8] == ' ';
	finish(p, http && status >= 100 ? status : ERR_PROTO);
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct http_post *p = s->owner;

	if (s->error)
		finish(p, s->error);
	else if (event == STREAM_SECURE)
		send_request(p);
	else
		read_answer(p);
}

static void on_dialed(struct dial *d, int status, int fd)
{
	struct http_post *p = d->data;

	p->dialing = false;
	if (status == 0 && !p->over)
		status = stream_open(&p->stream, p->loop, fd, on_event, p);
	if (status != 0 || p->over) {
		finish(p, status);
		release(p);
		return;
	}
	p->streaming = true; /* its end is the release that was the dial's */
	if (p->tls)
		status = stream_secure(&p->stream, p->tls, p->name);
	else
		send_request(p);
	if (status != 0)
		finish(p, status);
}

/* ---- start ------------------------------------------------------------------------------ */

/* "https://host:port/path?x" in its parts; target: from the slash on. */
static int read_url(struct http_post *p, const char *url, const char **target, struct err *err)
{
	bool secure = strncasecmp(url, "https://", 8) == 0;
	char text[512];

	if (!secure && strncasecmp(url, "http://", 7) != 0)
		return err_set(err, UV_EINVAL, "%.200s: neither http nor https", url);
	const char *host = url + (secure ? 8 : 7);
	size_t n = strcspn(host, "/?#");
	if (n == 0 || n >= sizeof(text) || memchr(host, '@', n))
		return err_set(err, UV_EINVAL, "%.200s: no host", url);
	memcpy(text, host, n);
	text[n] = '\0';
	*target = host + n;
	int rc = addr_parse(&p->addr, text, secure ? 443 : 80, err);
	if (rc != 0)
		return rc;
	snprintf(p->name, sizeof(p->name), "%s", p->addr.host);
	if (!secure)
		return 0;
	p->tls = tls_ctx_new(&(struct tls_conf){ .verify = true }, false, err);
	return p->tls ? 0 : err->code;
}

static void write_request(struct http_post *p, const struct http_post_conf *c, const char *target)
{
	const char *host = strstr(c->url, "://") + 3;
	FILE *out = open_memstream(&p->request, &p->size);

	fprintf(out, "POST %s%.*s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n",
		*target == '/' ? "" : "/", (int)strcspn(target, "#"), target,
		(int)strcspn(host, "/?#"), host);
	fprintf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", c->type, c->size,
		c->fields ? c->fields : "");
	fwrite(c->body, 1, c->size, out);
	fclose(out);
}

int http_post_start(struct http_post **out, uv_loop_t *loop, const struct http_post_conf *conf,
		    struct err *err)
{
	struct http_post *p = mem_new(sizeof(*p));
	const char *target = "";
	int rc = strpbrk(conf->url, " \r\n\t") ? err_set(err, UV_EINVAL, "a space in an address")
					       : read_url(p, conf->url, &target, err);

	p->loop = loop;
	p->done = conf->done;
	p->data = conf->data;
	p->dial.data = p;
	if (rc == 0)
		rc = dial_start(&p->dial, loop, &p->addr, conf->timeout, on_dialed);
	if (rc != 0) {
		tls_ctx_drop(p->tls);
		free(p);
		return rc;
	}
	write_request(p, conf, target);
	p->dialing = true;
	p->open = 2;
	uv_timer_init(loop, &p->deadline);
	p->deadline.data = p;
	uv_timer_start(&p->deadline, on_deadline, conf->timeout, 0);
	if (out)
		*out = p;
	return 0;
}
