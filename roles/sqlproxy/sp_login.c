/*
 * A client's login.
 *
 *	greeting -> response -> [TLS -> response] -> [another plugin] -> [password in full]
 *	         -> [account looked up, password tried] -> [database tried] -> OK
 *
 * The greeting shows what the servers behind have in common, so that what a client agrees on can
 * be agreed on with any of them. A database that no login has named before is tried on a server
 * first: a direct login to an unknown database fails, and so does ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/addr.h"
#include "roles/sqlproxy/sp_account.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_client.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_limits.h"
#include "roles/sqlproxy/sp_monitor.h"
#include "roles/sqlproxy/sp_pool.h"
#include "roles/sqlproxy/sp_route.h"
#include "roles/sqlproxy/sp_worker.h"
#include "roles/sqlproxy/sp_zip.h"

enum plugin { PLUGIN_NATIVE, PLUGIN_SHA2, PLUGIN_CLEAR, PLUGIN_OTHER };

struct sp_login_state {
	enum sp_login_step step;
	enum plugin plugin; /* that the answer under way is of */
	bool switched, change_user, verified;
	uint64_t announced;
	uint8_t scramble[SP_SCRAMBLE + 1];
	uint8_t reply[256];
	size_t reply_len;
	struct sp_secret secret; /* what the client must prove, and then what servers are told */
	char old_user[65], old_database[65]; /* of a COM_CHANGE_USER */
	uint64_t answer_at;
};

static const char *const plugin_names[] = { "mysql_native_password", "caching_sha2_password",
					    "mysql_clear_password" };

static void verify(struct sp_client *c);
static void take_password(struct sp_client *c, const char *password, size_t len);
static uint64_t common_caps(const struct sp_setup *s, const struct sp_greeting **first);

/* ---- out ----------------------------------------------------------------- */

static void put(struct sp_client *c, const void *payload, size_t len)
{
	uint8_t packet[2048];

	sp_write_header(packet, len, ++c->seq);
	memcpy(packet + SP_HEADER, payload, len);
	stream_put(&c->stream, packet, SP_HEADER + len);
}

static void now_ready(struct sp_client *c)
{
	sp_login_free(c);
	c->deadline = 0;
	c->state = SP_CLIENT_READY;
	list_remove(&c->link);
	list_append(&c->worker->clients, &c->link);
}

/* MariaDB goes on with the old user when a COM_CHANGE_USER fails; MySQL hangs up. */
static bool goes_on(const struct sp_client *c)
{
	const struct sp_greeting *g = NULL;

	if (!c->login->change_user || c->login->verified)
		return false;
	common_caps(c->setup, &g);
	return g && strstr(g->version, "MariaDB");
}

static void fail(struct sp_client *c, uint16_t code, const char *state, const char *text)
{
	char peer[ADDR_TEXT];

	c->worker->figures.logins_failed++;
	log_warn("login failed: %s user=%s from=%s", text, c->user,
		 addr_text((struct sockaddr *)&c->peer, peer));
	if (!goes_on(c)) {
		sp_client_fail(c, code, state, "%s", text);
		return;
	}
	const struct sp_greeting *g = NULL;
	common_caps(c->setup, &g);
	c->charset = g->charset; /* as after its reset, the server's own */
	strcpy(c->user, c->login->old_user);
	strcpy(c->database, c->login->old_database);
	now_ready(c);
	sp_client_error(c, code, state, "%s", text);
}

static void denied_text(const struct sp_client *c, char out[240])
{
	char host[ADDR_TEXT];

	snprintf(out, 240, "Access denied for user '%s'@'%s' (using password: %s)", c->user,
		 addr_host((const struct sockaddr *)&c->peer, host),
		 c->login->reply_len ? "YES" : "NO");
}

static void denied(struct sp_client *c)
{
	struct sp_login_state *l = c->login;
	uint64_t delay = sp_limits_wrong(c);
	char text[240];

	sp_account_forget(c->user);
	if (delay) {
		l->step = SP_LOGIN_DELAYED;
		l->answer_at = c->worker->now + delay;
		c->deadline = l->answer_at + 1000;
		return;
	}
	denied_text(c, text);
	fail(c, 1045, "28000", text);
}

