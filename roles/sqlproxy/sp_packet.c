#include "roles/sqlproxy/sp_packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/err.h"

/* ---- reading ------------------------------------------------------------- */

uint64_t sp_read_int(struct sp_reader *r, unsigned bytes)
{
	uint64_t n = 0;

	if (sp_reader_left(r) < bytes) {
		r->bad = true;
		r->at = r->end;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		n |= (uint64_t)r->at[i] << (8 * i);
	r->at += bytes;
	return n;
}

uint64_t sp_read_lenenc(struct sp_reader *r)
{
	uint64_t first = sp_read_int(r, 1);

	switch (first) {
	case 0xfc:
		return sp_read_int(r, 2);
	case 0xfd:
		return sp_read_int(r, 3);
	case 0xfe:
		return sp_read_int(r, 8);
	case 0xfb:
	case 0xff:
		r->bad = true;
		return 0;
	default:
		return first;
	}
}

struct sp_span sp_read_bytes(struct sp_reader *r, size_t n)
{
	struct sp_span s = { (const char *)r->at, n };

	if (r->bad || sp_reader_left(r) < n) {
		r->bad = true;
		r->at = r->end;
		return (struct sp_span){ NULL, 0 };
	}
	r->at += n;
	return s;
}

struct sp_span sp_read_lenenc_bytes(struct sp_reader *r)
{
	uint64_t n = sp_read_lenenc(r);

	return sp_read_bytes(r, n);
}

struct sp_span sp_read_text(struct sp_reader *r)
{
	const uint8_t *zero = sp_reader_left(r) ? memchr(r->at, 0, sp_reader_left(r)) : NULL;

	if (!zero) {
		r->bad = true;
		r->at = r->end;
		return (struct sp_span){ NULL, 0 };
	}
	struct sp_span s = { (const char *)r->at, (size_t)(zero - r->at) };
	r->at = zero + 1;
	return s;
}

bool sp_span_is(struct sp_span s, const char *word)
{
	return s.at && strlen(word) == s.len && strncasecmp(s.at, word, s.len) == 0;
}

/* ---- writing ------------------------------------------------------------- */

void sp_write_header(uint8_t *at, size_t payload, uint8_t seq)
{
	sp_put_u32(at, (uint32_t)payload);
	at[3] = seq;
}

void sp_write_bytes(struct buf *b, const void *data, size_t n)
{
	buf_put(b, data, n);
}

void sp_write_int(struct buf *b, uint64_t n, unsigned bytes)
{
	uint8_t at[8];

	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(n >> (8 * i));
	buf_put(b, at, bytes);
}

void sp_write_lenenc(struct buf *b, uint64_t n)
{
	if (n < 0xfb) {
		sp_write_int(b, n, 1);
	} else if (n <= 0xffff) {
		sp_write_int(b, 0xfc, 1);
		sp_write_int(b, n, 2);
	} else if (n <= 0xffffff) {
		sp_write_int(b, 0xfd, 1);
		sp_write_int(b, n, 3);
	} else {
		sp_write_int(b, 0xfe, 1);
		sp_write_int(b, n, 8);
	}
}

void sp_write_lenenc_bytes(struct buf *b, const void *data, size_t n)
{
	sp_write_lenenc(b, n);
	buf_put(b, data, n);
}

void sp_write_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text) + 1);
}

size_t sp_packet_begin(struct buf *b)
{
	buf_put(b, "\0\0\0\0", SP_HEADER);
	return buf_len(b);
}

void sp_packet_end(struct buf *b, size_t begin, uint8_t seq)
{
	uint8_t *header = b->mem + b->head + begin - SP_HEADER;

	sp_write_header(header, buf_len(b) - begin, seq);
}

void sp_write_command(struct buf *b, uint8_t command, const void *data, size_t n)
{
	size_t begin = sp_packet_begin(b);

	sp_write_int(b, command, 1);
	buf_put(b, data, n);
	sp_packet_end(b, begin, 0);
}

/* ---- greeting ------------------------------------------------------------ */

static void copy_text(char *out, size_t size, struct sp_span s)
{
	snprintf(out, size, "%.*s", (int)(s.len < size ? s.len : size - 1), s.at ? s.at : "");
}

