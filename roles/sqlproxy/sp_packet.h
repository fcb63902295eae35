/*
 * sp_packet - the packets of MySQL's protocol: bytes to structs and back. No I/O, no state.
 *
 *	3 bytes payload length | 1 byte sequence | payload        length 0xFFFFFF: more follows
 *
 * Source: MySQL's "Client/Server Protocol" and MariaDB's "Client/Server Protocol" manuals.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_lex.h"

enum { SP_HEADER = 4, SP_PAYLOAD_MAX = 0xFFFFFF };

/* Capabilities by the manuals' names; MariaDB's own are bits 32 and up. */
enum sp_cap_bit {
	SP_CAP_LONG_PASSWORD = 1u << 0, /* unset by a server: it is MariaDB and has own bits */
	SP_CAP_FOUND_ROWS = 1u << 1,
	SP_CAP_LONG_FLAG = 1u << 2,
	SP_CAP_CONNECT_WITH_DB = 1u << 3,
	SP_CAP_NO_SCHEMA = 1u << 4,
	SP_CAP_COMPRESS = 1u << 5,
	SP_CAP_ODBC = 1u << 6,
	SP_CAP_LOCAL_FILES = 1u << 7,
	SP_CAP_IGNORE_SPACE = 1u << 8,
	SP_CAP_PROTOCOL_41 = 1u << 9,
	SP_CAP_INTERACTIVE = 1u << 10,
	SP_CAP_SSL = 1u << 11,
	SP_CAP_IGNORE_SIGPIPE = 1u << 12,
	SP_CAP_TRANSACTIONS = 1u << 13,
	SP_CAP_RESERVED = 1u << 14,
	SP_CAP_SECURE_CONNECTION = 1u << 15,
	SP_CAP_MULTI_STATEMENTS = 1u << 16,
	SP_CAP_MULTI_RESULTS = 1u << 17,
	SP_CAP_PS_MULTI_RESULTS = 1u << 18,
	SP_CAP_PLUGIN_AUTH = 1u << 19,
	SP_CAP_CONNECT_ATTRS = 1u << 20,
	SP_CAP_LENENC_AUTH = 1u << 21,
	SP_CAP_EXPIRED_PASSWORDS = 1u << 22,
	SP_CAP_SESSION_TRACK = 1u << 23,
	SP_CAP_DEPRECATE_EOF = 1u << 24,
	SP_CAP_OPTIONAL_METADATA = 1u << 25,
	SP_CAP_QUERY_ATTRIBUTES = 1u << 27,
};
#define SP_CAP_PROGRESS          (1ull << 32)
#define SP_CAP_STMT_BULK         (1ull << 34)
#define SP_CAP_EXTENDED_METADATA (1ull << 35)
#define SP_CAP_CACHE_METADATA    (1ull << 36)

/* What decides the bytes of answers: a client's connection must have the same. */
#define SP_CAPS_CLASS                                                                              \
	(SP_CAP_FOUND_ROWS | SP_CAP_LONG_FLAG | SP_CAP_NO_SCHEMA | SP_CAP_ODBC |                   \
	 SP_CAP_LOCAL_FILES | SP_CAP_IGNORE_SPACE | SP_CAP_INTERACTIVE | SP_CAP_MULTI_STATEMENTS | \
	 SP_CAP_MULTI_RESULTS | SP_CAP_PS_MULTI_RESULTS | SP_CAP_EXPIRED_PASSWORDS |               \
	 SP_CAP_DEPRECATE_EOF | SP_CAP_QUERY_ATTRIBUTES | SP_CAP_PROGRESS | SP_CAP_STMT_BULK |     \
	 SP_CAP_EXTENDED_METADATA)

enum sp_command {
	SP_COM_SLEEP = 0x00,
	SP_COM_QUIT = 0x01,
	SP_COM_INIT_DB = 0x02,
	SP_COM_QUERY = 0x03,
	SP_COM_FIELD_LIST = 0x04,
	SP_COM_REFRESH = 0x07,
	SP_COM_STATISTICS = 0x09,
	SP_COM_PROCESS_INFO = 0x0a,
	SP_COM_PROCESS_KILL = 0x0c,
	SP_COM_DEBUG = 0x0d,
	SP_COM_PING = 0x0e,
	SP_COM_CHANGE_USER = 0x11,
	SP_COM_BINLOG_DUMP = 0x12,
	SP_COM_TABLE_DUMP = 0x13,
	SP_COM_REGISTER_SLAVE = 0x15,
	SP_COM_STMT_PREPARE = 0x16,
	SP_COM_STMT_EXECUTE = 0x17,
	SP_COM_STMT_SEND_LONG_DATA = 0x18,
	SP_COM_STMT_CLOSE = 0x19,
	SP_COM_STMT_RESET = 0x1a,
	SP_COM_SET_OPTION = 0x1b,
	SP_COM_STMT_FETCH = 0x1c,
	SP_COM_BINLOG_DUMP_GTID = 0x1e,
	SP_COM_RESET_CONNECTION = 0x1f,
	SP_COM_STMT_BULK_EXECUTE = 0xfa,
};

