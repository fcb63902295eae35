#include "roles/sqlproxy/sp_packet.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "tests/lib/check.h"

static void check_span(struct sp_span s, const char *want)
{
	check_int(s.len, strlen(want));
	check_true(s.len == strlen(want) && memcmp(s.at ? s.at : "", want, s.len) == 0);
}

static struct sp_span span(const char *text)
{
	return (struct sp_span){ text, strlen(text) };
}

/* Copied to where nothing may be read behind it. */
static uint8_t *alone(const void *data, size_t n)
{
	uint8_t *copy = mem_resize(NULL, n ? n : 1);

	memcpy(copy, data, n);
	return copy;
}

/* ---- numbers ----------------------------------------------------------------------- */

Test(sp_packet, lenenc)
{
	static const uint64_t numbers[] = {
		0,     1,      0xfa,    0xfb,     0xfc,      0xff,
		0x100, 0xffff, 0x10000, 0xffffff, 0x1000000, UINT64_MAX
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct buf b;
		buf_init(&b, 64);
		sp_write_lenenc(&b, numbers[i]);
		for (size_t cut = 0; cut < buf_len(&b); cut++) {
			uint8_t *part = alone(buf_data(&b), cut);
			struct sp_reader r = sp_reader(part, cut);
			sp_read_lenenc(&r);
			check_true(r.bad);
			free(part);
		}
		struct sp_reader r = sp_reader(buf_data(&b), buf_len(&b));
		check_true(sp_read_lenenc(&r) == numbers[i]);
		check_true(!r.bad && sp_reader_left(&r) == 0);
		buf_fini(&b);
	}
	struct sp_reader null = sp_reader("\xfb", 1), error = sp_reader("\xff", 1);
	sp_read_lenenc(&null);
	sp_read_lenenc(&error);
	check_true(null.bad && error.bad);
}

Test(sp_packet, a_reader_that_went_bad_stays_so)
{
	struct sp_reader r = sp_reader("abc", 3);

	check_int(sp_read_int(&r, 4), 0);
	check_true(r.bad);
	check_true(!sp_read_bytes(&r, 0).at && !sp_read_text(&r).at);
	r = sp_reader("\x05"
		      "abc",
		      4);
	check_true(!sp_read_lenenc_bytes(&r).at && r.bad);
	r = sp_reader("\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9);
	check_true(!sp_read_lenenc_bytes(&r).at && r.bad);
	r = sp_reader("no end", 6);
	check_true(!sp_read_text(&r).at && r.bad);
}

/* ---- greetings ----------------------------------------------------------------------- */

static struct sp_greeting some_greeting(uint64_t caps)
{
	struct sp_greeting g = { .version = "10.11.19-MariaDB",
				 .thread_id = 0x12345678,
				 .charset = 45,
				 .status = 2,
				 .caps = caps,
				 .scramble_len = 20,
				 .plugin = "mysql_native_password" };

	memcpy(g.scramble, "abcdefghijklmnopqrst", 20);
	return g;
}

static void check_same_greeting(const struct sp_greeting *a, const struct sp_greeting *b)
{
	check_str(a->version, b->version);
	check_int(a->thread_id, b->thread_id);
	check_int(a->charset, b->charset);
	check_int(a->status, b->status);
	check_int(a->caps, b->caps);
	check_int(a->scramble_len, b->scramble_len);
	check_true(memcmp(a->scramble, b->scramble, sizeof(a->scramble)) == 0);
	check_str(a->plugin, b->plugin);
}

Test(sp_packet, greetings)
{
	const uint64_t base = SP_CAP_PROTOCOL_41 | SP_CAP_SECURE_CONNECTION | SP_CAP_PLUGIN_AUTH;
	/* MariaDB clears LONG_PASSWORD and has bits of its own */
	const uint64_t caps[] = { base | SP_CAP_LONG_PASSWORD | SP_CAP_DEPRECATE_EOF,
				  base | SP_CAP_PROGRESS | SP_CAP_STMT_BULK };

	for (int i = 0; i < 2; i++) {
		struct sp_greeting g = some_greeting(caps[i]), back;
		struct buf b;
		buf_init(&b, 1024);
		sp_greeting_write(&b, &g);
		const uint8_t *payload = buf_data(&b) + SP_HEADER;
		size_t len = buf_len(&b) - SP_HEADER;
		check_int(sp_payload_len(buf_data(&b)), len);
		check_int(sp_greeting_read(&back, payload, len), 0);
		check_same_greeting(&back, &g);
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *part = alone(payload, cut);
			int rc = sp_greeting_read(&back, part, cut);
			check_true(rc == ERR_PROTO || cut >= len - sizeof("mysql_native_password"));
			free(part);
		}
		buf_fini(&b);
	}
}