int sp_greeting_read(struct sp_greeting *g, const uint8_t *payload, size_t len)
{
	struct sp_reader r = sp_reader(payload, len);

	memset(g, 0, sizeof(*g));
	if (sp_read_int(&r, 1) != 10)
		return ERR_PROTO;
	copy_text(g->version, sizeof(g->version), sp_read_text(&r));
	g->thread_id = (uint32_t)sp_read_int(&r, 4);
	struct sp_span first = sp_read_bytes(&r, 8);
	sp_read_int(&r, 1);
	g->caps = sp_read_int(&r, 2);
	g->charset = (uint8_t)sp_read_int(&r, 1);
	g->status = (uint16_t)sp_read_int(&r, 2);
	g->caps |= sp_read_int(&r, 2) << 16;
	size_t scramble = sp_read_int(&r, 1);
	sp_read_bytes(&r, 6);
	uint64_t more = sp_read_int(&r, 4);
	if (!(g->caps & SP_CAP_LONG_PASSWORD))
		g->caps |= more << 32;
	if (r.bad)
		return ERR_PROTO;
	memcpy(g->scramble, first.at, 8);
	scramble = scramble > 21 && scramble <= SP_SCRAMBLE_MAX + 1 ? scramble : 21;
	struct sp_span rest = sp_read_bytes(&r, scramble - 8);
	if (r.bad)
		return ERR_PROTO;
	memcpy(g->scramble + 8, rest.at, rest.len - 1);
	g->scramble_len = (uint8_t)(scramble - 1);
	if (g->caps & SP_CAP_PLUGIN_AUTH) {
		struct sp_span name = { (const char *)r.at,
					strnlen((const char *)r.at, sp_reader_left(&r)) };
		copy_text(g->plugin, sizeof(g->plugin), name);
	}
	return 0;
}

void sp_greeting_write(struct buf *b, const struct sp_greeting *g)
{
	size_t begin = sp_packet_begin(b);

	sp_write_int(b, 10, 1);
	sp_write_text(b, g->version);
	sp_write_int(b, g->thread_id, 4);
	sp_write_bytes(b, g->scramble, 8);
	sp_write_int(b, 0, 1);
	sp_write_int(b, g->caps & 0xffff, 2);
	sp_write_int(b, g->charset, 1);
	sp_write_int(b, g->status, 2);
	sp_write_int(b, (g->caps >> 16) & 0xffff, 2);
	sp_write_int(b, g->scramble_len + 1u, 1);
	sp_write_int(b, 0, 6);
	sp_write_int(b, g->caps & SP_CAP_LONG_PASSWORD ? 0 : g->caps >> 32, 4);
	sp_write_bytes(b, g->scramble + 8, g->scramble_len - 8u);
	sp_write_int(b, 0, 1);
	sp_write_text(b, g->plugin);
	sp_packet_end(b, begin, 0);
}

/* ---- the client's answer ------------------------------------------------- */

static struct sp_span rest_as_text(struct sp_reader *r)
{
	size_t left = sp_reader_left(r);

	return sp_read_bytes(r, strnlen((const char *)r->at, left));
}

static struct sp_span read_reply(struct sp_reader *r, uint64_t caps)
{
	if (caps & SP_CAP_LENENC_AUTH)
		return sp_read_lenenc_bytes(r);
	if (caps & SP_CAP_SECURE_CONNECTION)
		return sp_read_bytes(r, sp_read_int(r, 1));
	return sp_read_text(r);
}

/* A name that may lack its 0 byte when it is the last thing in the packet. */
static struct sp_span read_name(struct sp_reader *r)
{
	if (sp_reader_left(r) && memchr(r->at, 0, sp_reader_left(r)))
		return sp_read_text(r);
	return rest_as_text(r);
}

int sp_login_read(struct sp_login *l, const uint8_t *payload, size_t len, bool *ssl_request)
{
	struct sp_reader r = sp_reader(payload, len);

	memset(l, 0, sizeof(*l));
	l->caps = sp_read_int(&r, 4);
	l->packet_max = (uint32_t)sp_read_int(&r, 4);
	l->charset = (uint16_t)sp_read_int(&r, 1);
	sp_read_bytes(&r, 19);
	uint64_t more = sp_read_int(&r, 4);
	if (r.bad || !(l->caps & SP_CAP_PROTOCOL_41))
		return ERR_PROTO;
	if (!(l->caps & SP_CAP_LONG_PASSWORD))
		l->caps |= more << 32;
	*ssl_request = (l->caps & SP_CAP_SSL) && sp_reader_left(&r) == 0;
	if (*ssl_request)
		return 0;
	l->user = sp_read_text(&r);
	l->reply = read_reply(&r, l->caps);
	if (l->caps & SP_CAP_CONNECT_WITH_DB)
		l->db = read_name(&r);
	if (l->caps & SP_CAP_PLUGIN_AUTH)
		l->plugin = read_name(&r);
	if ((l->caps & SP_CAP_CONNECT_ATTRS) && sp_reader_left(&r))
		l->attributes = sp_read_lenenc_bytes(&r);
	return r.bad ? ERR_PROTO : 0;
}

