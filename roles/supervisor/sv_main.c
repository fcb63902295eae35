#include "roles/supervisor/sv_main.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_address.h"
#include "roles/supervisor/sv_expand.h"
#include "roles/supervisor/sv_parse.h"

enum { UMASK_MOST = 0777, MODE_MOST = 07777, SHA1_DIGITS = 40 };

static int complain(struct conf_errors *errors, const struct conf_item *item, const char *key,
		    const struct err *err)
{
	conf_error(errors, item, key, "%s", err->text);
	return ERR_CONF;
}

static bool is_set(const char *text)
{
	return text && *text;
}

/* ---- [supervisord] ----------------------------------------------------------------- */

static void warn_of_folder(struct conf_errors *errors, const struct conf_item *item,
			   const char *key, const char *path)
{
	struct stat st;
	const char *slash = strrchr(path, '/');
	bool is_folder = strcmp(key, "childlogdir") == 0 || strcmp(key, "directory") == 0;

	if (!is_folder && (!slash || slash == path))
		return;
	char *folder = is_folder ? mem_str(path) : strndup(path, (size_t)(slash - path));
	if (item->file && (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)))
		conf_warn(errors, item, key, "the folder %s is not there", folder);
	free(folder);
}

static void make_paths(struct sv_main *m, const struct conf_item *item, struct conf_errors *errors)
{
	const struct sv_main_conf *c = m->conf;
	const char *tmp = is_set(getenv("TMPDIR")) ? getenv("TMPDIR") : "/tmp";

	m->logfile = sv_expand_home(c->logfile);
	m->pidfile = sv_expand_home(c->pidfile);
	m->childlogdir = sv_expand_home(is_set(c->childlogdir) ? c->childlogdir : tmp);
	warn_of_folder(errors, item, "logfile", m->logfile);
	warn_of_folder(errors, item, "pidfile", m->pidfile);
	warn_of_folder(errors, item, "childlogdir", m->childlogdir);
	if (is_set(c->directory))
		warn_of_folder(errors, item, "directory", c->directory);
}

static void make_allowed(struct sv_main *m, const struct conf_item *item,
			 struct conf_errors *errors)
{
	struct err err = { 0 };
	size_t uids = words_count(m->conf->allow_uid), gids = words_count(m->conf->allow_gid);

	m->allow_uid = mem_new((uids + 1) * sizeof(uid_t));
	m->allow_gid = mem_new((gids + 1) * sizeof(gid_t));
	for (size_t i = 0; i < uids; i++) {
		struct user user;
		if (user_lookup(&user, m->conf->allow_uid[i], NULL, &err) != 0) {
			complain(errors, item, "allow_uid", &err);
			continue;
		}
		m->allow_uid[m->allow_uid_count++] = user.uid;
		user_fini(&user);
	}
	for (size_t i = 0; i < gids; i++) {
		struct user user;
		char *text;
		if (asprintf(&text, "0:%s", m->conf->allow_gid[i]) < 0)
			abort();
		if (user_lookup(&user, text, NULL, &err) == 0) {
			m->allow_gid[m->allow_gid_count++] = user.gid;
			user_fini(&user);
		} else {
			complain(errors, item, "allow_gid", &err);
		}
		free(text);
	}
}

static void make_main(struct sv_setup *s, struct conf_errors *errors)
{
	struct sv_main *m = &s->main;
	const struct conf_item *item = conf_find(s->conf, "supervisord", "");
	struct err err = { 0 };

	m->conf = item->values;
	make_paths(m, item, errors);
	make_allowed(m, item, errors);
	m->umask = -1;
	if (is_set(m->conf->umask) && sv_parse_octal(m->conf->umask, UMASK_MOST, &m->umask, &err))
		complain(errors, item, "umask", &err);
	if (is_set(m->conf->user) && user_lookup(&m->user, m->conf->user, NULL, &err) != 0)
		complain(errors, item, "user", &err);
	else
		m->has_user = is_set(m->conf->user);
	m->env = sv_expand_main_env(s->conf, &err);
	if (!m->env)
		complain(errors, item, "environment", &err);
	m->has_metrics = is_set(m->conf->metrics);
	if (m->has_metrics && sv_address_inet(m->conf->metrics, &m->metrics, &err) != 0)
		complain(errors, item, "metrics", &err);
}

/* ---- listeners --------------------------------------------------------------------- */

static bool is_sha1(const char *digits)
{
	size_t n = 0;

	while (isxdigit((unsigned char)digits[n]))
		n++;
	return n == SHA1_DIGITS && digits[n] == '\0';
}

static void make_password(struct sv_http *h, const struct conf_item *item,
			  struct conf_errors *errors)
{
	const struct sv_http_conf *c = h->conf;

	if (is_set(c->username) != is_set(c->password)) {
		conf_error(errors, item, is_set(c->username) ? "username" : "password",
			   "username and password belong together");
		return;
	}
	if (!is_set(c->password))
		return;
	h->username = c->username;
	h->password = c->password;
	h->password_is_sha = strncmp(c->password, "{SHA}", 5) == 0;
	if (!h->password_is_sha)
		return;
	h->password += 5;
	if (!is_sha1(h->password))
		conf_error(errors, item, "password", "{SHA} is followed by 40 hexadecimal digits");
}

