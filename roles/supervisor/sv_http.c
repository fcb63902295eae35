#include "roles/supervisor/sv_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/http_auth.h"
#include "core/net/http_server.h"
#include "core/net/listen.h"
#include "core/run/run.h"
#include "core/stat/stat.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_api.h"
#include "roles/supervisor/sv_auth.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_page.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_show.h"
#include "roles/supervisor/sv_stream.h"
#include "roles/supervisor/sv_xml.h"

enum { BODY_MOST = 10 * 1024 * 1024, ANSWER_MOST = 64 * 1024 * 1024, CONNECTIONS = 1024 };

struct listener {
	struct list link;
	struct sv *sv;
	struct sv_http *http; /* of `setup` */
	struct sv_setup *setup;
	struct http_server *server;
	bool retired; /* it only answers what was asked before */
};

/* ---- XML-RPC
 * ---------------------------------------------------------------------------------------------- */

/* A call under way; the client may be gone before its answer. */
struct asked {
	struct http_call *call; /* NULL: gone */
};

static void answer_xml(struct http_call *call, const struct buf *b)
{
	http_reply(call, &(struct http_answer){ 200, "text/xml", NULL, buf_data(b), buf_len(b) });
}

static void on_rpc_done(struct sv_call *c, json_t *result, enum sv_fault fault, const char *text)
{
	struct asked *a = c->data;
	struct buf b;

	buf_init(&b, ANSWER_MOST);
	if (a->call && result && sv_xml_write_result(&b, result) == 0)
		answer_xml(a->call, &b);
	else if (a->call && result)
		http_reply_status(a->call, 500);
	else if (a->call && sv_xml_write_fault(&b, (int)fault, text) == 0)
		answer_xml(a->call, &b);
	buf_fini(&b);
	free(a);
}

static void on_gone(void *data)
{
	((struct asked *)data)->call = NULL;
}

static void rpc(struct sv *sv, struct http_call *call)
{
	const struct http_message *m = http_call_message(call);
	struct err err = { 0 };
	json_t *params;
	char *method;

	if (sv_xml_read_call(m->body, m->body_len, &method, &params, &err) != 0) {
		log_warn("XML-RPC from %s refused: %s", http_call_peer(call), err.text);
		http_reply(call, &(struct http_answer){ 400, "text/plain", NULL, err.text,
							strlen(err.text) });
		return;
	}
	struct asked *a = mem_new(sizeof(*a));
	a->call = call;
	http_call_wait(call, a, on_gone);
	sv_call_run(sv, method, params, on_rpc_done, a);
	free(method);
}

/* ---- pages
 * ---------------------------------------------------------------------------------------------------
 */

typedef void (*show)(const struct stat_out *stat, FILE *out);

static void answer_status(struct sv *sv, struct http_call *call, const char *type, show as)
{
	struct stat_out *stat = stat_new("supervisor");
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	sv_show_status(sv, stat);
	as(stat, out);
	fclose(out);
	stat_free(stat);
	http_reply(call,
		   &(struct http_answer){ 200, type, "Cache-Control: no-store\r\n", text, size });
	free(text);
}