void sp_login_tick(struct sp_client *c)
{
	char text[240];

	if (!c->login || c->login->step != SP_LOGIN_DELAYED || c->worker->now < c->login->answer_at)
		return;
	denied_text(c, text);
	fail(c, 1045, "28000", text);
}

/* ---- the greeting -------------------------------------------------------- */

enum {
	CAPS_OURS = SP_CAP_PROTOCOL_41 | SP_CAP_CONNECT_WITH_DB | SP_CAP_SECURE_CONNECTION |
		    SP_CAP_PLUGIN_AUTH | SP_CAP_CONNECT_ATTRS | SP_CAP_LENENC_AUTH |
		    SP_CAP_IGNORE_SIGPIPE | SP_CAP_RESERVED,
	/* What every server since 5.5 has: before any was seen */
	CAPS_SURE = SP_CAP_LONG_PASSWORD | SP_CAP_FOUND_ROWS | SP_CAP_LONG_FLAG | SP_CAP_NO_SCHEMA |
		    SP_CAP_ODBC | SP_CAP_LOCAL_FILES | SP_CAP_IGNORE_SPACE | SP_CAP_INTERACTIVE |
		    SP_CAP_TRANSACTIONS | SP_CAP_MULTI_STATEMENTS | SP_CAP_MULTI_RESULTS |
		    SP_CAP_PS_MULTI_RESULTS,
};

/* What all servers have in common; first: the one whose words are shown. */
static uint64_t common_caps(const struct sp_setup *s, const struct sp_greeting **first)
{
	uint64_t caps = ~0ull;

	*first = NULL;
	for (int i = 0; i < s->servers_count; i++) {
		const struct sp_health *h = s->servers[i].health;
		const struct sp_greeting *g = __atomic_load_n(&h->greeting, __ATOMIC_ACQUIRE);
		caps &= g ? g->caps : sp_health_up(h) ? CAPS_SURE : ~0ull;
		if (g && (!*first || sp_route_is_primary(&s->servers[i])))
			*first = g;
	}
	return *first ? caps & (SP_CAPS_CLASS | SP_CAP_SESSION_TRACK | SP_CAP_TRANSACTIONS |
				SP_CAP_LONG_PASSWORD)
		      : CAPS_SURE;
}

static void fill_greeting(struct sp_client *c, struct sp_greeting *g)
{
	const struct sp_main_conf *m = c->setup->main;
	const struct sp_greeting *seen;
	uint64_t caps = common_caps(c->setup, &seen);

	memset(g, 0, sizeof(*g));
	bool fixed = strcmp(m->server_version, "auto") != 0;
	snprintf(g->version, sizeof(g->version), "%s",
		 fixed  ? m->server_version
		 : seen ? seen->version
			: "5.7.0-troupe");
	g->thread_id = c->id;
	g->charset = seen ? seen->charset : 33;
	g->status = SP_STATUS_AUTOCOMMIT;
	g->caps = caps | CAPS_OURS | (c->setup->tls ? SP_CAP_SSL : 0) |
		  (m->compress ? SP_CAP_COMPRESS : 0);
	g->scramble_len = SP_SCRAMBLE;
	memcpy(g->scramble, c->login->scramble, SP_SCRAMBLE);
	snprintf(g->plugin, sizeof(g->plugin), "%s", plugin_names[m->default_auth]);
	c->login->announced = g->caps;
}