Test(sp_packet, a_greeting_of_another_protocol)
{
	struct sp_greeting g;

	check_int(sp_greeting_read(&g,
				   (const uint8_t *)"\x09"
						    "5.0",
				   5),
		  ERR_PROTO);
	check_int(sp_greeting_read(&g, (const uint8_t *)"", 0), ERR_PROTO);
}

/* ---- logins ----------------------------------------------------------------------------- */

static struct sp_login some_login(uint64_t caps)
{
	struct sp_login l = { .caps = caps | SP_CAP_PROTOCOL_41 | SP_CAP_SECURE_CONNECTION,
			      .packet_max = 1 << 24,
			      .charset = 45 };

	l.user = span("app");
	l.reply = span("12345678901234567890");
	if (caps & SP_CAP_CONNECT_WITH_DB)
		l.db = span("shop");
	if (caps & SP_CAP_PLUGIN_AUTH)
		l.plugin = span("mysql_native_password");
	if (caps & SP_CAP_CONNECT_ATTRS)
		l.attributes = span("\x04_pid\x02"
				    "42");
	return l;
}

static void check_same_login(const struct sp_login *a, const struct sp_login *b)
{
	check_int(a->charset, b->charset);
	check_true(a->user.len == b->user.len && memcmp(a->user.at, b->user.at, a->user.len) == 0);
	check_span(a->reply, "12345678901234567890");
	check_int(a->db.len, b->db.len);
	check_int(a->plugin.len, b->plugin.len);
	check_int(a->attributes.len, b->attributes.len);
}

static const uint64_t login_caps[] = {
	0,
	SP_CAP_LONG_PASSWORD,
	SP_CAP_CONNECT_WITH_DB,
	SP_CAP_PLUGIN_AUTH | SP_CAP_LONG_PASSWORD,
	SP_CAP_CONNECT_WITH_DB | SP_CAP_PLUGIN_AUTH | SP_CAP_CONNECT_ATTRS,
	SP_CAP_CONNECT_WITH_DB | SP_CAP_PLUGIN_AUTH | SP_CAP_CONNECT_ATTRS | SP_CAP_LENENC_AUTH |
		SP_CAP_PROGRESS,
};
enum { LOGINS = sizeof(login_caps) / sizeof(login_caps[0]) };

Test(sp_packet, logins)
{
	for (int i = 0; i < LOGINS; i++) {
		struct sp_login l = some_login(login_caps[i]), back;
		struct buf b;
		bool ssl = true;
		buf_init(&b, 1024);
		sp_login_write(&b, &l, 1);
		const uint8_t *payload = buf_data(&b) + SP_HEADER;
		size_t len = buf_len(&b) - SP_HEADER;
		check_int(buf_data(&b)[3], 1);
		check_int(sp_login_read(&back, payload, len, &ssl), 0);
		check_true(!ssl);
		check_int(back.caps, l.caps);
		check_int(back.packet_max, l.packet_max);
		check_same_login(&back, &l);
		for (size_t cut = 0; cut < len; cut++) { /* no byte behind the end is read */
			uint8_t *part = alone(payload, cut);
			sp_login_read(&back, part, cut, &ssl);
			free(part);
		}
		buf_fini(&b);
	}
}

Test(sp_packet, the_wish_for_tls)
{
	struct sp_login l = some_login(SP_CAP_SSL), back;
	struct buf b;
	bool ssl = false;

	buf_init(&b, 1024);
	sp_ssl_request_write(&b, &l, 1);
	check_int(buf_len(&b), SP_HEADER + 32);
	check_int(sp_login_read(&back, buf_data(&b) + SP_HEADER, 32, &ssl), 0);
	check_true(ssl);
	buf_fini(&b);
	uint8_t old[32] = { 0 }; /* of before 4.1 */
	check_int(sp_login_read(&back, old, 32, &ssl), ERR_PROTO);
}

Test(sp_packet, change_user)
{
	for (int i = 0; i < LOGINS; i++) {
		struct sp_login l = some_login(login_caps[i]), back;
		struct buf b;
		buf_init(&b, 1024);
		sp_change_user_write(&b, &l);
		const uint8_t *payload = buf_data(&b) + SP_HEADER + 1;
		size_t len = buf_len(&b) - SP_HEADER - 1;
		check_int(payload[-1], SP_COM_CHANGE_USER);
		check_int(sp_change_user_read(&back, payload, len, l.caps), 0);
		check_same_login(&back, &l);
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *part = alone(payload, cut);
			sp_change_user_read(&back, part, cut, l.caps);
			free(part);
		}
		buf_fini(&b);
	}
}

/* ---- OK, ERR -------------------------------------------------------------------------------- */

static const char tracked[] = "\x00\x0b\x0a"
			      "autocommit" /* cut short: names and values are nobody's here */
			      "\x01\x05\x04shop\x05\x09\x08________";