static bool is_path(const char *target, const char *path)
{
	size_t n = strlen(path);

	return strncmp(target, path, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

static void show_metrics(struct sv *sv, struct http_call *call)
{
	answer_status(sv, call, "text/plain; version=0.0.4; charset=utf-8", stat_as_prometheus);
}

static void answer_get(struct sv *sv, struct http_call *call, const char *target)
{
	if (is_path(target, "/"))
		sv_page_answer(call);
	else if (strncmp(target, "/logtail/", 9) == 0)
		sv_stream_log(sv, call, target + 9);
	else if (is_path(target, "/mainlogtail"))
		sv_stream_main(sv, call);
	else if (is_path(target, "/events"))
		sv_stream_events(sv, call);
	else if (is_path(target, "/metrics"))
		show_metrics(sv, call);
	else if (is_path(target, "/status.json"))
		answer_status(sv, call, "application/json", stat_as_json);
	else if (strncmp(target, "/v1/", 4) == 0)
		sv_api_get(sv, call, target + 4);
	else
		http_reply_status(call, 404);
}

/* [supervisord] metrics: for everybody, and nothing else. */
static void answer_metrics(struct sv *sv, struct http_call *call)
{
	const struct http_message *m = http_call_message(call);
	bool reads = strcmp(m->method, "GET") == 0 || strcmp(m->method, "HEAD") == 0;

	if (reads && is_path(m->target, "/metrics"))
		show_metrics(sv, call);
	else
		http_reply_status(call, reads ? 404 : 405);
}

static void on_call(struct http_call *call, void *data)
{
	struct listener *l = data;
	const struct http_message *m = http_call_message(call);
	bool post = strcmp(m->method, "POST") == 0;

	if (is_path(m->target, "/healthz"))
		http_reply_status(call, 200);
	else if (l->http->metrics_only)
		answer_metrics(l->sv, call);
	else if (l->http->addr.is_unix && !sv_auth_may(&l->setup->main, call))
		http_reply_status(call, 403);
	else if (!sv_auth_allowed(l->http, call))
		http_reply(call, &(struct http_answer){ .status = 401,
							.fields = "WWW-Authenticate: Basic "
								  "realm=\"default\"\r\n" });
	else if (post && http_auth_is_foreign(m, !l->http->username))
		http_reply_status(call, 403);
	else if (post && is_path(m->target, "/RPC2"))
		rpc(l->sv, call);
	else if (post && strncmp(m->target, "/v1/", 4) == 0)
		sv_api_post(l->sv, call, m->target + 4);
	else if (strcmp(m->method, "GET") == 0 || strcmp(m->method, "HEAD") == 0)
		answer_get(l->sv, call, m->target);
	else
		http_reply_status(call, 405);
}

/* ---- listeners
 * -------------------------------------------------------------------------------------------------
 */

static int set_rights(const struct sv_http *h, struct err *err)
{
	if (!h->addr.is_unix)
		return 0;
	if (chmod(h->addr.host, (mode_t)h->mode) != 0 ||
	    (h->chown && chown(h->addr.host, h->uid, h->gid) != 0))
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", h->addr.host,
			       strerror(errno));
	return 0;
}

static int listen_one(struct sv *sv, struct sv_http *h, struct err *err)
{
	struct http_server_conf conf = http_server_defaults;
	int fd = listen_open(&h->addr, SOMAXCONN, false, err);
	int rc = fd < 0 ? fd : set_rights(h, err);

	if (rc) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	conf.connections = CONNECTIONS;
	conf.limits.body = BODY_MOST;
	conf.limits.empty_host = true; /* supervisorctl at a unix socket */
	struct listener *l = mem_new(sizeof(*l));
	l->sv = sv;
	l->http = h;
	l->setup = sv_setup_hold(sv->setup);
	l->server = http_server_new(sv->loop, &conf, on_call, l);
	http_server_unref(l->server);
	list_append(&sv->listeners, &l->link);
	rc = http_server_listen(l->server, fd);
	if (h->addr.is_unix)
		log_info("listens at unix:%s", h->addr.host);
	else
		log_info("listens at %s:%d", h->addr.host, listen_port(fd));
	return rc;
}

int sv_http_open(struct sv *sv, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < sv->setup->http_count && !rc; i++)
		rc = listen_one(sv, &sv->setup->http[i], err);
	return rc;
}

/* ---- changes
 * ---------------------------------------------------------------------------------------------------
 */

static struct sv_http *find_http(const struct sv_setup *setup, const struct addr *a)
{
	for (size_t i = 0; i < setup->http_count; i++) {
		const struct addr *b = &setup->http[i].addr;
		if (a->is_unix == b->is_unix && a->port == b->port && strcmp(a->host, b->host) == 0)
			return &setup->http[i];
	}
	return NULL;
}

static bool is_open(const struct sv *sv, const struct sv_http *h)
{
	for (const struct list *it = sv->listeners.next; it != &sv->listeners; it = it->next) {
		const struct listener *l = container_of(it, struct listener, link);
		if (!l->retired && l->http == h)
			return true;
	}
	return false;
}

/* The same address, with other rights or passwords. */
static void rebind(struct listener *l, struct sv_http *h)
{
	struct sv_setup *old = l->setup;
	struct err err = { 0 };

	l->setup = sv_setup_hold(l->sv->setup);
	l->http = h;
	sv_setup_drop(old);
	if (set_rights(h, &err) != 0)
		log_error("%s", err.text);
}

/* Who asks for this change may have come by it, and still gets his answer. */
static void retire(struct listener *l)
{
	const struct addr *a = &l->http->addr;

	l->retired = true;
	if (a->is_unix)
		unlink(a->host);
	http_server_drain(l->server);
	log_info("no longer listens at %s%s:%d", a->is_unix ? "unix:" : "", a->host, a->port);
}

void sv_http_change(struct sv *sv)
{
	struct list *it, *tmp;
	struct err err = { 0 };

	list_each (it, tmp, &sv->listeners) {
		struct listener *l = container_of(it, struct listener, link);
		struct sv_http *h = l->retired ? NULL : find_http(sv->setup, &l->http->addr);
		if (h)
			rebind(l, h);
		else if (!l->retired)
			retire(l);
	}
	for (size_t i = 0; i < sv->setup->http_count; i++)
		if (!is_open(sv, &sv->setup->http[i]) &&
		    listen_one(sv, &sv->setup->http[i], &err) != 0)
			log_error("not listening: %s", err.text);
}

void sv_http_close(struct sv *sv)
{
	struct list *it, *tmp;

	list_each (it, tmp, &sv->listeners) {
		struct listener *l = container_of(it, struct listener, link);
		list_remove(&l->link);
		if (l->http->addr.is_unix && !l->retired)
			unlink(l->http->addr.host);
		http_server_close(l->server);
		sv_setup_drop(l->setup);
		free(l);
	}
}
