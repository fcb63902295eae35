#include "roles/sqlproxy/sp_console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/log/log.h"
#include "core/net/addr.h"
#include "core/net/stream.h"
#include "roles/sqlproxy/sp_auth.h"
#include "roles/sqlproxy/sp_console_wire.h"
#include "roles/sqlproxy/sp_order.h"
#include "roles/sqlproxy/sp_packet.h"
#include "roles/sqlproxy/sp_proxy.h"
#include "roles/sqlproxy/sp_setup.h"
#include "roles/sqlproxy/sp_show.h"

enum {
	PACKET_MAX = 64 * 1024,
	LOGIN_MS = 10 * 1000,
	LINGER_MS = 1000,
	DELAY_MS = 300,
	STUCK_MS = 60 * 1000, /* nothing of an answer was taken */
	BATCH = 64 * 1024,
};

enum state { LOGIN, SECURING, SWITCHED, DELAYED, READY, ANSWERING, CHECKING, LINGERING, CLOSED };

enum plugin { NATIVE, SHA2, OTHER };

static const char *const plugins[] = { "mysql_native_password", "caching_sha2_password" };

/* A CHECK on a thread of its own; it outlives its console when that leaves. */
struct check {
	uv_work_t work;
	struct sp_console *console; /* NULL: left */
	struct sp_setup *setup;
	struct sp_rows rows;
};

struct sp_console {
	struct list link;
	struct sp_consoles *all;
	struct stream stream;
	struct buf in;
	enum state state;
	uint32_t id;
	uint8_t seq;
	uint64_t caps, deadline;
	uint8_t scramble[SP_SCRAMBLE];
	enum sp_right right;
	struct sp_reply reply; /* whose rows are being sent */
	size_t row;
	struct check *check;
	char user[65], peer[ADDR_TEXT];
};

static void on_event(struct stream *s, enum stream_event event);

static uint64_t now(const struct sp_console *c)
{
	return uv_now(c->all->loop);
}

static const struct sp_setup *setup_of(const struct sp_console *c)
{
	return sp_proxy_setup(c->all->proxy);
}

/* ---- the end ------------------------------------------------------------------------- */

static void on_closed(struct stream *s)
{
	struct sp_console *c = s->owner;
	struct sp_consoles *all = c->all;

	list_remove(&c->link);
	if (c->check)
		c->check->console = NULL;
	sp_reply_fini(&c->reply);
	buf_fini(&c->in);
	free(c);
	all->count--;
	all->on_gone(all);
}

static void close_console(struct sp_console *c)
{
	c->state = CLOSED;
	stream_close(&c->stream, on_closed);
}

static void linger(struct sp_console *c)
{
	c->state = LINGERING;
	c->deadline = now(c) + LINGER_MS;
	stream_linger(&c->stream, on_closed);
}

/* ---- out ------------------------------------------------------------------------------- */

static void put_out(struct sp_console *c, struct buf *out)
{
	if (buf_len(out) > 0 && stream_put(&c->stream, buf_data(out), buf_len(out)))
		close_console(c);
	buf_fini(out);
}

static void send_error(struct sp_console *c, uint16_t code, const char *state, const char *text)
{
	struct buf out;

	buf_init(&out, 1024);
	sp_error_write(&out, (uint8_t)(c->seq + 1), code, state, "%s", text);
	put_out(c, &out);
}

static void send_ok(struct sp_console *c, uint64_t affected, const char *info)
{
	struct sp_ok ok = { .affected = affected, .status = SP_STATUS_AUTOCOMMIT };
	struct buf out;

	ok.info = (struct sp_span){ info, strlen(info) };
	buf_init(&out, 1024);
	sp_ok_write(&out, &ok, 0, (uint8_t)(c->seq + 1), c->caps);
	put_out(c, &out);
}

static void fail(struct sp_console *c, uint16_t code, const char *state, const char *text)
{
	send_error(c, code, state, text);
	if (c->state != CLOSED)
		linger(c);
}