Test(sp_packet, ok_with_trackers)
{
	const uint64_t caps[] = { 0, SP_CAP_SESSION_TRACK };
	struct sp_ok ok = { .affected = 1000, .insert_id = 1 << 25, .status = 2, .warnings = 3 };

	for (int i = 0; i < 2; i++) {
		struct sp_ok back;
		struct buf b;
		ok.info = span("Rows matched: 1");
		ok.track = (struct sp_span){ tracked, caps[i] ? sizeof(tracked) - 1 : 0 };
		ok.status = (uint16_t)(2 | (caps[i] ? SP_STATUS_STATE_CHANGED : 0));
		buf_init(&b, 1024);
		sp_ok_write(&b, &ok, 0, 7, caps[i]);
		const uint8_t *payload = buf_data(&b) + SP_HEADER;
		size_t len = buf_len(&b) - SP_HEADER;
		check_int(sp_ok_read(&back, payload, len, caps[i]), 0);
		check_int(back.affected, 1000);
		check_int(back.insert_id, 1 << 25);
		check_int(back.status, ok.status);
		check_int(back.warnings, 3);
		check_int(back.track.len, ok.track.len);
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *part = alone(payload, cut);
			sp_ok_read(&back, part, cut, caps[i]);
			free(part);
		}
		buf_fini(&b);
	}
}

Test(sp_packet, trackers)
{
	struct sp_span all = { tracked, sizeof(tracked) - 1 }, data;
	enum sp_track type;

	check_true(sp_track_next(&all, &type, &data));
	check_int(type, SP_TRACK_SYSVAR);
	check_int(data.len, 11);
	check_true(sp_track_next(&all, &type, &data));
	check_int(type, SP_TRACK_SCHEMA);
	check_span(data, "\x04shop");
	check_true(sp_track_next(&all, &type, &data));
	check_int(type, SP_TRACK_TRX_STATE);
	check_true(!sp_track_next(&all, &type, &data));
	all = (struct sp_span){ "\x00\x7f", 2 };
	check_true(!sp_track_next(&all, &type, &data));
}

Test(sp_packet, errors)
{
	struct sp_error e;
	struct buf b;

	buf_init(&b, 1024);
	sp_error_write(&b, 9, 1064, "42000", "near '%s'", "x");
	check_int(sp_error_read(&e, buf_data(&b) + SP_HEADER, buf_len(&b) - SP_HEADER), 0);
	check_int(e.code, 1064);
	check_str(e.state, "42000");
	check_span(e.text, "near 'x'");
	check_int(buf_data(&b)[3], 9);
	buf_fini(&b);
	check_int(sp_error_read(&e, (const uint8_t *)"\xff\x10\x04Too many", 11), 0);
	check_int(e.code, 1040);
	check_str(e.state, "");
	check_span(e.text, "Too many");
	check_int(sp_error_read(&e, (const uint8_t *)"\xff\x10", 2), ERR_PROTO);
}

/* ---- query attributes -------------------------------------------------------------------------
 */

Test(sp_packet, the_text_behind_query_attributes)
{
	const uint64_t with = SP_CAP_QUERY_ATTRIBUTES;
	static const char none[] = "\x03\x00\x01select 1";
	/* two: a string "k"="v1", and a NULL; types and names, then the values that are there */
	static const char two[] = "\x03\x02\x01\x02\x01\xfe\x00\x01k\x08\x00\x01n\x02v1select 1";
	static const char times[] = "\x03\x02\x01\x00\x01\x0c\x00\x00\x0b\x00\x00"
				    "\x04\xe7\x07\x01\x01\x00select 1";

	check_span(sp_query_text((const uint8_t *)"\x03select 1", 9, 0), "select 1");
	check_span(sp_query_text((const uint8_t *)none, sizeof(none) - 1, with), "select 1");
	check_span(sp_query_text((const uint8_t *)two, sizeof(two) - 1, with), "select 1");
	check_span(sp_query_text((const uint8_t *)times, sizeof(times) - 1, with), "select 1");
	for (size_t cut = 1; cut < sizeof(two) - 1; cut++) {
		uint8_t *part = alone(two, cut);
		struct sp_span text = sp_query_text(part, cut, with);
		check_true(text.len <= 8);
		free(part);
	}
	check_true(!sp_query_text((const uint8_t *)"\x03\xfd\xff\xff\xff\x01", 6, with).at);
	check_true(!sp_query_text((const uint8_t *)"\x03\x01\x01\x00\x00", 5, with).at);
}

Test(sp_packet, words)
{
	check_true(sp_span_is(span("SHOW"), "show"));
	check_true(!sp_span_is(span("SHOWS"), "show"));
	check_true(!sp_span_is((struct sp_span){ NULL, 0 }, ""));
}
