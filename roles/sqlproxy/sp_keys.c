/* What sqlproxy's sections hold, and the rules between their keys. */
#include <regex.h>
#include <string.h>

#include "core/base/err.h"
#include "core/conf/conf.h"
#include "roles/sqlproxy/sp_setup.h"

static const struct conf_word auth_words[] = { { "users", SP_AUTH_USERS },
					       { "query", SP_AUTH_QUERY },
					       { "passthrough", SP_AUTH_PASSTHROUGH },
					       { NULL, 0 } };
static const struct conf_word plugin_words[] = { { "mysql_native_password", 0 },
						 { "caching_sha2_password", 1 },
						 { NULL, 0 } };
static const struct conf_word tls_words[] = { { "off", SP_TLS_OFF },
					      { "preferred", SP_TLS_PREFERRED },
					      { "required", SP_TLS_REQUIRED },
					      { NULL, 0 } };
static const struct conf_word role_words[] = { { "auto", SP_ROLE_AUTO },
					       { "primary", SP_ROLE_PRIMARY },
					       { "replica", SP_ROLE_REPLICA },
					       { NULL, 0 } };
static const struct conf_word proxy_words[] = {
	{ "off", 0 }, { "v1", 1 }, { "v2", 2 }, { NULL, 0 }
};
static const struct conf_word mode_words[] = { { "transaction", SP_MODE_TRANSACTION },
					       { "session", SP_MODE_SESSION },
					       { "statement", SP_MODE_STATEMENT },
					       { NULL, 0 } };
static const struct conf_word reset_words[] = { { "dirty", SP_RESET_DIRTY },
						{ "always", SP_RESET_ALWAYS },
						{ "never", SP_RESET_NEVER },
						{ NULL, 0 } };
static const struct conf_word route_words[] = { { "any", SP_TARGET_ANY },
						{ "primary", SP_TARGET_PRIMARY },
						{ "replica", SP_TARGET_REPLICA },
						{ NULL, 0 } };

