#include "core/run/admin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/addr.h"
#include "core/net/http_auth.h"
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

static bool is_allowed(const struct http_message *m, const char *password)
{
	const char *token = http_auth_bearer(m);
	char user[HTTP_AUTH_MOST], *given;

	if (!password || !*password)
		return true;
	if (token)
		return http_auth_same(password, token);
	return http_auth_basic(m, user, &given) && http_auth_same("admin", user) &&
	       http_auth_same(password, given);
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