static void ready(struct sp_console *c)
{
	int64_t idle = setup_of(c)->main->client_idle_timeout;

	if (c->state == CLOSED)
		return;
	c->state = READY;
	c->deadline = idle ? now(c) + (uint64_t)idle : 0;
}

/* As many rows as the client takes; the rest when it has read these. */
static void send_rows(struct sp_console *c)
{
	const struct sp_rows *rows = &c->reply.rows;

	while (c->state == ANSWERING && stream_backlog(&c->stream) < STREAM_HIGH) {
		struct buf out;
		bool end = false;
		buf_init(&out, SP_PAYLOAD_MAX);
		while (!end && buf_len(&out) < BATCH) {
			end = c->row == rows->count;
			if (end)
				sp_console_wire_end(&out, &c->seq, c->caps);
			else
				sp_console_wire_row(&out, &c->seq, rows, c->row++);
		}
		put_out(c, &out);
		if (end) {
			sp_reply_fini(&c->reply);
			ready(c);
		}
	}
	if (c->state == ANSWERING)
		c->deadline = now(c) + STUCK_MS;
}

static void start_rows(struct sp_console *c)
{
	struct buf out;

	buf_init(&out, BATCH);
	sp_console_wire_head(&out, &c->seq, c->caps, &c->reply.rows);
	c->state = ANSWERING;
	c->row = 0;
	put_out(c, &out);
	send_rows(c);
}

/* ---- CHECK -------------------------------------------------------------------------------- */

static void check_work(uv_work_t *work)
{
	struct check *k = work->data;

	sp_order_check(k->setup, &k->rows);
}

static void work_on(struct sp_console *c);

static void check_done(uv_work_t *work, int status)
{
	struct check *k = work->data;
	struct sp_console *c = k->console;

	(void)status;
	sp_setup_drop(k->setup);
	if (c) {
		c->check = NULL;
		c->reply.rows = k->rows;
		start_rows(c);
		work_on(c);
	} else {
		sp_rows_fini(&k->rows);
	}
	free(k);
}