static const struct conf_key main_keys[] = {
	CONF_KEY_LIST(
		struct sp_main_conf, listen, .dflt = "127.0.0.1:3366",
		.help = "Where clients connect: addresses and unix:PATH, comma separated; port 0 "
			"takes a free one and logs it."),
	CONF_KEY_INT(struct sp_main_conf, workers, .dflt = "0", .min = "0", .max = "256",
		     .help = "Threads that carry traffic. 0: one per core, and one in all on a "
			     "machine of up to two."),
	CONF_KEY_STR(struct sp_main_conf, server_version, .dflt = "auto", .flags = CONF_RELOAD,
		     .help = "Version that clients are told; auto: the primary's."),
	CONF_KEY_ENUM(
		struct sp_main_conf, auth, auth_words, .dflt = "users", .flags = CONF_RELOAD,
		.help = "Where passwords come from: users: the [user] sections; query: also the "
			"primary's own accounts, read with [monitor]; passthrough: the client's "
			"password is tried on the primary."),
	CONF_KEY_ENUM(struct sp_main_conf, default_auth, plugin_words,
		      .dflt = "mysql_native_password", .flags = CONF_RELOAD,
		      .help = "Authentication plugin of the greeting."),
	CONF_KEY_ENUM(struct sp_main_conf, tls, tls_words, .dflt = "preferred",
		      .flags = CONF_RELOAD, .help = "TLS with clients; it needs tls_cert."),
	CONF_KEY_STR(struct sp_main_conf, tls_cert, .flags = CONF_RELOAD,
		     .help = "Certificate chain, PEM. Loaded again on reload."),
	CONF_KEY_STR(struct sp_main_conf, tls_key, .flags = CONF_RELOAD,
		     .help = "Its private key, PEM; by default in the same file."),
	CONF_KEY_STR(struct sp_main_conf, tls_ca, .flags = CONF_RELOAD,
		     .help = "Clients must show a certificate signed by one of these."),
	CONF_KEY_BOOL(struct sp_main_conf, compress, .dflt = "yes", .flags = CONF_RELOAD,
		      .help = "Offers zlib compression to clients."),
	CONF_KEY_LIST(struct sp_main_conf, proxy_protocol_from, .flags = CONF_RELOAD,
		      .help = "Networks whose connections begin with a PROXY protocol header."),
	CONF_KEY_INT(struct sp_main_conf, max_clients, .dflt = "10000", .min = "1",
		     .max = "1000000", .flags = CONF_RELOAD,
		     .help = "Clients at once; the next one gets error 1040."),
	CONF_KEY_INT(struct sp_main_conf, max_clients_per_ip, .dflt = "0", .min = "0",
		     .max = "1000000", .flags = CONF_RELOAD,
		     .help = "Clients at once from one address. 0: no limit."),
	CONF_KEY_DURATION(struct sp_main_conf, client_idle_timeout, .dflt = "8h", .min = "0",
			  .max = "365d", .flags = CONF_RELOAD,
			  .help = "A client that says nothing for so long is closed. 0: never."),
	CONF_KEY_DURATION(struct sp_main_conf, login_timeout, .dflt = "10s", .min = "100ms",
			  .max = "10m", .flags = CONF_RELOAD,
			  .help = "A client must have logged in by then."),
	CONF_KEY_SIZE(
		struct sp_main_conf, statement_max, .dflt = "256KiB", .min = "4KiB", .max = "16MiB",
		.flags = CONF_RELOAD,
		.help = "So much of a statement is read to route it; a longer one goes to the "
			"primary as it comes. Also the most that is kept of what a client sends "
			"ahead."),
	CONF_KEY_DURATION(struct sp_main_conf, log_slow, .dflt = "0", .min = "0", .max = "1d",
			  .flags = CONF_RELOAD,
			  .help = "Logs statements that took longer. 0: none."),
	CONF_KEY_INT(
		struct sp_main_conf, digests, .dflt = "1000", .min = "0", .max = "100000",
		.flags = CONF_RELOAD,
		.help = "Statement shapes that figures are kept for, in each worker. 0: none."),
	CONF_KEY_INT(struct sp_main_conf, backlog, .dflt = "4096", .min = "1", .max = "65535",
		     .help = "Connections that the kernel queues before they are accepted."),
	CONF_KEY_STR(struct sp_main_conf, admin,
		     .help = "Where the admin console listens, in MySQL's protocol: an address or "
			     "unix:PATH. Empty: nowhere."),
	CONF_KEY_STR(struct sp_main_conf, admin_user, .dflt = "admin", .flags = CONF_RELOAD,
		     .help = "May do everything there."),
	CONF_KEY_STR(struct sp_main_conf, admin_password, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "The console is shut without one."),
	CONF_KEY_STR(struct sp_main_conf, stats_user, .dflt = "stats", .flags = CONF_RELOAD,
		     .help = "May look there."),
	CONF_KEY_STR(struct sp_main_conf, stats_password, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "Empty: that user does not exist."),
	CONF_END,
};

static const struct conf_key user_keys[] = {
	CONF_KEY_STR(struct sp_user_conf, password, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "What clients prove: plain, {native}*HEX or {sha2}$A$..."),
	CONF_KEY_STR(struct sp_user_conf, backend_user, .flags = CONF_RELOAD,
		     .help = "Another identity towards the servers; by default the same name."),
	CONF_KEY_STR(struct sp_user_conf, backend_password, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "Password of that identity."),
	CONF_KEY_LIST(struct sp_user_conf, databases, .flags = CONF_RELOAD,
		      .help = "Databases that the user may name. Empty: all."),
	CONF_KEY_INT(struct sp_user_conf, max_clients, .dflt = "0", .min = "0", .max = "1000000",
		     .flags = CONF_RELOAD, .help = "Clients of this user at once. 0: no limit."),
	CONF_KEY_INT(
		struct sp_user_conf, max_connections, .dflt = "0", .min = "0", .max = "100000",
		.flags = CONF_RELOAD,
		.help = "Server connections of this user at once, over all pools. 0: no limit."),
	CONF_KEY_BOOL(struct sp_user_conf, local_infile, .dflt = "yes", .flags = CONF_RELOAD,
		      .help = "LOAD DATA LOCAL is allowed."),
	CONF_END,
};

