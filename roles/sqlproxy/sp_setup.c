#include "roles/sqlproxy/sp_setup.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/net/tls.h"
#include "roles/sqlproxy/sp_health.h"

/* ---- secrets ------------------------------------------------------------- */

void sp_secret_plain(struct sp_secret *s, const char *password, size_t len)
{
	memset(s, 0, sizeof(*s));
	s->password = mem_new(len + 1);
	memcpy(s->password, password, len);
	s->password_len = len;
	if (len == 0)
		return;
	sp_auth_native_stage1(password, len, s->stage1);
	sp_auth_native_stage2(s->stage1, s->stage2);
	s->has_stage1 = s->has_stage2 = true;
}

int sp_secret_parse(struct sp_secret *s, const char *text, struct err *err)
{
	memset(s, 0, sizeof(*s));
	if (strncmp(text, "{native}", 8) == 0) {
		s->has_stage2 = sp_auth_native_parse(text + 8, strlen(text + 8), s->stage2);
		return s->has_stage2 ? 0
				     : err_set(err, ERR_CONF,
					       "{native} is followed by * and 40 "
					       "hexadecimal digits");
	}
	if (strncmp(text, "{sha2}", 6) == 0) {
		if (!sp_auth_sha2_is_hash(text + 6, strlen(text + 6)))
			return err_set(err, ERR_CONF,
				       "{sha2} is followed by $A$, 3 digits, $ and "
				       "63 characters, as MySQL stores it");
		s->sha2 = mem_str(text + 6);
		s->sha2_len = strlen(s->sha2);
		return 0;
	}
	sp_secret_plain(s, text, strlen(text));
	return 0;
}

void sp_secret_copy(struct sp_secret *to, const struct sp_secret *from)
{
	*to = *from;
	if (from->password) {
		to->password = mem_new(from->password_len + 1);
		memcpy(to->password, from->password, from->password_len);
	}
	if (from->sha2) {
		to->sha2 = mem_new(from->sha2_len + 1);
		memcpy(to->sha2, from->sha2, from->sha2_len);
	}
}

void sp_secret_fini(struct sp_secret *s)
{
	if (s->password)
		explicit_bzero(s->password, s->password_len);
	free(s->password);
	free(s->sha2);
	explicit_bzero(s, sizeof(*s));
}

/* ---- building ------------------------------------------------------------ */

static int count_items(const struct conf *conf, const char *section)
{
	int n = 0;

	for (const struct conf_item *it = NULL; (it = conf_next(conf, section, it));)
		n++;
	return n;
}

static int count_list(char **list)
{
	int n = 0;

	while (list[n])
		n++;
	return n;
}

static int build_user(struct sp_user *u, const struct conf_item *item, struct err *err)
{
	const struct sp_user_conf *c = item->values;
	int rc = sp_secret_parse(&u->secret, c->password ? c->password : "", err);

	u->name = item->name;
	u->conf = c;
	u->mapped = c->backend_user || c->backend_password;
	u->backend_user = c->backend_user ? c->backend_user : item->name;
	if (!rc && u->mapped)
		rc = sp_secret_parse(&u->backend_secret,
				     c->backend_password ? c->backend_password : "", err);
	return rc ? err_wrap(err, rc, "[user %s]", item->name) : 0;
}

static int build_server(struct sp_server *s, const struct conf_item *item, struct err *err)
{
	const struct sp_server_conf *c = item->values;
	struct tls_conf tls = {
		.cert = c->tls_cert, .key = c->tls_key, .ca = c->tls_ca, .verify = c->tls_verify
	};

	s->name = item->name;
	s->conf = c;
	int rc = addr_parse(&s->addr, c->address, 3306, err);
	if (!rc && c->tls != SP_TLS_OFF && !(s->tls = tls_ctx_new(&tls, false, err)))
		rc = ERR_CONF;
	if (rc)
		return err_wrap(err, rc, "[server %s]", item->name);
	s->health = sp_health_find(item->name, c->address);
	return 0;
}

static void build_database(struct sp_setup *s, struct sp_database *d, const char *name,
			   const struct sp_database_conf *c)
{
	int named = count_list(c->servers);

	d->name = name;
	d->conf = c;
	d->servers_count = named ? named : s->servers_count;
	d->servers = mem_new(sizeof(*d->servers) * (size_t)(d->servers_count + 1));
	for (int i = 0; i < d->servers_count; i++)
		d->servers[i] = named ? sp_setup_server(s, c->servers[i], strlen(c->servers[i]))
				      : &s->servers[i];
}

static int build_rule(struct sp_setup *s, struct sp_rule *r, const struct conf_item *item,
		      struct err *err)
{
	const struct sp_rule_conf *c = item->values;