enum sp_status_bit {
	SP_STATUS_IN_TRANS = 0x0001,
	SP_STATUS_AUTOCOMMIT = 0x0002,
	SP_STATUS_MORE_RESULTS = 0x0008,
	SP_STATUS_CURSOR_EXISTS = 0x0040,
	SP_STATUS_LAST_ROW_SENT = 0x0080,
	SP_STATUS_NO_BACKSLASH = 0x0200,
	SP_STATUS_PS_OUT_PARAMS = 0x1000,
	SP_STATUS_IN_TRANS_READONLY = 0x2000,
	SP_STATUS_STATE_CHANGED = 0x4000,
	SP_STATUS_ANSI_QUOTES = 0x8000, /* MariaDB */
};

enum sp_track {
	SP_TRACK_SYSVAR = 0,
	SP_TRACK_SCHEMA = 1,
	SP_TRACK_STATE = 2,
	SP_TRACK_GTID = 3,
	SP_TRACK_TRX_CHAR = 4,
	SP_TRACK_TRX_STATE = 5,
};

/* ---- reading: a cursor that goes bad instead of passing the end */
struct sp_reader {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct sp_reader sp_reader(const void *data, size_t len)
{
	const uint8_t *at = data;

	return (struct sp_reader){ at, len ? at + len : at, false };
}
uint64_t sp_read_int(struct sp_reader *r, unsigned bytes); /* little-endian; 0 when bad */
uint64_t sp_read_lenenc(struct sp_reader *r);
struct sp_span sp_read_bytes(struct sp_reader *r, size_t n);
struct sp_span sp_read_lenenc_bytes(struct sp_reader *r);
struct sp_span sp_read_text(struct sp_reader *r); /* up to a 0 byte, which is taken too */
static inline size_t sp_reader_left(const struct sp_reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline uint32_t sp_payload_len(const uint8_t *header)
{
	return header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16;
}
static inline uint32_t sp_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline void sp_put_u32(uint8_t *p, uint32_t n)
{
	p[0] = (uint8_t)n;
	p[1] = (uint8_t)(n >> 8);
	p[2] = (uint8_t)(n >> 16);
	p[3] = (uint8_t)(n >> 24);
}
bool sp_span_is(struct sp_span s, const char *word); /* the same, but for ASCII case */

/* ---- writing: into a buffer that the caller bounds */
struct buf;
void sp_write_header(uint8_t *at, size_t payload, uint8_t seq);
void sp_write_int(struct buf *b, uint64_t n, unsigned bytes);
void sp_write_bytes(struct buf *b, const void *data, size_t n);
void sp_write_lenenc(struct buf *b, uint64_t n);
void sp_write_lenenc_bytes(struct buf *b, const void *data, size_t n);
void sp_write_text(struct buf *b, const char *text); /* with its 0 byte */
/* A packet's begin and end: between them the payload is written. Returns where it begins. */
size_t sp_packet_begin(struct buf *b);
void sp_packet_end(struct buf *b, size_t begin, uint8_t seq);
/* A command of one byte and an argument, sequence 0. */
void sp_write_command(struct buf *b, uint8_t command, const void *data, size_t n);

/* ---- the server's greeting (HandshakeV10) */
enum { SP_SCRAMBLE_MAX = 32 };
struct sp_greeting {
	char version[128];
	uint32_t thread_id;
	uint64_t caps;
	uint16_t status;
	uint8_t charset;
	uint8_t scramble[SP_SCRAMBLE_MAX];
	uint8_t scramble_len; /* without the final 0 */
	char plugin[64];
};
int sp_greeting_read(struct sp_greeting *g, const uint8_t *payload, size_t len);
void sp_greeting_write(struct buf *b, const struct sp_greeting *g);

/* ---- the client's answer (HandshakeResponse41); spans point into the payload */
struct sp_login {
	uint64_t caps;
	uint32_t packet_max;
	uint16_t charset;
	struct sp_span user, reply, db, plugin, attributes;
};
/* ssl_request: it is only the 32 bytes that ask for TLS. */
int sp_login_read(struct sp_login *l, const uint8_t *payload, size_t len, bool *ssl_request);
void sp_login_write(struct buf *b, const struct sp_login *l, uint8_t seq);
void sp_ssl_request_write(struct buf *b, const struct sp_login *l, uint8_t seq);
/* COM_CHANGE_USER: the same facts in another order. payload: after the command byte. */
int sp_change_user_read(struct sp_login *l, const uint8_t *payload, size_t len, uint64_t caps);
void sp_change_user_write(struct buf *b, const struct sp_login *l);

/* ---- OK, ERR */
struct sp_ok {
	uint64_t affected, insert_id;
	uint16_t status, warnings;
	struct sp_span info;
	struct sp_span track; /* the session state entries; NULL: none */
};
/* A packet whose first byte is 0x00 or 0xFE. */
int sp_ok_read(struct sp_ok *ok, const uint8_t *payload, size_t len, uint64_t caps);
void sp_ok_write(struct buf *b, const struct sp_ok *ok, uint8_t first, uint8_t seq, uint64_t caps);
/* One entry after the other; false at the end or at nonsense. */
bool sp_track_next(struct sp_span *track, enum sp_track *type, struct sp_span *data);

struct sp_error {
	uint16_t code;
	char state[6];
	struct sp_span text;
};
int sp_error_read(struct sp_error *e, const uint8_t *payload, size_t len);
void sp_error_write(struct buf *b, uint8_t seq, uint16_t code, const char *state, const char *fmt,
		    ...) __attribute__((format(printf, 5, 6)));

/*
 * The statement's text in the payload of a COM_QUERY, behind the command byte and, where those
 * were agreed on, its query attributes. NULL when they make no sense.
 */
struct sp_span sp_query_text(const uint8_t *payload, size_t len, uint64_t caps);