static const struct conf_key server_keys[] = {
	CONF_KEY_STR(struct sp_server_conf, address, .flags = CONF_REQUIRED | CONF_RELOAD,
		     .help = "host:port or unix:PATH; port 3306 by default."),
	CONF_KEY_ENUM(struct sp_server_conf, role, role_words, .dflt = "auto", .flags = CONF_RELOAD,
		      .help = "auto: primary while it is writable, as [monitor] sees it."),
	CONF_KEY_INT(struct sp_server_conf, max_connections, .dflt = "200", .min = "1",
		     .max = "100000", .flags = CONF_RELOAD,
		     .help = "Connections to it at once, over all pools."),
	CONF_KEY_INT(struct sp_server_conf, weight, .dflt = "1", .min = "0", .max = "1000",
		     .flags = CONF_RELOAD,
		     .help = "Share of the reads among replicas; 0: only when there is no other."),
	CONF_KEY_DURATION(struct sp_server_conf, max_lag, .dflt = "10s", .min = "0", .max = "365d",
			  .flags = CONF_RELOAD,
			  .help = "A replica that is further behind gets no reads. 0: no limit."),
	CONF_KEY_DURATION(struct sp_server_conf, connect_timeout, .dflt = "5s", .min = "10ms",
			  .max = "10m", .flags = CONF_RELOAD,
			  .help = "For a new connection and login."),
	CONF_KEY_ENUM(struct sp_server_conf, tls, tls_words, .dflt = "off", .flags = CONF_RELOAD,
		      .help = "TLS with the server."),
	CONF_KEY_STR(struct sp_server_conf, tls_ca, .flags = CONF_RELOAD,
		     .help = "Who signs its certificate, PEM; by default the system's list."),
	CONF_KEY_BOOL(struct sp_server_conf, tls_verify, .dflt = "no", .flags = CONF_RELOAD,
		      .help = "Checks its certificate and name."),
	CONF_KEY_STR(struct sp_server_conf, tls_cert, .flags = CONF_RELOAD,
		     .help = "A certificate of our own to show."),
	CONF_KEY_STR(struct sp_server_conf, tls_key, .flags = CONF_RELOAD, .help = "Its key."),
	CONF_KEY_ENUM(struct sp_server_conf, proxy_protocol, proxy_words, .dflt = "off",
		      .flags = CONF_RELOAD,
		      .help = "Sends a PROXY header with the address of the client that the "
			      "connection is opened for."),
	CONF_END,
};