	r->name = item->name;
	r->conf = c;
	if (regcomp(&r->match, c->match, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return err_set(err, ERR_CONF, "[rule %s] match: not an extended regular expression",
			       item->name);
	if (c->server)
		r->server = sp_setup_server(s, c->server, strlen(c->server));
	return 0;
}

static int build_lists(struct sp_setup *s, struct err *err)
{
	const struct conf_item *it = NULL;
	int rc = 0;

	s->users = mem_new(sizeof(*s->users) * (size_t)(count_items(s->conf, "user") + 1));
	while (!rc && (it = conf_next(s->conf, "user", it)))
		rc = build_user(&s->users[s->users_count++], it, err);
	s->servers = mem_new(sizeof(*s->servers) * (size_t)(count_items(s->conf, "server") + 1));
	for (it = NULL; !rc && (it = conf_next(s->conf, "server", it)); s->servers_count++) {
		s->servers[s->servers_count].index = s->servers_count;
		rc = build_server(&s->servers[s->servers_count], it, err);
	}
	s->databases =
		mem_new(sizeof(*s->databases) * (size_t)(count_items(s->conf, "database") + 2));
	for (it = NULL; !rc && (it = conf_next(s->conf, "database", it));)
		build_database(s, &s->databases[s->databases_count++], it->name, it->values);
	s->rules = mem_new(sizeof(*s->rules) * (size_t)(count_items(s->conf, "rule") + 1));
	for (it = NULL; !rc && (it = conf_next(s->conf, "rule", it)); s->rules_count++)
		rc = build_rule(s, &s->rules[s->rules_count], it, err);
	return rc;
}

static int build_front(struct sp_setup *s, struct err *err)
{
	const struct sp_main_conf *m = s->main;
	struct tls_conf tls = {
		.cert = m->tls_cert, .key = m->tls_key, .ca = m->tls_ca, .verify = m->tls_ca != NULL
	};
	int n = count_list(m->proxy_protocol_from);

	s->proxy_from = mem_new(sizeof(*s->proxy_from) * (size_t)(n + 1));
	for (; s->proxy_from_count < n; s->proxy_from_count++) {
		struct addr_net *net = &s->proxy_from[s->proxy_from_count];
		int rc = addr_net_parse(net, m->proxy_protocol_from[s->proxy_from_count], err);
		if (rc)
			return rc;
	}
	if (m->tls == SP_TLS_OFF || !m->tls_cert)
		return 0;
	s->tls = tls_ctx_new(&tls, true, err);
	return s->tls ? 0 : ERR_CONF;
}

struct sp_setup *sp_setup_new(const struct conf *conf, struct err *err)
{
	static uint32_t number;
	struct sp_setup *s = mem_new(sizeof(*s));

	s->held = 1;
	s->number = ++number;
	s->conf = conf_hold(conf);
	s->main = conf_get(conf, "sqlproxy");
	s->monitor = conf_get(conf, "monitor");
	int rc = build_front(s, err);
	if (!rc)
		rc = build_lists(s, err);
	if (!rc)
		return s;
	sp_setup_drop(s);
	return NULL;
}

struct sp_setup *sp_setup_hold(struct sp_setup *s)
{
	__atomic_add_fetch(&s->held, 1, __ATOMIC_RELAXED);
	return s;
}

void sp_setup_drop(struct sp_setup *s)
{
	if (!s || __atomic_sub_fetch(&s->held, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (int i = 0; i < s->users_count; i++) {
		sp_secret_fini(&s->users[i].secret);
		sp_secret_fini(&s->users[i].backend_secret);
	}
	for (int i = 0; i < s->servers_count; i++)
		tls_ctx_drop(s->servers[i].tls);
	for (int i = 0; i < s->databases_count; i++)
		free(s->databases[i].servers);
	for (int i = 0; i < s->rules_count; i++)
		regfree(&s->rules[i].match);
	tls_ctx_drop(s->tls);
	free(s->users);
	free(s->servers);
	free(s->databases);
	free(s->rules);
	free(s->proxy_from);
	conf_free(s->conf);
	free(s);
}

/* ---- finding ------------------------------------------------------------- */

static bool same(const char *name, const char *other, size_t len)
{
	return strlen(name) == len && memcmp(name, other, len) == 0;
}

const struct sp_user *sp_setup_user(const struct sp_setup *s, const char *name, size_t len)
{
	for (int i = 0; i < s->users_count; i++)
		if (same(s->users[i].name, name, len))
			return &s->users[i];
	return NULL;
}

const struct sp_server *sp_setup_server(const struct sp_setup *s, const char *name, size_t len)
{
	for (int i = 0; i < s->servers_count; i++)
		if (same(s->servers[i].name, name, len))
			return &s->servers[i];
	return NULL;
}

const struct sp_database *sp_setup_database(const struct sp_setup *s, const char *name, size_t len)
{
	const struct sp_database *any = NULL;

	for (int i = 0; i < s->databases_count; i++) {
		if (same(s->databases[i].name, name, len))
			return &s->databases[i];
		if (strcmp(s->databases[i].name, "*") == 0)
			any = &s->databases[i];
	}
	if (!any && len == 0 && s->databases_count > 0)
		return &s->databases[0];
	return any;
}

bool sp_user_may_use(const struct sp_user *u, const char *database, size_t len)
{
	char **names = u->conf->databases;

	for (int i = 0; names[i]; i++)
		if (same(names[i], database, len))
			return true;
	return names[0] == NULL || len == 0;
}