static void write_login_head(struct buf *b, const struct sp_login *l)
{
	sp_write_int(b, l->caps & 0xffffffff, 4);
	sp_write_int(b, l->packet_max, 4);
	sp_write_int(b, l->charset & 0xff, 1);
	for (unsigned i = 0; i < 19; i++)
		sp_write_int(b, 0, 1);
	sp_write_int(b, l->caps & SP_CAP_LONG_PASSWORD ? 0 : l->caps >> 32, 4);
}

static void write_span0(struct buf *b, struct sp_span s)
{
	sp_write_bytes(b, s.at, s.len);
	sp_write_int(b, 0, 1);
}

void sp_login_write(struct buf *b, const struct sp_login *l, uint8_t seq)
{
	size_t begin = sp_packet_begin(b);

	write_login_head(b, l);
	write_span0(b, l->user);
	sp_write_int(b, l->reply.len, 1);
	sp_write_bytes(b, l->reply.at, l->reply.len);
	if (l->caps & SP_CAP_CONNECT_WITH_DB)
		write_span0(b, l->db);
	if (l->caps & SP_CAP_PLUGIN_AUTH)
		write_span0(b, l->plugin);
	if (l->caps & SP_CAP_CONNECT_ATTRS)
		sp_write_lenenc_bytes(b, l->attributes.at, l->attributes.len);
	sp_packet_end(b, begin, seq);
}

void sp_ssl_request_write(struct buf *b, const struct sp_login *l, uint8_t seq)
{
	size_t begin = sp_packet_begin(b);

	write_login_head(b, l);
	sp_packet_end(b, begin, seq);
}

int sp_change_user_read(struct sp_login *l, const uint8_t *payload, size_t len, uint64_t caps)
{
	struct sp_reader r = sp_reader(payload, len);

	memset(l, 0, sizeof(*l));
	l->caps = caps;
	l->user = sp_read_text(&r);
	l->reply = sp_read_bytes(&r, sp_read_int(&r, 1));
	l->db = read_name(&r);
	if (sp_reader_left(&r) >= 2)
		l->charset = (uint16_t)sp_read_int(&r, 2);
	if ((caps & SP_CAP_PLUGIN_AUTH) && sp_reader_left(&r))
		l->plugin = read_name(&r);
	if ((caps & SP_CAP_CONNECT_ATTRS) && sp_reader_left(&r))
		l->attributes = sp_read_lenenc_bytes(&r);
	return r.bad ? ERR_PROTO : 0;
}

void sp_change_user_write(struct buf *b, const struct sp_login *l)
{
	size_t begin = sp_packet_begin(b);

	sp_write_int(b, SP_COM_CHANGE_USER, 1);
	write_span0(b, l->user);
	sp_write_int(b, l->reply.len, 1);
	sp_write_bytes(b, l->reply.at, l->reply.len);
	write_span0(b, l->db);
	sp_write_int(b, l->charset, 2);
	if (l->caps & SP_CAP_PLUGIN_AUTH)
		write_span0(b, l->plugin);
	if (l->caps & SP_CAP_CONNECT_ATTRS)
		sp_write_lenenc_bytes(b, l->attributes.at, l->attributes.len);
	sp_packet_end(b, begin, 0);
}

/* ---- OK, ERR ------------------------------------------------------------- */

int sp_ok_read(struct sp_ok *ok, const uint8_t *payload, size_t len, uint64_t caps)
{
	struct sp_reader r = sp_reader(payload, len);

	memset(ok, 0, sizeof(*ok));
	sp_read_int(&r, 1);
	ok->affected = sp_read_lenenc(&r);
	ok->insert_id = sp_read_lenenc(&r);
	ok->status = (uint16_t)sp_read_int(&r, 2);
	ok->warnings = (uint16_t)sp_read_int(&r, 2);
	if (r.bad)
		return ERR_PROTO;
	if (!(caps & SP_CAP_SESSION_TRACK)) {
		ok->info = sp_read_bytes(&r, sp_reader_left(&r));
		return 0;
	}
	if (sp_reader_left(&r))
		ok->info = sp_read_lenenc_bytes(&r);
	if (sp_reader_left(&r)) /* behind a COM_SET_OPTION, MariaDB leaves the status bit out */
		ok->track = sp_read_lenenc_bytes(&r);
	return r.bad ? ERR_PROTO : 0;
}