static const struct conf_key database_keys[] = {
	CONF_KEY_LIST(struct sp_database_conf, servers, .flags = CONF_RELOAD,
		      .help = "Servers that have it; by default all."),
	CONF_KEY_STR(struct sp_database_conf, name, .flags = CONF_RELOAD,
		     .help = "Real schema behind this name; by default the name itself."),
	CONF_KEY_ENUM(struct sp_database_conf, mode, mode_words, .dflt = "transaction",
		      .flags = CONF_RELOAD,
		      .help = "When a client gives its connection back: after each transaction, at "
			      "its end, or after each statement (transactions are refused)."),
	CONF_KEY_BOOL(struct sp_database_conf, split, .dflt = "no", .flags = CONF_RELOAD,
		      .help = "Sends reads outside transactions to replicas."),
	CONF_KEY_INT(struct sp_database_conf, initial, .dflt = "0", .min = "0", .max = "10000",
		     .flags = CONF_RELOAD, .help = "Connections opened at once with the pool."),
	CONF_KEY_INT(struct sp_database_conf, min, .dflt = "0", .min = "0", .max = "10000",
		     .flags = CONF_RELOAD, .help = "Connections that idle_timeout leaves open."),
	CONF_KEY_INT(struct sp_database_conf, max, .dflt = "20", .min = "1", .max = "10000",
		     .flags = CONF_RELOAD,
		     .help = "Connections of a pool: one user on one server."),
	CONF_KEY_INT(struct sp_database_conf, reserve, .dflt = "0", .min = "0", .max = "10000",
		     .flags = CONF_RELOAD,
		     .help = "So many more when a client has waited for reserve_after."),
	CONF_KEY_DURATION(struct sp_database_conf, reserve_after, .dflt = "2s", .min = "0",
			  .max = "1h", .flags = CONF_RELOAD, .help = "See reserve."),
	CONF_KEY_INT(struct sp_database_conf, max_idle, .dflt = "0", .min = "0", .max = "10000",
		     .flags = CONF_RELOAD, .help = "Idle connections kept in a pool. 0: no limit."),
	CONF_KEY_DURATION(struct sp_database_conf, idle_timeout, .dflt = "10m", .min = "0",
			  .max = "365d", .flags = CONF_RELOAD,
			  .help = "An idle connection is closed after. 0: never."),
	CONF_KEY_DURATION(struct sp_database_conf, max_lifetime, .dflt = "1h", .min = "0",
			  .max = "365d", .flags = CONF_RELOAD,
			  .help = "A connection is replaced at this age, give or take a tenth. 0: "
				  "never."),
	CONF_KEY_INT(struct sp_database_conf, max_uses, .dflt = "0", .min = "0",
		     .max = "1000000000", .flags = CONF_RELOAD,
		     .help = "Times a connection is handed out. 0: no limit."),
	CONF_KEY_DURATION(
		struct sp_database_conf, queue_timeout, .dflt = "5s", .min = "1ms", .max = "1h",
		.flags = CONF_RELOAD,
		.help = "A client that has waited so long for a connection gets error 1040."),
	CONF_KEY_INT(struct sp_database_conf, queue_max, .dflt = "1000", .min = "0",
		     .max = "1000000", .flags = CONF_RELOAD,
		     .help = "Clients that may wait; the next fails at once."),
	CONF_KEY_DURATION(struct sp_database_conf, query_timeout, .dflt = "0", .min = "0",
			  .max = "30d", .flags = CONF_RELOAD,
			  .help = "A statement that runs longer is killed. 0: no limit."),
	CONF_KEY_DURATION(struct sp_database_conf, idle_transaction_timeout, .dflt = "0",
			  .min = "0", .max = "30d", .flags = CONF_RELOAD,
			  .help = "A client that idles in a transaction for so long is closed. 0: "
				  "never."),
	CONF_KEY_ENUM(struct sp_database_conf, reset, reset_words, .dflt = "dirty",
		      .flags = CONF_RELOAD,
		      .help = "When a connection is reset before another client gets it."),
	CONF_KEY_INT(struct sp_database_conf, prepared, .dflt = "200", .min = "1", .max = "10000",
		     .flags = CONF_RELOAD, .help = "Prepared statements kept on a connection."),
	CONF_KEY_STR(struct sp_database_conf, init, .flags = CONF_RELOAD,
		     .help = "Statement run on every new connection."),
	CONF_END,
};

static const struct conf_key rule_keys[] = {
	CONF_KEY_STR(
		struct sp_rule_conf, match, .flags = CONF_REQUIRED | CONF_RELOAD,
		.help = "Extended regular expression, case ignored; the first rule that matches "
			"a statement decides."),
	CONF_KEY_STR(struct sp_rule_conf, user, .flags = CONF_RELOAD, .help = "Only this user."),
	CONF_KEY_STR(struct sp_rule_conf, database, .flags = CONF_RELOAD,
		     .help = "Only in this database."),
	CONF_KEY_ENUM(struct sp_rule_conf, route, route_words, .dflt = "any", .flags = CONF_RELOAD,
		      .help = "Where it goes, outside transactions."),
	CONF_KEY_STR(struct sp_rule_conf, server, .flags = CONF_RELOAD, .help = "To this one."),
	CONF_KEY_DURATION(struct sp_rule_conf, timeout, .dflt = "0", .min = "0", .max = "30d",
			  .flags = CONF_RELOAD, .help = "In place of query_timeout. 0: that."),
	CONF_KEY_STR(struct sp_rule_conf, error, .flags = CONF_RELOAD,
		     .help = "It is refused with these words."),
	CONF_END,
};

