#include "core/api/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/api/api.h"
#include "core/api/keys.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/http_server.h"
#include "core/net/listen.h"
#include "core/net/tls.h"
#include "core/run/place.h"

struct server {
	struct list link;
	struct http_server *http;
	char *path; /* of a unix socket; NULL */
	bool tls;
};

static void on_call(struct http_call *call, void *data)
{
	api_serve(data, call);
}

static struct http_server_conf conf_of(const struct api_keys *k)
{
	struct http_server_conf conf = http_server_defaults;

	conf.limits.body = (size_t)k->max_body;
	conf.limits.empty_host = true;
	conf.connections = (int)k->max_connections;
	conf.head_timeout = (uint64_t)k->head_timeout;
	conf.body_timeout = (uint64_t)k->body_timeout;
	conf.idle_timeout = (uint64_t)k->idle_timeout;
	conf.refusal = api_refusal;
	conf.refusal_type = "application/json";
	return conf;
}

static struct tls_ctx *load_tls(const struct api_keys *k, struct err *err)
{
	struct tls_conf conf = {
		.cert = k->tls_cert,
		.key = k->tls_key && *k->tls_key ? k->tls_key : NULL,
		.ca = k->tls_ca && *k->tls_ca ? k->tls_ca : NULL,
		.verify = k->tls_ca && *k->tls_ca,
	};

	return tls_ctx_new(&conf, true, err);
}

static void tell(int fd, const char *text, bool tls)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t n = sizeof(bound);
	char name[ADDR_TEXT];

	getsockname(fd, (struct sockaddr *)&bound, &n);
	if (bound.ss_family != AF_UNIX)
		text = addr_text((const struct sockaddr *)&bound, name);
	log_info("listening on %s%s", text, tls ? " tls" : "");
}

static int open_one(struct api *api, const char *text, struct tls_ctx *tls, struct err *err)
{
	struct http_server_conf conf = conf_of(api->keys);
	struct addr addr = { .port = 0 };
	int rc = addr_parse(&addr, text, -1, err);
	int fd = rc == 0 ? listen_open(&addr, SOMAXCONN, false, err) : rc;

	if (fd < 0)
		return err_wrap(err, fd, "listen %s", text);
	if (addr.is_unix && chmod(addr.host, (mode_t)strtol(api->keys->socket_mode, NULL, 8)) != 0)
		log_warn("%s: %s", addr.host, strerror(errno));
	if (addr.is_unix)
		place_give(api->conf, addr.host);
	struct server *s = mem_new(sizeof(*s));
	s->path = addr.is_unix ? mem_str(addr.host) : NULL;
	s->tls = tls != NULL;
	s->http = http_server_new(api->loop, &conf, on_call, api);
	http_server_secure(s->http, tls);
	list_append(&api->servers, &s->link);
	rc = http_server_listen(s->http, fd);
	tell(fd, text, s->tls);
	return rc;
}

static int open_list(struct api *api, char *const *list, struct tls_ctx *tls, struct err *err)
{
	int rc = 0;

	for (; *list && rc == 0; list++)
		rc = open_one(api, *list, tls, err);
	return rc;
}

int api_http_open(struct api *api, struct err *err)
{
	struct tls_ctx *tls = NULL;
	int rc = open_list(api, api->keys->listen, NULL, err);

	if (rc != 0 || !*api->keys->listen_tls)
		return rc;
	tls = load_tls(api->keys, err);
	if (!tls)
		return err->code;
	rc = open_list(api, api->keys->listen_tls, tls, err);
	tls_ctx_drop(tls);
	return rc;
}

int api_http_reload(struct api *api, struct err *err)
{
	struct list *it, *tmp;

	if (!*api->keys->listen_tls)
		return 0;
	struct tls_ctx *tls = load_tls(api->keys, err);
	if (!tls)
		return err->code;
	list_each (it, tmp, &api->servers) {
		struct server *s = container_of(it, struct server, link);
		if (s->tls)
			http_server_secure(s->http, tls);
	}
	tls_ctx_drop(tls);
	return 0;
}

void api_http_figures(struct api *api, int *now, uint64_t *all)
{
	struct list *it, *tmp;
	uint64_t n;
	int some;

	*now = 0;
	*all = 0;
	list_each (it, tmp, &api->servers) {
		http_server_figures(container_of(it, struct server, link)->http, &some, &n);
		*now += some;
		*all += n;
	}
}

void api_http_close(struct api *api)
{
	struct list *it, *tmp;

	list_each (it, tmp, &api->servers) {
		struct server *s = container_of(it, struct server, link);
		list_remove(&s->link);
		if (s->path)
			unlink(s->path);
		http_server_close(s->http);
		free(s->path);
		free(s);
	}
}
