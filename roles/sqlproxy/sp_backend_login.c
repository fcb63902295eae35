#include "roles/sqlproxy/sp_backend_login.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "roles/sqlproxy/sp_auth.h"
#include "roles/sqlproxy/sp_backend.h"
#include "roles/sqlproxy/sp_group.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_pool.h"

enum { LOGIN_MAX = 64 * 1024 };

static void fill_login(struct sp_backend *b, const struct sp_greeting *g, struct sp_login *l)
{
	uint64_t ours = SP_CAP_PROTOCOL_41 | SP_CAP_SECURE_CONNECTION | SP_CAP_TRANSACTIONS |
			SP_CAP_PLUGIN_AUTH | SP_CAP_SESSION_TRACK | SP_CAP_LONG_PASSWORD |
			SP_CAP_CONNECT_ATTRS;
	static const char attributes[] = "\x0c_client_name\x06troupe\x0cprogram_name\x06troupe";

	*l = (struct sp_login){ .packet_max = 1u << 30, .charset = b->charset };
	l->caps = (b->client_caps | ours) & g->caps;
	l->attributes = (struct sp_span){ attributes, sizeof(attributes) - 1 };
	l->user = (struct sp_span){ b->pool->group->backend_user,
				    strlen(b->pool->group->backend_user) };
	b->server_caps = g->caps;
	b->caps = l->caps;
	b->mariadb = strstr(g->version, "MariaDB") != NULL;
	b->has_track = l->caps & SP_CAP_SESSION_TRACK;
	b->has_reset = g->caps & SP_CAP_SESSION_TRACK; /* both came with 5.7 and 10.2 */
}

static void remember_plugin(struct sp_backend *b, const char *name, const void *data, size_t len)
{
	snprintf(b->plugin, sizeof(b->plugin), "%s", name);
	b->scramble_len = (uint8_t)(len > SP_SCRAMBLE_MAX ? SP_SCRAMBLE_MAX : len);
	memcpy(b->scramble, data, b->scramble_len);
}

static bool safe_channel(const struct sp_backend *b)
{
	return b->stream.tls || b->pool->server->addr.is_unix;
}

/* What the plugin wants to hear; -1: we can't say it. */
static int auth_reply(struct sp_backend *b, uint8_t out[256])
{
	const struct sp_secret *s = b->secret;
	bool empty = s->password && s->password_len == 0;

	if (strcmp(b->plugin, "mysql_native_password") == 0) {
		if (!s->has_stage1)
			return empty ? 0 : -1;
		sp_auth_native_reply(s->stage1, b->scramble, out);
		return SP_SHA1;
	}
	if (!s->password)
		return -1;
	if (strcmp(b->plugin, "caching_sha2_password") == 0) {
		if (!empty)
			sp_auth_sha2_reply(s->password, s->password_len, b->scramble, out);
		return empty ? 0 : SP_SHA256;
	}
	if (strcmp(b->plugin, "client_ed25519") == 0 && b->scramble_len >= SP_ED25519_NONCE) {
		sp_auth_ed25519_sign(s->password, s->password_len, b->scramble, out);
		return 64;
	}
	bool clear =
		strcmp(b->plugin, "mysql_clear_password") == 0 || strcmp(b->plugin, "dialog") == 0;
	if (!clear || !safe_channel(b) || s->password_len > 250)
		return -1;
	memcpy(out, s->password, s->password_len + 1);
	return (int)s->password_len + 1;
}

static void send_packet(struct sp_backend *b, const void *payload, size_t len)
{
	uint8_t packet[1024 + SP_HEADER];

	assert(len <= 1024);
	sp_write_header(packet, len, ++b->login_seq);
	memcpy(packet + SP_HEADER, payload, len);
	stream_put(&b->stream, packet, len + SP_HEADER);
}