static const struct conf_key monitor_keys[] = {
	CONF_KEY_STR(
		struct sp_monitor_conf, user, .flags = CONF_RELOAD,
		.help = "Account that watches the servers (REPLICATION CLIENT or SLAVE MONITOR, "
			"and SELECT on mysql.* for auth = query). Empty: nobody watches."),
	CONF_KEY_STR(struct sp_monitor_conf, password, .flags = CONF_RELOAD | CONF_SECRET,
		     .help = "Its password."),
	CONF_KEY_DURATION(struct sp_monitor_conf, interval, .dflt = "1s", .min = "10ms",
			  .max = "1h", .flags = CONF_RELOAD,
			  .help = "Between two looks at a server."),
	CONF_KEY_DURATION(struct sp_monitor_conf, timeout, .dflt = "1s", .min = "10ms", .max = "1m",
			  .flags = CONF_RELOAD, .help = "For each look, rounded up to seconds."),
	CONF_KEY_INT(struct sp_monitor_conf, fall, .dflt = "3", .min = "1", .max = "100",
		     .flags = CONF_RELOAD, .help = "Failures in a row that take a server out."),
	CONF_KEY_INT(struct sp_monitor_conf, rise, .dflt = "2", .min = "1", .max = "100",
		     .flags = CONF_RELOAD, .help = "Successes in a row that bring it back."),
	CONF_END,
};

const struct conf_section sp_sections[] = {
	{ .name = "sqlproxy",
	  .keys = main_keys,
	  .size = sizeof(struct sp_main_conf),
	  .help = "A pool of MySQL connections behind MySQL's own protocol." },
	{ .name = "user",
	  .keys = user_keys,
	  .size = sizeof(struct sp_user_conf),
	  .named = true,
	  .reload = true,
	  .help = "Somebody who may log in." },
	{ .name = "server",
	  .keys = server_keys,
	  .size = sizeof(struct sp_server_conf),
	  .named = true,
	  .reload = true,
	  .help = "A MySQL or MariaDB server." },
	{ .name = "database",
	  .keys = database_keys,
	  .size = sizeof(struct sp_database_conf),
	  .named = true,
	  .reload = true,
	  .help = "A database as clients name it, and its pools; [database *] is for all others." },
	{ .name = "rule",
	  .keys = rule_keys,
	  .size = sizeof(struct sp_rule_conf),
	  .named = true,
	  .reload = true,
	  .help = "What happens to statements that match." },
	{ .name = "monitor",
	  .keys = monitor_keys,
	  .size = sizeof(struct sp_monitor_conf),
	  .help = "How the servers' health and roles are found out." },
	{ .name = NULL },
};

/* ---- rules between keys -------------------------------------------------- */

static void check_secret(struct conf_errors *errors, const struct conf_item *at, const char *key,
			 const char *text)
{
	struct sp_secret secret;
	struct err err = { 0 };

	if (text && sp_secret_parse(&secret, text, &err))
		conf_error(errors, at, key, "%s", err.text);
	else if (text)
		sp_secret_fini(&secret);
}