static void make_unix(struct sv_http *h, const struct conf_item *item, struct conf_errors *errors)
{
	const struct sv_http_conf *c = h->conf;
	struct sv_socket owner = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct err err = { 0 };
	char *home = sv_expand_home(c->file), *path = home, *url;

	if (*home && *home != '/') {
		char *here = conf_here("");
		if (asprintf(&path, "%s/%s", here, home) < 0)
			abort();
		free(here);
		free(home);
	}
	if (asprintf(&url, "unix://%s", path) < 0)
		abort();
	struct sv_socket socket;
	if (*path && sv_address_fcgi(url, &socket, &err) != 0)
		complain(errors, item, "file", &err);
	else if (*path)
		h->addr = socket.addr;
	h->mode = 0700;
	if (is_set(c->chmod) && sv_parse_octal(c->chmod, MODE_MOST, &h->mode, &err) != 0)
		complain(errors, item, "chmod", &err);
	if (is_set(c->chown) && sv_address_owner(c->chown, &owner, &err) != 0)
		complain(errors, item, "chown", &err);
	h->chown = owner.chown;
	h->uid = owner.uid;
	h->gid = owner.gid;
	free(url);
	free(path);
}

static bool is_loopback(const struct addr *a)
{
	return strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0 ||
	       strcasecmp(a->host, "localhost") == 0;
}

static void make_inet(struct sv_http *h, const struct conf_item *item, struct conf_errors *errors)
{
	struct err err = { 0 };

	if (!*h->conf->port)
		return;
	if (sv_address_inet(h->conf->port, &h->addr, &err) != 0)
		complain(errors, item, "port", &err);
	else if (h->addr.is_unix)
		conf_error(errors, item, "port", "a unix socket is for [unix_http_server]");
	else if (!h->password && !is_set(h->conf->password) && !h->conf->open &&
		 !is_loopback(&h->addr))
		conf_error(errors, item, "port",
			   "whoever reaches it could run anything as our user: set username and "
			   "password, or listen on 127.0.0.1, or say open = yes");
}

static size_t count_items(const struct conf *conf, const char *section)
{
	size_t n = 0;

	for (const struct conf_item *item = NULL; (item = conf_next(conf, section, item));)
		n++;
	return n;
}

static void make_listeners(struct sv_setup *s, struct conf_errors *errors)
{
	static const char *const sections[] = { "unix_http_server", "inet_http_server" };
	size_t count = count_items(s->conf, sections[0]) + count_items(s->conf, sections[1]);

	s->http = mem_new((count + 2) * sizeof(*s->http));
	for (int i = 0; i < 2; i++)
		for (const struct conf_item *it = NULL;
		     (it = conf_next(s->conf, sections[i], it));) {
			struct sv_http *h = &s->http[s->http_count++];
			h->conf = it->values;
			make_password(h, it, errors);
			(i == 0 ? make_unix : make_inet)(h, it, errors);
		}
	if (s->main.has_metrics)
		s->http[s->http_count++] =
			(struct sv_http){ .addr = s->main.metrics, .metrics_only = true };
}

/* What programs are told: a unix socket where there is one. */
static void make_url(struct sv_setup *s)
{
	const struct sv_http *h = s->http;
	int rc;

	if (s->http_count == 0 || h->metrics_only)
		return;
	if (h->addr.is_unix)
		rc = asprintf(&s->main.serverurl, "unix://%s", h->addr.host);
	else
		rc = asprintf(&s->main.serverurl, "http://%s:%d",
			      !*h->addr.host || strcmp(h->addr.host, "*") == 0 ? "localhost"
									       : h->addr.host,
			      h->addr.port);
	if (rc < 0)
		abort();
}

/* ---- the rest ----------------------------------------------------------------------- */

static void warn_of_extensions(const struct conf *conf, struct conf_errors *errors)
{
	static const char ours[] = "supervisor.rpcinterface:make_main_rpcinterface";

	for (const struct conf_item *it = NULL; (it = conf_next(conf, "rpcinterface", it));) {
		const struct sv_rpc_conf *c = it->values;

		if (c->factory && strcmp(c->factory, ours) != 0)
			conf_warn(errors, it, "supervisor.rpcinterface_factory",
				  "%s is not there: it is Python's", c->factory);
	}
}

void sv_main_make(struct sv_setup *s, struct conf_errors *errors)
{
	make_main(s, errors);
	make_listeners(s, errors);
	make_url(s);
	warn_of_extensions(s->conf, errors);
}

void sv_main_fini(struct sv_setup *s)
{
	struct sv_main *m = &s->main;

	free(m->logfile);
	free(m->pidfile);
	free(m->childlogdir);
	free(m->allow_uid);
	free(m->allow_gid);
	free(m->serverurl);
	words_free(m->env);
	user_fini(&m->user);
	free(s->http);
}