void sp_backend_login(struct sp_backend *b)
{
	struct sp_login l;
	struct sp_greeting g = { .caps = b->server_caps };
	uint8_t reply[256];
	struct buf out;

	if (b->mariadb)
		snprintf(g.version, sizeof(g.version), "MariaDB");
	fill_login(b, &g, &l);
	int n = auth_reply(b, reply);
	if (n < 0) { /* perhaps the account's own plugin suits us better */
		remember_plugin(b, "mysql_native_password", b->scramble, b->scramble_len);
		n = auth_reply(b, reply);
	}
	l.reply = (struct sp_span){ (char *)reply, n < 0 ? 0 : (size_t)n };
	l.plugin = (struct sp_span){ b->plugin, strlen(b->plugin) };
	if (b->stream.tls)
		l.caps |= SP_CAP_SSL;
	buf_init(&out, 4096);
	sp_login_write(&out, &l, ++b->login_seq);
	b->state = SP_BACKEND_AUTHENTICATING;
	stream_put(&b->stream, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

static void take_greeting(struct sp_backend *b, const uint8_t *payload, size_t len)
{
	const struct sp_server *server = b->pool->server;
	struct sp_greeting g;
	struct sp_login l;
	struct sp_error e;
	struct buf out;

	if (*payload == 0xff && sp_error_read(&e, payload, len) == 0) {
		char text[200];
		snprintf(text, sizeof(text), "%.*s", (int)(e.text.len < 199 ? e.text.len : 199),
			 e.text.at);
		sp_backend_refuse(b, "the server refuses", text);
		return;
	}
	if (sp_greeting_read(&g, payload, len)) {
		sp_backend_close(b, "the server's greeting is not MySQL's");
		return;
	}
	sp_health_greeted(server->health, &g);
	b->thread_id = g.thread_id;
	remember_plugin(b, *g.plugin ? g.plugin : "mysql_native_password", g.scramble,
			g.scramble_len);
	fill_login(b, &g, &l);
	bool tls = server->tls && (g.caps & SP_CAP_SSL);
	if (!tls && server->conf->tls == SP_TLS_REQUIRED) {
		sp_backend_close(b, "the server does not offer TLS, which is required");
		return;
	}
	if (!tls) {
		sp_backend_login(b);
		return;
	}
	buf_init(&out, 256);
	l.caps |= SP_CAP_SSL;
	sp_ssl_request_write(&out, &l, ++b->login_seq);
	stream_put(&b->stream, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	b->state = SP_BACKEND_SECURING;
	stream_secure(&b->stream, server->tls, server->addr.is_unix ? NULL : server->addr.host);
}

/* The plugin says more: sha2's "well known", "say it in full", or its key. */
static void more_auth(struct sp_backend *b, const uint8_t *payload, size_t len)
{
	const struct sp_secret *s = b->secret;
	uint8_t sealed[1024];

	if (strcmp(b->plugin, "caching_sha2_password") != 0 || len < 2 || !s->password) {
		sp_backend_close(b, "the server's authentication goes on in a way we don't know");
	} else if (payload[1] == 3) {
		return;
	} else if (payload[1] == 4 && safe_channel(b)) {
		send_packet(b, s->password, s->password_len + 1);
	} else if (payload[1] == 4) {
		send_packet(b, "\x02", 1);
	} else {
		int n = sp_auth_rsa_seal(sp_auth_bytes(payload + 1, len - 1),
					 sp_auth_bytes(s->password, s->password_len), b->scramble,
					 sealed, sizeof(sealed));
		if (n < 0)
			sp_backend_close(b, "the server's public key can't be used");
		else
			send_packet(b, sealed, (size_t)n);
	}
}

static void switch_plugin(struct sp_backend *b, const uint8_t *payload, size_t len)
{
	struct sp_reader r = sp_reader(payload + 1, len - 1);
	struct sp_span name = sp_read_text(&r);
	size_t left = sp_reader_left(&r);
	uint8_t reply[256];
	char plugin[64];

	if (r.bad || name.len >= sizeof(plugin)) {
		sp_backend_close(b, "the server wants passwords of before 4.1");
		return;
	}
	/* A scramble has a 0 behind it; what ed25519 signs has none, and may end in one. */
	if (left == SP_SCRAMBLE + 1 && r.at[left - 1] == 0)
		left--;
	snprintf(plugin, sizeof(plugin), "%.*s", (int)name.len, name.at);
	remember_plugin(b, plugin, r.at, left);
	int n = auth_reply(b, reply);
	if (n < 0)
		sp_backend_refuse(b, "the account's plugin needs a plain password, or TLS", plugin);
	else
		send_packet(b, reply, (size_t)n);
}

static void logged_in(struct sp_backend *b)
{
	/* Set to what they are, the last four are told. */
	static const char track[] = "SET SESSION session_track_system_variables='*',"
				    "session_track_state_change=1,"
				    "session_track_transaction_info='CHARACTERISTICS',"
				    "character_set_client=@@character_set_client,"
				    "collation_connection=@@collation_connection,"
				    "wait_timeout=@@wait_timeout,"
				    "sql_auto_is_null=@@sql_auto_is_null";
	const char *init = b->pool->group->database->conf->init;
	struct buf out;

	b->state = SP_BACKEND_PREPARING;
	buf_init(&out, 64 * 1024);
	if (b->has_track) {
		sp_write_command(&out, SP_COM_QUERY, track, sizeof(track) - 1);
		b->settings++;
	}
	if (init) {
		sp_write_command(&out, SP_COM_QUERY, init, strlen(init));
		b->settings++;
	}
	if (*b->errand) {
		sp_write_command(&out, SP_COM_QUERY, b->errand, strlen(b->errand));
		b->settings++;
	}
	stream_put(&b->stream, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

static void now_idle(struct sp_backend *b)
{
	b->deadline = 0;
	b->state = SP_BACKEND_IDLE;
	sp_pool_opened(b);
}

static void take_setting(struct sp_backend *b, const uint8_t *payload, size_t len)
{
	struct sp_ok ok;

	if (*payload == 0xff && !*b->errand) {
		sp_backend_close(b, "the server refused our settings; see init");
		return;
	}
	if (*payload == 0x00 && b->has_track && sp_ok_read(&ok, payload, len, b->caps) == 0)
		sp_session_track_login(b, ok.track);
	if (--b->settings == 0)
		now_idle(b);
}

static void login_failed(struct sp_backend *b, const uint8_t *payload, size_t len)
{
	struct sp_error e;
	char text[240];

	sp_error_read(&e, payload, len);
	snprintf(text, sizeof(text), "%u %.*s", e.code, (int)(e.text.len < 200 ? e.text.len : 200),
		 e.text.at);
	sp_backend_close(b, text);
}

static void take_login_packet(struct sp_backend *b, const uint8_t *payload, size_t len)
{
	if (b->state == SP_BACKEND_GREETING) {
		take_greeting(b, payload, len);
	} else if (b->state == SP_BACKEND_PREPARING) {
		take_setting(b, payload, len);
	} else if (*payload == 0x00) {
		logged_in(b);
		if (b->settings == 0)
			now_idle(b);
	} else if (*payload == 0xff) {
		login_failed(b, payload, len);
	} else if (*payload == 0xfe) {
		switch_plugin(b, payload, len);
	} else if (*payload == 0x01) {
		more_auth(b, payload, len);
	} else {
		sp_backend_close(b, "the server's answer to our login is not MySQL's");
	}
}

/* Whole packets of the login, one by one. */
void sp_backend_login_input(struct sp_backend *b)
{
	while (b->state != SP_BACKEND_CLOSED && b->state < SP_BACKEND_IDLE &&
	       buf_len(&b->in) >= SP_HEADER) {
		const uint8_t *p = buf_data(&b->in);
		uint32_t len = sp_payload_len(p);
		if (len == 0 || len > LOGIN_MAX) {
			sp_backend_close(b,
					 "a packet of the server's login has an impossible length");
			return;
		}
		if (buf_len(&b->in) < SP_HEADER + len)
			return;
		b->login_seq = p[3];
		take_login_packet(b, p + SP_HEADER, len);
		if (b->state != SP_BACKEND_CLOSED)
			buf_take(&b->in, SP_HEADER + len);
	}
}