static void check_server_name(const struct conf *conf, struct conf_errors *errors,
			      const struct conf_item *at, const char *key, const char *name)
{
	const char *names[64];
	size_t count = 0;
	const struct conf_item *it = NULL;

	if (!name || conf_find(conf, "server", name))
		return;
	while (count < 64 && (it = conf_next(conf, "server", it)))
		names[count++] = it->name;
	const char *near = conf_near(name, names, count);
	conf_error(errors, at, key, "there is no [server %s]%s%s%s", name,
		   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void check_servers(const struct conf *conf, struct conf_errors *errors)
{
	const struct sp_monitor_conf *monitor = conf_get(conf, "monitor");
	const struct conf_item *it = NULL;
	int count = 0;

	while ((it = conf_next(conf, "server", it))) {
		const struct sp_server_conf *c = it->values;
		struct err err = { 0 };
		struct addr addr;
		if (*c->address && addr_parse(&addr, c->address, 3306, &err))
			conf_error(errors, it, "address", "%s", err.text);
		count++;
	}
	for (it = NULL; count > 1 && !monitor->user && (it = conf_next(conf, "server", it));)
		if (((const struct sp_server_conf *)it->values)->role == SP_ROLE_AUTO)
			conf_error(errors, it, "role",
				   "auto needs a [monitor] user to find out; or say primary or "
				   "replica");
	if (count == 0)
		conf_error(errors, NULL, NULL,
			   "[server NAME]: sqlproxy needs at least one, with its "
			   "address");
}

/* The console's: it takes no full login, so a hash of caching_sha2_password would fit nobody. */
static void check_console(struct conf_errors *errors, const struct conf_item *at, const char *key,
			  const char *text)
{
	check_secret(errors, at, key, text);
	if (text && strncmp(text, "{sha2}", 6) == 0)
		conf_error(errors, at, key, "plain or {native}*HEX");
}

static void check_front(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_item *at = conf_find(conf, "sqlproxy", "");
	const struct sp_main_conf *m = conf_get(conf, "sqlproxy");
	const struct sp_monitor_conf *monitor = conf_get(conf, "monitor");
	struct err err = { 0 };
	struct addr addr;
	struct addr_net net;

	for (char **l = m->listen; *l; l++)
		if (addr_parse(&addr, *l, 3366, &err))
			conf_error(errors, at, "listen", "%s", err.text);
	check_console(errors, at, "admin_password", m->admin_password);
	check_console(errors, at, "stats_password", m->stats_password);
	if (m->admin && addr_parse(&addr, m->admin, 3367, &err))
		conf_error(errors, at, "admin", "%s", err.text);
	for (char **n = m->proxy_protocol_from; *n; n++)
		if (addr_net_parse(&net, *n, &err))
			conf_error(errors, at, "proxy_protocol_from", "%s", err.text);
	if (m->tls == SP_TLS_REQUIRED && !m->tls_cert)
		conf_error(errors, at, "tls", "required needs tls_cert");
	if (m->auth != SP_AUTH_USERS && m->auth != SP_AUTH_PASSTHROUGH && !monitor->user)
		conf_error(errors, at, "auth",
			   "query needs a [monitor] user to read accounts with");
	if (m->auth == SP_AUTH_USERS && !conf_next(conf, "user", NULL) &&
	    conf_next(conf, "server", NULL))
		conf_error(errors, at, "auth", "users needs at least one [user NAME]");
}

static void check_rules(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_item *it = NULL;

	while ((it = conf_next(conf, "rule", it))) {
		const struct sp_rule_conf *c = it->values;
		regex_t re;
		if (regcomp(&re, c->match, REG_EXTENDED | REG_NOSUB) != 0)
			conf_error(errors, it, "match", "not an extended regular expression");
		else
			regfree(&re);
		check_server_name(conf, errors, it, "server", c->server);
		if (c->user && !conf_find(conf, "user", c->user))
			conf_error(errors, it, "user", "there is no [user %s]", c->user);
	}
}

void sp_setup_check(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_item *it = NULL;

	check_front(conf, errors);
	check_servers(conf, errors);
	while ((it = conf_next(conf, "user", it))) {
		const struct sp_user_conf *c = it->values;
		check_secret(errors, it, "password", c->password);
		check_secret(errors, it, "backend_password", c->backend_password);
	}
	for (it = NULL; (it = conf_next(conf, "database", it));) {
		const struct sp_database_conf *c = it->values;
		for (char **s = c->servers; *s; s++)
			check_server_name(conf, errors, it, "servers", *s);
		if (c->min > c->max)
			conf_error(errors, it, "min", "%lld is above max, %lld", (long long)c->min,
				   (long long)c->max);
	}
	check_rules(conf, errors);
}
