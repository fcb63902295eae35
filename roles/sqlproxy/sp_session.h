/*
 * sp_session - the state that a client believes its connection has.
 *
 * Some of it can be carried from one server connection to another (variables as the server
 * reported them, user variables set to literals, the database, LAST_INSERT_ID()): it is re-applied
 * where it differs, in the same write as the statement. The rest pins the session to its
 * connection until it is gone; each pin has a name, a reason and a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roles/sqlproxy/sp_lex.h"
#include "roles/sqlproxy/sp_packet.h"
#include "roles/sqlproxy/sp_text_prepare.h"
#include "roles/sqlproxy/sp_uvars.h"
#include "roles/sqlproxy/sp_vars.h"

/* ---- pins */
enum sp_pin {
	SP_PIN_TRX,      /* a transaction is open */
	SP_PIN_NEXT_TRX, /* SET TRANSACTION waits for one */
	SP_PIN_LOCK,     /* LOCK TABLES, FLUSH TABLES WITH READ LOCK, BACKUP */
	SP_PIN_GET_LOCK,
	SP_PIN_TEMP, /* temporary tables */
	SP_PIN_CURSOR,
	SP_PIN_HANDLER,
	SP_PIN_XA,
	SP_PIN_USER_VAR, /* set by more than a literal */
	SP_PIN_PREPARE,  /* PREPARE in text */
	SP_PIN_WARNINGS, /* SHOW WARNINGS would tell something, until the next statement; soft: see
			  * sp_pool_tick */
	SP_PIN_LONG_DATA,
	SP_PIN_TRACK,  /* the client asked for trackers of its own */
	SP_PIN_STATE,  /* the server says that some state changed, and nobody knows which */
	SP_PIN_SYSVAR, /* a variable that must not be replayed, or one on a server without trackers
			*/
	SP_PIN_HINT,   /* troupe: pin */
	SP_PIN_MODE,   /* session mode */
	SP_PIN_STREAM, /* a binary log */
	SP_PIN_COUNT,
};

/* Pins that are lost after a while when others wait: exact for who asks soon, no hold for ever. */
enum { SP_PINS_SOFT = 1 << SP_PIN_WARNINGS, SP_SOFT_MS = 100 };

const char *sp_pin_name(enum sp_pin pin);

/* What COM_SET_OPTION said of multi statements. */
enum sp_option { SP_OPTION_NONE, SP_OPTION_ON, SP_OPTION_OFF };

struct sp_session {
	struct sp_vars vars;  /* system variables */
	struct sp_uvars user; /* user variables with literals */
	struct sp_vars temp;  /* names of temporary tables */
	struct sp_named_list texts;
	char *db;                 /* the real schema's name; NULL: none */
	uint32_t pins;            /* bits of enum sp_pin */
	uint64_t pinned_since;    /* ms; of the oldest pin now set */
	uint16_t status;          /* of the last answer */
	uint16_t warnings;        /* as a ping's OK tells them */
	uint8_t option;           /* enum sp_option */
	uint32_t handlers;        /* HANDLER ... OPEN */
	int locks;                /* GET_LOCKs held, as far as seen */
	bool trx_state, trx_char; /* the server's trackers are not empty */
	/*
	 * LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(), and the numbers of the connections that have
	 * them, 0: none. away: only that connection knows it, see sp_handover.
	 */
	uint64_t last_id, found_rows;
	int64_t row_count;
	uint32_t last_id_on, found_on, rows_on;
	bool last_id_away, found_away;
	bool state_untold;     /* an EOF in a transaction said that something changed */
	bool warnings_away;    /* they are being fetched: warning_rows will have them */
	uint8_t *warning_rows; /* SHOW WARNINGS, kept when the connection went to another */
	uint32_t warning_len;
};

static inline bool sp_pinned(const struct sp_session *s, enum sp_pin pin)
{
	return s->pins & 1u << pin;
}
void sp_pin_set(struct sp_session *s, enum sp_pin pin, bool on, uint64_t now);

/* Cursors and long data. */
struct sp_stmts;
void sp_session_pin_stmts(struct sp_session *s, const struct sp_stmts *stmts, uint64_t now);

/* As after a login or COM_RESET_CONNECTION; the database stays. */
void sp_session_reset(struct sp_session *s);
void sp_session_fini(struct sp_session *s);
void sp_session_set_db(struct sp_session *s, const char *db, size_t len);

/*
 * After SET NAMES charset COLLATE value (at NULL: without one), of which the server tells the
 * charset only.
 */
void sp_session_set_names(struct sp_vars *vars, struct sp_span collation);

/* How the session's sql_mode changes quoting, for sp_lex. */
unsigned sp_session_lex_mode(const struct sp_session *s);

/* ---- what an answer told about the state */
struct sp_told {
	bool state, trx_state_seen;
	bool unsafe_var;         /* a variable that must not be replayed */
	bool track_var;          /* session_track_* */
	bool charset, collation; /* of the connection */
	bool results;            /* character_set_results */
	bool last_id;            /* LAST_INSERT_ID() was set */
};

/*
 * Takes over one tracker block. reported: variables go to both, the session's and the
 * connection's. lex: of the statement, whose temporary values are not the session's.
 */
struct sp_backend;
void sp_session_track(struct sp_session *s, struct sp_backend *b, struct sp_span track,
		      const struct sp_lex *lex, struct sp_told *told);

/* Takes over what a new connection tells of the variables that DEFAULT would not put back. */
void sp_session_track_login(struct sp_backend *b, struct sp_span track);

/* Has that connection a variable set that `vars` has not, and nobody knows what it was? */
bool sp_session_login_lost(const struct sp_backend *b, const struct sp_vars *vars);

/*
 * Writes `SET a=1, b='x', last_insert_id=3` for the variables that differ, and LAST_INSERT_ID()
 * unless it is NULL. False: nothing differs.
 */
struct buf;
bool sp_session_write_set(const struct sp_vars *vars, struct sp_backend *b, const uint64_t *last_id,
			  struct buf *out);