static void start_check(struct sp_console *c)
{
	struct check *k = mem_new(sizeof(*k));

	k->work.data = k;
	k->console = c;
	k->setup = sp_setup_hold(sp_proxy_setup(c->all->proxy));
	c->check = k;
	c->state = CHECKING;
	c->deadline = 0;
	uv_queue_work(c->all->loop, &k->work, check_work, check_done);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void query(struct sp_console *c, const char *text, size_t len)
{
	struct sp_order o = { c->all->proxy, c->right, c->user, c->id, text, len };
	struct sp_reply *r = &c->reply;

	sp_order(&o, r);
	switch (r->kind) {
	case SP_REPLY_ROWS:
		start_rows(c);
		return;
	case SP_REPLY_CHECK:
		start_check(c);
		return;
	case SP_REPLY_ERROR:
		send_error(c, r->code, r->state, r->text);
		break;
	case SP_REPLY_OK:
		send_ok(c, r->affected, r->text);
		break;
	}
	sp_reply_fini(r);
}

static void kill_process(struct sp_console *c, const uint8_t *arg, size_t len)
{
	char text[32];

	snprintf(text, sizeof(text), "KILL %u", len >= 4 ? sp_u32(arg) : 0);
	query(c, text, strlen(text));
}

static void field_list(struct sp_console *c, const uint8_t *arg, size_t len)
{
	char name[65];
	struct sp_rows rows;
	struct buf out;

	snprintf(name, sizeof(name), "%.*s", (int)strnlen((const char *)arg, len < 64 ? len : 64),
		 (const char *)arg);
	const struct sp_show *show = sp_show_find(name);
	if (!show) {
		send_error(c, 1146, "42S02", "there is no such table (try: HELP)");
		return;
	}
	sp_rows_init(&rows, show->columns);
	buf_init(&out, BATCH);
	sp_console_wire_fields(&out, &c->seq, &rows);
	sp_rows_fini(&rows);
	put_out(c, &out);
}

static void statistics(struct sp_console *c)
{
	static const char text[] = "troupe sqlproxy console: SHOW STATS";
	struct buf out;

	buf_init(&out, 256);
	size_t begin = sp_packet_begin(&out);
	sp_write_bytes(&out, text, sizeof(text) - 1);
	sp_packet_end(&out, begin, (uint8_t)(c->seq + 1));
	put_out(c, &out);
}

static void set_option(struct sp_console *c)
{
	struct buf out;

	buf_init(&out, 64);
	sp_console_wire_end(&out, &c->seq, 0);
	put_out(c, &out);
}

static void command(struct sp_console *c, const uint8_t *payload, size_t len)
{
	const uint8_t *arg = payload + 1;

	ready(c); /* the deadline begins anew */
	switch (payload[0]) {
	case SP_COM_QUIT:
		linger(c);
		return;
	case SP_COM_QUERY:
		query(c, (const char *)arg, len - 1);
		return;
	case SP_COM_PING:
	case SP_COM_INIT_DB:
	case SP_COM_RESET_CONNECTION:
		send_ok(c, 0, "");
		return;
	case SP_COM_FIELD_LIST:
		field_list(c, arg, len - 1);
		return;
	case SP_COM_STATISTICS:
		statistics(c);
		return;
	case SP_COM_SET_OPTION:
		set_option(c);
		return;
	case SP_COM_PROCESS_KILL:
		kill_process(c, arg, len - 1);
		return;
	case SP_COM_STMT_CLOSE:
		return;
	case SP_COM_STMT_PREPARE:
		send_error(c, 1295, "HY000", "the console has no prepared statements: send text");
		return;
	default:
		send_error(c, 1047, "08S01", "Unknown command");
	}
}

/* ---- login ---------------------------------------------------------------------------------- */

static void greet(struct sp_console *c)
{
	struct sp_greeting g = { .thread_id = c->id,
				 .charset = 45,
				 .status = SP_STATUS_AUTOCOMMIT };
	struct buf out;

	snprintf(g.version, sizeof(g.version), "5.7.99-troupe-%s", TROUPE_VERSION);
	snprintf(g.plugin, sizeof(g.plugin), "%s", plugins[NATIVE]);
	g.caps = SP_CAP_LONG_PASSWORD | SP_CAP_FOUND_ROWS | SP_CAP_LONG_FLAG |
		 SP_CAP_CONNECT_WITH_DB | SP_CAP_PROTOCOL_41 | SP_CAP_TRANSACTIONS |
		 SP_CAP_RESERVED | SP_CAP_SECURE_CONNECTION | SP_CAP_MULTI_RESULTS |
		 SP_CAP_PLUGIN_AUTH | SP_CAP_CONNECT_ATTRS | SP_CAP_LENENC_AUTH |
		 SP_CAP_DEPRECATE_EOF | (setup_of(c)->tls ? SP_CAP_SSL : 0);
	c->caps = g.caps;
	sp_auth_scramble(c->scramble);
	g.scramble_len = SP_SCRAMBLE;
	memcpy(g.scramble, c->scramble, SP_SCRAMBLE);
	buf_init(&out, 1024);
	sp_greeting_write(&out, &g);
	put_out(c, &out);
}

/* The right that the name has, and what proves it. False: nobody of that name may come in. */
static bool find_user(struct sp_console *c, struct sp_secret *secret)
{
	const struct sp_main_conf *m = setup_of(c)->main;
	const char *password = NULL;

	if (m->admin_user && strcmp(c->user, m->admin_user) == 0) {
		password = m->admin_password;
		c->right = SP_RIGHT_ALL;
	}
	if ((!password || !*password) && m->stats_user && strcmp(c->user, m->stats_user) == 0) {
		password = m->stats_password;
		c->right = SP_RIGHT_LOOK;
	}
	return password && *password && sp_secret_parse(secret, password, NULL) == 0;
}

static void denied(struct sp_console *c)
{
	log_warn("console login refused user=%s from=%s", c->user, c->peer);
	c->state = DELAYED;
	c->deadline = now(c) + DELAY_MS;
}

static void say_denied(struct sp_console *c)
{
	char text[240];

	snprintf(text, sizeof(text), "Access denied for user '%s' to the console", c->user);
	fail(c, 1045, "28000", text);
}

static void welcome(struct sp_console *c)
{
	log_info("console login user=%s from=%s", c->user, c->peer);
	ready(c);
	send_ok(c, 0, "");
}

static void switch_to(struct sp_console *c, enum plugin plugin)
{
	struct buf out;

	c->state = SWITCHED;
	sp_auth_scramble(c->scramble);
	buf_init(&out, 256);
	size_t begin = sp_packet_begin(&out);
	sp_write_int(&out, 0xfe, 1);
	sp_write_text(&out, plugins[plugin]);
	sp_write_bytes(&out, c->scramble, SP_SCRAMBLE);
	sp_write_int(&out, 0, 1);
	sp_packet_end(&out, begin, ++c->seq);
	put_out(c, &out);
}

static bool proves(const struct sp_console *c, const struct sp_secret *s, struct sp_span reply)
{
	const uint8_t *data = (const uint8_t *)reply.at;
	uint8_t stage1[SP_SHA1], twice[SP_SHA256];

	if (reply.len == SP_SHA1)
		return s->has_stage2 && sp_auth_native_verify(s->stage2, c->scramble, data, stage1);
	if (reply.len != SP_SHA256 || !s->password)
		return false;
	sp_auth_sha2_twice(s->password, s->password_len, twice);
	return sp_auth_sha2_verify(twice, c->scramble, data);
}

/* caching_sha2_password's "it was fast": its OK follows. */
static void say_fast(struct sp_console *c)
{
	uint8_t packet[SP_HEADER + 2];

	sp_write_header(packet, 2, ++c->seq);
	packet[SP_HEADER] = 1;
	packet[SP_HEADER + 1] = 3;
	stream_put(&c->stream, packet, sizeof(packet));
}

static void judge(struct sp_console *c, struct sp_span reply)
{
	struct sp_secret secret = { 0 };
	bool good = find_user(c, &secret) && proves(c, &secret, reply);

	sp_secret_fini(&secret);
	if (!good) {
		denied(c);
		return;
	}
	if (reply.len == SP_SHA256)
		say_fast(c);
	welcome(c);
}

static enum plugin plugin_of(struct sp_span name)
{
	return sp_span_is(name, plugins[NATIVE]) ? NATIVE
	       : sp_span_is(name, plugins[SHA2]) ? SHA2
						 : OTHER;
}

/* What came behind the wish for TLS is TLS's: nobody slips a plain command in. */
static void secure(struct sp_console *c)
{
	struct tls_ctx *tls = setup_of(c)->tls;

	c->state = SECURING;
	if (!tls || c->stream.tls || stream_secure(&c->stream, tls, NULL)) {
		close_console(c);
		return;
	}
	stream_feed(&c->stream, buf_data(&c->in), buf_len(&c->in));
	buf_fini(&c->in);
}

static void take_login(struct sp_console *c, const uint8_t *payload, size_t len)
{
	struct sp_login l;
	bool ssl;

	if (sp_login_read(&l, payload, len, &ssl) || l.user.len >= sizeof(c->user)) {
		fail(c, 1043, "08S01", "Bad handshake");
		return;
	}
	if (ssl) {
		secure(c);
		return;
	}
	c->caps &= l.caps;
	snprintf(c->user, sizeof(c->user), "%.*s", (int)l.user.len, l.user.at);
	bool named = l.caps & SP_CAP_PLUGIN_AUTH;
	enum plugin plugin = named ? plugin_of(l.plugin) : NATIVE;
	size_t want = plugin == SHA2 ? SP_SHA256 : SP_SHA1;
	bool empty = l.reply.len == 0 && plugin == NATIVE;
	if (plugin != OTHER && (l.reply.len == want || empty))
		judge(c, l.reply);
	else if (named)
		switch_to(c, plugin == SHA2 ? SHA2 : NATIVE);
	else
		denied(c);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static void take_packet(struct sp_console *c, uint8_t *payload, size_t len)
{
	switch (c->state) {
	case LOGIN:
		take_login(c, payload, len);
		break;
	case SWITCHED:
		judge(c, (struct sp_span){ (const char *)payload, len });
		break;
	default:
		if (len == 0)
			fail(c, 1047, "08S01", "Unknown command");
		else
			command(c, payload, len);
	}
}

static bool listens(const struct sp_console *c)
{
	return c->state == LOGIN || c->state == SWITCHED || c->state == READY;
}

/* Packets that are whole, one after the other, until one needs time. */
static void work_on(struct sp_console *c)
{
	while (listens(c) && buf_len(&c->in) >= SP_HEADER) {
		uint32_t len = sp_payload_len(buf_data(&c->in));
		c->seq = buf_data(&c->in)[3];
		if (len > PACKET_MAX) {
			fail(c, 1153, "08S01", "Got a packet bigger than 64 KiB");
			return;
		}
		if (buf_len(&c->in) < SP_HEADER + len)
			break;
		uint8_t *packet = mem_new(len + 1);
		memcpy(packet, buf_data(&c->in) + SP_HEADER, len);
		buf_take(&c->in, SP_HEADER + len);
		take_packet(c, packet, len);
		explicit_bzero(packet, len);
		free(packet);
	}
	if (c->state == LINGERING || c->state == CLOSED)
		return;
	if (listens(c) || c->state == SECURING)
		stream_resume(&c->stream);
	else
		stream_pause(&c->stream);
}

static void on_readable(struct sp_console *c)
{
	size_t room;
	uint8_t *at = buf_room(&c->in, 16 * 1024, &room);
	ssize_t n = at ? stream_read(&c->stream, at, room) : UV_EMSGSIZE;

	if (n < 0) {
		close_console(c);
		return;
	}
	buf_commit(&c->in, (size_t)n);
	if (n > 0)
		work_on(c);
}

static void on_event(struct stream *s, enum stream_event event)
{
	struct sp_console *c = s->owner;

	if (c->state == LINGERING || c->state == CLOSED)
		return;
	if (event == STREAM_SECURE) {
		c->state = LOGIN;
	} else if (event == STREAM_DRAINED) {
		send_rows(c);
		work_on(c);
	} else {
		do
			on_readable(c);
		while (stream_more(s) && (listens(c) || c->state == SECURING));
	}
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

void sp_console_accept(struct sp_consoles *all, int fd, const struct sockaddr_storage *peer)
{
	struct sp_console *c = mem_new(sizeof(*c));

	c->all = all;
	c->id = ++all->last_id;
	addr_text((const struct sockaddr *)peer, c->peer);
	buf_init(&c->in, SP_HEADER + PACKET_MAX);
	if (stream_open(&c->stream, all->loop, fd, on_event, c)) {
		close(fd);
		free(c);
		return;
	}
	list_append(&all->list, &c->link);
	all->count++;
	c->deadline = now(c) + LOGIN_MS;
	if (all->count <= SP_CONSOLES_MAX) {
		greet(c);
		return;
	}
	c->seq = UINT8_MAX; /* in place of a greeting */
	fail(c, 1040, "08004", "Too many connections to the console");
}

void sp_console_tick(struct sp_consoles *all)
{
	struct list *it, *tmp;

	list_each (it, tmp, &all->list) {
		struct sp_console *c = container_of(it, struct sp_console, link);
		if (c->state == CLOSED || !c->deadline || now(c) < c->deadline)
			continue;
		if (c->state == DELAYED)
			say_denied(c);
		else
			close_console(c);
	}
}

void sp_console_close_all(struct sp_consoles *all)
{
	struct list *it, *tmp;

	list_each (it, tmp, &all->list)
		close_console(container_of(it, struct sp_console, link));
}