void sp_login_start(struct sp_client *c)
{
	struct sp_greeting g;
	struct buf out;

	c->login = mem_new(sizeof(*c->login));
	const char *full = sp_limits_arrive(c);
	if (full) {
		c->worker->figures.clients_refused++;
		c->seq = UINT8_MAX; /* instead of a greeting */
		fail(c, 1040, "08004", full);
		return;
	}
	if (c->worker->draining) {
		c->seq = UINT8_MAX;
		fail(c, 1053, "08S01", "Server shutdown in progress");
		return;
	}
	sp_auth_scramble(c->login->scramble);
	fill_greeting(c, &g);
	buf_init(&out, 1024);
	sp_greeting_write(&out, &g);
	stream_put(&c->stream, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

/* ---- the end ------------------------------------------------------------- */

static void welcome(struct sp_client *c)
{
	static const uint8_t ok[] = { 0, 0, 0, SP_STATUS_AUTOCOMMIT, 0, 0, 0 };
	bool compress = c->caps & SP_CAP_COMPRESS && !c->login->change_user;

	if (c->zip)
		sp_client_put(
			c, (uint8_t[]){ 7, 0, 0, ++c->seq, 0, 0, 0, SP_STATUS_AUTOCOMMIT, 0, 0, 0 },
			11);
	else
		put(c, ok, sizeof(ok));
	now_ready(c);
	if (compress)
		c->zip = sp_zip_new(6);
	if (c->group->database->conf->mode == SP_MODE_SESSION)
		sp_pin_set(&c->session, SP_PIN_MODE, true, c->worker->now);
}

void sp_login_tried(struct sp_client *c, const char *error, uint16_t code)
{
	if (c->login->step != SP_LOGIN_TRIAL)
		return;
	if (error) {
		fail(c, code, code == 1049 ? "42000" : code == 1044 ? "42000" : "08004", error);
		return;
	}
	sp_group_learn(c->group, c->session.db);
	c->state = SP_CLIENT_LOGIN;
	welcome(c);
}

/* Asks a server whether the database exists, as a statement of this client. */
static void try_database(struct sp_client *c)
{
	c->login->step = SP_LOGIN_TRIAL;
	c->state = SP_CLIENT_READY;
	buf_take(&c->in, buf_len(&c->in));
	sp_write_command(&c->in, SP_COM_INIT_DB, c->database, strlen(c->database));
	sp_command_work(c);
}

static const char *real_name(const struct sp_client *c)
{
	const struct sp_database *d = c->group->database;

	return d->conf->name && *d->conf->name ? d->conf->name : c->database;
}

static void choose_group(struct sp_client *c)
{
	struct sp_login_state *l = c->login;
	const struct sp_user *u = sp_setup_user(c->setup, c->user, strlen(c->user));
	const struct sp_database *d = sp_setup_database(c->setup, c->database, strlen(c->database));
	char text[240];

	if (u && !sp_user_may_use(u, c->database, strlen(c->database))) {
		snprintf(text, sizeof(text), "Access denied for user '%s' to database '%s'",
			 c->user, c->database);
		fail(c, 1044, "42000", text);
		return;
	}
	if (!d) {
		snprintf(text, sizeof(text), "Unknown database '%s': no [database] section has it",
			 c->database);
		fail(c, 1049, "42000", text);
		return;
	}
	if (c->group)
		sp_group_give(c->group);
	c->group = sp_group_take(c->worker, c->setup, c->user, d,
				 u && u->mapped ? &u->backend_secret : &l->secret);
	c->group->model_caps = c->caps;
	c->group->model_charset = c->charset;
	sp_session_set_db(&c->session, real_name(c), *c->database ? strlen(real_name(c)) : 0);
	if (c->session.db && !sp_group_knows(c->group, c->session.db))
		try_database(c);
	else
		welcome(c);
}

static void proven(struct sp_client *c)
{
	const struct sp_user *u = sp_setup_user(c->setup, c->user, strlen(c->user));

	sp_limits_right(c);
	c->login->verified = true;
	if (!c->login->change_user) {
		const char *full = sp_limits_login(c, u ? (uint64_t)u->conf->max_clients : 0);
		if (full) {
			fail(c, 1040, "08004", full);
			return;
		}
	}
	choose_group(c);
}

/* ---- is it true? --------------------------------------------------------- */

static void switch_to(struct sp_client *c, enum plugin plugin)
{
	uint8_t payload[128];
	const char *name = plugin_names[plugin];
	size_t n = strlen(name) + 1;

	c->login->switched = true;
	c->login->plugin = plugin;
	c->login->step = SP_LOGIN_SWITCHED;
	sp_auth_scramble(c->login->scramble);
	payload[0] = 0xfe;
	memcpy(payload + 1, name, n);
	memcpy(payload + 1 + n, c->login->scramble, SP_SCRAMBLE);
	payload[1 + n + SP_SCRAMBLE] = 0;
	put(c, payload, 2 + n + SP_SCRAMBLE);
}

/* sha2: only the password itself will do. */
static void ask_in_full(struct sp_client *c)
{
	c->login->step = SP_LOGIN_FULL;
	put(c, "\x01\x04", 2);
}

static void verify_native(struct sp_client *c)
{
	struct sp_login_state *l = c->login;
	struct sp_secret *s = &l->secret;

	if (l->reply_len == SP_SHA1 && s->has_stage2 &&
	    sp_auth_native_verify(s->stage2, l->scramble, l->reply, s->stage1)) {
		s->has_stage1 = true;
		proven(c);
	} else {
		denied(c);
	}
}

static void verify_sha2(struct sp_client *c)
{
	struct sp_login_state *l = c->login;
	struct sp_secret *s = &l->secret;
	uint8_t twice[SP_SHA256];

	if (l->reply_len != SP_SHA256) {
		denied(c);
		return;
	}
	if (!s->password) {
		ask_in_full(c);
		return;
	}
	sp_auth_sha2_twice(s->password, s->password_len, twice);
	if (!sp_auth_sha2_verify(twice, l->scramble, l->reply)) {
		if (c->setup->main->auth == SP_AUTH_USERS)
			denied(c);
		else
			ask_in_full(c); /* it may have changed on the server */
		return;
	}
	put(c, "\x01\x03", 2);
	proven(c);
}

/* Which plugin can decide, given what is known? */
static enum plugin suitable(const struct sp_client *c)
{
	const struct sp_secret *s = &c->login->secret;
	enum plugin offered = c->login->plugin;

	if (offered == PLUGIN_SHA2 && (s->password || s->sha2))
		return PLUGIN_SHA2;
	if (s->has_stage2)
		return PLUGIN_NATIVE;
	return PLUGIN_SHA2;
}

static void compare(struct sp_client *c)
{
	struct sp_login_state *l = c->login;
	const struct sp_secret *s = &l->secret;
	enum plugin wanted = suitable(c);

	if (s->password && s->password_len == 0 && !s->has_stage2) {
		if (l->reply_len == 0)
			proven(c);
		else
			denied(c);
	} else if (l->plugin != wanted && !l->switched && c->caps & SP_CAP_PLUGIN_AUTH) {
		switch_to(c, wanted);
	} else if (l->plugin != wanted) {
		denied(c);
	} else if (l->reply_len == 0) {
		denied(c);
	} else if (wanted == PLUGIN_NATIVE) {
		verify_native(c);
	} else {
		verify_sha2(c);
	}
}

/* Nobody here knows the password: the client says it, a server judges it. */
static void pass_through(struct sp_client *c)
{
	struct sp_login_state *l = c->login;

	if (sp_account_find(c->user, INT64_MAX, &l->secret)) {
		compare(c);
		return;
	}
	if (l->plugin != PLUGIN_SHA2 && !l->switched)
		switch_to(c, PLUGIN_SHA2);
	else if (l->reply_len == 0) /* it says that it has none: the server knows */
		take_password(c, "", 0);
	else
		ask_in_full(c);
}

static void verify(struct sp_client *c)
{
	struct sp_login_state *l = c->login;
	const struct sp_user *u = sp_setup_user(c->setup, c->user, strlen(c->user));

	sp_secret_fini(&l->secret);
	if (u) {
		sp_secret_copy(&l->secret, &u->secret);
		compare(c);
	} else if (c->setup->main->auth == SP_AUTH_PASSTHROUGH) {
		pass_through(c);
	} else if (c->setup->main->auth == SP_AUTH_QUERY) {
		if (sp_account_find(c->user, SP_ACCOUNT_AGE_MS, &l->secret)) {
			compare(c);
			return;
		}
		l->step = SP_LOGIN_LOOKUP;
		sp_monitor_lookup(c->worker, c->id, c->user);
	} else if (!l->switched && l->plugin == PLUGIN_OTHER) {
		switch_to(c, PLUGIN_NATIVE);
	} else {
		denied(c);
	}
}

void sp_login_looked_up(struct sp_worker *w, uint32_t id, const struct sp_secret *found)
{
	struct sp_client *c = sp_worker_client(w, id);

	if (!c || !c->login || c->login->step != SP_LOGIN_LOOKUP)
		return;
	if (!found) {
		denied(c);
		return;
	}
	sp_account_store(c->user, found);
	sp_secret_copy(&c->login->secret, found);
	compare(c);
}

/* The password is here, in full. */
static void take_password(struct sp_client *c, const char *password, size_t len)
{
	struct sp_login_state *l = c->login;
	const struct sp_database *d = sp_setup_database(c->setup, c->database, strlen(c->database));
	struct sp_secret full;

	sp_secret_plain(&full, password, len);
	full.sha2 = l->secret.sha2;
	full.sha2_len = l->secret.sha2_len;
	l->secret.sha2 = NULL;
	bool hash = full.sha2 != NULL;
	bool right = hash && sp_auth_sha2_check(full.sha2, full.sha2_len, password, len);
	sp_secret_fini(&l->secret);
	l->secret = full;
	if (hash && right) {
		sp_account_store(c->user, &l->secret);
		proven(c);
	} else if (hash || !d) {
		denied(c);
	} else {
		l->step = SP_LOGIN_TRIAL;
		struct sp_group *g = sp_group_take(c->worker, c->setup, c->user, d, NULL);
		sp_pool_try(sp_route_primary(g), c->id, &l->secret);
		sp_group_give(g);
	}
}

void sp_login_trial_done(struct sp_worker *w, uint32_t id, const char *error)
{
	struct sp_client *c = sp_worker_client(w, id);

	if (!c || !c->login || c->login->step != SP_LOGIN_TRIAL)
		return;
	if (!error) {
		sp_account_store(c->user, &c->login->secret);
		proven(c);
	} else if (strncmp(error, "1045", 4) == 0) {
		denied(c);
	} else {
		fail(c, 2003, "HY000", error);
	}
}

/* ---- in ------------------------------------------------------------------ */

static enum plugin plugin_of(struct sp_span name, uint64_t caps)
{
	if (!(caps & SP_CAP_PLUGIN_AUTH))
		return PLUGIN_NATIVE;
	for (enum plugin p = PLUGIN_NATIVE; p < PLUGIN_OTHER; p++)
		if (sp_span_is(name, plugin_names[p]))
			return p;
	return PLUGIN_OTHER;
}

static void take_reply(struct sp_client *c, const void *data, size_t len)
{
	c->login->reply_len = len < sizeof(c->login->reply) ? len : sizeof(c->login->reply);
	memcpy(c->login->reply, data ? data : "", data ? c->login->reply_len : 0);
}

static bool take_facts(struct sp_client *c, const struct sp_login *l)
{
	if (l->user.len >= sizeof(c->user) || l->db.len >= sizeof(c->database)) {
		fail(c, 1045, "28000", "Access denied: the user's or database's name is too long");
		return false;
	}
	snprintf(c->user, sizeof(c->user), "%.*s", (int)l->user.len, l->user.at);
	snprintf(c->database, sizeof(c->database), "%.*s", (int)l->db.len,
		 l->db.at ? l->db.at : "");
	c->login->plugin = plugin_of(l->plugin, l->caps);
	take_reply(c, l->reply.at, l->reply.len);
	return true;
}

static void take_response(struct sp_client *c, const uint8_t *payload, size_t len)
{
	struct sp_login l;
	bool ssl;

	if (sp_login_read(&l, payload, len, &ssl)) {
		fail(c, 1043, "08S01", "Bad handshake");
		return;
	}
	if (ssl && (!c->setup->tls || c->stream.tls)) {
		fail(c, 1043, "08S01", "Bad handshake: TLS is not offered");
		return;
	}
	if (ssl) {
		c->login->step = SP_LOGIN_SECURING;
		return;
	}
	if (c->setup->main->tls == SP_TLS_REQUIRED && !c->stream.tls &&
	    c->peer.ss_family != AF_UNIX) {
		fail(c, 3159, "HY000",
		     "Connections using insecure transport are prohibited: use TLS");
		return;
	}
	c->caps = l.caps & c->login->announced;
	c->charset = l.charset;
	if (take_facts(c, &l))
		verify(c);
}

static bool safe_channel(const struct sp_client *c)
{
	return c->stream.tls || c->peer.ss_family == AF_UNIX;
}

/* The password in clear over a safe channel, or the wish for our key, or what it sealed with it. */
static void take_full(struct sp_client *c, const uint8_t *payload, size_t len)
{
	char password[512];

	if (safe_channel(c)) {
		size_t n = strnlen((const char *)payload, len);
		take_password(c, (const char *)payload, n);
		return;
	}
	struct sp_auth_rsa *key = sp_account_key();
	if (len == 1 && *payload == 2 && key) {
		uint8_t out[1024] = { 1 };
		size_t pem_len;
		const char *pem = sp_auth_rsa_pem(key, &pem_len);
		memcpy(out + 1, pem, pem_len);
		put(c, out, 1 + pem_len);
		return;
	}
	int n = key ? sp_auth_rsa_open(key, sp_auth_bytes(payload, len), c->login->scramble,
				       password, sizeof(password))
		    : -1;
	if (n < 0)
		denied(c);
	else
		take_password(c, password, (size_t)n);
	explicit_bzero(password, sizeof(password));
}

static void take_packet(struct sp_client *c, const uint8_t *payload, size_t len)
{
	switch (c->login->step) {
	case SP_LOGIN_RESPONSE:
		take_response(c, payload, len);
		break;
	case SP_LOGIN_SWITCHED:
		take_reply(c, payload, len);
		verify(c);
		break;
	case SP_LOGIN_FULL:
		take_full(c, payload, len);
		break;
	default: /* nothing may come now */
		fail(c, 1047, "08S01", "Unknown command: the login is not complete");
		break;
	}
}

/* A client need not wait for our answer: what came behind its wish is TLS's, and never taken for
 * plain bytes that somebody may have put there. */
static void go_secure(struct sp_client *c)
{
	if (stream_secure(&c->stream, c->setup->tls, NULL)) {
		sp_client_close(c, "TLS can't start");
		return;
	}
	stream_feed(&c->stream, buf_data(&c->in), buf_len(&c->in));
	buf_fini(&c->in);
}

void sp_login_secured(struct sp_client *c)
{
	c->login->step = SP_LOGIN_RESPONSE;
}

void sp_login_input(struct sp_client *c)
{
	enum { PACKET_MAX = 64 * 1024 };

	while (c->login && c->state == SP_CLIENT_LOGIN && buf_len(&c->in) >= SP_HEADER) {
		const uint8_t *p = buf_data(&c->in);
		uint32_t len = sp_payload_len(p);
		if (len > PACKET_MAX || (len == 0 && c->login->step == SP_LOGIN_RESPONSE)) {
			c->seq = p[3];
			fail(c, 1043, "08S01", "Bad handshake");
			return;
		}
		if (buf_len(&c->in) < SP_HEADER + len)
			return;
		uint8_t packet[PACKET_MAX];
		memcpy(packet, p + SP_HEADER, len);
		c->seq = p[3];
		buf_take(&c->in, SP_HEADER + len);
		take_packet(c, packet, len);
		if (c->login && c->state == SP_CLIENT_LOGIN &&
		    c->login->step == SP_LOGIN_SECURING) {
			go_secure(c);
			return;
		}
	}
	if (!c->login && c->state == SP_CLIENT_READY && buf_len(&c->in) > 0)
		sp_command_work(c);
}

void sp_login_change_user(struct sp_client *c, const uint8_t *payload, size_t len)
{
	struct sp_login l;

	c->login = mem_new(sizeof(*c->login));
	c->login->change_user = true;
	c->login->announced = c->caps;
	strcpy(c->login->old_user, c->user);
	strcpy(c->login->old_database, c->database);
	c->deadline = c->worker->now + (uint64_t)c->setup->main->login_timeout;
	c->state = SP_CLIENT_LOGIN;
	list_remove(&c->link);
	list_append(&c->worker->logins, &c->link);
	if (sp_change_user_read(&l, payload, len, c->caps)) {
		fail(c, 1047, "08S01", "Malformed COM_CHANGE_USER");
		return;
	}
	sp_client_forget(c);
	if (l.charset)
		c->charset = l.charset;
	l.caps = c->caps;
	if (!take_facts(c, &l))
		return;
	c->login->plugin = PLUGIN_OTHER; /* as MariaDB: a new scramble, whatever was sent */
	const struct sp_user *u = sp_setup_user(c->setup, c->user, strlen(c->user));
	bool native = u ? !u->secret.sha2 : c->setup->main->default_auth == 0;
	native |= !(c->caps & SP_CAP_PLUGIN_AUTH);
	switch_to(c, native ? PLUGIN_NATIVE : PLUGIN_SHA2);
}

void sp_login_free(struct sp_client *c)
{
	if (!c->login)
		return;
	sp_secret_fini(&c->login->secret);
	explicit_bzero(c->login, sizeof(*c->login));
	free(c->login);
	c->login = NULL;
}
