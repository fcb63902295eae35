/*
 * sp_setup - the configuration made ready to use: names resolved to pointers, secrets to hashes,
 * certificates loaded. It never changes; a reload makes another. Counted, since worker threads
 * hold it as long as a client of theirs uses it.
 *
 * What outlives a reload - whether a server is up, how many connections a pool has - hangs off
 * sp_health and sp_permit, which belong to the process and are found again by name.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/conf/conf.h"
#include "core/net/addr.h"
#include "roles/sqlproxy/sp_auth.h"

struct err;
struct sp_health;
struct tls_ctx;

enum sp_auth_source { SP_AUTH_USERS, SP_AUTH_QUERY, SP_AUTH_PASSTHROUGH };
enum sp_mode { SP_MODE_TRANSACTION, SP_MODE_SESSION, SP_MODE_STATEMENT };
enum sp_role { SP_ROLE_AUTO, SP_ROLE_PRIMARY, SP_ROLE_REPLICA };
enum sp_tls { SP_TLS_OFF, SP_TLS_PREFERRED, SP_TLS_REQUIRED };
enum sp_reset { SP_RESET_DIRTY, SP_RESET_ALWAYS, SP_RESET_NEVER };
enum sp_target { SP_TARGET_ANY, SP_TARGET_PRIMARY, SP_TARGET_REPLICA };

/* [sqlproxy] */
struct sp_main_conf {
	char **listen, **proxy_protocol_from;
	char *server_version, *tls_cert, *tls_key, *tls_ca;
	char *admin, *admin_user, *admin_password, *stats_user, *stats_password;
	int64_t workers, max_clients, max_clients_per_ip, client_idle_timeout, login_timeout;
	int64_t statement_max, log_slow, digests, backlog;
	int tls, auth, default_auth;
	bool compress;
};

/* [user NAME] */
struct sp_user_conf {
	char *password, *backend_user, *backend_password;
	char **databases;
	int64_t max_clients, max_connections;
	bool local_infile;
};

/* [server NAME] */
struct sp_server_conf {
	char *address, *tls_ca, *tls_cert, *tls_key;
	int role, tls, proxy_protocol;
	int64_t max_connections, weight, max_lag, connect_timeout;
	bool tls_verify;
};

/* [database NAME] */
struct sp_database_conf {
	char **servers;
	char *name, *init;
	int mode, reset;
	bool split;
	int64_t initial, min, max, reserve, reserve_after, max_idle, idle_timeout, max_lifetime,
		max_uses;
	int64_t queue_timeout, queue_max, query_timeout, idle_transaction_timeout, prepared;
};

/* [rule NAME] */
struct sp_rule_conf {
	char *match, *user, *database, *server, *error;
	int route;
	int64_t timeout;
};

/* [monitor] */
struct sp_monitor_conf {
	char *user, *password;
	int64_t interval, timeout, fall, rise;
};

/* How somebody proves who he is, as far as we know it. */
struct sp_secret {
	char *password; /* plain; NULL: not known */
	char *sha2;     /* $A$...; NULL: none */
	size_t password_len, sha2_len;
	bool has_stage1, has_stage2;
	uint8_t stage1[SP_SHA1], stage2[SP_SHA1];
};

struct sp_user {
	const char *name;
	const struct sp_user_conf *conf;
	struct sp_secret secret; /* of clients */
	const char *backend_user;
	struct sp_secret backend_secret; /* ours towards servers; empty: the client's own */
	bool mapped;                     /* backend_user was given */
};

struct sp_server {
	const char *name;
	const struct sp_server_conf *conf;
	struct addr addr;
	struct tls_ctx *tls;      /* NULL: off */
	struct sp_health *health; /* the process's */
	int index;                /* in the setup's list */
};

struct sp_database {
	const char *name; /* as clients say it; "*": all that have no section */
	const struct sp_database_conf *conf;
	const struct sp_server **servers;
	int servers_count;
};

struct sp_rule {
	const char *name;
	const struct sp_rule_conf *conf;
	regex_t match;
	const struct sp_server *server;
};

struct sp_setup {
	const struct conf *conf;
	const struct sp_main_conf *main;
	const struct sp_monitor_conf *monitor;
	struct sp_user *users;
	struct sp_server *servers;
	struct sp_database *databases;
	struct sp_rule *rules;
	struct addr_net *proxy_from;
	int users_count, servers_count, databases_count, rules_count, proxy_from_count;
	struct tls_ctx *tls; /* towards clients; NULL: none */
	int held;            /* atomic */
	uint32_t number;     /* grows with every reload */
};

extern const struct conf_section sp_sections[];

/* Rules that the tables can't say. */
void sp_setup_check(const struct conf *conf, struct conf_errors *errors);

/* conf: has passed sp_setup_check; held. Returns NULL with a reason (a certificate, say). */
struct sp_setup *sp_setup_new(const struct conf *conf, struct err *err);
struct sp_setup *sp_setup_hold(struct sp_setup *s);
void sp_setup_drop(struct sp_setup *s);

/* NULL: none of that name. A name is compared byte by byte. */
const struct sp_user *sp_setup_user(const struct sp_setup *s, const char *name, size_t len);
/* The section for a database a client named; "*" when it has none of its own; NULL: unknown. */
const struct sp_database *sp_setup_database(const struct sp_setup *s, const char *name, size_t len);
const struct sp_server *sp_setup_server(const struct sp_setup *s, const char *name, size_t len);
bool sp_user_may_use(const struct sp_user *u, const char *database, size_t len);

/* text: plain, {native}*HEX, or {sha2}$A$... */
int sp_secret_parse(struct sp_secret *s, const char *text, struct err *err);
/* A secret from a plain password, with its hashes. */
void sp_secret_plain(struct sp_secret *s, const char *password, size_t len);
void sp_secret_copy(struct sp_secret *to, const struct sp_secret *from);
void sp_secret_fini(struct sp_secret *s); /* wipes it */