/* info: as sp_ok_read gave it for the same capabilities. */
void sp_ok_write(struct buf *b, const struct sp_ok *ok, uint8_t first, uint8_t seq, uint64_t caps)
{
	size_t begin = sp_packet_begin(b);

	sp_write_int(b, first, 1);
	sp_write_lenenc(b, ok->affected);
	sp_write_lenenc(b, ok->insert_id);
	sp_write_int(b, ok->status, 2);
	sp_write_int(b, ok->warnings, 2);
	bool track = (caps & SP_CAP_SESSION_TRACK) && ok->track.len > 0;
	if (ok->info.len > 0 || track)
		sp_write_lenenc_bytes(b, ok->info.at, ok->info.len);
	if (track)
		sp_write_lenenc_bytes(b, ok->track.at, ok->track.len);
	sp_packet_end(b, begin, seq);
}

bool sp_track_next(struct sp_span *track, enum sp_track *type, struct sp_span *data)
{
	struct sp_reader r = sp_reader(track->at, track->len);

	if (track->len == 0)
		return false;
	*type = (enum sp_track)sp_read_int(&r, 1);
	*data = sp_read_lenenc_bytes(&r);
	track->at = (const char *)r.at;
	track->len = sp_reader_left(&r);
	return !r.bad;
}

int sp_error_read(struct sp_error *e, const uint8_t *payload, size_t len)
{
	struct sp_reader r = sp_reader(payload, len);

	memset(e, 0, sizeof(*e));
	sp_read_int(&r, 1);
	e->code = (uint16_t)sp_read_int(&r, 2);
	if (sp_reader_left(&r) >= 6 && *r.at == '#') {
		memcpy(e->state, r.at + 1, 5);
		r.at += 6;
	}
	e->text = sp_read_bytes(&r, sp_reader_left(&r));
	return r.bad ? ERR_PROTO : 0;
}

void sp_error_write(struct buf *b, uint8_t seq, uint16_t code, const char *state, const char *fmt,
		    ...)
{
	char text[480];
	va_list ap;
	size_t begin = sp_packet_begin(b);

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sp_write_int(b, 0xff, 1);
	sp_write_int(b, code, 2);
	sp_write_bytes(b, "#", 1);
	sp_write_bytes(b, state, 5);
	sp_write_bytes(b, text, strlen(text));
	sp_packet_end(b, begin, seq);
}

/* ---- query attributes ---------------------------------------------------- */

/* Steps over one binary value of a column type. */
static void skip_value(struct sp_reader *r, unsigned type)
{
	switch (type) {
	case 1: /* TINY */
		sp_read_bytes(r, 1);
		break;
	case 2:  /* SHORT */
	case 13: /* YEAR */
		sp_read_bytes(r, 2);
		break;
	case 3: /* LONG */
	case 4: /* FLOAT */
	case 9: /* INT24 */
		sp_read_bytes(r, 4);
		break;
	case 5: /* DOUBLE */
	case 8: /* LONGLONG */
		sp_read_bytes(r, 8);
		break;
	case 6: /* NULL */
		break;
	case 7: /* the times begin with their length */
	case 10:
	case 11:
	case 12:
		sp_read_bytes(r, sp_read_int(r, 1));
		break;
	default:
		sp_read_lenenc_bytes(r);
	}
}

static void skip_attributes(struct sp_reader *r, uint64_t count)
{
	enum { MOST = 1024 };
	uint16_t types[MOST];

	if (count > MOST) {
		r->bad = true;
		return;
	}
	struct sp_span nulls = sp_read_bytes(r, (count + 7) / 8);
	if (sp_read_int(r, 1) != 1) {
		r->bad = true;
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		types[i] = (uint16_t)sp_read_int(r, 2);
		sp_read_lenenc_bytes(r);
	}
	for (uint64_t i = 0; i < count && !r->bad; i++)
		if (!((uint8_t)nulls.at[i / 8] >> (i % 8) & 1))
			skip_value(r, types[i] & 0xff);
}

struct sp_span sp_query_text(const uint8_t *payload, size_t len, uint64_t caps)
{
	struct sp_reader r = sp_reader(payload + 1, len - 1);

	if (caps & SP_CAP_QUERY_ATTRIBUTES) {
		uint64_t count = sp_read_lenenc(&r);
		sp_read_lenenc(&r);
		if (count > 0)
			skip_attributes(&r, count);
	}
	return sp_read_bytes(&r, sp_reader_left(&r));
}
