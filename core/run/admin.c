#include "core/run/admin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/addr.h"
#include "core/net/http_server.h"
#include "core/net/listen.h"
#include "core/run/life.h"
#include "core/run/settings.h"
#include "core/stat/stat.h"

enum { CONNECTIONS = 64, BODY_MAX = 4096, BACKLOG = 64 };

struct admin {
	struct run *run;
	struct http_server *server;
};

/* ---- pages -------------------------------------------------------------------- */

typedef void (*show)(const struct stat_out *stat, FILE *out);

static void show_page(const struct stat_out *stat, FILE *out)
{
	fputs("<!doctype html><html lang=en><meta charset=utf-8><title>troupe</title>\n"
	      "<meta name=viewport content='width=device-width'><meta http-equiv=refresh "
	      "content=5>\n"
	      "<style>body{font:14px/1.5 "
	      "system-ui,sans-serif;margin:2em;color:#223;background:#fff}\n"
	      "h2{margin:1.2em 0 0;font-size:1.1em}p{margin:0;color:#667}\n"
	      "table{border-collapse:collapse;margin:.4em 0}th,td{padding:.2em "
	      ".8em;text-align:left;"
	      "border-bottom:1px solid #dde}\n"
	      "td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
	      "@media(prefers-color-scheme:dark){body{background:#181a20;color:#dde}}</style>\n"
	      "<p><a href=metrics>metrics</a> <a href=status.json>status.json</a></p>\n",
	      out);
	stat_as_html(stat, out);
}

static void answer(struct admin *a, struct http_call *call, const char *type, show as)
{
	static const char headers[] =
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n";

	struct stat_out *stat = run_status(a->run);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	as(stat, out);
	fclose(out);
	stat_free(stat);
	http_reply(call, &(struct http_answer){ 200, type, headers, text, size });
	free(text);
}

/* ---- who may see it --------------------------------------------------------------- */

static void base64(const char *in, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(in);

	for (size_t i = 0; i < n; i += 3, out += 4) {
		unsigned a = (unsigned char)in[i], b = i + 1 < n ? (unsigned char)in[i + 1] : 0,
			 c = i + 2 < n ? (unsigned char)in[i + 2] : 0;

		out[0] = digits[a >> 2];
		out[1] = digits[(a << 4 | b >> 4) & 63];
		out[2] = i + 1 < n ? digits[(b << 2 | c >> 6) & 63] : '=';
		out[3] = i + 2 < n ? digits[c & 63] : '=';
	}
	*out = '\0';
}

/* Takes as long for a wrong first letter as for a wrong last one. */
static bool same(const char *a, const char *b)
{
	size_t n = strlen(a);
	bool long_enough = strlen(b) == n;
	int wrong = !long_enough;

	for (size_t i = 0; i < n; i++)
		wrong |= a[i] ^ b[long_enough ? i : 0];
	return wrong == 0;
}

static bool is_allowed(const struct http_message *m, const char *password)
{
	const char *given = http_field(m, "authorization");
	char plain[512], basic[700], wanted[720];

	if (!password || !*password)
		return true;
	if (!given || strlen(password) > 400)
		return false;
	snprintf(wanted, sizeof(wanted), "Bearer %s", password);
	if (same(given, wanted))
		return true;
	snprintf(plain, sizeof(plain), "admin:%s", password);
	base64(plain, basic);
	snprintf(wanted, sizeof(wanted), "Basic %s", basic);
	return same(given, wanted);
}

static bool is_page(const char *target, const char *page)
{
	size_t n = strlen(page);

	return strncmp(target, page, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

static void refuse(struct http_call *call, int status, const char *field)
{
	http_reply(call, &(struct http_answer){ status, NULL, field, NULL, 0 });
}

static void on_call(struct http_call *call, void *data)
{
	struct admin *a = data;
	const struct http_message *m = http_call_message(call);

	if (strcmp(m->method, "GET") != 0 && strcmp(m->method, "HEAD") != 0)
		refuse(call, 405, "Allow: GET, HEAD\r\n");
	else if (is_page(m->target, "/healthz"))
		http_reply_status(call, 200);
	else if (is_page(m->target, "/readyz"))
		http_reply_status(call, a->run->draining ? 503 : 200);
	else if (!is_allowed(m, settings_of(run_conf(a->run))->admin_password))
		refuse(call, 401, "WWW-Authenticate: Basic realm=\"troupe\"\r\n");
	else if (is_page(m->target, "/"))
		answer(a, call, "text/html; charset=utf-8", show_page);
	else if (is_page(m->target, "/metrics"))
		answer(a, call, "text/plain; version=0.0.4; charset=utf-8", stat_as_prometheus);
	else if (is_page(m->target, "/status.json"))
		answer(a, call, "application/json", stat_as_json);
	else
		http_reply_status(call, 404);
}

/* ---- socket --------------------------------------------------------------------- */

static int open_socket(const char *at, struct err *err)
{
	struct addr addr = { 0 };
	int rc = addr_parse(&addr, at, -1, err);

	if (rc)
		return rc;
	if (addr.socket.ss_family == 0)
		return err_set(err, ERR_CONF, "an address is needed, not a name");
	return listen_open(&addr, BACKLOG, false, err);
}

static void tell_address(int fd)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t n = sizeof(bound);
	char name[ADDR_TEXT];

	getsockname(fd, (struct sockaddr *)&bound, &n);
	log_info("admin page at %s", addr_text((const struct sockaddr *)&bound, name));
}

int admin_open(struct admin **out, struct run *run, const char *at, struct err *err)
{
	struct http_server_conf conf = http_server_defaults;
	int fd = open_socket(at, err);

	if (fd < 0)
		return err_wrap(err, fd, "admin %s", at);
	conf.connections = CONNECTIONS;
	conf.limits.body = BODY_MAX;

	struct admin *a = mem_new(sizeof(*a));
	a->run = run;
	a->server = http_server_new(run_loop(run), &conf, on_call, a);
	http_server_unref(a->server);
	http_server_listen(a->server, fd);
	tell_address(fd);
	*out = a;
	return 0;
}

void admin_close(struct admin *a)
{
	if (!a)
		return;
	http_server_close(a->server);
	free(a);
}
